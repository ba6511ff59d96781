#include "rdf/rdf_actions.hxx"

#include <ROOT/RDF/RActionImpl.hxx>
#include <ROOT/RDF/RDatasetSpec.hxx>
#include <ROOT/RDataFrame.hxx>
#include <ROOT/RNTupleDescriptor.hxx>
#include <ROOT/RNTupleReader.hxx>
#include <TBranch.h>
#include <TFile.h>
#include <TLeaf.h>
#include <TTree.h>
#include <TTreeReader.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
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

namespace {

/// The first branch with other than `entries` entries: this, those in it and those that count its
/// elements.
TBranch *other_than(TBranch &branch, long long entries) {
  if (branch.GetEntries() != entries)
    return &branch;
  for (TObject *leaf : *branch.GetListOfLeaves())
    if (auto *count = static_cast<TLeaf *>(leaf)->GetLeafCount())
      if (count->GetBranch()->GetEntries() != entries)
        return count->GetBranch();
  for (TObject *inner : *branch.GetListOfBranches())
    if (auto *found = other_than(*static_cast<TBranch *>(inner), entries))
      return found;
  return nullptr;
}

} // namespace

Misfilled misfilled(const std::string &tree, const std::string &file,
                    const std::vector<std::string> &columns) {
  const std::unique_ptr<TFile> handle{TFile::Open(file.c_str())};
  if (!handle || handle->IsZombie())
    throw std::runtime_error("cannot open " + file);
  auto *found = handle->Get<TTree>(tree.c_str());
  for (const auto &column : found ? columns : std::vector<std::string>{}) {
    auto *branch = found->FindBranch(column.c_str());
    if (!branch)
      if (auto *leaf = found->FindLeaf(column.c_str()))
        branch = leaf->GetBranch();
    if (!branch)
      continue;
    if (const auto *one = other_than(*branch, found->GetEntries()))
      return {one->GetName(), one->GetEntries(), found->GetEntries()};
  }
  return {};
}

RNode no_events() { return ROOT::RDataFrame(0); }

RNode open_range(const std::string &tree, const std::vector<std::string> &files, long long begin,
                 long long end) {
  ROOT::RDF::Experimental::RDatasetSpec spec;
  spec.AddSample({"sample", tree, files});
  spec.WithGlobalRange({begin, end});
  return ROOT::RDataFrame(spec);
}

RNode alias(RNode df, const std::string &name, const std::string &column) {
  return df.Alias(name, column);
}

RNode define(RNode df, const std::string &name, const std::string &expression) {
  return df.HasColumn(name) ? df.Redefine(name, expression) : df.Define(name, expression);
}

RNode define_per_sample(RNode df, const std::string &name, const std::string &expression) {
  return df.DefinePerSample(name, expression);
}

namespace {

template <typename T, typename F>
RNode checked(RNode df, const std::string &name, const std::string &first) {
  return df.Redefine(name,
                     [name, first](const ROOT::RVec<T> &values, const ROOT::RVec<F> &others) {
                       if (values.size() != others.size())
                         throw std::runtime_error("an event has " + std::to_string(values.size()) +
                                                  " entries in column '" + name + "' and " +
                                                  std::to_string(others.size()) + " in '" + first +
                                                  "'");
                       // a view: what it is of lives as long as the event
                       return ROOT::RVec<T>(const_cast<T *>(values.data()), values.size());
                     },
                     {name, first});
}

} // namespace

RNode with_length_of(RNode df, const std::string &name, const std::string &first) {
  const auto is_float = [&df](const std::string &column) {
    return df.GetColumnType(column).find("loat") != std::string::npos; // float, Float_t
  };
  const auto make = is_float(name) ? is_float(first) ? checked<float, float> : checked<float, int>
                    : is_float(first) ? checked<int, float>
                                      : checked<int, int>;
  return make(df, name, first);
}

RNode require(RNode df, const std::string &expression, const std::string &name) {
  return df.Filter(expression, name);
}

namespace {

using ROOT::RVecF;
using ROOT::RVecI;

/// The blocks that an action fills, in the order of the file: each thread fills pieces, a new one
/// for each range of entries it is given; at the end they are put in the order of their first
/// entries. A lone thread fills the caller's block.
template <class Block> class InOrder {
public:
  InOrder(Block &block, unsigned int n_slots) : block_(&block, [](Block *) {}), slots_(n_slots) {}

  const std::shared_ptr<Block> &whole() const { return block_; }

  void begin() { block_->clear(); }

  void begin_range(TTreeReader *reader, unsigned int slot) {
    slots_[slot].in_piece = false;
    // Of a tree read by several threads `rdfentry_` does not tell the place in the file.
    slots_[slot].first_of_tree = reader ? reader->GetEntriesRange().first : -1;
  }

  /// Where the next event of a thread goes.
  Block &at(unsigned int number, ULong64_t entry) {
    if (slots_.size() == 1)
      return *block_;
    Slot &slot = slots_[number];
    if (!slot.in_piece) {
      const Long64_t first =
          slot.first_of_tree < 0 ? static_cast<Long64_t>(entry) : slot.first_of_tree;
      // the caller's block is empty until the end: a copy of it is one of the same shape
      slot.pieces.push_back({first, std::make_shared<Block>(*block_)});
      slot.in_piece = true;
    }
    return *slot.pieces.back().block;
  }

  void end() {
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
    std::shared_ptr<Block> block;
  };
  struct Slot {
    std::vector<Piece> pieces;
    bool in_piece = false;
    Long64_t first_of_tree = -1;
  };

  std::shared_ptr<Block> block_; // the caller's
  std::vector<Slot> slots_;
};

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
  std::vector<ImageMaker> makers_; // one a thread
};

class TableAction : public ROOT::Detail::RDF::RActionImpl<TableAction> {
public:
  using Result_t = TableBlock;

  TableAction(TableBlock &block, unsigned int n_slots) : blocks_(block, n_slots) {}
  TableAction(TableAction &&) = default;

  std::shared_ptr<Result_t> GetResultPtr() const { return blocks_.whole(); }
  std::string GetActionName() const { return "Table"; }
  void Initialize() { blocks_.begin(); }
  void InitTask(TTreeReader *reader, unsigned int slot) { blocks_.begin_range(reader, slot); }

  void Exec(unsigned int slot, ULong64_t entry, UInt_t run_number, ULong64_t event_number,
            double weight, const RVecF &quantities, const RVecF &features) {
    blocks_.at(slot, entry).add(run_number, event_number, weight, quantities, features);
  }

  void Finalize() { blocks_.end(); }

private:
  InOrder<TableBlock> blocks_;
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
                 {"rdfentry_", "monojet_event_summary", "particle_pt", "particle_eta",
                  "particle_phi", "particle_energy", "particle_pdg_id", "particle_charge", "jet_pt",
                  "jet_eta", "jet_phi", "jet_width"})
      .GetValue();
}

void make_table(RNode df, const std::string &weight, TableBlock &block) {
  df.Book<ULong64_t, UInt_t, ULong64_t, double, RVecF, RVecF>(
        TableAction(block, df.GetNSlots()), {"rdfentry_", "run_number", "event_number", weight,
                                             "monojet_quantities", "monojet_features"})
      .GetValue();
}

EventChecks check_events(RNode df) {
  std::vector<EventChecks> slots(df.GetNSlots());
  df.ForeachSlot(
      [&slots](unsigned int slot, UInt_t run, ULong64_t number, double weight) {
        slots[slot].run_number.push_back(run);
        slots[slot].event_number.push_back(number);
        slots[slot].n_weights_not_finite += !std::isfinite(weight);
        slots[slot].n_weights_zero += weight == 0.;
      },
      {"run_number", "event_number", "weight"});
  EventChecks all = std::move(slots.front());
  for (std::size_t i = 1; i < slots.size(); ++i) {
    const EventChecks &some = slots[i];
    all.run_number.insert(all.run_number.end(), some.run_number.begin(), some.run_number.end());
    all.event_number.insert(all.event_number.end(), some.event_number.begin(),
                            some.event_number.end());
    all.n_weights_not_finite += some.n_weights_not_finite;
    all.n_weights_zero += some.n_weights_zero;
  }
  return all;
}

std::map<int, std::uint64_t> unknown_particles(RNode df) {
  std::vector<std::map<int, std::uint64_t>> slots(df.GetNSlots());
  df.ForeachSlot(
      [&slots](unsigned int slot, const RVecI &codes) {
        for (const int code : codes)
          if (!is_known(code))
            ++slots[slot][std::abs(code)];
      },
      {"particle_pdg_id"});
  std::map<int, std::uint64_t> all;
  for (const auto &some : slots)
    for (const auto &[code, n] : some)
      all[code] += n;
  return all;
}

unsigned int first_number(const std::string &tree, const std::string &file,
                          const std::string &column) {
  auto df = open_range(tree, {file}, 0, 1);
  const auto type = df.GetColumnType(column);
  if (type.find("unsigned") != std::string::npos || type.find("UInt") != std::string::npos ||
      type.find("uint") != std::string::npos)
    return df.Take<unsigned int>(column).GetValue().at(0);
  return static_cast<unsigned int>(df.Take<int>(column).GetValue().at(0));
}

double largest(RNode df, const std::string &column, bool of_vectors) {
  std::vector<double> slots(df.GetNSlots(), -std::numeric_limits<double>::infinity());
  if (of_vectors)
    df.ForeachSlot(
        [&slots](unsigned int slot, const RVecF &values) {
          for (const float value : values)
            slots[slot] = std::max(slots[slot], static_cast<double>(value));
        },
        {column});
  else
    df.ForeachSlot(
        [&slots](unsigned int slot, float value) {
          slots[slot] = std::max(slots[slot], static_cast<double>(value));
        },
        {column});
  return *std::max_element(slots.begin(), slots.end());
}

ROOT::RDF::RResultPtr<Yields> book_yields(RNode df, const std::string &value,
                                          const std::string &weight,
                                          const std::vector<double> &edges) {
  return df.Book<float, double>(YieldAction(edges, df.GetNSlots()), {value, weight});
}

} // namespace monojet
