// The three compressions of the thesis (Praderio 2018, section 4.2 and appendix A, with the errors
// of the printed pseudo-code corrected). A compression only changes the addresses of cells: each
// function takes the addresses of the n cells of an image, in row-major order, and writes new ones.
#ifndef MONOJET_COMPRESSION_HXX
#define MONOJET_COMPRESSION_HXX

#include "imaging/grid.hxx"
#include "objects/random.hxx"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace monojet {

/// Rows and columns of the cells of an image: input and output.
struct Addresses {
  const std::uint8_t *row;
  const std::uint8_t *column;
};
struct NewAddresses {
  std::uint8_t *row;
  std::uint8_t *column;
};

inline constexpr int kept_lines = 60; // rows and columns kept by the stochastic compression

/// Empty cell compression: removes the empty cells of each row and the rows without cells.
inline void compress_cell(Addresses cells, std::size_t n, NewAddresses out) {
  int row = -1, column = 0, previous = -1;
  for (std::size_t i = 0; i < n; ++i) {
    const bool is_new_row = cells.row[i] != previous;
    previous = cells.row[i];
    row += is_new_row;
    column = is_new_row ? 0 : column + 1;
    out.row[i] = static_cast<std::uint8_t>(row);
    out.column[i] = static_cast<std::uint8_t>(column);
  }
}

/// A subset of the N <= 128 rows or columns of the grid, one bit each, least significant first.
template <int N> class Lines {
public:
  Lines() = default;

  /// The lines whose flag, 0 or 1, is set.
  explicit Lines(const std::array<std::uint8_t, 128> &flags) {
    for (int i = 0; i < 128; i += 8) {
      std::uint64_t eight;
      std::memcpy(&eight, &flags[i], 8);
      // collects the lowest bits of the eight bytes in the highest byte
      words_[i / 64] |= (eight * 0x0102040810204080ull >> 56) << (i % 64);
    }
  }

  void insert(int line) { words_[line / 64] |= std::uint64_t{1} << (line % 64); }
  const std::array<std::uint64_t, 2> &words() const { return words_; }

  Lines complement() const {
    Lines others;
    others.words_ = {~words_[0], ~words_[1] & (~std::uint64_t{0} >> (128 - N))};
    return others;
  }

  /// The number of lines before one.
  int rank(int line) const {
    const std::uint64_t before = (std::uint64_t{1} << (line % 64)) - 1;
    return __builtin_popcountll(words_[line / 64] & before) +
           (line < 64 ? 0 : __builtin_popcountll(words_[0]));
  }

  /// Writes the lines in increasing order and returns their number.
  int list(std::uint8_t *lines) const {
    int n = 0;
    for (int word = 0; word < 2; ++word)
      for (std::uint64_t bits = words_[word]; bits; bits &= bits - 1)
        lines[n++] = static_cast<std::uint8_t>(64 * word + __builtin_ctzll(bits));
    return n;
  }

private:
  std::array<std::uint64_t, 2> words_{};
};

/// The lines of the grid that a compression keeps.
struct KeptLines {
  Lines<n_rows> rows;
  Lines<n_columns> columns;
};

/// The non-empty rows and columns.
inline KeptLines filled_lines(Addresses cells, std::size_t n) {
  std::array<std::uint8_t, 128> rows{}, columns{};
  for (std::size_t i = 0; i < n; ++i)
    rows[cells.row[i]] = columns[cells.column[i]] = 1;
  return {Lines<n_rows>(rows), Lines<n_columns>(columns)};
}

namespace detail {

/// Keeps further random lines until `kept_lines` are kept. Each draw takes, from the lines not yet
/// kept in increasing order, that of index floor(mix(state) / 2^64 x (their number)).
template <int N> void keep_at_random(Lines<N> &kept, std::uint64_t &state) {
  std::array<std::uint8_t, 128 + 16> dropped{};
  int n_dropped = kept.complement().list(dropped.data());
  for (; n_dropped > N - kept_lines; --n_dropped) {
    state = mix(state);
    const auto pick = static_cast<int>((static_cast<unsigned __int128>(state) * n_dropped) >> 64);
    kept.insert(dropped[pick]);
    // move the following lines up by one, 16 at a time; up to 15 beyond the end move too
    for (int i = pick; i < n_dropped - 1; i += 16) {
      std::array<std::uint8_t, 16> moving;
      std::memcpy(moving.data(), &dropped[i + 1], 16);
      std::memcpy(&dropped[i], moving.data(), 16);
    }
  }
}

inline void move_cells(Addresses cells, std::size_t n, const KeptLines &kept, NewAddresses out) {
  for (std::size_t i = 0; i < n; ++i) {
    out.row[i] = static_cast<std::uint8_t>(kept.rows.rank(cells.row[i]));
    out.column[i] = static_cast<std::uint8_t>(kept.columns.rank(cells.column[i]));
  }
}

} // namespace detail

/// Empty row and column compression: removes empty rows and columns. `filled` are the
/// `filled_lines` of the cells.
inline void compress_rowcol(Addresses cells, std::size_t n, const KeptLines &filled,
                            NewAddresses out) {
  detail::move_cells(cells, n, filled, out);
}

/// Empty row and column stochastic compression: like `compress_rowcol`, but keeps random empty rows
/// and columns up to 60 of each. `hash` is the `event_hash`. Returns the kept lines, which do not
/// follow from the cells.
inline KeptLines compress_stochastic(Addresses cells, std::size_t n, const KeptLines &filled,
                                     std::uint64_t hash, NewAddresses out) {
  KeptLines kept = filled;
  std::uint64_t state = hash;
  detail::keep_at_random(kept.rows, state);
  detail::keep_at_random(kept.columns, state);
  detail::move_cells(cells, n, kept, out);
  return kept;
}

} // namespace monojet

#endif
