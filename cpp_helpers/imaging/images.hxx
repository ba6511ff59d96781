// Sparse images of events: cells, addresses after each compression, losses.
#ifndef MONOJET_IMAGES_HXX
#define MONOJET_IMAGES_HXX

#include "imaging/compression.hxx"
#include "imaging/detector.hxx"
#include "imaging/grid.hxx"
#include "rdf/event_summary.hxx"

#include <ROOT/RVec.hxx>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <map>
#include <vector>

namespace monojet {

struct ImageJets {
  ROOT::RVecF pt, eta, phi, width;
};

/// Clusters jets above `min_pt` from particles: pt, eta, phi, energy, pdg_id, charge.
using JetFinder = ImageJets (*)(const ROOT::RVecF &, const ROOT::RVecF &, const ROOT::RVecF &,
                                const ROOT::RVecF &, const ROOT::RVecI &, const ROOT::RVecI &,
                                double min_pt);

struct ImageOptions {
  double min_particle_pt; // GeV; particles above it are entered
  double min_jet_pt;      // GeV, likewise
  std::uint64_t seed;     // for the stochastic compression and the detector
  unsigned int folds;
  Detector detector{};           // used with `find_jets`
  JetFinder find_jets = nullptr; // null: ideal detector and the event's own jets
};

/// Number of compressions, in the order of `ImageBlock::addresses` after `none`.
inline constexpr int n_compressions = 3; // cell, rowcol, stochastic
inline constexpr std::array<int, 2> crops{60, 30};

/// Losses by cropping compressed images.
struct CropLoss {
  std::uint64_t cells = 0, events = 0;
  std::uint64_t pt_keV = 0;
};

/// Images of events as flat columns: event i has the cells [offsets[i], offsets[i + 1]).
struct ImageBlock {
  struct AddressColumns {
    std::vector<std::uint8_t> row, column;
  };

  // one entry per event
  std::vector<std::uint32_t> run_number;
  std::vector<std::uint64_t> event_number;
  std::vector<double> weight;
  std::vector<std::uint8_t> fold; // `fold_of`
  std::vector<std::uint64_t> regions;
  std::array<std::vector<float>, n_quantities> quantities;
  std::vector<std::uint64_t> offsets{0}; // one entry more than events
  // lines kept by the stochastic compression, one bit each, least significant first
  std::vector<std::uint8_t> kept_rows, kept_columns; // 13 and 16 bytes per event
  // one entry per cell
  std::array<AddressColumns, 1 + n_compressions> addresses; // none, cell, rowcol, stochastic
  std::array<std::vector<float>, n_channels> values;
  // Losses. Transverse momenta are rounded to keV for each event, so that the sums do not depend on
  // how events are grouped.
  std::uint64_t n_particles = 0;       // visible particles read
  std::uint64_t n_below_threshold = 0; // visible particles below the threshold
  std::uint64_t n_outside = 0;         // particles above it, outside the grid
  std::uint64_t n_not_finite = 0;      // particles and jets with a NaN or an infinity
  std::uint64_t n_jets_outside = 0;    // jets whose axis is outside the grid
  std::uint64_t pt_particles_keV = 0, pt_below_threshold_keV = 0, pt_outside_keV = 0;
  std::uint64_t pt_cells_keV = 0;
  std::map<int, std::uint64_t> unknown; // particles of unknown kind by |PDG code|
  std::array<std::array<CropLoss, crops.size()>, n_compressions> crop_losses;

  std::size_t size() const { return run_number.size(); }

  /// Removes the events and keeps the memory.
  void clear() {
    const auto empty = [](auto &...columns) { (columns.clear(), ...); };
    empty(run_number, event_number, weight, fold, regions, offsets, kept_rows, kept_columns);
    for (auto &column : quantities)
      column.clear();
    for (AddressColumns &address : addresses)
      empty(address.row, address.column);
    for (auto &channel : values)
      channel.clear();
    offsets.push_back(0);
    unknown.clear();
    n_particles = n_below_threshold = n_outside = n_not_finite = n_jets_outside = 0;
    pt_particles_keV = pt_below_threshold_keV = pt_outside_keV = pt_cells_keV = 0;
    crop_losses = {};
  }

  /// Appends the events of another block.
  void append(const ImageBlock &other) {
    const auto append_to = [](auto &mine, const auto &more) {
      mine.insert(mine.end(), more.begin(), more.end());
    };
    append_to(run_number, other.run_number);
    append_to(event_number, other.event_number);
    append_to(weight, other.weight);
    append_to(fold, other.fold);
    append_to(regions, other.regions);
    for (std::size_t i = 0; i < n_quantities; ++i)
      append_to(quantities[i], other.quantities[i]);
    const std::uint64_t cells = offsets.back();
    for (std::size_t i = 1; i < other.offsets.size(); ++i)
      offsets.push_back(cells + other.offsets[i]);
    append_to(kept_rows, other.kept_rows);
    append_to(kept_columns, other.kept_columns);
    for (std::size_t i = 0; i < addresses.size(); ++i) {
      append_to(addresses[i].row, other.addresses[i].row);
      append_to(addresses[i].column, other.addresses[i].column);
    }
    for (std::size_t i = 0; i < values.size(); ++i)
      append_to(values[i], other.values[i]);
    n_particles += other.n_particles;
    n_below_threshold += other.n_below_threshold;
    n_outside += other.n_outside;
    n_not_finite += other.n_not_finite;
    n_jets_outside += other.n_jets_outside;
    pt_particles_keV += other.pt_particles_keV;
    pt_below_threshold_keV += other.pt_below_threshold_keV;
    pt_outside_keV += other.pt_outside_keV;
    pt_cells_keV += other.pt_cells_keV;
    for (const auto &[code, n] : other.unknown)
      unknown[code] += n;
    for (int i = 0; i < n_compressions; ++i)
      for (std::size_t j = 0; j < crops.size(); ++j) {
        crop_losses[i][j].cells += other.crop_losses[i][j].cells;
        crop_losses[i][j].events += other.crop_losses[i][j].events;
        crop_losses[i][j].pt_keV += other.crop_losses[i][j].pt_keV;
      }
  }
};

/// A transverse momentum in GeV as an integer number of keV, limited to [0, 10^9 GeV].
inline std::uint64_t to_keV(double pt) {
  return static_cast<std::uint64_t>(std::min(std::max(pt, 0.), 1e9) * 1e6 + 0.5);
}

/// Makes the image of one event at a time and appends it to a block; one per thread, reused for
/// each event. Memory grows with the largest event and the block only.
class ImageMaker {
public:
  explicit ImageMaker(const ImageOptions &options) : options_(options) {}

  /// Appends the image of an event. Invisible particles are skipped. With a detector, jets of the
  /// measured particles replace the given ones.
  void add(ImageBlock &block, const EventSummary &event, const ROOT::RVecF &pt,
           const ROOT::RVecF &eta, const ROOT::RVecF &phi, const ROOT::RVecF &energy,
           const ROOT::RVecI &pdg_id, const ROOT::RVecI &charge, const ROOT::RVecF &jet_pt,
           const ROOT::RVecF &jet_eta, const ROOT::RVecF &jet_phi, const ROOT::RVecF &jet_width) {
    if (!options_.find_jets) {
      fill(block, event, pt, eta, phi, energy, pdg_id, charge, jet_pt, jet_eta, jet_phi, jet_width);
      return;
    }
    MeasuredParticles &seen = measured_;
    seen.fill(options_.detector, detector_key(options_.seed, event.run_number, event.event_number),
              pt, eta, energy, pdg_id, charge);
    const ImageJets jets = options_.find_jets(seen.pt, eta, phi, seen.energy, seen.pdg_id,
                                              seen.charge, options_.min_jet_pt);
    fill(block, event, seen.pt, eta, phi, seen.energy, seen.pdg_id, seen.charge, jets.pt, jets.eta,
         jets.phi, jets.width);
  }

private:
  void fill(ImageBlock &block, const EventSummary &event, const ROOT::RVecF &pt,
            const ROOT::RVecF &eta, const ROOT::RVecF &phi, const ROOT::RVecF &energy,
            const ROOT::RVecI &pdg_id, const ROOT::RVecI &charge, const ROOT::RVecF &jet_pt,
            const ROOT::RVecF &jet_eta, const ROOT::RVecF &jet_phi, const ROOT::RVecF &jet_width) {
    choose(block, pt, eta, phi, energy, pdg_id);
    addresses_.resize(chosen_.size());
    for (std::size_t j = 0; j < chosen_.size(); ++j)
      addresses_[j] = cell_address(eta[chosen_[j]], phi[chosen_[j]]);
    double pt_outside = 0.;
    for (std::size_t j = 0; j < chosen_.size(); ++j) {
      const unsigned int i = chosen_[j];
      if (!builder_.add_particle(addresses_[j], pt[i], energy[i], pdg_id[i], charge[i])) {
        ++block.n_outside;
        pt_outside += pt[i];
      }
    }
    block.pt_outside_keV += to_keV(pt_outside);
    for (std::size_t i = 0; i < jet_pt.size(); ++i) {
      if (!std::isfinite(jet_pt[i] + jet_eta[i] + jet_phi[i] + jet_width[i]))
        ++block.n_not_finite;
      else if (jet_pt[i] > options_.min_jet_pt &&
               !builder_.add_jet(cell_address(jet_eta[i], jet_phi[i]), jet_pt[i], jet_width[i]))
        ++block.n_jets_outside;
    }
    append_cells(block, event_hash(options_.seed, event.run_number, event.event_number));
    append_summary(block, event);
  }

  /// Selects the visible particles above the threshold and counts the others. Free of branches that
  /// depend on the particle, which the processor would often mispredict.
  void choose(ImageBlock &block, const ROOT::RVecF &pt, const ROOT::RVecF &eta,
              const ROOT::RVecF &phi, const ROOT::RVecF &energy, const ROOT::RVecI &pdg_id) {
    const std::size_t n = pt.size();
    chosen_.resize(n);
    std::size_t n_chosen = 0, n_visible = 0, n_finite = 0;
    double pt_counted = 0., pt_chosen = 0.;
    for (std::size_t i = 0; i < n; ++i) {
      const Kind kind = kind_of(pdg_id[i]);
      const bool visible = kind != Kind::invisible;
      if (kind == Kind::unknown)
        ++block.unknown[std::abs(pdg_id[i])];
      const float sum = pt[i] + eta[i] + phi[i] + energy[i];
      const bool counted = visible & (sum - sum == 0.f); // finite
      const bool hard = counted & (pt[i] > options_.min_particle_pt);
      n_visible += visible;
      n_finite += counted;
      pt_counted += masked(pt[i], counted);
      pt_chosen += masked(pt[i], hard);
      chosen_[n_chosen] = static_cast<unsigned int>(i);
      n_chosen += hard;
    }
    chosen_.resize(n_chosen);
    block.n_particles += n_visible;
    block.n_not_finite += n_visible - n_finite;
    block.n_below_threshold += n_finite - n_chosen;
    block.pt_particles_keV += to_keV(pt_counted);
    block.pt_below_threshold_keV += to_keV(pt_counted - pt_chosen);
  }

  /// x, or 0 if `keep` is false (also for NaN).
  static float masked(float x, bool keep) {
    std::uint32_t bits;
    std::memcpy(&bits, &x, sizeof x);
    bits &= -static_cast<std::uint32_t>(keep);
    std::memcpy(&x, &bits, sizeof x);
    return x;
  }

  void append_summary(ImageBlock &block, const EventSummary &event) {
    block.run_number.push_back(event.run_number);
    block.event_number.push_back(event.event_number);
    block.weight.push_back(event.weight);
    block.fold.push_back(fold_of(event.run_number, event.event_number, options_.folds));
    block.regions.push_back(event.regions);
    for (std::size_t i = 0; i < n_quantities; ++i)
      block.quantities[i].push_back(event.quantities[i]);
    block.offsets.push_back(block.addresses[0].row.size());
  }

  void append_cells(ImageBlock &block, std::uint64_t hash) {
    cells_.reserve(builder_.n_touched());
    const NewAddresses none = cells_.columns(0);
    const std::size_t n = builder_.read_out({none.row, none.column, cells_.channels()});

    const Addresses cells{none.row, none.column};
    const float *pt = cells_.values[channel::pt_all].data();
    double pt_cells = 0.;
    for (std::size_t i = 0; i < n; ++i)
      pt_cells += pt[i];
    block.pt_cells_keV += to_keV(pt_cells);
    compress_cell(cells, n, cells_.columns(1));
    const KeptLines filled = filled_lines(cells, n);
    compress_rowcol(cells, n, filled, cells_.columns(2));
    const KeptLines kept = compress_stochastic(cells, n, filled, hash, cells_.columns(3));
    pack(kept.rows, block.kept_rows);
    pack(kept.columns, block.kept_columns);
    for (int i = 0; i < n_compressions; ++i)
      count_losses(cells_.columns(1 + i), pt, n, block.crop_losses[i]);
    cells_.append_to(block, n);
  }

  static void count_losses(NewAddresses cells, const float *pt, std::size_t n,
                           std::array<CropLoss, crops.size()> &losses) {
    std::uint8_t last = 0;
    for (std::size_t i = 0; i < n; ++i)
      last = std::max(last, std::max(cells.row[i], cells.column[i]));
    for (std::size_t j = 0; j < crops.size(); ++j) {
      if (last < crops[j])
        continue;
      std::size_t n_lost = 0;
      double pt_lost = 0.;
      for (std::size_t i = 0; i < n; ++i) {
        const bool lost = (cells.row[i] >= crops[j]) | (cells.column[i] >= crops[j]);
        n_lost += lost;
        pt_lost += lost ? pt[i] : 0.f;
      }
      losses[j].cells += n_lost;
      losses[j].pt_keV += to_keV(pt_lost);
      ++losses[j].events;
    }
  }

  /// Appends one bit per line, least significant first.
  template <int N> static void pack(const Lines<N> &lines, std::vector<std::uint8_t> &out) {
    out.resize(out.size() + (N + 7) / 8);
    std::uint8_t *bytes = out.data() + out.size() - (N + 7) / 8;
    for (int i = 0; i < N; i += 8)
      *bytes++ = static_cast<std::uint8_t>(lines.words()[i / 64] >> (i % 64));
  }

  /// The cells of one image, in memory that stays in the cache.
  struct Cells {
    std::array<ImageBlock::AddressColumns, 1 + n_compressions> addresses;
    std::array<std::vector<float>, n_channels> values;

    void reserve(std::size_t n) {
      if (n <= values[0].size())
        return;
      for (ImageBlock::AddressColumns &address : addresses) {
        address.row.resize(n);
        address.column.resize(n);
      }
      for (auto &channel : values)
        channel.resize(n);
    }

    NewAddresses columns(int i) { return {addresses[i].row.data(), addresses[i].column.data()}; }

    std::array<float *, n_channels> channels() {
      std::array<float *, n_channels> all;
      for (int k = 0; k < n_channels; ++k)
        all[k] = values[k].data();
      return all;
    }

    void append_to(ImageBlock &block, std::size_t n) const {
      const auto append = [n](auto &to, const auto &from) {
        to.insert(to.end(), from.data(), from.data() + n);
      };
      for (std::size_t i = 0; i < addresses.size(); ++i) {
        append(block.addresses[i].row, addresses[i].row);
        append(block.addresses[i].column, addresses[i].column);
      }
      for (int k = 0; k < n_channels; ++k)
        append(block.values[k], values[k]);
    }
  };

  ImageOptions options_;
  ImageBuilder builder_;
  Cells cells_;
  std::vector<unsigned int> chosen_; // selected particles of the event
  std::vector<int> addresses_;       // their cells
  MeasuredParticles measured_;       // with a detector
};

} // namespace monojet

#endif
