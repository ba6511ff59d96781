// Weighted event counts in bins of one quantity.
#ifndef MONOJET_YIELDS_HXX
#define MONOJET_YIELDS_HXX

#include <cstdint>
#include <vector>

namespace monojet {

/// Raw counts, sums of weights and of squared weights. With n edges there are n + 1 bins: bin i
/// holds edge[i - 1] < value <= edge[i], the first all up to edge[0], the last all above.
struct Yields {
  std::vector<std::uint64_t> raw;
  std::vector<double> sumw, sumw2;

  Yields() = default;
  explicit Yields(std::size_t n_bins) : raw(n_bins), sumw(n_bins), sumw2(n_bins) {}

  void fill(std::size_t bin, double weight) {
    ++raw[bin];
    sumw[bin] += weight;
    sumw2[bin] += weight * weight;
  }

  void add(const Yields &other) {
    for (std::size_t i = 0; i < raw.size(); ++i) {
      raw[i] += other.raw[i];
      sumw[i] += other.sumw[i];
      sumw2[i] += other.sumw2[i];
    }
  }
};

} // namespace monojet

#endif
