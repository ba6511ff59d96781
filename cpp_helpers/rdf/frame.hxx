// Steps of a data frame, on ROOT's common node type `RNode`.
//
// As for all headers with a source file of the same name, these are declarations only: the
// definitions instantiate much of RDataFrame and are compiled once into a library (or, without a
// compiler, by cling in each process).
#ifndef MONOJET_FRAME_HXX
#define MONOJET_FRAME_HXX

#include "runtime/object.hxx"

#include <ROOT/RDF/InterfaceUtils.hxx>
#include <ROOT/RDF/RInterface.hxx>
#include <ROOT/RResultHandle.hxx>

#include <string>
#include <vector>

namespace monojet {

using ROOT::RDF::RNode;

/// A node of a graph, for Python.
struct Node : Object {
  explicit Node(RNode node) : df(std::move(node)) {}
  RNode df;
};

inline std::unique_ptr<Node> node_of(RNode df) { return std::make_unique<Node>(std::move(df)); }

/// A booked result, for Python.
struct BookedResult : Object {
  virtual ROOT::RDF::RResultHandle handle() const = 0;
  /// Whether it needs dictionaries of classes, as what is written to a file does.
  virtual bool needs_dictionaries() const { return false; }
};

/// A data frame without events.
RNode no_events();

/// The data frame with a column that has no value in any event, of a type by its name in C++: one
/// that an action takes.
///
/// Raises: std::invalid_argument, no action takes this type.
RNode with_empty_column(RNode df, const std::string &name, const std::string &type);

/// Entries [begin, end) of a tree or ntuple over several files, one after another.
RNode open_range(const std::string &tree, const std::vector<std::string> &files, long long begin,
                 long long end);

/// Makes further event loops of a data frame, of numbers or of a file, run over other entries.
void set_range(RNode df, long long begin, long long end);

/// Another name for a column: one that is valid in C++.
RNode alias(RNode df, const std::string &name, const std::string &column);

/// The data frame with a new column, which replaces any other of this name.
RNode define(RNode df, const std::string &name, const std::string &expression);

/// The data frame with a column that is constant within a sample.
RNode define_per_sample(RNode df, const std::string &name, const std::string &expression);

/// The events that pass a cut.
RNode apply_cut(RNode df, const std::string &expression, const std::string &name);

/// The events in which a column of `bool` is true.
RNode passing(RNode df, const std::string &column);

} // namespace monojet

#endif
