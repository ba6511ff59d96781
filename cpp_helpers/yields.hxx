// Weighted event counts in bins of one quantity, as an RDataFrame action.
#ifndef MONOJET_YIELDS_HXX
#define MONOJET_YIELDS_HXX

#include <ROOT/RDF/RActionImpl.hxx>
#include <ROOT/RDataFrame.hxx>
#include <ROOT/RResultPtr.hxx>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace monojet {

/// Raw counts, sums of weights and of squared weights. With n edges there are n + 1 bins: bin i
/// holds edge[i - 1] < value <= edge[i], the first all up to edge[0], the last all above.
struct Yields {
  std::vector<std::uint64_t> raw;
  std::vector<double> sumw, sumw2;
};

class YieldAction : public ROOT::Detail::RDF::RActionImpl<YieldAction> {
public:
  using Result_t = Yields;

  YieldAction(std::vector<double> edges, unsigned int n_slots)
      : edges_(std::move(edges)), slots_(n_slots, empty()),
        total_(std::make_shared<Yields>(empty())) {}
  YieldAction(YieldAction &&) = default;

  std::shared_ptr<Result_t> GetResultPtr() const { return total_; }
  std::string GetActionName() const { return "Yields"; }
  void Initialize() {}
  void InitTask(TTreeReader *, unsigned int) {}

  void Exec(unsigned int slot, float value, double weight) {
    const auto bin = std::lower_bound(edges_.begin(), edges_.end(), value) - edges_.begin();
    Yields &yields = slots_[slot];
    ++yields.raw[bin];
    yields.sumw[bin] += weight;
    yields.sumw2[bin] += weight * weight;
  }

  void Finalize() {
    for (const Yields &slot : slots_)
      for (std::size_t i = 0; i <= edges_.size(); ++i) {
        total_->raw[i] += slot.raw[i];
        total_->sumw[i] += slot.sumw[i];
        total_->sumw2[i] += slot.sumw2[i];
      }
  }

private:
  Yields empty() const {
    const std::size_t n = edges_.size() + 1;
    return {std::vector<std::uint64_t>(n), std::vector<double>(n), std::vector<double>(n)};
  }

  std::vector<double> edges_;
  std::vector<Yields> slots_;
  std::shared_ptr<Yields> total_;
};

/// Books the yields of all events that reach `df`, by `value` (a float) and `weight` (a double).
inline ROOT::RDF::RResultPtr<Yields> book_yields(ROOT::RDF::RNode df, const std::string &value,
                                                 const std::string &weight,
                                                 const std::vector<double> &edges) {
  return df.Book<float, double>(YieldAction(edges, df.GetNSlots()), {value, weight});
}

} // namespace monojet

#endif
