// Tables of events from a data frame.
#ifndef MONOJET_TABLE_ACTION_HXX
#define MONOJET_TABLE_ACTION_HXX

#include "rdf/frame.hxx"
#include "rdf/table.hxx"

#include <string>

namespace monojet {

/// Books a table, which replaces the content of `block`; see `make_table`.
ROOT::RDF::RResultPtr<TableBlock> book_table(RNode df, const std::string &weight,
                                             TableBlock &block);

/// Runs the event loop: replaces the content of `block` by the table of all events of `df`, in the
/// order of the file for any number of threads. `weight` is a column of doubles; `df` has
/// `run_number` (unsigned int), `event_number` (unsigned long long) and two `RVecF` columns,
/// `monojet_quantities` and `monojet_features`, as long as the columns of the block.
///
/// Raises: std::runtime_error, an event has another number of them.
void make_table(RNode df, const std::string &weight, TableBlock &block);

} // namespace monojet

#endif
