// The identity, weight, regions and quantities of an event, as one column.
#ifndef MONOJET_EVENT_SUMMARY_HXX
#define MONOJET_EVENT_SUMMARY_HXX

#include <array>
#include <cstddef>
#include <cstdint>

namespace monojet {

inline constexpr std::size_t n_quantities = 9;

/// The quantities of an event stored with its image.
struct EventSummary {
  std::uint32_t run_number;
  std::uint64_t event_number;
  double weight;
  std::uint64_t regions; // one bit per region
  std::array<float, n_quantities> quantities;
};

} // namespace monojet

#endif
