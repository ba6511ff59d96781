// Weighted histograms with exact sums.
#ifndef MONOJET_HISTOGRAMS_HXX
#define MONOJET_HISTOGRAMS_HXX

#include "rdf/binning.hxx"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace monojet {

/// The exact sums of some bins: of each bin n limbs of 32 bits, bin after bin. The value of limb i
/// is limb[i] 2^(32 (base + i) - 1074). All but the last of a bin are in [0, 2^32).
struct BinSums {
  std::size_t base = 0, n_limbs = 0; ///< the least that holds all sums
  std::vector<std::int64_t> limbs;
};

/// The content of histograms: the bins of all, one after another.
struct HistogramContent {
  std::vector<std::uint64_t> entries;
  BinSums sumw, sumw2;
  std::vector<std::uint64_t> n_without_value; ///< of each histogram: entries with NaN
  std::uint64_t n_not_finite = 0;             ///< events whose weight, or its square, is not finite
};

/// Some histograms of a specification, filled by several threads: numbers of entries and exact sums
/// of weights and of squared weights (each square a rounded double).
class Histograms {
public:
  /// `histograms` are numbers in the specification.
  Histograms(const HistogramSpecification &specification,
             const std::vector<std::size_t> &histograms, unsigned int n_slots = 1);
  ~Histograms();

  /// Fills the histograms with an event, from thread `slot`.
  void fill(unsigned int slot, const Binned &binned, double weight);

  /// The content, the same for any order of the events and any thread of each.
  const HistogramContent &content();

private:
  class Slot;

  std::vector<std::size_t> n_bins_;
  std::vector<std::unique_ptr<Slot>> slots_;
  HistogramContent content_;
};

} // namespace monojet

#endif
