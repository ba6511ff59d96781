// Angles and the missing transverse momentum.
#ifndef MONOJET_KINEMATICS_HXX
#define MONOJET_KINEMATICS_HXX

#include "objects/particles.hxx"

#include <ROOT/RVec.hxx>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <stdexcept>
#include <string>

namespace monojet {

using ROOT::RVecF;
using ROOT::RVecI;

inline constexpr double eta_acceptance = 4.9; // of the calorimeters, arXiv:1711.03301

/// Stops if columns of the same objects differ in length, as in a damaged or wrongly described
/// file: they would be read beyond their ends.
///
/// Raises: std::runtime_error, it names the objects.
template <typename First, typename... Others>
void require_same_length(const char *objects, const First &first, const Others &...others) {
  if (((others.size() != first.size()) || ...))
    throw std::runtime_error(std::string("an event has columns of ") + objects +
                             " that differ in length");
}

/// Difference of two azimuths in [-pi, pi].
inline double delta_phi(double a, double b) { return std::remainder(a - b, 2. * M_PI); }

inline double delta_r(double eta1, double phi1, double eta2, double phi2) {
  return std::hypot(eta1 - eta2, delta_phi(phi1, phi2));
}

/// 1 for each object at least `cone` in dR away from all other objects, else 0.
inline RVecI apart(const RVecF &eta, const RVecF &phi, const RVecF &other_eta,
                   const RVecF &other_phi, double cone) {
  require_same_length("objects", eta, phi);
  require_same_length("other objects", other_eta, other_phi);
  RVecI found(eta.size(), 1);
  for (std::size_t i = 0; i < found.size(); ++i)
    for (std::size_t j = 0; found[i] && j < other_eta.size(); ++j)
      found[i] = delta_r(eta[i], phi[i], other_eta[j], other_phi[j]) >= cone;
  return found;
}

struct Met {
  float pt;
  float phi;
};

/// Missing transverse momentum at particle level: minus the vector sum of the visible particles
/// within |eta| < 4.9. Without `with_muons`, muons count as invisible (arXiv:1711.03301, section
/// 4).
inline Met missing_momentum(const RVecF &pt, const RVecF &eta, const RVecF &phi,
                            const RVecI &pdg_id, bool with_muons = false) {
  require_same_length("particles", pt, eta, phi, pdg_id);
  double x = 0., y = 0.;
  for (std::size_t i = 0; i < pt.size(); ++i) {
    if ((std::abs(pdg_id[i]) == pdg::muon && !with_muons) || !is_visible(pdg_id[i]) ||
        !(std::abs(eta[i]) < eta_acceptance))
      continue;
    const double p = pt[i], azimuth = phi[i];
    x -= p * std::cos(azimuth);
    y -= p * std::sin(azimuth);
  }
  return {static_cast<float>(std::hypot(x, y)), static_cast<float>(std::atan2(y, x))};
}

/// Missing transverse momentum with muons as invisible, from one that includes them.
inline Met without_muons(double met, double met_phi, const RVecF &muon_pt, const RVecF &muon_phi) {
  require_same_length("muons", muon_pt, muon_phi);
  double x = met * std::cos(met_phi), y = met * std::sin(met_phi);
  for (std::size_t i = 0; i < muon_pt.size(); ++i) {
    x += muon_pt[i] * std::cos(static_cast<double>(muon_phi[i]));
    y += muon_pt[i] * std::sin(static_cast<double>(muon_phi[i]));
  }
  return {static_cast<float>(std::hypot(x, y)), static_cast<float>(std::atan2(y, x))};
}

/// Masses of particles; 0 if rounding gives a negative square.
inline RVecF masses(const RVecF &energy, const RVecF &pt, const RVecF &eta) {
  RVecF mass(energy.size());
  for (std::size_t i = 0; i < mass.size(); ++i) {
    const double p = pt[i] * std::cosh(static_cast<double>(eta[i])), e = energy[i];
    mass[i] = static_cast<float>(std::sqrt(std::max(0., (e - p) * (e + p))));
  }
  return mass;
}

/// Smallest |delta phi| between the given directions and `phi`; pi without directions.
inline float min_delta_phi(const RVecF &directions, float phi) {
  double smallest = M_PI;
  for (float direction : directions)
    smallest = std::min(smallest, std::abs(delta_phi(direction, phi)));
  return static_cast<float>(smallest);
}

} // namespace monojet

#endif
