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
