// Conversion of the column types of files to those of the canonical columns.
#ifndef MONOJET_CONVERT_HXX
#define MONOJET_CONVERT_HXX

#include <ROOT/RVec.hxx>

#include <type_traits>
#include <utility>

namespace monojet {

/// Converts a number, or each element of a vector of numbers, to another type. A value that has the
/// type already is forwarded.
template <typename To, typename From> To as(From &&value) {
  using Plain = std::decay_t<From>;
  if constexpr (std::is_same_v<Plain, To>) {
    return std::forward<From>(value);
  } else if constexpr (std::is_arithmetic_v<To>) {
    static_assert(std::is_arithmetic_v<Plain>, "this column must be a number");
    return static_cast<To>(value);
  } else {
    static_assert(!std::is_arithmetic_v<Plain>, "this column must be a vector of numbers");
    To converted(value.size());
    for (std::size_t i = 0; i < converted.size(); ++i)
      converted[i] = static_cast<typename To::value_type>(value[i]);
    return converted;
  }
}

} // namespace monojet

#endif
