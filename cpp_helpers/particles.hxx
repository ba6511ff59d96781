// Particle kinds by PDG identity code.
#ifndef MONOJET_PARTICLES_HXX
#define MONOJET_PARTICLES_HXX

#include <cstdint>
#include <cstdlib>

namespace monojet {

namespace pdg {
inline constexpr int electron = 11, muon = 13, photon = 22, pi0 = 111;
} // namespace pdg

/// Whether a stable particle would be seen by an ideal detector: everything but neutrinos,
/// gravitons, dark matter (PDG codes 51-60), heavy neutrinos and the weakly interacting
/// supersymmetric particles.
inline bool is_visible(int pdg_id) {
  constexpr std::uint64_t bit = 1;
  constexpr std::uint64_t invisible = // neutrinos, graviton, dark matter
      bit << 12 | bit << 14 | bit << 16 | bit << 18 | bit << 39 | ((bit << 10) - 1) << 51;
  const auto id = static_cast<unsigned int>(std::abs(pdg_id));
  if (id < 1000000) // no jump depends on the kind of a common particle
    return !((invisible >> (id & 63)) & (id < 64));
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
