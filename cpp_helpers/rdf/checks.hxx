// Checks of the events of an input file, each one event loop.
#ifndef MONOJET_CHECKS_HXX
#define MONOJET_CHECKS_HXX

#include "rdf/frame.hxx"

#include <cstdint>
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
};

/// Runs the event loop: the checks of all events of `df`, which has the canonical `run_number`,
/// `event_number` and `weight`.
EventChecks check_events(RNode df);

/// Runs the event loop: numbers of particles by |PDG code|, of those not known to be visible or
/// invisible. `df` has the canonical `particle_pdg_id`.
std::map<int, std::uint64_t> unknown_particles(RNode df);

/// Runs the event loop: the largest value of a column of floats or of vectors of floats; minus
/// infinity if there are no values.
double largest(RNode df, const std::string &column, bool of_vectors);

} // namespace monojet

#endif
