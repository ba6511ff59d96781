// From the types that columns of files have to those of the canonical columns.
#ifndef MONOJET_CONVERT_HXX
#define MONOJET_CONVERT_HXX

#include <ROOT/RVec.hxx>

#include <type_traits>
#include <utility>

namespace monojet {

/// A number or, element by element, a vector of numbers as another type. What has the type already
/// is passed on.
template <typename To, typename From> To as(From &&value) {
  using Plain = std::decay_t<From>;
  if constexpr (std::is_same_v<Plain, To>) {
    return std::forward<From>(value);
  } else if constexpr (std::is_arithmetic_v<To>) {
    static_assert(std::is_arithmetic_v<Plain>, "this column is to be a number");
    return static_cast<To>(value);
  } else {
    static_assert(!std::is_arithmetic_v<Plain>, "this column is to be a vector of numbers");
    To converted(value.size());
    for (std::size_t i = 0; i < converted.size(); ++i)
      converted[i] = static_cast<typename To::value_type>(value[i]);
    return converted;
  }
}

} // namespace monojet

#endif
