#include "rdf/checks.hxx"

#include "objects/particles.hxx"

#include <ROOT/RDF/RActionImpl.hxx>
#include <ROOT/RVec.hxx>
#include <TTreeReader.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <memory>
#include <utility>

namespace monojet {

void EventChecks::add(std::uint32_t run, std::uint64_t number, double weight) {
  run_number.push_back(run);
  event_number.push_back(number);
  n_weights_not_finite += !std::isfinite(weight);
  n_weights_zero += weight == 0.;
}

void EventChecks::add(const EventChecks &other) {
  run_number.insert(run_number.end(), other.run_number.begin(), other.run_number.end());
  event_number.insert(event_number.end(), other.event_number.begin(), other.event_number.end());
  n_weights_not_finite += other.n_weights_not_finite;
  n_weights_zero += other.n_weights_zero;
}

void UnknownParticles::add(const ROOT::RVecI &codes) {
  for (const int code : codes)
    if (!is_known(code))
      ++numbers[std::abs(code)];
}

void UnknownParticles::add(const UnknownParticles &other) {
  for (const auto &[code, n] : other.numbers)
    numbers[code] += n;
}

namespace {

/// Adds the values of events to a result of each thread, and these at the end.
template <typename Result>
class AddAction : public ROOT::Detail::RDF::RActionImpl<AddAction<Result>> {
public:
  using Result_t = Result;

  explicit AddAction(unsigned int n_slots) : slots_(n_slots), total_(std::make_shared<Result>()) {}
  AddAction(AddAction &&) = default;

  std::shared_ptr<Result_t> GetResultPtr() const { return total_; }
  std::string GetActionName() const { return "Add"; }
  void Initialize() {}
  void InitTask(TTreeReader *, unsigned int) {}
  template <typename... Values> void Exec(unsigned int slot, const Values &...values) {
    slots_[slot].add(values...);
  }
  void Finalize() {
    for (const Result &slot : slots_)
      total_->add(slot);
  }

private:
  std::vector<Result> slots_;
  std::shared_ptr<Result> total_;
};

} // namespace

ROOT::RDF::RResultPtr<EventChecks> check_events(RNode df) {
  return df.Book<UInt_t, ULong64_t, double>(AddAction<EventChecks>(df.GetNSlots()),
                                            {"run_number", "event_number", "weight"});
}

ROOT::RDF::RResultPtr<UnknownParticles> unknown_particles(RNode df) {
  return df.Book<ROOT::RVecI>(AddAction<UnknownParticles>(df.GetNSlots()), {"particle_pdg_id"});
}

ROOT::RDF::RResultPtr<Largest> largest(RNode df, const std::string &column, bool of_vectors) {
  AddAction<Largest> action(df.GetNSlots());
  return of_vectors ? df.Book<ROOT::RVecF>(std::move(action), {column})
                    : df.Book<float>(std::move(action), {column});
}

} // namespace monojet

// --- For Python ----------------------------------------------------------------------------------

namespace {

/// A booked check; `numbers_of` makes an array from the result and its name.
template <typename Result> struct BookedCheck : monojet::BookedResult {
  explicit BookedCheck(ROOT::RDF::RResultPtr<Result> booked) : result(std::move(booked)) {}

  ROOT::RDF::RResultHandle handle() const override { return result; }
  monojet::Array array(const std::string &name) const override {
    if constexpr (std::is_same_v<Result, monojet::EventChecks>) {
      if (name == "run_number")
        return monojet::array_of(result->run_number);
      if (name == "event_number")
        return monojet::array_of(result->event_number);
      if (name == "weights") { // not finite, and 0
        numbers_ = {result->n_weights_not_finite, result->n_weights_zero};
        return monojet::array_of(numbers_);
      }
    } else if constexpr (std::is_same_v<Result, monojet::UnknownParticles>) {
      if (name == "numbers") { // codes and numbers in turn
        numbers_.clear();
        for (const auto &[code, n] : result->numbers)
          numbers_.insert(numbers_.end(), {static_cast<std::uint64_t>(code), n});
        return monojet::array_of(numbers_);
      }
    } else if (name == "largest") {
      return {&result->value, 1, "f8"};
    }
    return Object::array(name);
  }

private:
  mutable ROOT::RDF::RResultPtr<Result> result;
  mutable std::vector<std::uint64_t> numbers_;
};

template <typename Result> auto booked_check(ROOT::RDF::RResultPtr<Result> booked) {
  return std::make_unique<BookedCheck<Result>>(std::move(booked));
}

} // namespace

extern "C" {

monojet::Object *monojet_book_checks(const monojet::Node *node) {
  return monojet::guarded([&] { return booked_check(monojet::check_events(node->df)); });
}

monojet::Object *monojet_book_unknown_particles(const monojet::Node *node) {
  return monojet::guarded([&] { return booked_check(monojet::unknown_particles(node->df)); });
}

monojet::Object *monojet_book_largest(const monojet::Node *node, const char *column,
                                      long long of_vectors) {
  return monojet::guarded(
      [&] { return booked_check(monojet::largest(node->df, column, of_vectors != 0)); });
}

} // extern "C"
