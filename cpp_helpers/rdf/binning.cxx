#include "rdf/binning.hxx"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <utility>

namespace monojet {

BinAxis::BinAxis(const std::vector<double> &edges) : edges_(edges) {
  bool valid = edges.size() >= 2 && std::isfinite(edges.front()) && std::isfinite(edges.back());
  for (std::size_t i = 1; i < edges.size(); ++i)
    valid = valid && edges[i - 1] < edges[i];
  if (!valid)
    throw std::invalid_argument("the edges must be finite and ascending, at least two");
  edges_.resize(edges.size() + 2, std::numeric_limits<double>::quiet_NaN());
  const std::size_t n_bins = edges.size() - 1, most = std::max<std::size_t>(n_bins, 1024);
  for (std::size_t n = n_bins; n <= most && n <= 0xffff && method_ == Method::search; n *= 2)
    method_ = make_cells(n) ? Method::cells : Method::search;
  if (method_ == Method::cells && last_cell_ == static_cast<double>(n_bins) && is_uniform())
    method_ = Method::uniform;
}

/// Divides the axis into n cells. Returns false, if one has two edges.
bool BinAxis::make_cells(std::size_t n) {
  const double span = edges_[n_edges() - 1] - edges_[0];
  cells_per_unit_ = static_cast<double>(n) / span;
  // a little lower, so that an edge between two cells belongs to the upper one although rounded
  low_ = edges_[0] - margin / 4. * span / static_cast<double>(n);
  last_cell_ = static_cast<double>(n);
  edges_below_.assign(n + 1, 0);
  for (std::size_t i = 0; i < n_edges(); ++i)
    if (++edges_below_[static_cast<std::size_t>(place(edges_[i]))] > 1)
      return false;
  std::uint16_t below = 0;
  for (std::uint16_t &entry : edges_below_)
    below = static_cast<std::uint16_t>(below + std::exchange(entry, below));
  return true;
}

/// Whether each edge is where a cell begins, within half the margin.
bool BinAxis::is_uniform() const {
  for (std::size_t i = 0; i < n_edges(); ++i)
    if (!(std::abs(place(edges_[i]) - static_cast<double>(i)) < margin / 2.))
      return false;
  return true;
}

std::uint32_t BinAxis::by_search(double value) const {
  if (value != value)
    return size();
  const auto begin = edges_.begin(), end = begin + static_cast<std::ptrdiff_t>(n_edges());
  return static_cast<std::uint32_t>(std::upper_bound(begin, end, value) - begin);
}

void HistogramSpecification::add(std::size_t quantity, const std::vector<double> &edges) {
  append({{quantity, bins(edges)}});
}

void HistogramSpecification::add(std::size_t quantity, const std::vector<double> &edges,
                                 std::size_t second_quantity,
                                 const std::vector<double> &second_edges) {
  append({{quantity, bins(edges)}, {second_quantity, bins(second_edges)}});
}

BinAxis HistogramSpecification::bins(const std::vector<double> &edges) const {
  try {
    return BinAxis(edges);
  } catch (const std::invalid_argument &error) {
    throw std::invalid_argument(name() + error.what());
  }
}

void HistogramSpecification::append(const std::vector<Axis> &axes) {
  std::uint64_t n_bins = 1;
  for (const Axis &axis : axes)
    n_bins *= axis.bins.size();
  if (n_bins >= std::numeric_limits<std::uint32_t>::max())
    throw std::invalid_argument(name() + "more bins than can be numbered");
  histograms_.push_back({axes_.size(), axes.size(), static_cast<std::uint32_t>(n_bins)});
  for (const Axis &axis : axes) {
    axes_.push_back(axis);
    n_quantities_ = std::max(n_quantities_, axis.quantity + 1);
  }
}

std::string HistogramSpecification::name() const {
  return "histogram " + std::to_string(histograms_.size()) + ": ";
}

namespace {

/// The bin of two quantities with the indices x of n_x and y of n_y.
std::uint32_t bin_of(std::uint32_t x, std::uint32_t n_x, std::uint32_t y, std::uint32_t n_y) {
  return x < n_x && y < n_y ? x * n_y + y : n_x * n_y;
}

/// The elements of a quantity; null if it is a number.
const Gathered::Elements *vector_of(const Gathered &gathered, std::size_t quantity) {
  for (const Gathered::Elements &vector : gathered.vectors)
    if (vector.quantity == quantity)
      return &vector;
  return nullptr;
}

void find_bins_of_vectors(const HistogramSpecification &specification, const Gathered &gathered,
                          Binned &all) {
  for (std::size_t i = 0; i < specification.histograms().size(); ++i) {
    const auto &histogram = specification.histograms()[i];
    if (all.bins[i] != histogram.n_bins) // vectors have NaN as number
      continue;
    const auto *axes = specification.axes().data() + histogram.axis;
    const std::size_t last = histogram.n_axes - 1;
    const auto *x = vector_of(gathered, axes[0].quantity);
    const auto *y = vector_of(gathered, axes[last].quantity);
    if (!x && !y)
      continue;
    if (x && y && x->size != y->size)
      throw std::runtime_error("histogram " + std::to_string(i) + ": an event has " +
                               std::to_string(x->size) + " values of the first quantity and " +
                               std::to_string(y->size) + " of the second");
    const auto begin = static_cast<std::uint32_t>(all.bins.size());
    const std::uint32_t size = (x ? x : y)->size;
    for (std::uint32_t k = 0; k < size; ++k) {
      const BinAxis &first = axes[0].bins, &second = axes[last].bins;
      std::uint32_t bin = first.find(gathered.values[x ? x->begin + k : axes[0].quantity]);
      if (histogram.n_axes == 2)
        bin = bin_of(bin, first.size(),
                     second.find(gathered.values[y ? y->begin + k : axes[last].quantity]),
                     second.size());
      all.bins.push_back(bin);
    }
    all.vectors.push_back({static_cast<std::uint32_t>(i), begin, size});
  }
}

} // namespace

Binned find_bins(const HistogramSpecification &specification, const Gathered &gathered) {
  if (gathered.values.size() < specification.n_quantities())
    throw std::runtime_error("a histogram shows a quantity that is not gathered");
  Binned all;
  all.bins.resize(specification.histograms().size());
  std::uint32_t *bin = all.bins.data();
  const double *values = gathered.values.data();
  const auto *axis = specification.axes().data();
  for (const auto &histogram : specification.histograms()) {
    *bin = axis->bins.find(values[axis->quantity]);
    if (histogram.n_axes == 2) {
      const BinAxis &first = axis->bins;
      ++axis;
      *bin = bin_of(*bin, first.size(), axis->bins.find(values[axis->quantity]), axis->bins.size());
    }
    ++axis;
    ++bin;
  }
  if (!gathered.vectors.empty())
    find_bins_of_vectors(specification, gathered, all);
  return all;
}

} // namespace monojet
