// A simple detector: efficiencies and Gaussian resolutions; no interactions with matter, no noise,
// no granularity beyond that of the grid. Directions are unchanged.
#ifndef MONOJET_DETECTOR_HXX
#define MONOJET_DETECTOR_HXX

#include "objects/particles.hxx"
#include "objects/random.hxx"

#include <ROOT/RVec.hxx>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>

namespace monojet {

// As in the ATLAS card of Delphes (arXiv:1307.6346).
inline constexpr double barrel_eta = 1.5;   // |eta| of the end of the barrel
inline constexpr double tracker_eta = 2.5;  // |eta| up to which particles are identified
inline constexpr double soft_track_pt = 1.; // GeV; `soft_tracks` applies up to this pT

inline constexpr int neutral_hadron = 130; // PDG code of the long-lived neutral kaon

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

/// The values come from the configuration: `analysis.config.Detector` has the same names.
struct Detector {
  Efficiency tracks, soft_tracks, electrons, muons, photons;
  CalorimeterResolution electromagnetic, hadronic;
  TrackResolution tracker, muon_tracks;
};

/// Hash of an event's identity for its `Draws`, independent of the stochastic compression's.
inline std::uint64_t detector_key(std::uint64_t seed, std::uint64_t run, std::uint64_t event) {
  return event_hash(mix(seed) ^ 0x6465746563746f72, run, event);
}

/// A measured particle; its momentum is 0 if it is not detected.
struct Measured {
  float pt, energy;
  int pdg_id, charge;
};

/// Measures a particle.
///
/// - The electromagnetic calorimeter measures electrons, photons and undecayed neutral pions, the
///   hadronic one hadrons. A reconstructed track is used instead if its expected resolution is
///   better.
/// - A charged hadron without a track keeps its energy and loses its charge. A missed electron
///   becomes a photon, a missed photon a neutral hadron; a missed muon is not detected.
/// - Invisible particles are unchanged.
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
  // NaN stays NaN and is counted where images are filled.
  const double scale = std::max(1. + resolution * draws.normal(), 0.);
  const int missed = is_electron ? pdg::photon : is_photon ? neutral_hadron : pdg_id;
  return {static_cast<float>(pt * scale), static_cast<float>(energy * scale),
          is_found ? pdg_id : missed, is_found ? charge : 0};
}

/// The measured particles of one event, in the order of the true ones. The memory is reused for the
/// next event.
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
