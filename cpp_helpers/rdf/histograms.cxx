#include "rdf/histograms.hxx"

#include "rdf/exact_window.hxx"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <iterator>
#include <unordered_map>
#include <utility>

namespace monojet {

/// The histograms as filled by one thread.
///
/// An event adds the same numbers to one bin of each histogram: its weight and the square of it,
/// which are decomposed once. Events are kept in blocks, and the histograms of a block are filled
/// one after another, so that the bins of each stay in the processor's first cache.
class Histograms::Slot {
public:
  /// `n_bins` are numbers of bins of the histograms.
  Slot(std::vector<std::size_t> histograms, const std::vector<std::size_t> &n_bins)
      : histograms_(std::move(histograms)) {
    std::size_t total = 0;
    for (const std::size_t n : n_bins) {
      first_bins_.push_back(total);
      total += n + 1; // the last for NaN
    }
    first_bins_.push_back(total);
  }

  /// Fills the histograms with an event. If its weight or the square is not finite, it is only
  /// counted.
  void fill(const Binned &binned, double weight) {
    const double square = weight * weight;
    if (!std::isfinite(square)) {
      ++n_not_finite_;
      return;
    }
    if (bins_.empty())
      allocate();
    Bin &change = changes_[n_events_];
    change.limbs[0] = 1;
    const bool fits = sumw_.decompose(weight, change.sumw());
    const bool square_fits = sumw2_.decompose(square, change.sumw2());
    if (!fits || !square_fits)
      outside_.push_back({n_events_, fits ? 0. : weight, square_fits ? 0. : square});
    const std::uint32_t *bins = binned.bins.data() + first_histogram_;
    std::copy(bins, bins + row_size_, rows_.data() + n_events_ * row_size_);
    if (!binned.vectors.empty())
      keep_vectors(binned);
    if (++n_events_ == block_size)
      finish();
  }

  /// Fills the histograms with the events that are kept.
  void finish() {
    if (n_events_ == 0)
      return;
    for (std::size_t i = 0; i < histograms_.size(); ++i)
      fill_histogram(i);
    n_events_ = 0;
    outside_.clear();
    for (auto &entries : entries_)
      entries.clear();
  }

  std::uint64_t n_not_finite() const { return n_not_finite_; }

  /// The entries of a bin; the bin after the last of a histogram counts NaN.
  std::uint64_t entries(std::size_t i, std::size_t bin) const {
    return bins_.empty() ? 0 : static_cast<std::uint64_t>(bins_[first_bins_[i] + bin].limbs[0]);
  }

  /// Adds the sums of a bin to others.
  void add_to(WideSum &sumw, WideSum &sumw2, std::size_t i, std::size_t bin) {
    if (bins_.empty())
      return;
    const std::size_t place = first_bins_[i] + bin;
    if (bins_[place].limbs[0] == 0)
      return;
    add_limbs(sumw, sumw2, bins_[place]);
    const auto wide = wide_.find(place);
    if (wide != wide_.end()) {
      sumw.add(wide->second.sumw);
      sumw2.add(wide->second.sumw2);
    }
  }

private:
  static constexpr std::size_t n_sumw = 2, n_sumw2 = 3; // limbs
  static constexpr std::size_t block_size = 128;        // events

  typedef std::int64_t Pair __attribute__((vector_size(16)));

  /// A bin: entries, and limbs of the sums of weights and of squared weights. Or what an event adds
  /// to it.
  struct alignas(16) Bin {
    std::int64_t limbs[1 + n_sumw + n_sumw2] = {};

    std::int64_t *sumw() { return limbs + 1; }
    std::int64_t *sumw2() { return limbs + 1 + n_sumw; }

    /// Adds all limbs, in pairs as the registers of all processors hold, which compilers do not
    /// always find.
    void add(const Bin &other) {
      for (std::size_t i = 0; i < std::size(limbs); i += 2) {
        Pair mine, others;
        std::memcpy(&mine, limbs + i, sizeof mine);
        std::memcpy(&others, other.limbs + i, sizeof others);
        mine += others;
        std::memcpy(limbs + i, &mine, sizeof mine);
      }
    }
  };

  struct WideBin {
    WideSum sumw, sumw2;
  };

  /// The numbers of an event that lie outside of the windows; 0 if inside.
  struct Outside {
    std::size_t event;
    double weight, square;
  };

  /// An entry of an event that is kept, in a histogram of vectors.
  struct Entry {
    std::uint32_t event, bin;
  };

  void allocate() {
    if (!histograms_.empty()) {
      const auto ends = std::minmax_element(histograms_.begin(), histograms_.end());
      first_histogram_ = *ends.first;
      row_size_ = *ends.second + 1 - first_histogram_;
    }
    bins_.resize(first_bins_.back() + 1); // not empty
    n_pending_.resize(histograms_.size());
    rows_.resize(block_size * row_size_);
    changes_.resize(block_size);
  }

  void keep_vectors(const Binned &binned) {
    of_vectors_.resize(row_size_);
    entries_.resize(row_size_);
    for (const Binned::Elements &vector : binned.vectors) {
      const std::size_t place = vector.histogram - first_histogram_;
      if (place >= row_size_) // also if it is before the first
        continue;
      of_vectors_[place] = true; // in all events, as the types of quantities do not change
      for (std::uint32_t k = vector.begin; k < vector.begin + vector.size; ++k)
        entries_[place].push_back({static_cast<std::uint32_t>(n_events_), binned.bins[k]});
    }
  }

  void fill_histogram(std::size_t i) {
    prefetch(i + 1);
    const std::size_t place = histograms_[i] - first_histogram_;
    if (!of_vectors_.empty() && of_vectors_[place]) {
      const Entry *entries = entries_[place].data();
      add(
          i, entries_[place].size(), [entries](std::size_t k) { return entries[k].event; },
          [entries](std::size_t k) { return entries[k].bin; });
      return;
    }
    // copies of members, which the compiler would read again after each change of a bin
    const std::uint32_t *row = rows_.data() + place;
    add(
        i, n_events_, [](std::size_t k) { return k; },
        [row, size = row_size_](std::size_t k) { return row[k * size]; });
  }

  /// Fetches the bins of a histogram into the cache while others are filled.
  void prefetch(std::size_t i) const {
    if (i >= histograms_.size())
      return;
    const Bin *bin = bins_.data() + first_bins_[i];
    const Bin *end = std::min(bin + 128, bins_.data() + first_bins_[i + 1]);
    for (; bin < end; ++bin)
      __builtin_prefetch(bin, 1);
  }

  /// Adds entries, with events and bins given by functions of their numbers, to a histogram.
  template <typename EventOf, typename BinOf>
  void add(std::size_t i, std::size_t n, EventOf event_of, BinOf bin_of) {
    Bin *bins = bins_.data() + first_bins_[i];
    const Bin *changes = changes_.data();
    constexpr std::size_t most = Window<n_sumw>::most_pending;
    for (std::size_t begin = 0; begin < n; begin += most) {
      const std::size_t end = std::min(n, begin + most);
      if (n_pending_[i] + (end - begin) > most)
        carry(i);
      n_pending_[i] += end - begin;
      for (std::size_t k = begin; k < end; ++k)
        bins[bin_of(k)].add(changes[event_of(k)]);
    }
    auto outside = outside_.begin();
    for (std::size_t k = 0; k < n && outside != outside_.end(); ++k) {
      while (outside != outside_.end() && outside->event < event_of(k))
        ++outside;
      if (outside != outside_.end() && outside->event == event_of(k)) {
        WideBin &wide = wide_[first_bins_[i] + bin_of(k)];
        wide.sumw.add(outside->weight);
        wide.sumw2.add(outside->square);
      }
    }
  }

  void carry(std::size_t i) {
    for (std::size_t k = first_bins_[i]; k < first_bins_[i + 1]; ++k) {
      const bool fits = Window<n_sumw>::carry(bins_[k].sumw());
      if (Window<n_sumw2>::carry(bins_[k].sumw2()) && fits)
        continue;
      add_limbs(wide_[k].sumw, wide_[k].sumw2, bins_[k]);
      std::fill(bins_[k].sumw(), std::end(bins_[k].limbs), 0);
    }
    n_pending_[i] = 0;
  }

  void add_limbs(WideSum &sumw, WideSum &sumw2, Bin &bin) const {
    for (std::size_t i = 0; i < n_sumw; ++i)
      sumw.add(bin.sumw()[i], sumw_.place_of(i));
    for (std::size_t i = 0; i < n_sumw2; ++i)
      sumw2.add(bin.sumw2()[i], sumw2_.place_of(i));
  }

  std::vector<std::size_t> histograms_; // numbers in the specification
  Window<n_sumw> sumw_;
  Window<n_sumw2> sumw2_;
  std::uint64_t n_not_finite_ = 0;

  // bins of all histograms, one after another
  std::vector<Bin> bins_;
  std::vector<std::size_t> first_bins_;           // of each histogram, and the number of all
  std::vector<std::size_t> n_pending_;            // of each histogram: entries since the last carry
  std::unordered_map<std::size_t, WideBin> wide_; // sums of what lies outside of the windows

  // the events that are kept; a row has the bins of an event in histograms [first, first + size)
  std::size_t first_histogram_ = 0, row_size_ = 0, n_events_ = 0;
  std::vector<std::uint32_t> rows_;
  std::vector<bool> of_vectors_; // of the histograms of a row; none if all are of numbers
  std::vector<std::vector<Entry>> entries_; // of the same histograms
  std::vector<Bin> changes_;
  std::vector<Outside> outside_;
};

namespace {

/// Includes the limbs that a sum needs.
void widen(BinSums &sums, const WideSum::Limbs &sum) {
  const auto first = std::find_if(sum.begin(), sum.end(), [](auto limb) { return limb != 0; });
  if (first == sum.end())
    return;
  const std::int64_t sign = sum.back() < 0 ? 0xffffffff : 0;
  std::size_t end = sum.size() - 1;
  while (end > 0 && sum[end - 1] == sign)
    --end;
  if (end == 0 || (sum[end - 1] ^ sign) >> 31) // no bit is left for the sign
    ++end;
  const auto begin = static_cast<std::size_t>(first - sum.begin());
  end = std::max(end, sums.base + sums.n_limbs);
  sums.base = sums.n_limbs ? std::min(sums.base, begin) : begin;
  sums.n_limbs = end - sums.base;
}

/// Appends a sum.
void append(BinSums &sums, const WideSum::Limbs &sum) {
  if (sums.n_limbs == 0)
    return;
  const auto begin = sum.begin() + static_cast<std::ptrdiff_t>(sums.base);
  sums.limbs.insert(sums.limbs.end(), begin, begin + static_cast<std::ptrdiff_t>(sums.n_limbs));
  if (sums.limbs.back() >> 31) // with its sign, the last limb stands for all higher ones
    sums.limbs.back() -= std::int64_t{1} << 32;
}

} // namespace

Histograms::Histograms(const HistogramSpecification &specification,
                       const std::vector<std::size_t> &histograms, unsigned int n_slots) {
  for (const std::size_t number : histograms)
    n_bins_.push_back(specification.histograms().at(number).n_bins);
  for (unsigned int slot = 0; slot < n_slots; ++slot)
    slots_.push_back(std::make_unique<Slot>(histograms, n_bins_));
}

Histograms::~Histograms() = default;

void Histograms::fill(unsigned int slot, const Binned &binned, double weight) {
  slots_[slot]->fill(binned, weight);
}

const HistogramContent &Histograms::content() {
  content_ = {};
  for (const auto &slot : slots_) {
    slot->finish();
    content_.n_not_finite += slot->n_not_finite();
  }
  const auto entries = [this](std::size_t i, std::size_t bin) {
    std::uint64_t n = 0;
    for (const auto &slot : slots_)
      n += slot->entries(i, bin);
    return n;
  };
  for (std::size_t i = 0; i < n_bins_.size(); ++i) {
    for (std::size_t bin = 0; bin < n_bins_[i]; ++bin)
      content_.entries.push_back(entries(i, bin));
    content_.n_without_value.push_back(entries(i, n_bins_[i]));
  }
  const auto for_each_bin = [&](auto function) {
    for (std::size_t i = 0; i < n_bins_.size(); ++i)
      for (std::size_t bin = 0; bin < n_bins_[i]; ++bin) {
        WideSum sumw, sumw2;
        for (const auto &slot : slots_)
          slot->add_to(sumw, sumw2, i, bin);
        function(sumw.limbs(), sumw2.limbs());
      }
  };
  for_each_bin([this](const WideSum::Limbs &sumw, const WideSum::Limbs &sumw2) {
    widen(content_.sumw, sumw);
    widen(content_.sumw2, sumw2);
  });
  for_each_bin([this](const WideSum::Limbs &sumw, const WideSum::Limbs &sumw2) {
    append(content_.sumw, sumw);
    append(content_.sumw2, sumw2);
  });
  return content_;
}

} // namespace monojet
