// The columns of an event as a compiled program computes them, each when it is first used.
//
// A program is a library, written by `analysis.rdf.program`: the columns that it reads (sources)
// and those that it computes. It has no part of RDataFrame in it, whose templates take the compiler
// half a second a column; `with_columns` (program_columns.hxx) makes its columns those of a frame.
#ifndef MONOJET_RECORD_HXX
#define MONOJET_RECORD_HXX

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <type_traits>
#include <typeinfo>
#include <utility>
#include <vector>

namespace monojet {

/// The present event of a thread. Reading and computing are lazy: a value is kept until the entry
/// changes.
class Record {
public:
  /// Returns the address of a value; `source` is its number.
  using Read = void *(*)(void *reader, std::size_t source, long long entry);

  Record() = default;
  Record(const Record &) = delete;
  Record &operator=(const Record &) = delete;
  ~Record() {
    for (Cell &cell : cells_)
      if (cell.value)
        cell.remove(cell.value);
  }

  /// Sets what it reads from, and forgets all values. `numbers` are the constants of the program,
  /// of 8 bytes each.
  void begin(void *reader, Read read, std::size_t n_columns, const std::uint64_t *numbers) {
    reader_ = reader;
    read_ = read;
    numbers_ = numbers;
    cells_.resize(n_columns);
    for (Cell &cell : cells_)
      cell.entry = -1;
    entry_ = -1;
  }

  void go_to(long long entry) { entry_ = entry; }

  /// A constant.
  template <typename T> T number(std::size_t i) const {
    static_assert(sizeof(T) <= sizeof(std::uint64_t) && std::is_trivially_copyable_v<T>);
    T value;
    std::memcpy(&value, numbers_ + i, sizeof value);
    return value;
  }

  /// A value of the file.
  template <typename T> T &source(std::size_t i) {
    return *static_cast<T *>(read_(reader_, i, entry_));
  }

  /// A value that `Column::make` computes; a type or, for values that are elsewhere, a pointer.
  template <typename Column, typename T> T &computed(std::size_t i) {
    T &value = place<T>(i);
    if (cells_[i].entry != entry_) {
      value = Column::make(*this);
      cells_[i].entry = entry_;
    }
    return value;
  }

  /// Where the value of a column is; always the same.
  template <typename T> T &place(std::size_t i) {
    Cell &cell = cells_[i];
    if (!cell.value) {
      cell.value = new T{};
      cell.remove = [](void *value) { delete static_cast<T *>(value); };
    }
    return *static_cast<T *>(cell.value);
  }

  void reserve(std::size_t n_columns) { cells_.resize(n_columns); }

private:
  struct Cell {
    long long entry = -1;
    void *value = nullptr;
    void (*remove)(void *) = nullptr;
  };

  long long entry_ = -1;
  void *reader_ = nullptr;
  Read read_ = nullptr;
  const std::uint64_t *numbers_ = nullptr;
  std::vector<Cell> cells_;
};

/// What a program computes and what it reads.
struct Program {
  struct Source {
    const char *name;
    const std::type_info *type;
  };

  struct Column {
    const char *name;
    const std::type_info *type;
    void (*compute)(Record &);
    void *(*place)(Record &);
  };

  const Source *sources;
  std::size_t n_sources;
  const Column *columns;
  std::size_t n_columns;
  std::size_t n_cells;
};

} // namespace monojet

#endif
