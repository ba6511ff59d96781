// The bins of an event in histograms.
#ifndef MONOJET_BINNING_HXX
#define MONOJET_BINNING_HXX

#include "rdf/gather.hxx"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace monojet {

/// The bins of a quantity: low <= value < high.
///
/// n bins have the indices 1 to n; index 0 is underflow, n + 1 overflow, and n + 2 stands for NaN.
///
/// If a few equal cells divide the axis such that none has two edges, the cell of a value and at
/// most one comparison give its bin. This is exact: although the place of a value among the cells
/// is rounded, it never decreases with the value, so that edges at lower places are below the
/// value, those at higher ones above it. Other axes are searched.
class BinAxis {
public:
  /// Raises: std::invalid_argument, the edges are not at least two finite ascending numbers.
  explicit BinAxis(const std::vector<double> &edges);

  /// The number of indices without that of NaN: n + 2.
  std::uint32_t size() const { return static_cast<std::uint32_t>(edges_.size() - 1); }

  /// Whether values are found without a search, and for most without a comparison.
  bool has_cells() const { return method_ != Method::search; }
  bool has_uniform_cells() const { return method_ == Method::uniform; }

  /// The index of a value.
  std::uint32_t find(double value) const {
    if (method_ == Method::search)
      return by_search(value);
    const double where = place(value);
    const auto cell = static_cast<std::uint32_t>(static_cast<std::int64_t>(where));
    const double rest = where - cell;
    if (method_ == Method::uniform && rest > margin && rest < 1. - margin)
      return cell + 1;
    const std::uint32_t below = edges_below_[cell];
    return value == value ? below + (value >= edges_[below]) : size();
  }

private:
  enum class Method { search, cells, uniform };

  static constexpr double margin = 0x1p-10; // of a cell

  /// The place of a value among the cells, at most their number; 0 for NaN.
  double place(double value) const {
    // Nothing is added to the product: compilers may fuse both, which rounds otherwise.
    const double found = (value - low_) * cells_per_unit_;
    const double not_below = found > 0. ? found : 0.;
    return not_below < last_cell_ ? not_below : last_cell_;
  }

  std::size_t n_edges() const { return edges_.size() - 2; }
  bool make_cells(std::size_t n);
  bool is_uniform() const;
  std::uint32_t by_search(double value) const;

  double low_ = 0., cells_per_unit_ = 0., last_cell_ = 0.;
  Method method_ = Method::search;
  std::vector<std::uint16_t> edges_below_; // of each cell: number of edges in lower cells
  std::vector<double> edges_;              // and two NaN, which no value reaches
};

/// What histograms show: each one or two of the gathered quantities, by their numbers.
class HistogramSpecification {
public:
  struct Axis {
    std::size_t quantity;
    BinAxis bins;
  };

  /// A histogram has one or two axes; `axis` is the number of the first.
  struct Histogram {
    std::size_t axis, n_axes;
    std::uint32_t n_bins; ///< with underflow and overflow
  };

  /// Adds a histogram; histograms are numbered from 0.
  ///
  /// Raises: std::invalid_argument, its edges are not finite and ascending, or its bins too many.
  void add(std::size_t quantity, const std::vector<double> &edges);
  void add(std::size_t quantity, const std::vector<double> &edges, std::size_t second_quantity,
           const std::vector<double> &second_edges);

  const std::vector<Histogram> &histograms() const { return histograms_; }

  /// The axes of all histograms.
  const std::vector<Axis> &axes() const { return axes_; }

  /// How many quantities must be gathered, at least.
  std::size_t n_quantities() const { return n_quantities_; }

private:
  BinAxis bins(const std::vector<double> &edges) const;
  void append(const std::vector<Axis> &axes);
  std::string name() const;

  std::vector<Histogram> histograms_;
  std::vector<Axis> axes_;
  std::size_t n_quantities_ = 0;
};

/// The bins of an event in all histograms of a specification.
///
/// A bin of two quantities has the index x n_y + y, with the indices of both and the number n_y of
/// those of the second. The index after the last bin stands for NaN in either.
struct Binned {
  /// Where the bins of a histogram of vectors are.
  struct Elements {
    std::uint32_t histogram, begin, size;
  };

  std::vector<std::uint32_t> bins; ///< one of each histogram (of vectors: of NaN), then others
  std::vector<Elements> vectors;   ///< of the histograms of vectors, in their order
};

/// Finds the bins of an event. A vector has a bin for each element; two vectors have bins in pairs,
/// a number and a vector those of the number with each element.
///
/// Raises: std::runtime_error, two vectors of a histogram differ in length, or a quantity is
/// missing.
Binned find_bins(const HistogramSpecification &specification, const Gathered &gathered);

} // namespace monojet

#endif
