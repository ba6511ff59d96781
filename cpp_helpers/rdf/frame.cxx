#include "rdf/frame.hxx"

#include "rdf/event_summary.hxx"
#include "rdf/gather.hxx"

#include <ROOT/RDF/RDatasetSpec.hxx>
#include <ROOT/RDFHelpers.hxx>
#include <ROOT/RDataFrame.hxx>
#include <ROOT/RVec.hxx>
#include <TInterpreter.h>

#include <optional>
#include <stdexcept>

namespace monojet {

RNode no_events() { return ROOT::RDataFrame(0); }

namespace {

/// Defines the column if `type` is that of T, or of a vector of it.
template <typename T>
bool define_empty(RNode &df, const std::string &name, const std::string &type,
                  const std::string &type_of_number) {
  if (type == type_of_number)
    df = df.Define(name, [] { return T{}; });
  else if (type == "ROOT::VecOps::RVec<" + type_of_number + ">")
    df = df.Define(name, [] { return ROOT::RVec<T>{}; });
  else
    return false;
  return true;
}

} // namespace

RNode with_empty_column(RNode df, const std::string &name, const std::string &type) {
  if (define_empty<bool>(df, name, type, "bool") ||
      define_empty<unsigned char>(df, name, type, "unsigned char") ||
      define_empty<short>(df, name, type, "short") ||
      define_empty<unsigned short>(df, name, type, "unsigned short") ||
      define_empty<int>(df, name, type, "int") ||
      define_empty<unsigned int>(df, name, type, "unsigned int") ||
      define_empty<long long>(df, name, type, "long long") ||
      define_empty<unsigned long long>(df, name, type, "unsigned long long") ||
      define_empty<float>(df, name, type, "float") ||
      define_empty<double>(df, name, type, "double"))
    return df;
  if (type == "monojet::EventSummary")
    return df.Define(name, [] { return EventSummary{}; });
  if (type == "monojet::Gathered")
    return df.Define(name, [] { return Gathered{}; });
  throw std::invalid_argument("no action takes a column of type " + type);
}

RNode open_range(const std::string &tree, const std::vector<std::string> &files, long long begin,
                 long long end) {
  ROOT::RDF::Experimental::RDatasetSpec spec;
  spec.AddSample({"sample", tree, files});
  spec.WithGlobalRange({begin, end});
  return ROOT::RDataFrame(spec);
}

void set_range(RNode df, long long begin, long long end) {
  ROOT::Internal::RDF::ChangeEmptyEntryRange(
      df, {static_cast<ULong64_t>(begin), static_cast<ULong64_t>(end)}); // without a file
  ROOT::Internal::RDF::ChangeBeginAndEndEntries(df, begin, end);         // with one
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

RNode apply_cut(RNode df, const std::string &expression, const std::string &name) {
  return df.Filter(expression, name);
}

RNode passing(RNode df, const std::string &column) {
  return df.Filter([](bool passes) { return passes; }, {column});
}

} // namespace monojet

// --- For Python ----------------------------------------------------------------------------------

using monojet::guarded;
using monojet::Node;
using monojet::node_of;
using monojet::Object;

extern "C" {

Object *monojet_open_range(const char *tree, const char *const *files, std::size_t n,
                           long long begin, long long end) {
  return guarded(
      [&] { return node_of(monojet::open_range(tree, monojet::names_of(files, n), begin, end)); });
}

int monojet_set_range(const Node *node, long long begin, long long end) {
  return guarded([&] { monojet::set_range(node->df, begin, end); });
}

Object *monojet_no_events() {
  return guarded([] { return node_of(monojet::no_events()); });
}

Object *monojet_with_empty_column(const Node *node, const char *name, const char *type) {
  return guarded([&] { return node_of(monojet::with_empty_column(node->df, name, type)); });
}

Object *monojet_alias(const Node *node, const char *name, const char *column) {
  return guarded([&] { return node_of(monojet::alias(node->df, name, column)); });
}

Object *monojet_define(const Node *node, const char *name, const char *expression) {
  return guarded([&] { return node_of(monojet::define(node->df, name, expression)); });
}

Object *monojet_define_per_sample(const Node *node, const char *name, const char *expression) {
  return guarded([&] { return node_of(monojet::define_per_sample(node->df, name, expression)); });
}

Object *monojet_apply_cut(const Node *node, const char *expression, const char *name) {
  return guarded([&] { return node_of(monojet::apply_cut(node->df, expression, name)); });
}

Object *monojet_passing(const Node *node, const char *column) {
  return guarded([&] { return node_of(monojet::passing(node->df, column)); });
}

/// The type of a column in the words of ROOT, as the text.
int monojet_column_type(const Node *node, const char *column) {
  return guarded([&] {
    auto df = node->df;
    monojet::set_text(df.GetColumnType(column));
  });
}

/// The address of the data frame, as the text.
int monojet_data_frame_address(const Node *node) {
  return guarded(
      [&] { monojet::set_text(std::to_string(reinterpret_cast<std::uintptr_t>(&node->df))); });
}

/// Runs the event loop of all booked results. With `no_classes`, all columns are compiled and read
/// numbers, strings and vectors of these only.
///
/// For each class that has a branch, whether it is read or not, ROOT searches libraries for its
/// dictionary: half a second and 100 MB that `no_classes` saves.
int monojet_run(const monojet::BookedResult *const *results, std::size_t n, long long no_classes) {
  return guarded([&] {
    std::vector<ROOT::RDF::RResultHandle> handles;
    bool without_search = no_classes;
    for (std::size_t i = 0; i < n; ++i) {
      handles.push_back(results[i]->handle());
      without_search = without_search && !results[i]->needs_dictionaries();
    }
    std::optional<TInterpreter::SuspendAutoLoadingRAII> suspended;
    if (without_search)
      suspended.emplace(gInterpreter);
    ROOT::RDF::RunGraphs(std::move(handles));
  });
}

/// The number of event loops that the graph of a node has run, as the text.
int monojet_n_runs(const Node *node) {
  return guarded([&] {
    auto df = node->df;
    monojet::set_text(std::to_string(df.GetNRuns()));
  });
}

} // extern "C"
