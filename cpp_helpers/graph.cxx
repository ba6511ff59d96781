#include "graph.hxx"

#include <ROOT/RDF/RActionImpl.hxx>
#include <ROOT/RDF/RDatasetSpec.hxx>
#include <ROOT/RDataFrame.hxx>
#include <ROOT/RNTupleDescriptor.hxx>
#include <ROOT/RNTupleReader.hxx>
#include <TFile.h>
#include <TTree.h>
#include <TTreeReader.h>

#include <algorithm>
#include <memory>
#include <stdexcept>
#include <utility>

namespace monojet {

std::vector<unsigned long long> cluster_ends(const std::string &tree, const std::string &file) {
  std::vector<unsigned long long> ends;
  const std::unique_ptr<TFile> handle{TFile::Open(file.c_str())};
  if (!handle || handle->IsZombie())
    throw std::runtime_error("cannot open " + file);
  if (auto *found = handle->Get<TTree>(tree.c_str())) {
    auto cluster = found->GetClusterIterator(0);
    while (cluster.Next() < found->GetEntries())
      ends.push_back(static_cast<unsigned long long>(cluster.GetNextEntry()));
  } else {
    const auto reader = ROOT::RNTupleReader::Open(tree, file);
    for (const auto &cluster : reader->GetDescriptor().GetClusterIterable())
      ends.push_back(cluster.GetFirstEntryIndex() + cluster.GetNEntries());
    std::sort(ends.begin(), ends.end());
  }
  return ends;
}

RNode open_range(const std::string &tree, const std::vector<std::string> &files, long long begin,
                 long long end) {
  ROOT::RDF::Experimental::RDatasetSpec spec;
  spec.AddSample({"sample", tree, files});
  spec.WithGlobalRange({begin, end});
  return ROOT::RDataFrame(spec);
}

RNode define(RNode df, const std::string &name, const std::string &expression) {
  return df.Define(name, expression);
}

RNode define_per_sample(RNode df, const std::string &name, const std::string &expression) {
  return df.DefinePerSample(name, expression);
}

RNode require(RNode df, const std::string &expression, const std::string &name) {
  return df.Filter(expression, name);
}

namespace {

using ROOT::RVecF;
using ROOT::RVecI;

/// Each thread fills pieces, a new one for each range of entries it is given; at the end they are
/// put in the order of their first entries.
class ImageAction : public ROOT::Detail::RDF::RActionImpl<ImageAction> {
public:
  using Result_t = ImageBlock;

  ImageAction(const ImageOptions &options, ImageBlock &block, unsigned int n_slots)
      : block_(&block, [](ImageBlock *) {}), slots_(n_slots, Slot(options)) {}
  ImageAction(ImageAction &&) = default;

  std::shared_ptr<Result_t> GetResultPtr() const { return block_; }
  std::string GetActionName() const { return "Images"; }
  void Initialize() { block_->clear(); }
  void InitTask(TTreeReader *reader, unsigned int slot) {
    slots_[slot].in_piece = false;
    // Of a tree read by several threads `rdfentry_` does not tell the place in the file.
    slots_[slot].first_of_tree = reader ? reader->GetEntriesRange().first : -1;
  }

  void Exec(unsigned int number, ULong64_t entry, const EventSummary &event, const RVecF &pt,
            const RVecF &eta, const RVecF &phi, const RVecF &energy, const RVecI &pdg_id,
            const RVecI &charge, const RVecF &jet_pt, const RVecF &jet_eta, const RVecF &jet_phi,
            const RVecF &jet_width) {
    Slot &slot = slots_[number];
    ImageBlock *block = block_.get();
    if (slots_.size() > 1) {
      if (!slot.in_piece) {
        const Long64_t first =
            slot.first_of_tree < 0 ? static_cast<Long64_t>(entry) : slot.first_of_tree;
        slot.pieces.push_back({first, std::make_shared<ImageBlock>()});
        slot.in_piece = true;
      }
      block = slot.pieces.back().block.get();
    }
    slot.maker.add(*block, event, pt, eta, phi, energy, pdg_id, charge, jet_pt, jet_eta, jet_phi,
                   jet_width);
  }

  void Finalize() {
    std::vector<Piece> pieces;
    for (Slot &slot : slots_)
      std::move(slot.pieces.begin(), slot.pieces.end(), std::back_inserter(pieces));
    std::sort(pieces.begin(), pieces.end(),
              [](const Piece &a, const Piece &b) { return a.first_entry < b.first_entry; });
    for (Piece &piece : pieces) {
      block_->append(*piece.block);
      piece.block.reset();
    }
  }

private:
  struct Piece {
    Long64_t first_entry;
    std::shared_ptr<ImageBlock> block;
  };
  struct Slot {
    explicit Slot(const ImageOptions &options) : maker(options) {}
    ImageMaker maker;
    std::vector<Piece> pieces;
    bool in_piece = false;
    Long64_t first_of_tree = -1;
  };

  std::shared_ptr<Result_t> block_; // the caller's
  std::vector<Slot> slots_;
};

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

void make_images(RNode df, const ImageOptions &options, ImageBlock &block) {
  df.Book<ULong64_t, EventSummary, RVecF, RVecF, RVecF, RVecF, RVecI, RVecI, RVecF, RVecF, RVecF,
          RVecF>(ImageAction(options, block, df.GetNSlots()),
                 {"rdfentry_", "event_summary", "particle_pt", "particle_eta", "particle_phi",
                  "particle_energy", "particle_pdg_id", "particle_charge", "jet_pt", "jet_eta",
                  "jet_phi", "jet_width"})
      .GetValue();
}

ROOT::RDF::RResultPtr<Yields> book_yields(RNode df, const std::string &value,
                                          const std::string &weight,
                                          const std::vector<double> &edges) {
  return df.Book<float, double>(YieldAction(edges, df.GetNSlots()), {value, weight});
}

} // namespace monojet
