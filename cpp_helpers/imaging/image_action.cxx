#include "imaging/image_action.hxx"

#include "rdf/in_order.hxx"

#include <ROOT/RDF/RActionImpl.hxx>
#include <ROOT/RVec.hxx>

#include <memory>
#include <vector>

namespace monojet {

namespace {

using ROOT::RVecF;
using ROOT::RVecI;

class ImageAction : public ROOT::Detail::RDF::RActionImpl<ImageAction> {
public:
  using Result_t = ImageBlock;

  ImageAction(const ImageOptions &options, ImageBlock &block, unsigned int n_slots)
      : blocks_(block, n_slots), makers_(n_slots, ImageMaker(options)) {}
  ImageAction(ImageAction &&) = default;

  std::shared_ptr<Result_t> GetResultPtr() const { return blocks_.whole(); }
  std::string GetActionName() const { return "Images"; }
  void Initialize() { blocks_.begin(); }
  void InitTask(TTreeReader *reader, unsigned int slot) { blocks_.begin_range(reader, slot); }

  void Exec(unsigned int slot, ULong64_t entry, const EventSummary &event, const RVecF &pt,
            const RVecF &eta, const RVecF &phi, const RVecF &energy, const RVecI &pdg_id,
            const RVecI &charge, const RVecF &jet_pt, const RVecF &jet_eta, const RVecF &jet_phi,
            const RVecF &jet_width) {
    makers_[slot].add(blocks_.at(slot, entry), event, pt, eta, phi, energy, pdg_id, charge, jet_pt,
                      jet_eta, jet_phi, jet_width);
  }

  void Finalize() { blocks_.end(); }

private:
  InOrder<ImageBlock> blocks_;
  std::vector<ImageMaker> makers_; // one per thread
};

} // namespace

void make_images(RNode df, const ImageOptions &options, ImageBlock &block) {
  df.Book<ULong64_t, EventSummary, RVecF, RVecF, RVecF, RVecF, RVecI, RVecI, RVecF, RVecF, RVecF,
          RVecF>(ImageAction(options, block, df.GetNSlots()),
                 {"rdfentry_", "monojet_event_summary", "particle_pt", "particle_eta",
                  "particle_phi", "particle_energy", "particle_pdg_id", "particle_charge", "jet_pt",
                  "jet_eta", "jet_phi", "jet_width"})
      .GetValue();
}

} // namespace monojet
