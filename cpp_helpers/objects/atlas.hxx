// Helpers for ATLAS analysis files (xAOD): components by name, links between containers, tracks at
// the primary vertex.
#ifndef MONOJET_ATLAS_HXX
#define MONOJET_ATLAS_HXX

#include "objects/kinematics.hxx"

#include <limits>
#include <stdexcept>
#include <string>
#include <type_traits>

namespace monojet {

/// The nominal weight: the first weight of a simulated event, 1 for collision data.
///
/// Raises: std::runtime_error, a simulated event has no weights.
template <typename Weights> double nominal_weight(bool measured, const Weights &weights) {
  if constexpr (std::is_arithmetic_v<Weights>) {
    return measured ? 1. : weights;
  } else {
    if (measured)
      return 1.;
    if (weights.empty())
      throw std::runtime_error("an event has no mcEventWeights: set 'data: true' if the sample is "
                               "collision data");
    return weights[0];
  }
}

/// A transverse vector, in the units of its inputs.
struct Transverse {
  double x = 0., y = 0.;
  Transverse operator-(const Transverse &other) const { return {x - other.x, y - other.y}; }
};

inline Met as_met(const Transverse &sum) {
  return {static_cast<float>(std::hypot(sum.x, sum.y)),
          static_cast<float>(std::atan2(sum.y, sum.x))};
}

inline Transverse transverse_sum(const RVecF &pt, const RVecF &phi) {
  require_same_length("objects", pt, phi);
  Transverse sum;
  for (std::size_t i = 0; i < pt.size(); ++i) {
    sum.x += pt[i] * std::cos(static_cast<double>(phi[i]));
    sum.y += pt[i] * std::sin(static_cast<double>(phi[i]));
  }
  return sum;
}

/// A component of the missing transverse momentum by its name, times `unit`.
///
/// Raises: std::runtime_error, there is no such component.
template <typename Names>
Transverse met_component(const Names &names, const RVecF &x, const RVecF &y,
                         const std::string &wanted, double unit) {
  require_same_length("missing transverse momenta", names, x, y);
  for (std::size_t i = 0; i < names.size(); ++i)
    if (names[i] == wanted)
      return {x[i] * unit, y[i] * unit};
  throw std::runtime_error("an event's missing transverse momentum has no component " + wanted);
}

/// The values that objects link to in another container; `absent` for an invalid link.
template <typename Links> RVecF linked(const RVecF &values, const Links &links, float absent) {
  RVecF found(links.size(), absent);
  for (std::size_t i = 0; i < links.size(); ++i)
    if (links[i] >= 0 && static_cast<std::size_t>(links[i]) < values.size())
      found[i] = values[links[i]];
  return found;
}

/// The number of each object for the first vertex, usually the primary one.
template <typename Inner> auto of_first_vertex(const ROOT::RVec<Inner> &by_vertex) {
  ROOT::RVec<typename Inner::value_type> first(by_vertex.size());
  for (std::size_t i = 0; i < first.size(); ++i)
    first[i] = by_vertex[i].empty() ? typename Inner::value_type{} : by_vertex[i][0];
  return first;
}

/// Indices of the tracks with the same directions as some objects; -1 if none has.
inline RVecI tracks_along(const RVecF &eta, const RVecF &phi, const RVecF &track_theta,
                          const RVecF &track_phi) {
  require_same_length("tracks", track_theta, track_phi);
  require_same_length("leptons", eta, phi);
  RVecI places(eta.size(), -1);
  for (std::size_t i = 0; i < places.size(); ++i) {
    double nearest = 1e-3; // directions are copies of the tracks', up to rounding
    for (std::size_t j = 0; j < track_theta.size(); ++j) {
      const double track_eta = -std::log(std::tan(track_theta[j] / 2.));
      const double dr = delta_r(eta[i], phi[i], track_eta, track_phi[j]);
      if (dr < nearest) {
        nearest = dr;
        places[i] = static_cast<int>(j);
      }
    }
  }
  return places;
}

/// z0 sin(theta) of tracks with respect to the primary vertex, in mm.
inline RVecF z0_sin_theta(const RVecF &z0, const RVecF &origin, const RVecF &theta,
                          const RVecF &primary_z) {
  require_same_length("tracks", z0, origin, theta);
  RVecF distance(z0.size(), std::numeric_limits<float>::infinity());
  for (std::size_t i = 0; !primary_z.empty() && i < z0.size(); ++i)
    distance[i] = static_cast<float>((z0[i] + origin[i] - primary_z[0]) *
                                     std::sin(static_cast<double>(theta[i])));
  return distance;
}

/// d0 significance of tracks, including the width of the beam spot, as in ATLAS
/// (xAOD::TrackingHelpers::d0significance). The first of a track's `variances` is that of d0.
template <typename Variances>
RVecF d0_in_errors(const RVecF &d0, const RVecF &phi, const ROOT::RVec<Variances> &variances,
                   double beam_x, double beam_y, double beam_xy) {
  require_same_length("tracks", d0, phi, variances);
  RVecF significance(d0.size());
  for (std::size_t i = 0; i < significance.size(); ++i) {
    const double s = std::sin(static_cast<double>(phi[i])),
                 c = std::cos(static_cast<double>(phi[i]));
    const double beam =
        s * (s * beam_x * beam_x - c * beam_xy) + c * (c * beam_y * beam_y - s * beam_xy);
    significance[i] = static_cast<float>(d0[i] / std::sqrt(variances[i].at(0) + beam));
  }
  return significance;
}

} // namespace monojet

#endif
