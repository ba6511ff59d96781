// Weighted event counts in bins of one quantity, with exact sums.
#ifndef MONOJET_YIELDS_HXX
#define MONOJET_YIELDS_HXX

#include <array>
#include <cstdint>
#include <cstring>
#include <vector>

namespace monojet {

/// The exact sum of doubles, the same for any order: the small superaccumulator of R. Neal
/// (arXiv:1505.05571). Its value is the sum over i of limb[i] 2^(32 i - 1074). Each limb has 64
/// bits, so that many numbers are added before its upper half is carried to the next limb.
class ExactSum {
public:
  static constexpr std::size_t n_limbs = 67; // doubles reach 65 limbs; two more for carries
  using Limbs = std::array<std::int64_t, n_limbs>;

  /// Adds a number. Numbers that are not finite are counted only.
  void add(double x) {
    std::uint64_t bits;
    std::memcpy(&bits, &x, sizeof bits);
    const std::uint64_t exponent = bits >> 52 & 0x7ff;
    if (exponent == 0x7ff) {
      ++n_not_finite_;
      return;
    }
    if (n_pending_ == most_pending)
      carry();
    ++n_pending_;
    // x = significand 2^(place - 1074); subnormal numbers, of exponent 0, count as exponent 1.
    const std::uint64_t normal = exponent != 0;
    const std::uint64_t significand = (bits & ((1ull << 52) - 1)) | normal << 52;
    const std::uint64_t place = exponent - normal;
    const std::uint64_t shift = place % 32;
    const auto low = static_cast<std::int64_t>(significand << shift & 0xffffffff);
    const auto high = static_cast<std::int64_t>(significand >> (32 - shift));
    const std::int64_t sign = bits >> 63 ? -1 : 1;
    limbs_[place / 32] += sign * low;
    limbs_[place / 32 + 1] += sign * high;
  }

  void add(ExactSum other) {
    carry();
    other.carry();
    for (std::size_t i = 0; i < n_limbs; ++i)
      limbs_[i] += other.limbs_[i];
    n_not_finite_ += other.n_not_finite_;
    carry();
  }

  /// The limbs, normalised: all but the last are in [0, 2^32), so that equal sums have equal limbs.
  const Limbs &limbs() {
    carry();
    return limbs_;
  }

  std::uint64_t n_not_finite() const { return n_not_finite_; }

private:
  // Each number changes a limb by less than 2^52 + 2^32.
  static constexpr std::uint32_t most_pending = 1024;

  void carry() {
    for (std::size_t i = 0; i + 1 < n_limbs; ++i) {
      limbs_[i + 1] += limbs_[i] >> 32;
      limbs_[i] &= 0xffffffff;
    }
    n_pending_ = 0;
  }

  Limbs limbs_{};
  std::uint32_t n_pending_ = 0; // numbers since the last carry
  std::uint64_t n_not_finite_ = 0;
};

/// Numbers of events, sums of weights and of squared weights (each square a rounded double). n
/// edges make n + 1 bins: bin i holds edge[i - 1] < value <= edge[i]; the first and the last bin
/// are open.
struct Yields {
  std::vector<std::uint64_t> entries;
  std::vector<ExactSum> sumw, sumw2;

  Yields() = default;
  explicit Yields(std::size_t n_bins) : entries(n_bins), sumw(n_bins), sumw2(n_bins) {}

  void fill(std::size_t bin, double weight) {
    ++entries[bin];
    sumw[bin].add(weight);
    sumw2[bin].add(weight * weight);
  }

  void add(const Yields &other) {
    for (std::size_t i = 0; i < entries.size(); ++i) {
      entries[i] += other.entries[i];
      sumw[i].add(other.sumw[i]);
      sumw2[i].add(other.sumw2[i]);
    }
  }

  /// Number of weights that are not finite, or whose squares are not.
  std::uint64_t n_not_finite() const {
    std::uint64_t n = 0;
    for (const ExactSum &sum : sumw2)
      n += sum.n_not_finite();
    return n;
  }

  /// The limbs of the sums of weights, bin after bin, then those of the squared weights.
  std::vector<long long> limbs() {
    std::vector<long long> all;
    for (auto *sums : {&sumw, &sumw2})
      for (ExactSum &sum : *sums)
        all.insert(all.end(), sum.limbs().begin(), sum.limbs().end());
    return all;
  }
};

} // namespace monojet

#endif
