// Exact sums of doubles in little memory.
#ifndef MONOJET_EXACT_WINDOW_HXX
#define MONOJET_EXACT_WINDOW_HXX

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace monojet {

/// A double as an integer: significand 2^(place - 1074), as in ExactSum.
struct Decomposed {
  std::int64_t significand; // below 2^53, with the sign
  int place;

  /// Decomposes a finite number.
  explicit Decomposed(double x) {
    std::uint64_t bits;
    std::memcpy(&bits, &x, sizeof bits);
    const std::uint64_t exponent = bits >> 52 & 0x7ff;
    const std::uint64_t normal = exponent != 0; // subnormal numbers count as exponent 1
    significand = static_cast<std::int64_t>((bits & ((1ull << 52) - 1)) | normal << 52);
    significand = bits >> 63 ? -significand : significand;
    place = static_cast<int>(exponent - normal);
  }
};

/// The exact sum of many numbers, in limbs of 32 bits: sum over i of limb[i] 2^(32 i - 1074).
class WideSum {
public:
  static constexpr std::size_t n_limbs = 72; // doubles reach limb 65, limbs of a window limb 70
  using Limbs = std::array<std::int64_t, n_limbs>;

  /// Adds number 2^(place - 1074).
  void add(std::int64_t number, int place) {
    count();
    const auto i = static_cast<std::size_t>(place / 32);
    const std::int64_t unit = std::int64_t{1} << place % 32;
    const std::int64_t low = (number & 0xffffffff) * unit, high = (number >> 32) * unit;
    limbs_[i] += low & 0xffffffff;
    limbs_[i + 1] += (low >> 32) + (high & 0xffffffff);
    limbs_[i + 2] += high >> 32;
  }

  void add(double x) {
    const Decomposed parts(x);
    add(parts.significand, parts.place);
  }

  void add(WideSum other) {
    count();
    other.carry();
    for (std::size_t i = 0; i < n_limbs; ++i)
      limbs_[i] += other.limbs_[i];
  }

  /// The limbs, normalised: all but the last are in [0, 2^32); the last is 0, or -1 if the sum is
  /// negative.
  const Limbs &limbs() {
    carry();
    return limbs_;
  }

private:
  // Each number changes a limb by less than 2^33.
  static constexpr std::uint32_t most_pending = 1u << 29;

  void count() {
    if (n_pending_ == most_pending)
      carry();
    ++n_pending_;
  }

  void carry() {
    for (std::size_t i = 0; i + 1 < n_limbs; ++i) {
      limbs_[i + 1] += limbs_[i] >> 32;
      limbs_[i] &= 0xffffffff;
    }
    n_pending_ = 0;
  }

  Limbs limbs_{};
  std::uint32_t n_pending_ = 0; // numbers since the last carry
};

/// Compact exact sums: n limbs of 48 bits for numbers that lie in one window of the exponents. The
/// value of limb i is limb[i] 2^(place_of(i) - 1074).
///
/// The first number other than 0 sets the window, such that as much larger as smaller numbers fit:
/// by factors of 2^21 (2 million) with two limbs, of 2^45 with three.
template <std::size_t n> class Window {
public:
  /// As many numbers may be added between two carries: each changes a limb by less than 2^48.
  static constexpr std::size_t most_pending = 1u << 14;

  /// Writes the limbs of a finite number. Or returns false, if it is outside of the window; then
  /// all are 0.
  bool decompose(double x, std::int64_t *limbs) {
    std::fill(limbs, limbs + n, 0);
    const Decomposed parts(x);
    if (parts.significand == 0)
      return true;
    if (base_ < 0)
      base_ = std::max(0, parts.place - most_shift / 2);
    const int shift = parts.place - base_;
    if (shift < 0 || shift > most_shift)
      return false;
    const auto significand = static_cast<std::uint64_t>(std::abs(parts.significand));
    const int rest = shift % n_bits;
    const std::uint64_t upper = significand >> (n_bits - rest);
    const std::uint64_t shifted[] = {significand << rest & mask, upper & mask, upper >> n_bits};
    const auto first = static_cast<std::size_t>(shift / n_bits);
    for (std::size_t i = first; i < std::min(n, first + 3); ++i) {
      limbs[i] = static_cast<std::int64_t>(shifted[i - first]);
      limbs[i] = parts.significand < 0 ? -limbs[i] : limbs[i];
    }
    return true;
  }

  /// Carries between limbs: all but the last are then in [0, 2^48). Returns false if the last is so
  /// large that it could overflow before the next carry.
  static bool carry(std::int64_t *limbs) {
    for (std::size_t i = 0; i + 1 < n; ++i) {
      limbs[i + 1] += limbs[i] >> n_bits;
      limbs[i] &= static_cast<std::int64_t>(mask);
    }
    return std::abs(limbs[n - 1]) < std::int64_t{1} << 61;
  }

  int place_of(std::size_t limb) const {
    return std::max(0, base_) + n_bits * static_cast<int>(limb);
  }

private:
  static constexpr int n_bits = 48; // of a limb
  static constexpr std::uint64_t mask = (1ull << n_bits) - 1;
  static constexpr int most_shift = n_bits * static_cast<int>(n) - 53;

  int base_ = -1; // not set
};

} // namespace monojet

#endif
