// Random numbers that depend on the identity of an event only, not on threads or machines.
#ifndef MONOJET_RANDOM_HXX
#define MONOJET_RANDOM_HXX

#include <cmath>
#include <cstddef>
#include <cstdint>

namespace monojet {

/// splitmix64: one step of a counter-based generator; a hash of 64 bits to 64 bits.
inline std::uint64_t mix(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15ull;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

/// Hash of an event's identity: the same on every machine and thread, in any order.
inline std::uint64_t event_hash(std::uint64_t seed, std::uint64_t run, std::uint64_t event) {
  return mix(mix(mix(seed) ^ run) ^ event);
}

/// The fold of an event, in [0, `folds`): a hash of its identity, without the seed of the run.
inline std::uint8_t fold_of(std::uint32_t run, std::uint64_t event, unsigned int folds) {
  return static_cast<std::uint8_t>(event_hash(0x666f6c64, run, event) % folds);
}

namespace detail {

/// Natural logarithm of x > 0, accurate to some units in the last place.
inline double logarithm(double x) {
  int exponent;
  double fraction = std::frexp(x, &exponent);
  if (fraction < M_SQRT1_2) {
    fraction *= 2.;
    --exponent;
  }
  // 2 artanh(s) = 2 (s + s^3 / 3 + s^5 / 5 + ...), |s| < 0.172
  const double s = (fraction - 1.) / (fraction + 1.);
  double series = 0.;
  for (int k = 21; k > 0; k -= 2)
    series = series * s * s + 1. / k;
  return exponent * M_LN2 + 2. * s * series;
}

} // namespace detail

/// Random numbers for one object of an event, given a hash of the event. They are the same on every
/// machine: all operations are correctly rounded, unlike the logarithms of libm.
class Draws {
public:
  Draws(std::uint64_t event_key, std::size_t index) : state_(event_key ^ mix(index)) {}

  /// In [0, 1).
  double uniform() {
    state_ = mix(state_);
    return static_cast<double>(state_ >> 11) * 0x1p-53;
  }

  /// Gaussian, of mean 0 and width 1: Marsaglia's polar method.
  double normal() {
    double x, square;
    do {
      x = 2. * uniform() - 1.;
      const double y = 2. * uniform() - 1.;
      square = x * x + y * y;
    } while (square >= 1. || square == 0.);
    return x * std::sqrt(-2. * detail::logarithm(square) / square);
  }

private:
  std::uint64_t state_;
};

} // namespace monojet

#endif
