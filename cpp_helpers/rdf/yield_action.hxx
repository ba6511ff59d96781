// Weighted yields from a data frame.
#ifndef MONOJET_YIELD_ACTION_HXX
#define MONOJET_YIELD_ACTION_HXX

#include "rdf/frame.hxx"
#include "rdf/yields.hxx"

#include <ROOT/RResultPtr.hxx>

#include <string>
#include <vector>

namespace monojet {

/// Books the yields of all events of `df` in bins of `value` (a float), weighted by `weight` (a
/// double).
ROOT::RDF::RResultPtr<Yields> book_yields(RNode df, const std::string &value,
                                          const std::string &weight,
                                          const std::vector<double> &edges);

} // namespace monojet

#endif
