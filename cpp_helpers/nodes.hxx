// Steps of a data frame on one node type: each is compiled once, whatever came before.
#ifndef MONOJET_NODES_HXX
#define MONOJET_NODES_HXX

#include <ROOT/RDataFrame.hxx>

#include <string>

namespace monojet {

/// Any data frame as the common node type.
template <typename DataFrame> ROOT::RDF::RNode as_node(DataFrame df) { return df; }

inline ROOT::RDF::RNode define(ROOT::RDF::RNode df, const std::string &name,
                               const std::string &expression) {
  return df.Define(name, expression);
}

inline ROOT::RDF::RNode define_per_sample(ROOT::RDF::RNode df, const std::string &name,
                                          const std::string &expression) {
  return df.DefinePerSample(name, expression);
}

inline ROOT::RDF::RNode require(ROOT::RDF::RNode df, const std::string &expression,
                                const std::string &name) {
  return df.Filter(expression, name);
}

} // namespace monojet

#endif
