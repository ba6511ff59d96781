// The eta x phi grid of the event images, and the builder that fills one.
//
// 100 rows of eta in [-2.5, 2.5), 126 columns of phi in [-3.15, 3.15), cells of 0.05 x 0.05.
// 126 x 0.05 = 6.30 > 2 pi: the two edge columns are only partly reachable.
#ifndef MONOJET_GRID_HXX
#define MONOJET_GRID_HXX

#include "particles.hxx"

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
inline constexpr int eta_origin = 50, phi_origin = 63; // of the cells above 0: 2.5 x 20, 3.15 x 20

/// The eight quantities of a cell, in the order of the last axis of an image.
namespace channel {
enum Index { pt_all, n_part, charge, pt_mu, pt_e, emf, pt_jet, jet_width };
} // namespace channel

/// Row of a pseudorapidity, or -1 outside [-2.5, 2.5) and for NaN.
/// The coordinate, stored as a float, is widened to double and the cell is floor(eta * 20) + 50:
/// a value belongs to the cell whose lower edge it is not below. (The product is exact for every
/// float; to add 2.5 first would round, and 3.15 is not a double.)
inline int eta_row(double eta) {
  const double row = std::floor(eta * cells_per_unit) + eta_origin;
  return row >= 0. && row < n_rows ? static_cast<int>(row) : -1;
}

/// Column of an azimuth, or -1 for NaN and infinities. |phi| up to 3.15 is taken as it stands
/// (so that phi = +pi and phi = -pi, the same direction, keep their two columns 125 and 0);
/// anything further out is first brought back by whole turns.
inline int phi_column(double phi) {
  if (!(std::abs(phi) <= phi_origin / cells_per_unit))
    phi = std::remainder(phi, 2. * M_PI);
  const double column = std::floor(phi * cells_per_unit) + phi_origin;
  // phi = +3.15 itself is the upper edge of the last column.
  return column >= 0. ? std::min(static_cast<int>(column), n_columns - 1) : -1;
}

/// Centre of a row in eta, or of a column in phi.
inline double row_centre(int row) { return (row - eta_origin + 0.5) / cells_per_unit; }
inline double column_centre(int column) { return (column - phi_origin + 0.5) / cells_per_unit; }

/// One non-empty cell of an image.
struct Cell {
  std::uint8_t row;
  std::uint8_t column;
  std::array<float, n_channels> values;
};

/// Fills one sparse image at a time; reused from event to event, one per thread.
///
/// Sums run in double and are rounded to float once, when the cells are read out. Only cells
/// that were touched are cleared, and memory is only taken while the largest event grows.
class ImageBuilder {
public:
  /// A visible particle. Returns false, and enters nothing, outside the grid.
  bool add_particle(double pt, double eta, double phi, double energy, int pdg_id, double q) {
    Sums *cell = touch(eta, phi);
    if (!cell)
      return false;
    cell->values[channel::pt_all] += pt;
    cell->values[channel::n_part] += 1.;
    cell->values[channel::charge] += q;
    cell->energy += energy;
    const int id = std::abs(pdg_id);
    if (id == pdg::muon)
      cell->values[channel::pt_mu] += pt;
    if (id == pdg::electron)
      cell->values[channel::pt_e] += pt;
    if (id == pdg::electron || id == pdg::photon || id == pdg::pi0)
      cell->electromagnetic_energy += energy;
    return true;
  }

  /// A jet, entered in the cell of its axis. Two axes in one cell (possible only with jets from
  /// elsewhere) add their transverse momenta; the width is that of the harder one.
  bool add_jet(double pt, double eta, double phi, double width) {
    Sums *cell = touch(eta, phi);
    if (!cell)
      return false;
    cell->values[channel::pt_jet] += pt;
    if (pt > cell->hardest_jet) {
      cell->hardest_jet = pt;
      cell->values[channel::jet_width] = width;
    }
    return true;
  }

  /// Appends the non-empty cells to `cells`, in rows and then columns, and clears the image.
  void read_out(std::vector<Cell> &cells) {
    for (std::size_t word = 0; word < occupied_.size(); ++word) {
      for (std::uint64_t bits = occupied_[word]; bits; bits &= bits - 1) {
        const int address = static_cast<int>(64 * word) + __builtin_ctzll(bits);
        const Sums &sums = sums_[slot_[address]];
        Cell cell{static_cast<std::uint8_t>(address / n_columns),
                  static_cast<std::uint8_t>(address % n_columns),
                  {}};
        bool empty = true;
        for (int k = 0; k < n_channels; ++k) {
          cell.values[k] = static_cast<float>(sums.values[k]);
          empty = empty && cell.values[k] == 0.f;
        }
        if (sums.energy > 0.) {
          cell.values[channel::emf] = static_cast<float>(sums.electromagnetic_energy / sums.energy);
          empty = empty && cell.values[channel::emf] == 0.f;
        }
        if (!empty)
          cells.push_back(cell);
      }
      occupied_[word] = 0;
    }
    sums_.clear();
  }

private:
  struct Sums {
    std::array<double, n_channels> values{};
    double energy = 0., electromagnetic_energy = 0., hardest_jet = 0.;
  };

  Sums *touch(double eta, double phi) {
    const int row = eta_row(eta), column = phi_column(phi);
    if (row < 0 || column < 0)
      return nullptr;
    const int address = row * n_columns + column;
    std::uint64_t &word = occupied_[address / 64];
    const std::uint64_t bit = std::uint64_t{1} << (address % 64);
    if (!(word & bit)) {
      word |= bit;
      slot_[address] = static_cast<std::uint16_t>(sums_.size());
      sums_.emplace_back();
    }
    return &sums_[slot_[address]];
  }

  std::array<std::uint64_t, (n_cells + 63) / 64> occupied_{}; // one bit a cell, in row order
  std::array<std::uint16_t, n_cells> slot_;                   // where an occupied cell's sums are
  std::vector<Sums> sums_;
};

} // namespace monojet

#endif
