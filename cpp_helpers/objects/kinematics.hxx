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

/// Columns of the same objects must not differ in length: a file that is damaged, or described in a
/// wrong way, would be read beyond their ends.
///
/// Raises: std::runtime_error, it says what objects.
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

/// 1 for each object that is at least `cone` in dR from all others, else 0.
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
/// with |eta| < 4.9. Without `with_muons` these are left out (arXiv:1711.03301, section 4: muons
/// count as invisible).
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

/// Missing transverse momentum with muons invisible, from one that counts these.
inline Met without_muons(double met, double met_phi, const RVecF &muon_pt, const RVecF &muon_phi) {
  require_same_length("muons", muon_pt, muon_phi);
  double x = met * std::cos(met_phi), y = met * std::sin(met_phi);
  for (std::size_t i = 0; i < muon_pt.size(); ++i) {
    x += muon_pt[i] * std::cos(static_cast<double>(muon_phi[i]));
    y += muon_pt[i] * std::sin(static_cast<double>(muon_phi[i]));
  }
  return {static_cast<float>(std::hypot(x, y)), static_cast<float>(std::atan2(y, x))};
}

/// Masses of particles; 0 where rounding leaves less.
inline RVecF masses(const RVecF &energy, const RVecF &pt, const RVecF &eta) {
  RVecF mass(energy.size());
  for (std::size_t i = 0; i < mass.size(); ++i) {
    const double p = pt[i] * std::cosh(static_cast<double>(eta[i])), e = energy[i];
    mass[i] = static_cast<float>(std::sqrt(std::max(0., (e - p) * (e + p))));
  }
  return mass;
}

/// Smallest |delta phi| between the given directions and `phi`; pi when there are none.
inline float min_delta_phi(const RVecF &directions, float phi) {
  double smallest = M_PI;
  for (float direction : directions)
    smallest = std::min(smallest, std::abs(delta_phi(direction, phi)));
  return static_cast<float>(smallest);
}

} // namespace monojet

#endif
