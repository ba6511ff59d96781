// Production and decay vertices of the particles of an event, from the links of HepMC 3.
#ifndef MONOJET_DECAY_RECORD_HXX
#define MONOJET_DECAY_RECORD_HXX

#include "objects/kinematics.hxx"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <numeric>
#include <stdexcept>
#include <string>

namespace monojet {

/// The production and the decay vertex of each particle, numbered from 1; 0 means none.
struct History {
  RVecI begin, end;
  std::size_t n_vertices;
};

/// Reads links: pairs of a particle (1, 2, ...) and its decay vertex (-1, -2, ...), or of a vertex
/// and a particle produced there.
///
/// Raises: std::out_of_range, a pair is neither.
inline History history(const RVecI &from, const RVecI &to, std::size_t n_particles,
                       std::size_t n_vertices) {
  require_same_length("links", from, to);
  History found{RVecI(n_particles, 0), RVecI(n_particles, 0), n_vertices};
  for (std::size_t i = 0; i < from.size(); ++i) {
    const long a = from[i], b = to[i];
    const long particle = std::max(a, b), vertex = -std::min(a, b);
    if (particle < 1 || vertex < 1 || particle > long(n_particles) || vertex > long(n_vertices))
      throw std::out_of_range("an invalid link from " + std::to_string(a) + " to " +
                              std::to_string(b));
    (a > 0 ? found.end : found.begin)[particle - 1] = static_cast<int>(vertex);
  }
  return found;
}

/// Whether a PDG code is that of a hadron whose heaviest quark is a b, as defined by Pythia.
inline bool is_b_hadron(int pdg_id) {
  const int code = std::abs(pdg_id);
  if (code <= 100 || code >= 9900000 || (code >= 1000000 && code <= 9000000))
    return false;
  const int spin = code % 10, q3 = code / 10 % 10, q2 = code / 100 % 10, q1 = code / 1000 % 10;
  return spin * q3 * q2 > 0 && (q1 == 0 ? q2 : q1) == 5;
}

struct DecayedParticles {
  RVecF pt, eta, phi, energy;
  RVecI pdg_id;
};

inline constexpr double tau_min_pt = 10., b_hadron_min_pt = 5.; // GeV; for taus of the visible part

/// b hadrons that do not decay to another b hadron, and the visible parts of hadronic taus: the tau
/// without its neutrino, if there is no other neutrino. |eta| < 4.9, GeV, hardest first.
template <typename Momentum>
DecayedParticles decayed_particles(const History &history, const Momentum &px, const Momentum &py,
                                   const Momentum &pz, const Momentum &energy, const RVecI &pdg_id,
                                   const RVecI &status, double unit) {
  const std::size_t n = pdg_id.size();
  require_same_length("particles", px, py, pz, energy, pdg_id, status, history.begin);
  RVecI tau_at(history.n_vertices + 1, -1), light_neutrino_at(tau_at.size(), 0),
      b_hadron_at(tau_at.size(), 0);
  for (std::size_t i = n; i-- > 0;) { // backwards: the first tau of a vertex counts
    const int code = std::abs(pdg_id[i]), begin = history.begin[i];
    if (code == 15)
      tau_at[history.end[i]] = static_cast<int>(i);
    light_neutrino_at[begin] |= code == 12 || code == 14;
    b_hadron_at[begin] |= is_b_hadron(pdg_id[i]);
  }
  DecayedParticles all;
  const auto keep = [&](double x, double y, double z, double e, int code, double least) {
    const double pt = std::hypot(x, y) * unit, eta = std::asinh(z * unit / std::max(pt, 1e-9));
    if (!(pt > least) || !(std::abs(eta) < eta_acceptance) || !std::isfinite(pt + e))
      return;
    all.pt.push_back(static_cast<float>(pt));
    all.eta.push_back(static_cast<float>(eta));
    all.phi.push_back(static_cast<float>(std::atan2(y, x)));
    all.energy.push_back(static_cast<float>(e * unit));
    all.pdg_id.push_back(code);
  };
  for (std::size_t i = 0; i < n; ++i) {
    const int begin = history.begin[i], end = history.end[i];
    if (is_b_hadron(pdg_id[i]) && !(end && b_hadron_at[end]))
      keep(px[i], py[i], pz[i], energy[i], pdg_id[i], b_hadron_min_pt);
    if (std::abs(pdg_id[i]) == 16 && status[i] == 1 && begin && tau_at[begin] >= 0 &&
        !light_neutrino_at[begin]) {
      const int t = tau_at[begin];
      keep(px[t] - px[i], py[t] - py[i], pz[t] - pz[i], energy[t] - energy[i], pdg_id[t],
           tau_min_pt);
    }
  }
  const auto order = Reverse(StableArgsort(all.pt, std::less<>()));
  return {Take(all.pt, order), Take(all.eta, order), Take(all.phi, order), Take(all.energy, order),
          Take(all.pdg_id, order)};
}

struct ImpactParameters {
  RVecF d0, z0_sin_theta; // mm
};

/// Impact parameters of some particles, given by index, with respect to the collision: the decay
/// vertex of the first particle without a production vertex. Tracks are straight lines. A vertex at
/// (0, 0, 0) takes the position where its first incoming particle is produced. `unit` is that of
/// the vertices in mm.
template <typename Indices, typename Real>
ImpactParameters impact_parameters(const History &history, const Indices &which, const Real &px,
                                   const Real &py, const Real &pz, const Real &x, const Real &y,
                                   const Real &z, double unit) {
  require_same_length("particles", px, py, pz, history.begin);
  require_same_length("vertices", x, y, z);
  RVecI first_in(history.n_vertices + 1, -1);
  for (std::size_t i = history.end.size(); i-- > 0;)
    first_in[history.end[i]] = static_cast<int>(i);
  const auto place = [&](int vertex) { // the vertex that gives its position, or 0
    for (int steps = 0; vertex && steps < 1000; ++steps) {
      const int v = vertex - 1;
      if (x[v] != 0. || y[v] != 0. || z[v] != 0.)
        return vertex;
      vertex = first_in[vertex] < 0 ? 0 : history.begin[first_in[vertex]];
    }
    return 0;
  };
  int collision = 0;
  for (std::size_t i = 0; i < history.begin.size() && !collision; ++i)
    if (!history.begin[i] && history.end[i])
      collision = history.end[i];
  collision = place(collision);
  ImpactParameters found;
  for (const auto i : which) {
    const int vertex = place(history.begin[i]);
    const auto from_collision = [&](const Real &at) {
      return vertex ? (at[vertex - 1] - (collision ? at[collision - 1] : 0.)) * unit : 0.;
    };
    const double dx = from_collision(x), dy = from_collision(y), dz = from_collision(z);
    const double pt = std::hypot(px[i], py[i]), along = (dx * px[i] + dy * py[i]) / (pt * pt);
    found.d0.push_back(static_cast<float>((dx * py[i] - dy * px[i]) / pt));
    found.z0_sin_theta.push_back(
        static_cast<float>((dz - along * pz[i]) * pt / std::hypot(pt, pz[i])));
  }
  return found;
}

} // namespace monojet

#endif
