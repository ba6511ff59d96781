// What files of CMS need.
#ifndef MONOJET_CMS_HXX
#define MONOJET_CMS_HXX

#include <stdexcept>
#include <string>

namespace monojet {

inline constexpr int event_bits = 40, block_bits = 24;

/// One number of an event and its luminosity block: the block above the lowest 40 bits.
///
/// Raises: std::runtime_error, one of them is too large.
inline unsigned long long number_in_block(unsigned long long event, unsigned int block) {
  if (event >> event_bits || block >> block_bits)
    throw std::runtime_error("event " + std::to_string(event) + " of luminosity block " +
                             std::to_string(block) +
                             " cannot be told from others: numbers of "
                             "events have at most 40 bits, of blocks 24");
  return (static_cast<unsigned long long>(block) << event_bits) | event;
}

} // namespace monojet

#endif
