// What a simple detector makes of the particles: efficiencies and Gaussian resolutions, no
// interactions with matter, no noise, no granularity but the grid's. Directions are kept.
#ifndef MONOJET_DETECTOR_HXX
#define MONOJET_DETECTOR_HXX

#include "imaging/compression.hxx"
#include "objects/particles.hxx"

#include <ROOT/RVec.hxx>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>

namespace monojet {

// As in the ATLAS card of Delphes (arXiv:1307.6346).
inline constexpr double barrel_eta = 1.5;   // |eta| where the barrel ends
inline constexpr double tracker_eta = 2.5;  // |eta| beyond which nothing is identified
inline constexpr double soft_track_pt = 1.; // GeV; `soft_tracks` are for tracks not above it

inline constexpr int neutral_hadron = 130; // PDG code, of the long-lived neutral kaon

/// Probability that a particle is found.
struct Efficiency {
  double barrel, endcap;

  double at(double eta) const {
    const double distance = std::abs(eta);
    return distance < barrel_eta ? barrel : distance < tracker_eta ? endcap : 0.;
  }
};

/// sigma(E) / E = stochastic / sqrt(E) (+) constant, E in GeV.
struct CalorimeterResolution {
  double stochastic, constant;

  double at(double energy) const {
    return energy > 0. ? std::sqrt(stochastic * stochastic / energy + constant * constant) : 0.;
  }
};

/// sigma(pT) / pT = slope pT (+) constant, pT in GeV.
struct TrackResolution {
  double slope, constant;

  double at(double pt) const { return std::sqrt(slope * slope * pt * pt + constant * constant); }
};

/// The numbers come from the configuration: `analysis.config.Detector` has the same names.
struct Detector {
  Efficiency tracks, soft_tracks, electrons, muons, photons;
  CalorimeterResolution electromagnetic, hadronic;
  TrackResolution tracker, muon_tracks;
};

namespace detail {

/// Natural logarithm of x > 0, to some units in the last place.
inline double logarithm(double x) {
  int exponent;
  double fraction = std::frexp(x, &exponent);
  if (fraction < M_SQRT1_2) {
    fraction *= 2.;
    --exponent;
  }
  // 2 artanh(s) = 2 (s + s^3 / 3 + s^5 / 5 + ...), |s| < 0.172
  const double s = (fraction - 1.) / (fraction + 1.);
  double series = 0.;
  for (int k = 21; k > 0; k -= 2)
    series = series * s * s + 1. / k;
  return exponent * M_LN2 + 2. * s * series;
}

} // namespace detail

/// Random numbers of one particle of an event, whose key is `detector_key`. They are the same on
/// every machine: only exactly rounded operations are used, which logarithms of libm are not.
class Draws {
public:
  Draws(std::uint64_t event_key, std::size_t particle) : state_(event_key ^ mix(particle)) {}

  /// In [0, 1).
  double uniform() {
    state_ = mix(state_);
    return static_cast<double>(state_ >> 11) * 0x1p-53;
  }

  /// Gaussian, of mean 0 and width 1: Marsaglia's polar method.
  double normal() {
    double x, square;
    do {
      x = 2. * uniform() - 1.;
      const double y = 2. * uniform() - 1.;
      square = x * x + y * y;
    } while (square >= 1. || square == 0.);
    return x * std::sqrt(-2. * detail::logarithm(square) / square);
  }

private:
  std::uint64_t state_;
};

/// Hash of an event's identity for its `Draws`, apart from those of the stochastic compression.
inline std::uint64_t detector_key(std::uint64_t seed, std::uint64_t run, std::uint64_t event) {
  return event_hash(mix(seed) ^ 0x6465746563746f72, run, event);
}

/// A particle as it is measured; without momentum if it is not seen.
struct Measured {
  float pt, energy;
  int pdg_id, charge;
};

/// - Calorimeters measure all that they stop: electrons, photons and undecayed neutral pions the
///   electromagnetic one, hadrons the hadronic one. A found track is used instead where it is
///   expected to be the more precise.
/// - A charged hadron without a track keeps its energy and loses its charge. An electron that is
///   missed is taken for a photon, a photon for a neutral hadron. A missed muon is not seen.
/// Invisible particles stay as they are.
inline Measured measure(const Detector &detector, float pt, float eta, float energy, int pdg_id,
                        int charge, Draws draws) {
  if (!is_visible(pdg_id))
    return {pt, energy, pdg_id, charge};
  const int id = std::abs(pdg_id);
  const bool is_electron = id == pdg::electron, is_muon = id == pdg::muon;
  const bool is_photon = (id == pdg::photon) | (id == pdg::pi0);
  const Efficiency &efficiency = is_electron           ? detector.electrons
                                 : is_muon             ? detector.muons
                                 : is_photon           ? detector.photons
                                 : pt <= soft_track_pt ? detector.soft_tracks
                                                       : detector.tracks;
  const bool is_found = draws.uniform() < efficiency.at(eta);
  if (is_muon && !is_found)
    return {0.f, 0.f, pdg_id, 0};

  double resolution = is_muon                    ? detector.muon_tracks.at(pt)
                      : is_electron || is_photon ? detector.electromagnetic.at(energy)
                                                 : detector.hadronic.at(energy);
  if (is_found && charge != 0 && !is_muon)
    resolution = std::min(resolution, detector.tracker.at(pt));
  // What is not a number stays so, and is counted where images are filled.
  const double scale = std::max(1. + resolution * draws.normal(), 0.);
  const int missed = is_electron ? pdg::photon : is_photon ? neutral_hadron : pdg_id;
  return {static_cast<float>(pt * scale), static_cast<float>(energy * scale),
          is_found ? pdg_id : missed, is_found ? charge : 0};
}

/// The particles of one event as they are measured, at their places among all; the memory is used
/// again for the next event.
struct MeasuredParticles {
  ROOT::RVecF pt, energy;
  ROOT::RVecI pdg_id, charge;

  void fill(const Detector &detector, std::uint64_t event_key, const ROOT::RVecF &true_pt,
            const ROOT::RVecF &eta, const ROOT::RVecF &true_energy, const ROOT::RVecI &true_id,
            const ROOT::RVecI &true_charge) {
    const std::size_t n = true_pt.size();
    pt.resize(n);
    energy.resize(n);
    pdg_id.resize(n);
    charge.resize(n);
    for (std::size_t i = 0; i < n; ++i) {
      const Measured found = measure(detector, true_pt[i], eta[i], true_energy[i], true_id[i],
                                     true_charge[i], Draws(event_key, i));
      pt[i] = found.pt;
      energy[i] = found.energy;
      pdg_id[i] = found.pdg_id;
      charge[i] = found.charge;
    }
  }
};

} // namespace monojet

#endif
