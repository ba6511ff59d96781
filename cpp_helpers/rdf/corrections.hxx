// Factors of event weights from files of correctionlib, whose wheel contains header and library.
#ifndef MONOJET_CORRECTIONS_HXX
#define MONOJET_CORRECTIONS_HXX

#include <correction.h>

#include <cmath>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

namespace monojet {

/// A correction of a file.
///
/// Raises: std::exception, the file is missing or damaged, or has no correction of this name.
inline correction::Correction::Ref correction_of(const std::string &file, const std::string &name) {
  return correction::CorrectionSet::from_file(file)->at(name);
}

namespace detail {

template <typename Input>
inline constexpr bool has_elements =
    !std::is_arithmetic_v<Input> && !std::is_convertible_v<Input, std::string>;

template <typename Input> void require_length(std::size_t &length, const Input &input) {
  if constexpr (has_elements<Input>) {
    if (length != static_cast<std::size_t>(-1) && length != input.size())
      throw std::runtime_error("the inputs of a correction differ in length");
    length = input.size();
  }
}

template <typename Input>
correction::Variable::Type value(const Input &input, correction::Variable::VarType type,
                                 std::size_t i, bool &missing) {
  if constexpr (has_elements<Input>) {
    return value(input[i], type, 0, missing);
  } else if constexpr (std::is_convertible_v<Input, std::string>) {
    return std::string(input);
  } else {
    if (std::isnan(static_cast<double>(input))) {
      missing = true;
      return 0.;
    }
    if (type == correction::Variable::VarType::integer)
      return static_cast<int>(input);
    return static_cast<double>(input);
  }
}

} // namespace detail

/// The value of a correction at some inputs: numbers, texts or vectors of numbers, over whose
/// elements the product is taken. An object that an event lacks (an input that is NaN) has
/// factor 1.
///
/// Raises: std::exception, an input is outside of the correction's range.
template <typename... Inputs>
double corrected(const correction::Correction &factor, const Inputs &...inputs) {
  std::size_t length = static_cast<std::size_t>(-1);
  (detail::require_length(length, inputs), ...);
  if (length == static_cast<std::size_t>(-1))
    length = 1;
  double product = 1.;
  std::vector<correction::Variable::Type> values;
  values.reserve(sizeof...(inputs));
  for (std::size_t i = 0; i < length; ++i) {
    bool missing = false;
    values.clear();
    (values.push_back(detail::value(inputs, factor.inputs()[values.size()].type(), i, missing)),
     ...);
    if (!missing)
      product *= factor.evaluate(values);
  }
  return product;
}

} // namespace monojet

#endif
