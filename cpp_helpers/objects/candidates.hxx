// Reconstructed particles of files, and jet and missing-momentum quantities derived from them.
#ifndef MONOJET_CANDIDATES_HXX
#define MONOJET_CANDIDATES_HXX

#include "objects/truth.hxx"

namespace monojet {

inline constexpr double jet_cone = 0.4;

/// Massless particles by direction and energy (GeV).
struct Towers {
  const RVecF &eta, &phi, &energy;
};

/// The energy flow of a fast simulation within |eta| < 4.9: massless tracks with their own PDG
/// codes, photons (22) and neutral hadrons (130, the long-lived kaon).
inline Truth energy_flow(const RVecF &pt, const RVecF &eta, const RVecF &phi, const RVecI &pdg_id,
                         const Towers &photons, const Towers &hadrons) {
  require_same_length("tracks", pt, eta, phi, pdg_id);
  require_same_length("photons", photons.eta, photons.phi, photons.energy);
  require_same_length("neutral hadrons", hadrons.eta, hadrons.phi, hadrons.energy);
  Truth kept;
  const auto keep = [&kept](double p, float pseudorapidity, float azimuth, double energy, int id) {
    if (!(p > 0.) || !(std::abs(pseudorapidity) < eta_acceptance) || !std::isfinite(p + energy))
      return;
    kept.pt.push_back(static_cast<float>(p));
    kept.eta.push_back(pseudorapidity);
    kept.phi.push_back(azimuth);
    kept.energy.push_back(static_cast<float>(energy));
    kept.pdg_id.push_back(id);
  };
  for (std::size_t i = 0; i < pt.size(); ++i)
    keep(pt[i], eta[i], phi[i], pt[i] * std::cosh(double(eta[i])), pdg_id[i]);
  for (std::size_t i = 0; i < photons.energy.size(); ++i)
    keep(photons.energy[i] / std::cosh(double(photons.eta[i])), photons.eta[i], photons.phi[i],
         photons.energy[i], pdg::photon);
  for (std::size_t i = 0; i < hadrons.energy.size(); ++i)
    keep(hadrons.energy[i] / std::cosh(double(hadrons.eta[i])), hadrons.eta[i], hadrons.phi[i],
         hadrons.energy[i], 130);
  return kept;
}

/// Particle-flow candidates within |eta| < 4.9, their momenta scaled by pile-up weights; those of
/// weight 0 are dropped. Codes 1 and 2, used for the forward calorimeter outside the tracker,
/// become those of a neutral hadron and a photon.
template <typename Ids>
Truth weighted_candidates(const RVecF &pt, const RVecF &eta, const RVecF &phi, const RVecF &mass,
                          const Ids &pdg_id, const RVecF &weight) {
  require_same_length("candidates", pt, eta, phi, mass, pdg_id, weight);
  Truth kept;
  for (std::size_t i = 0; i < pt.size(); ++i) {
    const double p = double(pt[i]) * weight[i];
    const double energy =
        weight[i] * std::hypot(pt[i] * std::cosh(double(eta[i])), double(mass[i]));
    if (!(p > 0.) || !(std::abs(eta[i]) < eta_acceptance) || !std::isfinite(p + energy))
      continue;
    const int id = pdg_id[i];
    kept.pt.push_back(static_cast<float>(p));
    kept.eta.push_back(eta[i]);
    kept.phi.push_back(phi[i]);
    kept.energy.push_back(static_cast<float>(energy));
    kept.pdg_id.push_back(id == 1 ? 130 : id == 2 ? pdg::photon : id);
  }
  return kept;
}

struct JetShapes {
  RVecF width;
  RVecI n_tracks;
};

/// Widths and numbers of tracks of jets, from the visible particles except muons within dR < 0.4 of
/// the axes, in place of the constituents; 0 without particles.
inline JetShapes jet_shapes(const RVecF &jet_eta, const RVecF &jet_phi, const RVecF &pt,
                            const RVecF &eta, const RVecF &phi, const RVecI &pdg_id,
                            const RVecI &charge) {
  JetShapes shapes{RVecF(jet_eta.size(), 0.f), RVecI(jet_eta.size(), 0)};
  for (std::size_t j = 0; j < jet_eta.size(); ++j) {
    double sum = 0., weighted = 0.;
    for (std::size_t i = 0; i < pt.size(); ++i) {
      if (!(std::abs(eta[i] - jet_eta[j]) < jet_cone) || !enters_jets(pdg_id[i]))
        continue;
      const double dr = delta_r(eta[i], phi[i], jet_eta[j], jet_phi[j]);
      if (!(dr < jet_cone))
        continue;
      sum += pt[i];
      weighted += pt[i] * dr;
      shapes.n_tracks[j] += charge[i] != 0 && pt[i] > track_min_pt;
    }
    if (sum > 0.)
      shapes.width[j] = static_cast<float>(weighted / sum);
  }
  return shapes;
}

/// Whether a missing transverse momentum equals, within 10 MeV, minus the sum of the calorimeter
/// towers, which exclude muons.
inline bool is_of_towers(double met, double met_phi, const RVecF &tower_et,
                         const RVecF &tower_phi) {
  require_same_length("towers", tower_et, tower_phi);
  double x = met * std::cos(met_phi), y = met * std::sin(met_phi);
  for (std::size_t i = 0; i < tower_et.size(); ++i) {
    x += tower_et[i] * std::cos(double(tower_phi[i]));
    y += tower_et[i] * std::sin(double(tower_phi[i]));
  }
  return std::hypot(x, y) < 0.01;
}

} // namespace monojet

#endif
