// Functions for expressions of selections: masses, the recoil, and elements that may be missing.
#ifndef MONOJET_FUNCTIONS_HXX
#define MONOJET_FUNCTIONS_HXX

#include "objects/kinematics.hxx"

#include <cmath>
#include <cstddef>
#include <limits>
#include <type_traits>

namespace monojet {

/// The root of a square that rounding may have made negative; NaN of NaN.
inline double root_of(double square) { return square < 0. ? 0. : std::sqrt(square); }

/// The transverse mass of two massless particles, such as a lepton and a neutrino: sqrt(2 pt1 pt2
/// (1 - cos(phi1 - phi2))).
inline double transverse_mass(double pt1, double phi1, double pt2, double phi2) {
  return root_of(2. * pt1 * pt2 * (1. - std::cos(delta_phi(phi1, phi2))));
}

/// The invariant mass of two particles.
inline double invariant_mass(double pt1, double eta1, double phi1, double mass1, double pt2,
                             double eta2, double phi2, double mass2) {
  const double energy1 = std::hypot(pt1 * std::cosh(eta1), mass1);
  const double energy2 = std::hypot(pt2 * std::cosh(eta2), mass2);
  const double product =
      pt1 * pt2 * (std::cos(delta_phi(phi1, phi2)) + std::sinh(eta1) * std::sinh(eta2));
  return root_of(mass1 * mass1 + mass2 * mass2 + 2. * (energy1 * energy2 - product));
}

/// The invariant mass of the first two of some particles of one mass; NaN with fewer than two.
inline double pair_mass(const RVecF &pt, const RVecF &eta, const RVecF &phi, double mass) {
  require_same_length("particles of a pair", pt, eta, phi);
  if (pt.size() < 2)
    return std::numeric_limits<double>::quiet_NaN();
  return invariant_mass(pt[0], eta[0], phi[0], mass, pt[1], eta[1], phi[1], mass);
}

/// The missing transverse momentum with some particles as invisible, too.
inline Met with_invisible(double met, double met_phi, const RVecF &pt, const RVecF &phi) {
  return without_muons(met, met_phi, pt, phi);
}

/// An element of a vector, which is NaN if the vector is too short or the index negative; or the
/// elements that a mask or a vector of indices chooses.
template <typename Vector, typename Index> auto at(const Vector &values, const Index &index) {
  if constexpr (std::is_arithmetic_v<Index> && std::is_arithmetic_v<typename Vector::value_type>) {
    return index >= Index{} && static_cast<std::size_t>(index) < values.size()
               ? static_cast<double>(values[static_cast<std::size_t>(index)])
               : std::numeric_limits<double>::quiet_NaN();
  } else {
    return values[index];
  }
}

} // namespace monojet

#endif
