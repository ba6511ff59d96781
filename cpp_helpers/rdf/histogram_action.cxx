#include "rdf/histogram_action.hxx"

#include <ROOT/RDF/RActionImpl.hxx>
#include <TTreeReader.h>

#include <memory>
#include <utility>

namespace monojet {

namespace {

class HistogramAction : public ROOT::Detail::RDF::RActionImpl<HistogramAction> {
public:
  using Result_t = Histograms;

  explicit HistogramAction(std::shared_ptr<Histograms> histograms)
      : histograms_(std::move(histograms)) {}
  HistogramAction(HistogramAction &&) = default;

  std::shared_ptr<Result_t> GetResultPtr() const { return histograms_; }
  std::string GetActionName() const { return "Histograms"; }
  void Initialize() {}
  void InitTask(TTreeReader *, unsigned int) {}
  void Exec(unsigned int slot, const Binned &bins, double weight) {
    histograms_->fill(slot, bins, weight);
  }
  void Finalize() {}

private:
  std::shared_ptr<Histograms> histograms_;
};

} // namespace

RNode define_bins(RNode df, const std::string &name, const std::string &values,
                  const HistogramSpecification &specification) {
  return df.Define(name,
                   [shared = std::make_shared<const HistogramSpecification>(specification)](
                       const Gathered &gathered) { return find_bins(*shared, gathered); },
                   {values});
}

ROOT::RDF::RResultPtr<Histograms> book_histograms(RNode df, const std::string &bins,
                                                  const std::string &weight,
                                                  const HistogramSpecification &specification,
                                                  const std::vector<std::size_t> &histograms) {
  auto made = std::make_shared<Histograms>(specification, histograms, df.GetNSlots());
  return df.Book<Binned, double>(HistogramAction(std::move(made)), {bins, weight});
}

} // namespace monojet

namespace {

struct SpecificationObject : monojet::Object {
  monojet::HistogramSpecification specification;
};

struct BookedHistograms : monojet::BookedResult {
  explicit BookedHistograms(ROOT::RDF::RResultPtr<monojet::Histograms> booked)
      : result(std::move(booked)) {}

  ROOT::RDF::RResultHandle handle() const override { return result; }

  /// The content, by the names in `HistogramContent`; `shape` holds the base and the number of
  /// limbs of the sums of weights, then of squared weights, then the number of weights that are not
  /// finite.
  monojet::Array array(const std::string &name) const override {
    if (!content_) // each call of `content` makes it again, and arrays share its memory
      content_ = std::make_unique<monojet::HistogramContent>(result->content());
    const auto &content = *content_;
    if (name == "entries")
      return monojet::array_of(content.entries);
    if (name == "sumw")
      return monojet::array_of(content.sumw.limbs);
    if (name == "sumw2")
      return monojet::array_of(content.sumw2.limbs);
    if (name == "n_without_value")
      return monojet::array_of(content.n_without_value);
    if (name == "shape") {
      shape_ = {content.sumw.base, content.sumw.n_limbs, content.sumw2.base, content.sumw2.n_limbs,
                content.n_not_finite};
      return monojet::array_of(shape_);
    }
    return Object::array(name);
  }

  mutable ROOT::RDF::RResultPtr<monojet::Histograms> result;

private:
  mutable std::unique_ptr<monojet::HistogramContent> content_;
  mutable std::vector<std::uint64_t> shape_;
};

} // namespace

extern "C" {

monojet::Object *monojet_histogram_specification() {
  return monojet::guarded([] { return std::make_unique<SpecificationObject>(); });
}

/// Adds a histogram of one quantity or, if `n_second` is not 0, of two.
int monojet_add_histogram(SpecificationObject *made, unsigned long long quantity,
                          const double *edges, std::size_t n, unsigned long long second,
                          const double *second_edges, std::size_t n_second) {
  return monojet::guarded([&] {
    if (n_second == 0)
      made->specification.add(quantity, {edges, edges + n});
    else
      made->specification.add(quantity, {edges, edges + n}, second,
                              {second_edges, second_edges + n_second});
  });
}

monojet::Object *monojet_define_bins(const monojet::Node *node, const char *name,
                                     const char *values, const SpecificationObject *made) {
  return monojet::guarded([&] {
    return monojet::node_of(monojet::define_bins(node->df, name, values, made->specification));
  });
}

monojet::Object *monojet_book_histograms(const monojet::Node *node, const char *bins,
                                         const char *weight, const SpecificationObject *made,
                                         const std::uint64_t *histograms, std::size_t n) {
  return monojet::guarded([&] {
    return std::make_unique<BookedHistograms>(monojet::book_histograms(
        node->df, bins, weight, made->specification, {histograms, histograms + n}));
  });
}

} // extern "C"
