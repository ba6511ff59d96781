// The RDataFrame action that turns a stream of events into flat, sparse image columns.
#ifndef MONOJET_IMAGES_HXX
#define MONOJET_IMAGES_HXX

#include "compression.hxx"
#include "grid.hxx"
#include "kinematics.hxx"

#include <ROOT/RDF/RActionImpl.hxx>
#include <ROOT/RDataFrame.hxx>
#include <ROOT/RResultPtr.hxx>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace monojet {

/// The images of some events, flat: the cells of event i are [offsets[i], offsets[i + 1]).
struct ImageBlock {
  // one entry an event
  std::vector<std::uint32_t> run_number;
  std::vector<std::uint64_t> event_number;
  std::vector<double> weight;
  std::vector<std::uint8_t> fold;        // a hash of the event's identity alone
  std::vector<std::uint64_t> regions;    // one bit a region
  std::vector<float> quantities;         // a fixed number of floats an event
  std::vector<std::uint64_t> offsets{0}; // one more than events
  // lines kept by the stochastic compression, one bit each, least significant first
  std::vector<std::uint8_t> kept_rows, kept_columns; // 13 and 16 bytes an event
  // one entry a cell; the address pairs are those of none, cell, rowcol and stochastic
  std::vector<std::uint8_t> row, column;
  std::vector<std::uint8_t> cell_row, cell_column;
  std::vector<std::uint8_t> rowcol_row, rowcol_column;
  std::vector<std::uint8_t> stochastic_row, stochastic_column;
  std::vector<float> values; // n_channels a cell
  // what did not enter
  std::uint64_t n_particles = 0;       // visible particles read
  std::uint64_t n_below_threshold = 0; // of those, not above the threshold
  std::uint64_t n_outside = 0;         // of those, hard enough but outside the grid
  std::uint64_t n_not_finite = 0;      // particles and jets with a NaN or an infinity
  std::uint64_t n_jets_outside = 0;    // jets whose axis is outside the grid
  double pt_particles = 0., pt_below_threshold = 0., pt_outside = 0.;
};

class ImageAction : public ROOT::Detail::RDF::RActionImpl<ImageAction> {
public:
  using Result_t = ImageBlock;

  ImageAction(double min_particle_pt, double min_jet_pt, std::uint64_t seed, unsigned int folds)
      : min_particle_pt_(min_particle_pt), min_jet_pt_(min_jet_pt), seed_(seed), folds_(folds) {}
  ImageAction(ImageAction &&) = default;

  std::shared_ptr<Result_t> GetResultPtr() const { return block_; }
  std::string GetActionName() const { return "Images"; }
  void Initialize() {}
  void InitTask(TTreeReader *, unsigned int) {}
  void Finalize() {}

  void Exec(unsigned int, unsigned int run, unsigned long long event, double weight,
            unsigned long long regions, const RVecF &quantities, const RVecF &pt, const RVecF &eta,
            const RVecF &phi, const RVecF &energy, const RVecI &pdg_id, const RVecI &charge,
            const RVecF &jet_pt, const RVecF &jet_eta, const RVecF &jet_phi,
            const RVecF &jet_width) {
    ImageBlock &block = *block_;
    for (std::size_t i = 0; i < pt.size(); ++i) {
      if (!is_visible(pdg_id[i]))
        continue;
      ++block.n_particles;
      if (!std::isfinite(pt[i] + eta[i] + phi[i] + energy[i])) {
        ++block.n_not_finite;
        continue;
      }
      block.pt_particles += pt[i];
      if (!(pt[i] > min_particle_pt_)) {
        ++block.n_below_threshold;
        block.pt_below_threshold += pt[i];
      } else if (!builder_.add_particle(pt[i], eta[i], phi[i], energy[i], pdg_id[i], charge[i])) {
        ++block.n_outside;
        block.pt_outside += pt[i];
      }
    }
    for (std::size_t i = 0; i < jet_pt.size(); ++i) {
      if (!std::isfinite(jet_pt[i] + jet_eta[i] + jet_phi[i] + jet_width[i]))
        ++block.n_not_finite;
      else if (jet_pt[i] > min_jet_pt_ &&
               !builder_.add_jet(jet_pt[i], jet_eta[i], jet_phi[i], jet_width[i]))
        ++block.n_jets_outside;
    }
    cells_.clear();
    builder_.read_out(cells_);
    append(block, event_hash(seed_, run, event));
    block.run_number.push_back(run);
    block.event_number.push_back(event);
    block.weight.push_back(weight);
    block.fold.push_back(static_cast<std::uint8_t>(event_hash(fold_key, run, event) % folds_));
    block.regions.push_back(regions);
    block.quantities.insert(block.quantities.end(), quantities.begin(), quantities.end());
    block.offsets.push_back(block.row.size());
  }

private:
  // Folds depend on nothing but the event: not on the seed of the run either.
  static constexpr std::uint64_t fold_key = 0x666f6c64;

  void append(ImageBlock &block, std::uint64_t hash) {
    const std::size_t n = cells_.size();
    for (const Cell &cell : cells_) {
      block.row.push_back(cell.row);
      block.column.push_back(cell.column);
      block.values.insert(block.values.end(), cell.values.begin(), cell.values.end());
    }
    addresses_.resize(n);
    const auto push = [this](std::vector<std::uint8_t> &rows, std::vector<std::uint8_t> &columns) {
      for (const Address &address : addresses_) {
        rows.push_back(address.row);
        columns.push_back(address.column);
      }
    };
    compress_cell(cells_.data(), n, addresses_.data());
    push(block.cell_row, block.cell_column);
    compress_rowcol(cells_.data(), n, addresses_.data());
    push(block.rowcol_row, block.rowcol_column);
    const KeptLines kept = compress_stochastic(cells_.data(), n, hash, addresses_.data());
    push(block.stochastic_row, block.stochastic_column);
    pack(kept.rows, block.kept_rows);
    pack(kept.columns, block.kept_columns);
  }

  template <std::size_t N>
  static void pack(const detail::Lines<N> &lines, std::vector<std::uint8_t> &out) {
    const std::size_t start = out.size();
    out.resize(start + (N + 7) / 8);
    for (std::size_t i = 0; i < N; ++i)
      out[start + i / 8] |= static_cast<std::uint8_t>(lines[i] << (i % 8));
  }

  double min_particle_pt_, min_jet_pt_;
  std::uint64_t seed_;
  unsigned int folds_;
  std::shared_ptr<Result_t> block_ = std::make_shared<Result_t>();
  ImageBuilder builder_;
  std::vector<Cell> cells_;
  std::vector<Address> addresses_;
};

/// Books the images of all events that reach `df`; single-threaded loops only, so that events
/// keep the order of the file.
inline ROOT::RDF::RResultPtr<ImageBlock> book_images(ROOT::RDF::RNode df, double min_particle_pt,
                                                     double min_jet_pt, std::uint64_t seed,
                                                     unsigned int folds) {
  return df.Book<unsigned int, unsigned long long, double, unsigned long long, RVecF, RVecF, RVecF,
                 RVecF, RVecF, RVecI, RVecI, RVecF, RVecF, RVecF, RVecF>(
      ImageAction(min_particle_pt, min_jet_pt, seed, folds),
      {"run_number", "event_number", "weight", "region_bits", "event_quantities", "particle_pt",
       "particle_eta", "particle_phi", "particle_energy", "particle_pdg_id", "particle_charge",
       "jet_pt", "jet_eta", "jet_phi", "jet_width"});
}

} // namespace monojet

#endif
