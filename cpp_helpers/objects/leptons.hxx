// Electrons and muons at particle level, and the overlap removal between them and jets.
#ifndef MONOJET_LEPTONS_HXX
#define MONOJET_LEPTONS_HXX

#include "objects/kinematics.hxx"

#include <algorithm>

namespace monojet {

struct Leptons {
  RVecF pt, eta, phi;
  RVecI charge;
  ROOT::RVec<std::size_t> particle; ///< index of each among the particles
};

inline constexpr double dressing_cone = 0.1;
inline constexpr double isolation_cone = 0.2;
inline constexpr double max_isolation = 0.15;

/// Dressed, isolated leptons of one flavour, hardest first. Photons within dR < 0.1 are added to
/// the lepton's transverse momentum (those near two leptons to both); the other visible particles
/// within dR < 0.2 may carry at most 15 % of it. Isolation replaces the requirement that leptons
/// are not from hadrons, as most formats have no decay record. `min_pt` applies before dressing.
inline Leptons dressed_leptons(const RVecF &pt, const RVecF &eta, const RVecF &phi,
                               const RVecI &pdg_id, const RVecI &charge, int flavour,
                               double min_pt) {
  Leptons leptons;
  for (std::size_t i = 0; i < pt.size(); ++i) {
    if (std::abs(pdg_id[i]) != flavour || !(pt[i] > min_pt) || !(std::abs(eta[i]) < eta_acceptance))
      continue;
    double dressed = pt[i], around = 0.;
    for (std::size_t j = 0; j < pt.size(); ++j) {
      if (j == i || !(std::abs(eta[j] - eta[i]) < isolation_cone) || !is_visible(pdg_id[j]))
        continue;
      const double dr = delta_r(eta[i], phi[i], eta[j], phi[j]);
      if (pdg_id[j] == pdg::photon && dr < dressing_cone)
        dressed += pt[j];
      else if (dr < isolation_cone)
        around += pt[j];
    }
    if (around > max_isolation * dressed)
      continue;
    leptons.pt.push_back(static_cast<float>(dressed));
    leptons.eta.push_back(eta[i]);
    leptons.phi.push_back(phi[i]);
    leptons.charge.push_back(charge[i]);
    leptons.particle.push_back(i);
  }
  const auto order = ROOT::VecOps::Argsort(leptons.pt, std::greater<>());
  return {ROOT::VecOps::Take(leptons.pt, order), ROOT::VecOps::Take(leptons.eta, order),
          ROOT::VecOps::Take(leptons.phi, order), ROOT::VecOps::Take(leptons.charge, order),
          ROOT::VecOps::Take(leptons.particle, order)};
}

/// d0 significance for the design resolution of the ATLAS inner detector (JINST 3 (2008) S08003):
/// sigma = 10 um (+) 140 um GeV / pT for |eta| < 1.5 and 12 um (+) 240 um GeV / pT beyond. `d0` in
/// mm.
inline RVecF d0_significance(const RVecF &d0, const RVecF &pt, const RVecF &eta) {
  require_same_length("leptons", d0, pt, eta);
  RVecF significance(d0.size());
  for (std::size_t i = 0; i < d0.size(); ++i) {
    const bool barrel = std::abs(eta[i]) < 1.5;
    const double sigma =
        1e-3 * (barrel ? std::hypot(10., 140. / pt[i]) : std::hypot(12., 240. / pt[i]));
    significance[i] = static_cast<float>(d0[i] / sigma);
  }
  return significance;
}

/// Isolated photons, hardest first, defined like `dressed_leptons`: photons within dR < 0.1 of a
/// harder one are part of it.
inline Leptons isolated_photons(const RVecF &pt, const RVecF &eta, const RVecF &phi,
                                const RVecI &pdg_id, double min_pt) {
  const RVecI neutral(pt.size(), 0);
  const Leptons all = dressed_leptons(pt, eta, phi, pdg_id, neutral, pdg::photon, min_pt);
  Leptons photons;
  for (std::size_t i = 0; i < all.pt.size(); ++i) {
    bool apart = true;
    for (std::size_t j = 0; j < photons.pt.size(); ++j)
      apart =
          apart && delta_r(all.eta[i], all.phi[i], photons.eta[j], photons.phi[j]) > dressing_cone;
    if (!apart)
      continue;
    photons.pt.push_back(all.pt[i]);
    photons.eta.push_back(all.eta[i]);
    photons.phi.push_back(all.phi[i]);
  }
  return photons;
}

inline constexpr double b_cone = 0.3;

/// 1 for each jet with a b hadron within dR < 0.3 of its axis, else 0 (an ideal tagger).
inline RVecI b_tags(const RVecF &jet_eta, const RVecF &jet_phi, const RVecF &hadron_eta,
                    const RVecF &hadron_phi) {
  RVecI tags(jet_eta.size(), 0);
  for (std::size_t j = 0; j < tags.size(); ++j)
    for (std::size_t h = 0; h < hadron_eta.size(); ++h)
      tags[j] |= delta_r(jet_eta[j], jet_phi[j], hadron_eta[h], hadron_phi[h]) < b_cone;
  return tags;
}

/// Objects after the overlap removal of arXiv:1711.03301: 1 kept, 0 removed.
struct Survivors {
  RVecI jet, electron, muon;
};

/// Removes overlaps, in this order: a jet within dR < 0.2 of an electron; an electron with
/// 0.2 < dR < 0.4 to a remaining jet; a jet with fewer than three tracks within dR < 0.4 of a muon;
/// a muon within dR < 0.4 of a remaining jet. Each rule is applied to all pairs before the next, so
/// that the order of the objects does not matter. Masks select the candidates that take part.
inline Survivors remove_overlap(const RVecF &jet_eta, const RVecF &jet_phi, const RVecI &jet_tracks,
                                const RVecI &jet_candidate, const RVecF &electron_eta,
                                const RVecF &electron_phi, const RVecI &electron_candidate,
                                const RVecF &muon_eta, const RVecF &muon_phi,
                                const RVecI &muon_candidate) {
  Survivors kept{jet_candidate, electron_candidate, muon_candidate};
  for (std::size_t e = 0; e < kept.electron.size(); ++e)
    for (std::size_t j = 0; kept.electron[e] && j < kept.jet.size(); ++j)
      if (kept.jet[j] && delta_r(jet_eta[j], jet_phi[j], electron_eta[e], electron_phi[e]) < 0.2)
        kept.jet[j] = 0;
  for (std::size_t e = 0; e < kept.electron.size(); ++e)
    for (std::size_t j = 0; kept.electron[e] && j < kept.jet.size(); ++j)
      if (kept.jet[j] && delta_r(jet_eta[j], jet_phi[j], electron_eta[e], electron_phi[e]) < 0.4)
        kept.electron[e] = 0;
  const auto muon_near_jet = [&](std::size_t m, std::size_t j) {
    return kept.muon[m] && kept.jet[j] &&
           delta_r(jet_eta[j], jet_phi[j], muon_eta[m], muon_phi[m]) < 0.4;
  };
  for (std::size_t m = 0; m < kept.muon.size(); ++m)
    for (std::size_t j = 0; j < kept.jet.size(); ++j)
      if (jet_tracks[j] < 3 && muon_near_jet(m, j))
        kept.jet[j] = 0;
  for (std::size_t m = 0; m < kept.muon.size(); ++m)
    for (std::size_t j = 0; j < kept.jet.size(); ++j)
      if (muon_near_jet(m, j))
        kept.muon[m] = 0;
  return kept;
}

} // namespace monojet

#endif
