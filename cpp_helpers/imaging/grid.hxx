// The eta x phi grid of the event images, and the builder that fills an image.
//
// 100 rows of eta in [-2.5, 2.5), 126 columns of phi in [-3.15, 3.15), cells of 0.05 x 0.05.
// 126 x 0.05 = 6.30 > 2 pi: the two edge columns are only partly reachable.
#ifndef MONOJET_GRID_HXX
#define MONOJET_GRID_HXX

#include "objects/particles.hxx"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

namespace monojet {

inline constexpr int n_rows = 100;
inline constexpr int n_columns = 126;
inline constexpr int n_cells = n_rows * n_columns;
inline constexpr int n_channels = 8;
inline constexpr double cells_per_unit = 20.; // 1 / 0.05, exact in binary where 0.05 is not
inline constexpr int eta_origin = 50, phi_origin = 63; // cells below 0: 2.5 x 20, 3.15 x 20

/// The eight quantities of a cell, in the order of the last axis of an image.
namespace channel {
enum Index { pt_all, n_part, charge, pt_mu, pt_e, emf, pt_jet, jet_width };
} // namespace channel

/// Row of a pseudorapidity, or -1 outside [-2.5, 2.5) and for NaN.
/// The coordinate, stored as a float, is widened to double and the cell is floor(eta * 20) + 50:
/// a value belongs to the cell whose lower edge it is not below. (The product is exact for every
/// float; to add 2.5 first would round, and 3.15 is not a double.)
inline int eta_row(double eta) {
  const double cell = eta * cells_per_unit;
  return cell >= -eta_origin && cell < n_rows - eta_origin
             ? static_cast<int>(std::floor(cell)) + eta_origin
             : -1;
}

/// Column of an azimuth, or -1 for NaN and infinities. |phi| up to 3.15 is used as it is (phi = +pi
/// and phi = -pi, the same direction, have the columns 125 and 0); larger values are first reduced
/// by whole turns.
inline int phi_column(double phi) {
  if (!(std::abs(phi) <= phi_origin / cells_per_unit)) {
    phi = std::remainder(phi, 2. * M_PI);
    if (std::isnan(phi))
      return -1;
  }
  // phi = +3.15 itself is the upper edge of the last column.
  return std::min(static_cast<int>(std::floor(phi * cells_per_unit)) + phi_origin, n_columns - 1);
}

/// Index of the cell of a direction, in row-major order, or -1 outside the grid.
inline int cell_address(double eta, double phi) {
  const double row = eta * cells_per_unit, column = phi * cells_per_unit;
  // branch-free for nearly all directions
  const bool is_plain = (row >= -eta_origin) & (row < n_rows - eta_origin) &
                        (column >= -phi_origin) & (column < phi_origin);
  if (is_plain)
    return (static_cast<int>(std::floor(row)) + eta_origin) * n_columns +
           static_cast<int>(std::floor(column)) + phi_origin;
  const int i = eta_row(eta), j = phi_column(phi);
  return i < 0 || j < 0 ? -1 : i * n_columns + j;
}

/// Destination of the cells of an image: rows, columns and channels.
struct CellColumns {
  std::uint8_t *row;
  std::uint8_t *column;
  std::array<float *, n_channels> values;
};

/// Fills one sparse image at a time; one per thread, reused for each event.
///
/// Sums are doubles, rounded to float once, when the cells are read out. Only touched cells are
/// cleared, and memory grows with the largest event only.
class ImageBuilder {
public:
  /// Adds a visible particle to the cell `address` (`cell_address`). Returns false outside the
  /// grid.
  bool add_particle(int address, double pt, double energy, int pdg_id, double q) {
    if (address < 0)
      return false;
    const int id = std::abs(pdg_id);
    const bool is_electron = id == pdg::electron;
    const bool is_electromagnetic = is_electron | (id == pdg::photon) | (id == pdg::pi0);
    const double pt_mu = id == pdg::muon ? pt : 0.;
    const double pt_e = is_electron ? pt : 0.;
    const double electromagnetic_energy = is_electromagnetic ? energy : 0.;
    if (occupy(address)) {
      sums_.push_back({pt, 1., q, pt_mu, pt_e, energy, electromagnetic_energy, 0., 0., 0.});
      return true;
    }
    Sums &cell = sums_[slot_[address]];
    cell.pt_all += pt;
    cell.n_part += 1.;
    cell.charge += q;
    cell.pt_mu += pt_mu;
    cell.pt_e += pt_e;
    cell.energy += energy;
    cell.electromagnetic_energy += electromagnetic_energy;
    return true;
  }

  /// Adds a jet to the cell of its axis. If two axes share a cell (possible only for jets read from
  /// files), their transverse momenta add and the width is that of the harder one. Returns false
  /// outside the grid.
  bool add_jet(int address, double pt, double width) {
    if (address < 0)
      return false;
    if (occupy(address))
      sums_.push_back({});
    Sums &cell = sums_[slot_[address]];
    cell.pt_jet += pt;
    if (pt > cell.hardest_jet) {
      cell.hardest_jet = pt;
      cell.jet_width = width;
    }
    return true;
  }

  /// Number of touched cells: the maximum that `read_out` writes.
  std::size_t n_touched() const { return sums_.size(); }

  /// Writes the non-empty cells in row-major order, clears the image and returns their number.
  std::size_t read_out(const CellColumns &out) {
    list_occupied();
    std::size_t n = 0;
    for (const std::uint16_t address : listed_) {
      const Sums &sums = sums_[slot_[address]];
      out.row[n] = static_cast<std::uint8_t>(address / n_columns);
      out.column[n] = static_cast<std::uint8_t>(address % n_columns);
      const std::array<double, n_channels> values = sums.channels();
      bool is_filled = false;
      for (int k = 0; k < n_channels; ++k) {
        const auto value = static_cast<float>(values[k]);
        out.values[k][n] = value;
        is_filled |= value != 0.f;
      }
      n += is_filled;
    }
    sums_.clear();
    return n;
  }

private:
  struct Sums {
    double pt_all, n_part, charge, pt_mu, pt_e, energy, electromagnetic_energy;
    double pt_jet, jet_width, hardest_jet;

    std::array<double, n_channels> channels() const {
      const double emf = energy > 0. ? electromagnetic_energy / energy : 0.;
      return {pt_all, n_part, charge, pt_mu, pt_e, emf, pt_jet, jet_width};
    }
  };

  /// Marks a cell; returns whether it was empty, so that the caller must append its sums.
  bool occupy(int address) {
    const int place = address / 64;
    std::uint64_t &word = occupied_[place];
    const std::uint64_t bit = std::uint64_t{1} << (address % 64);
    if (word & bit)
      return false;
    word |= bit;
    words_[place / 64] |= std::uint64_t{1} << (place % 64);
    slot_[address] = static_cast<std::uint16_t>(sums_.size());
    return true;
  }

  /// Lists the occupied cells in row-major order and marks them as empty.
  void list_occupied() {
    listed_.resize(sums_.size());
    std::size_t n = 0;
    for (std::size_t i = 0; i < words_.size(); ++i) {
      for (std::uint64_t words = words_[i]; words; words &= words - 1) {
        const std::size_t place = 64 * i + __builtin_ctzll(words);
        for (std::uint64_t bits = occupied_[place]; bits; bits &= bits - 1)
          listed_[n++] = static_cast<std::uint16_t>(64 * place + __builtin_ctzll(bits));
        occupied_[place] = 0;
      }
      words_[i] = 0;
    }
  }

  static constexpr std::size_t n_words = (n_cells + 63) / 64;
  std::array<std::uint64_t, n_words> occupied_{};          // one bit per cell, row-major
  std::array<std::uint64_t, (n_words + 63) / 64> words_{}; // one bit per word with any
  std::array<std::uint16_t, n_cells> slot_;                // index of an occupied cell's sums
  std::vector<Sums> sums_;
  std::vector<std::uint16_t> listed_; // the occupied cells
};

} // namespace monojet

#endif
