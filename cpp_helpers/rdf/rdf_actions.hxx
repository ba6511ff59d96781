// Steps of a data frame and the actions on it, on ROOT's common node type `RNode`.
//
// Declarations only: what stands behind them, in graph.cxx, instantiates much of RDataFrame and is
// compiled once into a library (or, where that cannot be, by cling in each process).
#ifndef MONOJET_GRAPH_HXX
#define MONOJET_GRAPH_HXX

#include "runtime/checks.hxx"
#include "imaging/images.hxx"
#include "rdf/table.hxx"
#include "rdf/yields.hxx"

#include <ROOT/RDF/InterfaceUtils.hxx>
#include <ROOT/RDF/RInterface.hxx>
#include <ROOT/RResultPtr.hxx>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace monojet {

using ROOT::RDF::RNode;

/// The entry after the last of each cluster of a tree or ntuple; none if it is empty.
std::vector<unsigned long long> cluster_ends(const std::string &tree, const std::string &file);

/// A branch of a tree with another number of entries than the tree.
struct Misfilled {
  std::string branch; ///< empty if there is none
  long long entries = 0;
  long long of_tree = 0;
};

/// The first misfilled one of the branches behind some columns: those that count the elements of
/// others among them. An ntuple has none.
Misfilled misfilled(const std::string &tree, const std::string &file,
                    const std::vector<std::string> &columns);

/// A frame without events.
RNode no_events();

/// Entries [begin, end) of a tree or ntuple over several files, one after another.
RNode open_range(const std::string &tree, const std::vector<std::string> &files, long long begin,
                 long long end);

/// Another name for a column: one that C++ can spell.
RNode alias(RNode df, const std::string &name, const std::string &column);
/// The frame with a column, from here on in place of another of this name.
RNode define(RNode df, const std::string &name, const std::string &expression);
RNode define_per_sample(RNode df, const std::string &name, const std::string &expression);

/// The same frame, but an event in which `name` has not as many entries as `first` ends the event
/// loop. Both are columns of floats or ints of one object; nothing is copied or read before it is
/// asked for.
///
/// Raises (in the loop): std::runtime_error, it names the columns.
RNode with_length_of(RNode df, const std::string &name, const std::string &first);

RNode require(RNode df, const std::string &expression, const std::string &name);

/// Runs the event loop: the images of all events that reach `df`, in the order of the file
/// whatever the number of threads, in place of what `block` held. `df` has the canonical particle
/// and jet columns and `monojet_event_summary`, a `monojet::EventSummary`.
void make_images(RNode df, const ImageOptions &options, ImageBlock &block);

/// Runs the event loop: the table of all events that reach `df`, in the order of the file whatever
/// the number of threads, in place of what `block` held. `weight` is a column of doubles; `df` has
/// `run_number` (unsigned int), `event_number` (unsigned long long) and two `RVecF`s of as many
/// numbers as the block has columns, `monojet_quantities` and `monojet_features`.
///
/// Raises: std::runtime_error, an event has another number of them.
void make_table(RNode df, const std::string &weight, TableBlock &block);

/// Runs the event loop: the checks of all events that reach `df`, which has the canonical
/// `run_number`, `event_number` and `weight`.
EventChecks check_events(RNode df);

/// Runs the event loop: numbers of particles by code, without sign, of those that are neither known
/// to be seen nor to escape. `df` has the canonical `particle_pdg_id`.
std::map<int, std::uint64_t> unknown_particles(RNode df);

/// The first value of a column of integers of 32 bits.
unsigned int first_number(const std::string &tree, const std::string &file,
                          const std::string &column);

/// Runs the event loop: the largest value of a column of floats or of vectors of floats; minus
/// infinity where there is none.
double largest(RNode df, const std::string &column, bool of_vectors);

/// Books the yields of all events that reach `df`, by `value` (a float) and `weight` (a double).
ROOT::RDF::RResultPtr<Yields> book_yields(RNode df, const std::string &value,
                                          const std::string &weight,
                                          const std::vector<double> &edges);

} // namespace monojet

#endif
