// Events as rows of a table: who they are, some quantities and the features of a network.
#ifndef MONOJET_TABLE_HXX
#define MONOJET_TABLE_HXX

#include <ROOT/RVec.hxx>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace monojet {

/// Some events; quantities and features are flat, those of event i in [i n, (i + 1) n).
struct TableBlock {
  std::size_t n_quantities, n_features; // of an event

  // one entry an event
  std::vector<std::uint32_t> run_number;
  std::vector<std::uint64_t> event_number;
  std::vector<double> weight;
  // one entry a number
  std::vector<float> quantities, features;

  TableBlock(std::size_t n_quantities, std::size_t n_features)
      : n_quantities(n_quantities), n_features(n_features) {}

  std::size_t size() const { return run_number.size(); }

  /// Forgets the events and keeps the memory.
  void clear() {
    run_number.clear();
    event_number.clear();
    weight.clear();
    quantities.clear();
    features.clear();
  }

  /// Appends an event. Raises: std::runtime_error, it has another number of columns.
  void add(std::uint32_t run, std::uint64_t number, double weight_of_event,
           const ROOT::RVecF &quantities_of_event, const ROOT::RVecF &features_of_event) {
    const auto join = [&](auto &mine, const auto &more, std::size_t n, const char *what) {
      if (more.size() != n)
        throw std::runtime_error("event " + std::to_string(number) + " of run " +
                                 std::to_string(run) + " has " + std::to_string(more.size()) + " " +
                                 what + ", not " + std::to_string(n));
      mine.insert(mine.end(), more.begin(), more.end());
    };
    join(quantities, quantities_of_event, n_quantities, "quantities");
    join(features, features_of_event, n_features, "features");
    run_number.push_back(run);
    event_number.push_back(number);
    weight.push_back(weight_of_event);
  }

  /// Appends the events of another block of as many columns.
  void append(const TableBlock &other) {
    const auto join = [](auto &mine, const auto &more) {
      mine.insert(mine.end(), more.begin(), more.end());
    };
    join(run_number, other.run_number);
    join(event_number, other.event_number);
    join(weight, other.weight);
    join(quantities, other.quantities);
    join(features, other.features);
  }
};

} // namespace monojet

#endif
