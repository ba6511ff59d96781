// The thesis's three compressions (Praderio 2018, section 4.2 and appendix A, with the slips of
// the printed pseudo-code mended). A compression only changes a cell's address: each function
// takes the cells of one image, sorted by row and then column, and writes one new address a cell.
#ifndef MONOJET_COMPRESSION_HXX
#define MONOJET_COMPRESSION_HXX

#include "grid.hxx"

#include <array>
#include <cstddef>
#include <cstdint>

namespace monojet {

struct Address {
  std::uint8_t row;
  std::uint8_t column;
};

inline constexpr int kept_lines = 60; // rows and columns kept by the stochastic compression

/// splitmix64: the step of a counter-based generator, and a hash of 64 bits to 64 bits.
inline std::uint64_t mix(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15ull;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

/// Hash of an event's identity: equal for equal events on every machine, thread and order.
inline std::uint64_t event_hash(std::uint64_t seed, std::uint64_t run, std::uint64_t event) {
  return mix(mix(mix(seed) ^ run) ^ event);
}

/// Empty cell compression: in each row the non-empty cells move left in their order; rows
/// without any cell vanish.
inline void compress_cell(const Cell *cells, std::size_t n, Address *out) {
  int row = -1, column = 0, previous = -1;
  for (std::size_t i = 0; i < n; ++i) {
    if (cells[i].row != previous) {
      previous = cells[i].row;
      ++row;
      column = 0;
    }
    out[i] = {static_cast<std::uint8_t>(row), static_cast<std::uint8_t>(column++)};
  }
}

namespace detail {

template <std::size_t N> using Lines = std::array<bool, N>;

/// New index of each kept line: the number of kept lines before it.
template <std::size_t N> std::array<std::uint8_t, N> renumber(const Lines<N> &kept) {
  std::array<std::uint8_t, N> index{};
  std::uint8_t next = 0;
  for (std::size_t i = 0; i < N; ++i) {
    index[i] = next;
    next += kept[i];
  }
  return index;
}

/// Keeps random further lines until `kept_lines` are kept; with as many already, none.
/// A draw takes, of the lines not yet kept in increasing order, that of index
/// (mix(state) as a fraction of 2^64) x (their number), rounded down.
template <std::size_t N> void keep_at_random(Lines<N> &kept, std::uint64_t &state) {
  std::array<std::uint8_t, N> dropped;
  int n_dropped = 0, n_kept = 0;
  for (std::size_t i = 0; i < N; ++i) {
    if (kept[i])
      ++n_kept;
    else
      dropped[n_dropped++] = static_cast<std::uint8_t>(i);
  }
  for (; n_kept < kept_lines; ++n_kept, --n_dropped) {
    state = mix(state);
    const auto pick = static_cast<int>((static_cast<unsigned __int128>(state) * n_dropped) >> 64);
    kept[dropped[pick]] = true;
    std::copy(dropped.begin() + pick + 1, dropped.begin() + n_dropped, dropped.begin() + pick);
  }
}

inline void occupancy(const Cell *cells, std::size_t n, Lines<n_rows> &rows,
                      Lines<n_columns> &columns) {
  for (std::size_t i = 0; i < n; ++i)
    rows[cells[i].row] = columns[cells[i].column] = true;
}

inline void move_cells(const Cell *cells, std::size_t n, const Lines<n_rows> &rows,
                       const Lines<n_columns> &columns, Address *out) {
  const auto row = renumber(rows);
  const auto column = renumber(columns);
  for (std::size_t i = 0; i < n; ++i)
    out[i] = {row[cells[i].row], column[cells[i].column]};
}

} // namespace detail

/// Empty row and column compression: empty rows vanish, then empty columns vanish.
inline void compress_rowcol(const Cell *cells, std::size_t n, Address *out) {
  detail::Lines<n_rows> rows{};
  detail::Lines<n_columns> columns{};
  detail::occupancy(cells, n, rows, columns);
  detail::move_cells(cells, n, rows, columns, out);
}

/// Which lines of the grid a compression kept.
struct KeptLines {
  detail::Lines<n_rows> rows{};
  detail::Lines<n_columns> columns{};
};

/// Empty row and column stochastic compression: as `compress_rowcol`, but random empty rows and
/// columns stay until 60 of each are kept. `hash` is the event's (`event_hash`). Returns the kept
/// lines, which the cells alone do not tell.
inline KeptLines compress_stochastic(const Cell *cells, std::size_t n, std::uint64_t hash,
                                     Address *out) {
  KeptLines kept;
  detail::occupancy(cells, n, kept.rows, kept.columns);
  std::uint64_t state = hash;
  detail::keep_at_random(kept.rows, state);
  detail::keep_at_random(kept.columns, state);
  detail::move_cells(cells, n, kept.rows, kept.columns, out);
  return kept;
}

} // namespace monojet

#endif
