// Particle kinds by PDG identity code.
#ifndef MONOJET_PARTICLES_HXX
#define MONOJET_PARTICLES_HXX

#include <cstdlib>

namespace monojet {

namespace pdg {
inline constexpr int electron = 11, muon = 13, photon = 22, pi0 = 111;
} // namespace pdg

inline constexpr double track_min_pt = 0.5; // GeV; a charged constituent above it is a track

/// Whether a stable particle would be seen by an ideal detector: everything but neutrinos,
/// gravitons, dark matter (PDG codes 51-60), heavy neutrinos and the weakly interacting
/// supersymmetric particles.
inline bool is_visible(int pdg_id) {
  const int id = std::abs(pdg_id);
  const bool is_neutrino = (id == 12) | (id == 14) | (id == 16) | (id == 18);
  const bool is_dark = (id == 39) | ((id >= 51) & (id <= 60));
  if (id < 1000000)
    return !(is_neutrino | is_dark);
  switch (id) {
  case 1000012: // sneutrinos
  case 1000014:
  case 1000016:
  case 1000022: // lightest neutralino
  case 1000039: // gravitino
  case 5000039: // Kaluza-Klein graviton
  case 9900012: // heavy neutrinos
  case 9900014:
  case 9900016:
  case 9900112:
    return false;
  default:
    return true;
  }
}

} // namespace monojet

#endif
