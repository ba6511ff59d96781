#include "runtime/messages.hxx"
#include "runtime/object.hxx"

#include <TError.h>
#include <TROOT.h>
#include <TSystem.h>

#include <csignal>
#include <vector>

// ROOT in this process: its start, its messages, and what all calls share.

namespace {

/// Starts ROOT, which replaces the actions of signals, and restores these.
void start_root() {
  std::vector<std::pair<int, struct sigaction>> before;
  for (int number = 1; number < 32; ++number) {
    struct sigaction action{};
    if (::sigaction(number, nullptr, &action) == 0)
      before.emplace_back(number, action);
  }
  gROOT->SetBatch(true);
  for (const auto &[number, action] : before)
    ::sigaction(number, &action, nullptr);
}

} // namespace

extern "C" {

const char *monojet_error() { return monojet::detail::error_text().c_str(); }

const char *monojet_text() { return monojet::detail::result_text().c_str(); }

void monojet_delete(monojet::Object *object) { delete object; }

int monojet_array(const monojet::Object *object, const char *name, monojet::Array *array) {
  return monojet::guarded([&] { *array = object->array(name); });
}

int monojet_start() {
  return monojet::guarded([] {
    start_root();
    gErrorIgnoreLevel = kWarning;
    monojet::watch_messages();
  });
}

int monojet_watch_crashes(int parent_reports) {
  return monojet::guarded([&] { monojet::watch_crashes(parent_reports != 0); });
}

int monojet_enable_threads(unsigned int n) {
  return monojet::guarded([&] { ROOT::EnableImplicitMT(n); });
}

/// Lets data frames use one thread; the text is the number of threads before, 0 if one.
int monojet_disable_threads() {
  return monojet::guarded([] {
    const unsigned int before = ROOT::IsImplicitMTEnabled() ? ROOT::GetThreadPoolSize() : 0;
    if (before)
      ROOT::DisableImplicitMT();
    monojet::set_text(std::to_string(before));
  });
}

int monojet_enable_thread_safety() {
  return monojet::guarded([] { ROOT::EnableThreadSafety(); });
}

int monojet_opened(const char *paths) {
  return monojet::guarded([&] { monojet::opened(paths); });
}

int monojet_take_first_error() {
  return monojet::guarded([] { monojet::set_text(monojet::take_first_error()); });
}

/// Sets the level below which ROOT prints no message; the text is the level before.
int monojet_set_quiet(int quiet) {
  return monojet::guarded([&] {
    const int before = gErrorIgnoreLevel;
    gErrorIgnoreLevel = quiet ? kFatal : kWarning;
    monojet::set_text(before >= kFatal ? "1" : "0");
  });
}

} // extern "C"
