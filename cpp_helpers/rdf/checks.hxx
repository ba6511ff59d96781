// Checks of the events of an input file, booked on a data frame.
#ifndef MONOJET_CHECKS_HXX
#define MONOJET_CHECKS_HXX

#include "rdf/frame.hxx"

#include <ROOT/RResultPtr.hxx>
#include <ROOT/RVec.hxx>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <vector>

namespace monojet {

/// The identities of events, in any order, and numbers of unusable weights.
struct EventChecks {
  std::vector<std::uint32_t> run_number;
  std::vector<std::uint64_t> event_number;
  std::uint64_t n_weights_not_finite = 0;
  std::uint64_t n_weights_zero = 0;

  void add(std::uint32_t run, std::uint64_t number, double weight);
  void add(const EventChecks &other);
};

/// Numbers of particles of unknown kind by |PDG code|.
struct UnknownParticles {
  std::map<int, std::uint64_t> numbers;

  void add(const ROOT::RVecI &codes);
  void add(const UnknownParticles &other);
};

/// The largest of some numbers; minus infinity without any.
struct Largest {
  double value = -std::numeric_limits<double>::infinity();

  void add(float number) { value = std::max(value, static_cast<double>(number)); }
  void add(const ROOT::RVecF &numbers) {
    for (const float number : numbers)
      add(number);
  }
  void add(const Largest &other) { value = std::max(value, other.value); }
};

/// Books the checks of all events of `df`, which has the canonical `run_number`, `event_number` and
/// `weight`.
ROOT::RDF::RResultPtr<EventChecks> check_events(RNode df);

/// Books the numbers of particles that are not known to be visible or invisible. `df` has the
/// canonical `particle_pdg_id`.
ROOT::RDF::RResultPtr<UnknownParticles> unknown_particles(RNode df);

/// Books the largest value of a column of floats or of vectors of floats.
ROOT::RDF::RResultPtr<Largest> largest(RNode df, const std::string &column, bool of_vectors);

} // namespace monojet

#endif
