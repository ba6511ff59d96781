// What is looked at in the events of a file before anything is made of them.
#ifndef MONOJET_CHECKS_HXX
#define MONOJET_CHECKS_HXX

#include <cstdint>
#include <vector>

namespace monojet {

/// Who the events are, in the order of the file or not, and what is wrong with their weights.
struct EventChecks {
  std::vector<std::uint32_t> run_number;
  std::vector<std::uint64_t> event_number;
  std::uint64_t n_weights_not_finite = 0;
  std::uint64_t n_weights_zero = 0;
};

} // namespace monojet

#endif
