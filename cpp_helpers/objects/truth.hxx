// Stable particles of files of generated events.
#ifndef MONOJET_TRUTH_HXX
#define MONOJET_TRUTH_HXX

#include "objects/kinematics.hxx"

#include <TDatabasePDG.h>
#include <THashList.h>
#include <TParticlePDG.h>

#include <cmath>
#include <cstdlib>
#include <unordered_map>

namespace monojet {

/// Electric charges by PDG code, in units of e: from ROOT's table of particles or, for nuclei
/// (100ZZZAAAI), from the code; 0 for other particles.
inline RVecI charges(const RVecI &pdg_id) {
  static const std::unordered_map<int, int> known = [] {
    std::unordered_map<int, int> found;
    TDatabasePDG::Instance()->GetParticle(pdg::electron); // the list is read at the first lookup
    for (const auto *entry : *TDatabasePDG::Instance()->ParticleList()) {
      const auto *particle = static_cast<const TParticlePDG *>(entry);
      found.emplace(particle->PdgCode(),
                    static_cast<int>(std::lround(particle->Charge() / 3.))); // in units of e / 3
    }
    return found;
  }();
  RVecI charge(pdg_id.size(), 0);
  for (std::size_t i = 0; i < charge.size(); ++i) {
    const int id = pdg_id[i];
    if (const auto entry = known.find(id); entry != known.end())
      charge[i] = entry->second;
    else if (std::abs(id) > 1000000000)
      charge[i] = (id > 0 ? 1 : -1) * (std::abs(id) / 10000 % 1000);
  }
  return charge;
}

struct Truth {
  RVecF pt, eta, phi, energy;
  RVecI pdg_id;
  RVecI place; ///< index among the particles of the file
};

/// The particles selected by a mask within |eta| < 4.9, in GeV; `unit` is the unit of the file in
/// GeV.
template <typename Momentum, typename Mask>
Truth stable_particles(const Momentum &px, const Momentum &py, const Momentum &pz,
                       const Momentum &energy, const RVecI &pdg_id, const Mask &stable,
                       double unit = 1.) {
  require_same_length("particles", px, py, pz, energy, pdg_id, stable);
  Truth kept;
  for (std::size_t i = 0; i < px.size(); ++i) {
    const double x = px[i], y = py[i], z = pz[i], p = std::hypot(x, y), eta = std::asinh(z / p);
    if (!stable[i] || !(p > 0.) || !(std::abs(eta) < eta_acceptance) ||
        !std::isfinite(p + energy[i]))
      continue;
    kept.pt.push_back(static_cast<float>(p * unit));
    kept.eta.push_back(static_cast<float>(eta));
    kept.phi.push_back(static_cast<float>(std::atan2(y, x)));
    kept.energy.push_back(static_cast<float>(energy[i] * unit));
    kept.pdg_id.push_back(pdg_id[i]);
    kept.place.push_back(static_cast<int>(i));
  }
  return kept;
}

} // namespace monojet

#endif
