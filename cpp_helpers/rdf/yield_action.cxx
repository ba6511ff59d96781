#include "rdf/yield_action.hxx"

#include <ROOT/RDF/RActionImpl.hxx>
#include <TTreeReader.h>

#include <algorithm>
#include <cstddef>
#include <memory>

namespace monojet {

namespace {

class YieldAction : public ROOT::Detail::RDF::RActionImpl<YieldAction> {
public:
  using Result_t = Yields;

  YieldAction(const std::vector<double> &edges, unsigned int n_slots)
      : edges_(edges), slots_(n_slots, Yields(edges.size() + 1)),
        total_(std::make_shared<Yields>(edges.size() + 1)) {}
  YieldAction(YieldAction &&) = default;

  std::shared_ptr<Result_t> GetResultPtr() const { return total_; }
  std::string GetActionName() const { return "Yields"; }
  void Initialize() {}
  void InitTask(TTreeReader *, unsigned int) {}

  void Exec(unsigned int slot, float value, double weight) {
    const auto bin = std::lower_bound(edges_.begin(), edges_.end(), value) - edges_.begin();
    slots_[slot].fill(static_cast<std::size_t>(bin), weight);
  }

  void Finalize() {
    for (const Yields &slot : slots_)
      total_->add(slot);
  }

private:
  std::vector<double> edges_;
  std::vector<Yields> slots_;
  std::shared_ptr<Yields> total_;
};

} // namespace

ROOT::RDF::RResultPtr<Yields> book_yields(RNode df, const std::string &value,
                                          const std::string &weight,
                                          const std::vector<double> &edges) {
  return df.Book<float, double>(YieldAction(edges, df.GetNSlots()), {value, weight});
}

} // namespace monojet

namespace {

struct BookedYields : monojet::BookedResult {
  explicit BookedYields(ROOT::RDF::RResultPtr<monojet::Yields> booked)
      : result(std::move(booked)) {}

  ROOT::RDF::RResultHandle handle() const override { return result; }

  /// `entries`, one a bin; `limbs` as of `Yields`; `n_not_finite`, one number.
  monojet::Array array(const std::string &name) const override {
    if (numbers_.limbs.empty()) {
      monojet::Yields &yields = *result;
      numbers_ = {yields.entries, yields.limbs(), {yields.n_not_finite()}};
    }
    if (name == "entries")
      return monojet::array_of(numbers_.entries);
    if (name == "limbs")
      return monojet::array_of(numbers_.limbs);
    if (name == "n_not_finite")
      return monojet::array_of(numbers_.n_not_finite);
    return Object::array(name);
  }

  mutable ROOT::RDF::RResultPtr<monojet::Yields> result;

private:
  struct Numbers {
    std::vector<std::uint64_t> entries;
    std::vector<long long> limbs;
    std::vector<std::uint64_t> n_not_finite;
  };
  mutable Numbers numbers_;
};

} // namespace

extern "C" monojet::Object *monojet_book_yields(const monojet::Node *node, const char *value,
                                                const char *weight, const double *edges,
                                                std::size_t n) {
  return monojet::guarded([&] {
    return std::make_unique<BookedYields>(
        monojet::book_yields(node->df, value, weight, {edges, edges + n}));
  });
}
