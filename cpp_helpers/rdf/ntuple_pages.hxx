// Columns of an ntuple read from its pages, without RDataFrame's copies of their values.
#ifndef MONOJET_NTUPLE_PAGES_HXX
#define MONOJET_NTUPLE_PAGES_HXX

#include "rdf/record.hxx"

#include <ROOT/RDF/RColumnReaderBase.hxx>

#include <memory>
#include <string>
#include <typeinfo>
#include <vector>

namespace ROOT::Internal {
class RPageSource;
}

namespace monojet {

/// An open ntuple whose columns are numbers or vectors of them.
class NtuplePages {
public:
  using Reader = ROOT::Detail::RDF::RColumnReaderBase;

  /// The ntuple of a file with what a program reads; null if the file has none of this name, or if
  /// a column is neither a number nor a vector of numbers of the type that the program takes. Only
  /// entries [begin, end) will be read.
  static std::shared_ptr<NtuplePages> open(const std::string &name, const std::string &path,
                                           const Program &program, unsigned long long begin,
                                           unsigned long long end, unsigned int n_slots);

  ~NtuplePages();

  /// A reader of a source of the program for a thread. A value lives until that of another entry is
  /// read.
  std::unique_ptr<Reader> reader(unsigned int slot, const Program::Source &source) const;

private:
  NtuplePages();

  std::vector<std::unique_ptr<ROOT::Internal::RPageSource>> slots_;
};

} // namespace monojet

#endif
