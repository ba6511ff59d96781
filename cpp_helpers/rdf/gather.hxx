// The quantities of an event, as doubles in one column.
#ifndef MONOJET_GATHER_HXX
#define MONOJET_GATHER_HXX

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <string_view>
#include <type_traits>
#include <vector>

namespace monojet {

/// Quantities of an event: numbers or vectors of numbers.
struct Gathered {
  /// Where the elements of a vector are among the values.
  struct Elements {
    std::uint32_t quantity, begin, size;
  };

  std::vector<double> values;    ///< one of each quantity (NaN for a vector), then all elements
  std::vector<Elements> vectors; ///< of the quantities that are vectors, in their order
};

namespace detail {

template <typename Quantity, typename = void> inline constexpr bool is_vector = false;

/// A container of numbers that is not a text.
template <typename Quantity>
inline constexpr bool is_vector<Quantity, std::void_t<typename Quantity::value_type>> =
    std::is_arithmetic_v<typename Quantity::value_type> &&
    !std::is_convertible_v<const Quantity &, std::string_view>;

template <typename Quantity> double number_of(const Quantity &quantity) {
  if constexpr (std::is_arithmetic_v<Quantity>) {
    return static_cast<double>(quantity);
  } else {
    static_assert(is_vector<Quantity>, "a quantity must be a number or a vector of numbers");
    return std::numeric_limits<double>::quiet_NaN();
  }
}

template <typename Quantity> std::size_t n_elements(const Quantity &quantity) {
  if constexpr (is_vector<Quantity>)
    return quantity.size();
  else
    return 0;
}

template <typename Quantity>
void append_elements(Gathered &all, std::uint32_t number, const Quantity &quantity) {
  if constexpr (is_vector<Quantity>) {
    all.vectors.push_back({number, static_cast<std::uint32_t>(all.values.size()),
                           static_cast<std::uint32_t>(quantity.size())});
    for (const typename Quantity::value_type element : quantity)
      all.values.push_back(static_cast<double>(element));
  }
}

} // namespace detail

/// Gathers quantities, each a number or a vector of numbers; integers and booleans become doubles.
///
/// The text of one call, with all quantities of a sample, is all that cling compiles for its
/// histograms. Quantities that are numbers need one allocation in total.
template <typename... Quantities> Gathered gather(const Quantities &...quantities) {
  Gathered all;
  if constexpr (sizeof...(quantities) > 0) {
    const double numbers[] = {detail::number_of(quantities)...};
    if constexpr ((detail::is_vector<Quantities> || ...)) {
      all.values.reserve(sizeof...(quantities) + (detail::n_elements(quantities) + ...));
      all.vectors.reserve((detail::is_vector<Quantities> + ...));
    }
    all.values.assign(std::begin(numbers), std::end(numbers));
    std::uint32_t number = 0;
    (detail::append_elements(all, number++, quantities), ...);
  }
  return all;
}

} // namespace monojet

#endif
