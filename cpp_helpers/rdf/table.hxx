// Events as rows of a table: identity, weight, some quantities and the features of a network.
#ifndef MONOJET_TABLE_HXX
#define MONOJET_TABLE_HXX

#include <ROOT/RVec.hxx>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace monojet {

/// A table of events. Quantities and features are flat: event i has entries [i n, (i + 1) n).
struct TableBlock {
  std::size_t n_quantities, n_features; // per event

  // one entry per event
  std::vector<std::uint32_t> run_number;
  std::vector<std::uint64_t> event_number;
  std::vector<double> weight;
  // n_quantities and n_features entries per event
  std::vector<float> quantities, features;

  TableBlock(std::size_t n_quantities, std::size_t n_features)
      : n_quantities(n_quantities), n_features(n_features) {}

  std::size_t size() const { return run_number.size(); }

  /// Removes the events and keeps the memory.
  void clear() {
    run_number.clear();
    event_number.clear();
    weight.clear();
    quantities.clear();
    features.clear();
  }

  /// Appends an event.
  ///
  /// Raises: std::runtime_error, it has another number of quantities or features.
  void add(std::uint32_t run, std::uint64_t number, double weight_of_event,
           const ROOT::RVecF &quantities_of_event, const ROOT::RVecF &features_of_event) {
    const auto append_to = [&](auto &mine, const auto &more, std::size_t n, const char *what) {
      if (more.size() != n)
        throw std::runtime_error("event " + std::to_string(number) + " of run " +
                                 std::to_string(run) + " has " + std::to_string(more.size()) + " " +
                                 what + ", not " + std::to_string(n));
      mine.insert(mine.end(), more.begin(), more.end());
    };
    append_to(quantities, quantities_of_event, n_quantities, "quantities");
    append_to(features, features_of_event, n_features, "features");
    run_number.push_back(run);
    event_number.push_back(number);
    weight.push_back(weight_of_event);
  }

  /// Appends the events of another block with the same numbers of quantities and features.
  void append(const TableBlock &other) {
    const auto append_to = [](auto &mine, const auto &more) {
      mine.insert(mine.end(), more.begin(), more.end());
    };
    append_to(run_number, other.run_number);
    append_to(event_number, other.event_number);
    append_to(weight, other.weight);
    append_to(quantities, other.quantities);
    append_to(features, other.features);
  }
};

} // namespace monojet

#endif
