// Helpers for files of CMS.
#ifndef MONOJET_CMS_HXX
#define MONOJET_CMS_HXX

#include <stdexcept>
#include <string>

namespace monojet {

inline constexpr int event_bits = 40, block_bits = 24;

/// An event number that includes the luminosity block, in the bits above the lowest 40.
///
/// Raises: std::runtime_error, the event or the block number is too large.
inline unsigned long long number_in_block(unsigned long long event, unsigned int block) {
  if (event >> event_bits || block >> block_bits)
    throw std::runtime_error("event " + std::to_string(event) + " of luminosity block " +
                             std::to_string(block) +
                             " has no unique number: event numbers may have 40 bits, blocks 24");
  return (static_cast<unsigned long long>(block) << event_bits) | event;
}

} // namespace monojet

#endif
