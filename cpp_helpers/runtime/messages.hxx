// ROOT's messages: drops those of no use to a user and keeps the first error.
#ifndef MONOJET_MESSAGES_HXX
#define MONOJET_MESSAGES_HXX

#include <TError.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <exception>
#include <initializer_list>
#include <mutex>
#include <string>
#include <utility>

#include <unistd.h>

namespace monojet {

/// Whether a message is of no use: files of experiments hold hundreds of classes without a
/// dictionary that are not read, and the cause of an interrupted event loop is reported already.
inline bool is_chatter(int level, const char *message) {
  return (level < kError && std::strstr(message, "no dictionary for class") != nullptr) ||
         std::strcmp(message, "event loop was interrupted") == 0;
}

namespace detail {
inline ErrorHandlerFunc_t &next_handler() {
  static ErrorHandlerFunc_t handler = DefaultErrorHandler;
  return handler;
}

/// Replaces bytes that are not text, which a damaged file may put into a message.
inline std::string printable(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c > 126 || (c < 32 && c != '\n'); },
      '?');
  return text;
}

inline std::string first_line(const std::string &text) {
  return printable(text.substr(0, text.find('\n')));
}

struct FirstError {
  std::mutex access;
  std::string text;
};

inline FirstError &first_error() {
  static FirstError kept;
  return kept;
}

inline char (&last_opened())[4096] {
  static char kept[4096] = "no file";
  return kept;
}

[[noreturn]] inline void end(std::initializer_list<const char *> words) {
  for (const char *word : words)
    if (::write(STDERR_FILENO, word, std::strlen(word)) < 0)
      break;
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, "\n", 1);
  ::_exit(2);
}

/// Whether a crash ends the process with a one-line error.
inline bool &watched() {
  static bool is = false;
  return is;
}

inline void filter(int level, Bool_t abort, const char *location, const char *message) {
  if (is_chatter(level, message))
    return;
  if (level >= kError) {
    const std::lock_guard lock(first_error().access);
    if (first_error().text.empty())
      first_error().text = printable(message);
  }
  if (abort && watched())
    end({"ERROR ", last_opened(), ": ROOT gave up: ", first_line(message).c_str()});
  next_handler()(level, abort, location, message);
}

/// Ends the process with a one-line error. ROOT reads ahead in threads of its own: nothing catches
/// an exception there, for example of a lost server, and C++ terminates.
inline void end_with_cause() {
  std::string cause = "an error that nothing caught";
  try {
    if (std::current_exception())
      std::rethrow_exception(std::current_exception());
  } catch (const std::exception &error) {
    cause = error.what();
  } catch (...) {
  }
  end({"ERROR ", last_opened(), ": reading failed: ", first_line(cause).c_str()});
}

/// Ends the process with a one-line error; allocates nothing, as memory may be exhausted or
/// corrupt.
inline void end_with_signal(int number) {
  const char *name = number == SIGABRT   ? "abort"
                     : number == SIGSEGV ? "segmentation violation"
                                         : "fatal signal";
  end({"ERROR ", last_opened(), ": ROOT crashed after it was opened (", name,
       "): it is damaged, or of a layout that ROOT cannot read"});
}
} // namespace detail

/// Sets the files that a final error message names.
inline void opened(const std::string &paths) {
  auto &kept = detail::last_opened();
  paths.copy(kept, sizeof(kept) - 1);
  kept[std::min(paths.size(), sizeof(kept) - 1)] = '\0';
}

/// From now on, a crash of ROOT ends the process with one line that names the file, in place of a
/// stack trace; or silently, if a parent process reports its exit.
inline void watch_crashes(bool parent_reports) {
  detail::watched() = true;
  static char stack[65536]; // for handlers: the stack itself may have overflowed
  stack_t place{};
  place.ss_sp = stack;
  place.ss_size = sizeof(stack);
  ::sigaltstack(&place, nullptr);
  struct sigaction action{};
  action.sa_handler = parent_reports ? SIG_DFL : detail::end_with_signal;
  action.sa_flags = SA_ONSTACK;
  for (int number : {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL})
    ::sigaction(number, &action, nullptr);
}

/// Filters ROOT's messages from now on. Further calls have no effect.
inline void watch_messages() {
  if (GetErrorHandler() == detail::filter)
    return;
  detail::next_handler() = GetErrorHandler();
  SetErrorHandler(detail::filter);
  std::set_terminate(detail::end_with_cause);
}

/// Returns and clears the first error that ROOT has reported since the last call; empty if none.
inline std::string take_first_error() {
  const std::lock_guard lock(detail::first_error().access);
  return std::exchange(detail::first_error().text, {});
}

} // namespace monojet

#endif
