#include "rdf/frame.hxx"

#include <ROOT/RDF/RDatasetSpec.hxx>
#include <ROOT/RDataFrame.hxx>
#include <ROOT/RVec.hxx>

#include <stdexcept>

namespace monojet {

RNode no_events() { return ROOT::RDataFrame(0); }

RNode open_range(const std::string &tree, const std::vector<std::string> &files, long long begin,
                 long long end) {
  ROOT::RDF::Experimental::RDatasetSpec spec;
  spec.AddSample({"sample", tree, files});
  spec.WithGlobalRange({begin, end});
  return ROOT::RDataFrame(spec);
}

RNode alias(RNode df, const std::string &name, const std::string &column) {
  return df.Alias(name, column);
}

RNode define(RNode df, const std::string &name, const std::string &expression) {
  return df.HasColumn(name) ? df.Redefine(name, expression) : df.Define(name, expression);
}

RNode define_per_sample(RNode df, const std::string &name, const std::string &expression) {
  return df.DefinePerSample(name, expression);
}

namespace {

template <typename T, typename F>
RNode checked(RNode df, const std::string &name, const std::string &first) {
  return df.Redefine(name,
                     [name, first](const ROOT::RVec<T> &values, const ROOT::RVec<F> &others) {
                       if (values.size() != others.size())
                         throw std::runtime_error("an event has " + std::to_string(values.size()) +
                                                  " entries in column '" + name + "' and " +
                                                  std::to_string(others.size()) + " in '" + first +
                                                  "'");
                       // a view: its memory lives as long as the event
                       return ROOT::RVec<T>(const_cast<T *>(values.data()), values.size());
                     },
                     {name, first});
}

} // namespace

RNode with_length_of(RNode df, const std::string &name, const std::string &first) {
  const auto is_float = [&df](const std::string &column) {
    return df.GetColumnType(column).find("loat") != std::string::npos; // float, Float_t
  };
  const auto make = is_float(name) ? is_float(first) ? checked<float, float> : checked<float, int>
                    : is_float(first) ? checked<int, float>
                                      : checked<int, int>;
  return make(df, name, first);
}

RNode apply_cut(RNode df, const std::string &expression, const std::string &name) {
  return df.Filter(expression, name);
}

} // namespace monojet
