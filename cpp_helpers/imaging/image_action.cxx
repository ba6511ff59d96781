#include "imaging/image_action.hxx"

#include "rdf/in_order.hxx"

#include <ROOT/RDF/RActionImpl.hxx>
#include <ROOT/RVec.hxx>

#include <dlfcn.h>

#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
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

ROOT::RDF::RResultPtr<ImageBlock> book_images(RNode df, const ImageOptions &options,
                                              ImageBlock &block) {
  return df.Book<ULong64_t, EventSummary, RVecF, RVecF, RVecF, RVecF, RVecI, RVecI, RVecF, RVecF,
                 RVecF, RVecF>(ImageAction(options, block, df.GetNSlots()),
                               {"rdfentry_", "monojet_event_summary", "particle_pt", "particle_eta",
                                "particle_phi", "particle_energy", "particle_pdg_id",
                                "particle_charge", "jet_pt", "jet_eta", "jet_phi", "jet_width"});
}

void make_images(RNode df, const ImageOptions &options, ImageBlock &block) {
  book_images(df, options, block).GetValue();
}

} // namespace monojet

namespace {

struct BlockObject : monojet::Object {
  /// The columns of `ImageBlock` by name: `quantities/2`, `values/0`, `addresses/1/row`. `losses`
  /// holds the numbers from `n_particles` to `pt_cells_keV` in their order, `crop_losses` cells,
  /// events and keV of each crop of each compression, `unknown` codes and numbers in turn.
  monojet::Array array(const std::string &name) const override {
    using monojet::array_of;
    const auto &b = block;
    const auto slash = name.find('/');
    const std::string first = name.substr(0, slash);
    const std::size_t i = slash == std::string::npos ? 0 : std::stoul(name.substr(slash + 1));
    if (first == "run_number")
      return array_of(b.run_number);
    if (first == "event_number")
      return array_of(b.event_number);
    if (first == "weight")
      return array_of(b.weight);
    if (first == "fold")
      return array_of(b.fold);
    if (first == "regions")
      return array_of(b.regions);
    if (first == "offsets")
      return array_of(b.offsets);
    if (first == "kept_rows")
      return array_of(b.kept_rows);
    if (first == "kept_columns")
      return array_of(b.kept_columns);
    if (first == "quantities")
      return array_of(b.quantities.at(i));
    if (first == "values")
      return array_of(b.values.at(i));
    if (first == "addresses") {
      const auto &addresses = b.addresses.at(i);
      return array_of(name.back() == 'w' ? addresses.row : addresses.column);
    }
    if (first == "losses") {
      numbers_ = {b.n_particles,
                  b.n_below_threshold,
                  b.n_outside,
                  b.n_not_finite,
                  b.n_jets_outside,
                  b.pt_particles_keV,
                  b.pt_below_threshold_keV,
                  b.pt_outside_keV,
                  b.pt_cells_keV};
      return array_of(numbers_);
    }
    if (first == "crop_losses") {
      numbers_.clear();
      for (const auto &of_compression : b.crop_losses)
        for (const auto &loss : of_compression)
          numbers_.insert(numbers_.end(), {loss.cells, loss.events, loss.pt_keV});
      return array_of(numbers_);
    }
    if (first == "unknown") {
      numbers_.clear();
      for (const auto &[code, n] : b.unknown)
        numbers_.insert(numbers_.end(), {static_cast<std::uint64_t>(code), n});
      return array_of(numbers_);
    }
    return Object::array(name);
  }

  monojet::ImageBlock block;

private:
  mutable std::vector<std::uint64_t> numbers_; // of the last array that is none of the block
};

struct BookedBlock : monojet::BookedResult {
  explicit BookedBlock(ROOT::RDF::RResultPtr<monojet::ImageBlock> booked)
      : result(std::move(booked)) {}
  ROOT::RDF::RResultHandle handle() const override { return result; }
  ROOT::RDF::RResultPtr<monojet::ImageBlock> result;
};

struct OptionsObject : monojet::Object {
  monojet::ImageOptions options;
};

} // namespace

extern "C" {

monojet::Object *monojet_image_block() {
  return monojet::guarded([] { return std::make_unique<BlockObject>(); });
}

monojet::Object *monojet_image_options(double min_particle_pt, double min_jet_pt, long long seed,
                                       long long folds) {
  return monojet::guarded([&] {
    auto made = std::make_unique<OptionsObject>();
    made->options = {min_particle_pt, min_jet_pt, static_cast<std::uint64_t>(seed),
                     static_cast<unsigned int>(folds)};
    return made;
  });
}

/// Makes images from the particles that a detector measures. `numbers` are its settings in the
/// order of `Detector`; `jets` is the library with `find_jets`, or the address of such a function.
int monojet_use_detector(OptionsObject *made, const double *numbers, std::size_t n,
                         const char *jets) {
  return monojet::guarded([&] {
    static_assert(std::is_trivially_copyable_v<monojet::Detector>);
    if (n * sizeof(double) != sizeof(monojet::Detector))
      throw std::invalid_argument("a detector has other settings");
    std::memcpy(&made->options.detector, numbers, sizeof(monojet::Detector));
    if (const std::string text = jets; text.find_first_not_of("0123456789") == std::string::npos) {
      made->options.find_jets = reinterpret_cast<monojet::JetFinder>(std::stoull(text));
      return;
    }
    void *const library = ::dlopen(jets, RTLD_NOW | RTLD_LOCAL);
    void *const found = library ? ::dlsym(library, "find_jets") : nullptr;
    if (!found)
      throw std::runtime_error(::dlerror());
    made->options.find_jets = *static_cast<monojet::JetFinder *>(found);
  });
}

/// The block must live until the event loop has run.
monojet::Object *monojet_book_images(const monojet::Node *node, const OptionsObject *made,
                                     BlockObject *block) {
  return monojet::guarded([&] {
    return std::make_unique<BookedBlock>(
        monojet::book_images(node->df, made->options, block->block));
  });
}

} // extern "C"
