// What ROOT says: what means nothing to a user is dropped, the first error is kept.
#ifndef MONOJET_MESSAGES_HXX
#define MONOJET_MESSAGES_HXX

#include <TError.h>

#include <cstring>
#include <exception>
#include <mutex>
#include <string>
#include <utility>

#include <unistd.h>

namespace monojet {

/// Whether a message is of no consequence here: files of experiments hold hundreds of classes that
/// plain ROOT knows nothing of and that are not read.
inline bool is_chatter(int level, const char *message) {
  return level < kError && std::strstr(message, "no dictionary for class") != nullptr;
}

namespace detail {
inline ErrorHandlerFunc_t &next_handler() {
  static ErrorHandlerFunc_t handler = DefaultErrorHandler;
  return handler;
}

struct FirstError {
  std::mutex access;
  std::string text;
};

inline FirstError &first_error() {
  static FirstError kept;
  return kept;
}

inline void filter(int level, Bool_t abort, const char *location, const char *message) {
  if (is_chatter(level, message))
    return;
  if (level >= kError) {
    const std::lock_guard lock(first_error().access);
    if (first_error().text.empty())
      first_error().text = message;
  }
  next_handler()(level, abort, location, message);
}

/// ROOT reads ahead in threads of its own; where one of them fails (a server is gone), nobody
/// catches it, and C++ ends the process. It ends as after any other error of an input.
inline void end_with_cause() {
  const char *cause = "an error that nothing caught";
  try {
    if (std::current_exception())
      std::rethrow_exception(std::current_exception());
  } catch (const std::exception &error) {
    cause = error.what();
  } catch (...) {
  }
  const std::string text = cause;
  const std::string line = "ERROR reading failed: " + text.substr(0, text.find('\n')) + "\n";
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
  ::_exit(2);
}
} // namespace detail

/// From now on in this process; again does no harm.
inline void watch_messages() {
  if (GetErrorHandler() == detail::filter)
    return;
  detail::next_handler() = GetErrorHandler();
  SetErrorHandler(detail::filter);
  std::set_terminate(detail::end_with_cause);
}

/// The first error that ROOT has reported since this was last asked; empty if there is none.
inline std::string take_first_error() {
  const std::lock_guard lock(detail::first_error().access);
  return std::exchange(detail::first_error().text, {});
}

} // namespace monojet

#endif
