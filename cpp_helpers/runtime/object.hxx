// Calls from Python without an interpreter: functions with C linkage, and objects behind pointers.
//
// A function catches all exceptions (`guarded`). One that makes an object returns a pointer to it,
// or null after an error; others return 0, or 1 after an error. `monojet_error` has its message.
#ifndef MONOJET_OBJECT_HXX
#define MONOJET_OBJECT_HXX

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace monojet {

/// Numbers that an object owns: the address, how many, and the type in numpy's words.
struct Array {
  const void *data = nullptr;
  std::size_t size = 0;
  const char *type = "";
};

template <typename T> const char *numpy_type() {
  if constexpr (std::is_floating_point_v<T>)
    return sizeof(T) == 4 ? "f4" : "f8";
  else if constexpr (std::is_signed_v<T>)
    return sizeof(T) == 1 ? "i1" : sizeof(T) == 2 ? "i2" : sizeof(T) == 4 ? "i4" : "i8";
  else
    return sizeof(T) == 1 ? "u1" : sizeof(T) == 2 ? "u2" : sizeof(T) == 4 ? "u4" : "u8";
}

template <typename T> Array array_of(const std::vector<T> &numbers) {
  return {numbers.data(), numbers.size(), numpy_type<T>()};
}

/// What Python holds a pointer to.
class Object {
public:
  virtual ~Object() = default;

  /// The array of this name.
  ///
  /// Raises: std::out_of_range, there is none.
  virtual Array array(const std::string &name) const { throw std::out_of_range(name); }
};

namespace detail {
inline std::string &error_text() {
  static thread_local std::string text;
  return text;
}

inline std::string &result_text() {
  static thread_local std::string text;
  return text;
}
} // namespace detail

/// Runs a function and keeps the message of an exception. Returns the pointer that it makes, or 0
/// (null or 1 after an exception).
template <typename F> auto guarded(F &&function) {
  using Result = decltype(function());
  constexpr bool makes = !std::is_void_v<Result>;
  try {
    if constexpr (makes) {
      return static_cast<Object *>(function().release());
    } else {
      function();
      return 0;
    }
  } catch (const std::exception &error) {
    detail::error_text() = error.what();
  } catch (...) {
    detail::error_text() = "an unknown exception";
  }
  if constexpr (makes)
    return static_cast<Object *>(nullptr);
  else
    return 1;
}

/// Names given as pointers to C strings.
inline std::vector<std::string> names_of(const char *const *names, std::size_t n) {
  return {names, names + n};
}

/// Sets the text that `monojet_text` returns.
inline void set_text(std::string text) { detail::result_text() = std::move(text); }

/// A JSON string.
inline std::string json_of(const std::string &text) {
  static const char *const digits = "0123456789abcdef";
  std::string quoted = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\')
      quoted += '\\';
    if (byte < 0x20 || byte > 0x7e) { // Latin-1, as names in files may be any bytes
      quoted += "\\u00";
      quoted += digits[byte >> 4];
      quoted += digits[byte & 15];
    } else {
      quoted += c;
    }
  }
  return quoted + "\"";
}

} // namespace monojet

#endif
