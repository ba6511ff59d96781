// Columns of one object, which must have the same length.
#ifndef MONOJET_SAME_LENGTH_HXX
#define MONOJET_SAME_LENGTH_HXX

#include <ROOT/RVec.hxx>

#include <stdexcept>
#include <string>

namespace monojet {

/// A view of some values, whose memory lives as long as the event. The names are those of the
/// columns, for the message.
///
/// Raises: std::runtime_error, there are fewer or more of them than others.
template <typename T, typename F>
ROOT::RVec<T> of_length(const ROOT::RVec<T> &values, const ROOT::RVec<F> &others, const char *name,
                        const char *name_of_others) {
  if (values.size() != others.size())
    throw std::runtime_error("an event has " + std::to_string(values.size()) +
                             " entries in column '" + name + "' and " +
                             std::to_string(others.size()) + " in '" + name_of_others + "'");
  return ROOT::RVec<T>(const_cast<T *>(values.data()), values.size());
}

} // namespace monojet

#endif
