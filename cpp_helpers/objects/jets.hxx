// Anti-kT jets at particle level, with FastJet (Cacciari, Salam, Soyez, arXiv:1111.6097).
#ifndef MONOJET_JETS_HXX
#define MONOJET_JETS_HXX

#include "objects/kinematics.hxx"

#include <fastjet/ClusterSequence.hh>

#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace monojet {

namespace detail {
/// FastJet prints no banner.
inline const bool without_banner =
    (fastjet::ClusterSequence::set_fastjet_banner_stream(nullptr), true);

/// Stops at thousands of particles in one place, as a damaged file may have: clustering would take
/// minutes.
///
/// Raises: std::runtime_error, an event has more than a thousand.
inline void require_apart(const std::vector<fastjet::PseudoJet> &particles) {
  constexpr std::size_t few = 2000;
  if (particles.size() < few)
    return;
  std::vector<std::pair<double, double>> places;
  for (const auto &particle : particles)
    places.emplace_back(particle.rap(), particle.phi());
  std::sort(places.begin(), places.end());
  for (std::size_t i = 0; i + few / 2 < places.size(); ++i)
    if (places[i] == places[i + few / 2])
      throw std::runtime_error("an event has more than " + std::to_string(few / 2) +
                               " particles in one place");
}
} // namespace detail

struct Jets {
  RVecF pt, eta, phi, mass, width;
  RVecI n_tracks;
};

/// Anti-kT R = 0.4 jets of the visible particles except muons within |eta| < 4.9, pT > `min_pt`,
/// hardest first. width = sum pT dR(axis) / sum pT over the constituents; `n_tracks` counts the
/// charged constituents above `track_min_pt`; phi in (-pi, pi].
///
/// Raises: std::runtime_error, more than a thousand particles have the same direction.
inline Jets cluster_jets(const RVecF &pt, const RVecF &eta, const RVecF &phi, const RVecF &energy,
                         const RVecI &pdg_id, const RVecI &charge, double min_pt) {
  std::vector<fastjet::PseudoJet> inputs;
  inputs.reserve(pt.size());
  for (std::size_t i = 0; i < pt.size(); ++i) {
    if (!enters_jets(pdg_id[i]) || !(std::abs(eta[i]) < eta_acceptance) || !(pt[i] > 0.f) ||
        !std::isfinite(pt[i] + phi[i] + energy[i]))
      continue;
    const double p = pt[i], azimuth = phi[i], pseudorapidity = eta[i];
    inputs.emplace_back(p * std::cos(azimuth), p * std::sin(azimuth), p * std::sinh(pseudorapidity),
                        energy[i]);
    inputs.back().set_user_index(static_cast<int>(i));
  }
  detail::require_apart(inputs);
  static const fastjet::JetDefinition anti_kt(fastjet::antikt_algorithm, 0.4);
  const fastjet::ClusterSequence sequence(inputs, anti_kt);
  Jets jets;
  for (const auto &jet : fastjet::sorted_by_pt(sequence.inclusive_jets(min_pt))) {
    double sum = 0., weighted = 0.;
    int n_tracks = 0;
    for (const auto &constituent : sequence.constituents(jet)) {
      const int i = constituent.user_index();
      sum += pt[i];
      weighted += pt[i] * delta_r(eta[i], phi[i], jet.eta(), jet.phi_std());
      n_tracks += charge[i] != 0 && pt[i] > track_min_pt;
    }
    jets.pt.push_back(static_cast<float>(jet.pt()));
    jets.eta.push_back(static_cast<float>(jet.eta()));
    jets.phi.push_back(static_cast<float>(jet.phi_std()));
    jets.mass.push_back(static_cast<float>(jet.m()));
    jets.width.push_back(static_cast<float>(weighted / sum));
    jets.n_tracks.push_back(n_tracks);
  }
  return jets;
}

} // namespace monojet

#endif
