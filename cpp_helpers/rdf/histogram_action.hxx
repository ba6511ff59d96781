// Weighted histograms from a data frame.
#ifndef MONOJET_HISTOGRAM_ACTION_HXX
#define MONOJET_HISTOGRAM_ACTION_HXX

#include "rdf/frame.hxx"
#include "rdf/histograms.hxx"

#include <ROOT/RResultPtr.hxx>

#include <cstddef>
#include <string>
#include <vector>

namespace monojet {

/// The data frame with a column of the bins (`Binned`) of all histograms of a specification, of a
/// column of `Gathered` quantities.
///
/// Raises (in the loop): std::runtime_error, two vectors of a histogram differ in length.
RNode define_bins(RNode df, const std::string &name, const std::string &values,
                  const HistogramSpecification &specification);

/// Books some histograms of a specification, given by their numbers, of all events of `df`.
/// `bins` is a column of `define_bins` with this specification, `weight` one of doubles.
ROOT::RDF::RResultPtr<Histograms> book_histograms(RNode df, const std::string &bins,
                                                  const std::string &weight,
                                                  const HistogramSpecification &specification,
                                                  const std::vector<std::size_t> &histograms);

} // namespace monojet

#endif
