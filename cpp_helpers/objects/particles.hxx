// Particle kinds by PDG identity code (the Monte Carlo numbering scheme of the Review of Particle
// Physics).
#ifndef MONOJET_PARTICLES_HXX
#define MONOJET_PARTICLES_HXX

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <vector>

namespace monojet {

namespace pdg {
inline constexpr int electron = 11, muon = 13, photon = 22, pi0 = 111;
} // namespace pdg

inline constexpr double track_min_pt = 0.5; // GeV; charged constituents above it are tracks

/// Whether an ideal detector sees a stable particle; `unknown` counts as visible.
enum class Kind : std::uint8_t { visible, invisible, unknown };

namespace detail {
/// Stable invisible particles beyond the standard model, by |PDG code|.
inline constexpr int heavy_invisible[] = {
    1000012, 1000014, 1000016, 2000012, 2000014, 2000016, // sneutrinos
    1000022, 1000023, 1000025, 1000035, 1000045,          // neutralinos
    1000039,                                              // gravitino
    5000039, 5100022, 5100039,                            // Kaluza-Klein gravitons, photon
    9000005,                                              // axion-like particle
    9900012, 9900014, 9900016, 9900112,                   // heavy neutrinos
};

/// Whether a code is that of a hadron: its last four digits are those of its quarks and 2 J + 1.
constexpr bool has_quarks(int id) {
  const int spin = id % 10, q3 = id / 10 % 10, q2 = id / 100 % 10;
  return q3 > 0 && q2 > 0 && (spin > 0 || id == 130 || id == 310);
}

constexpr Kind kind_by_scheme(int id) {
  if (id < 1000000) {
    if (id == 12 || id == 14 || id == 16 || id == 18 || id == 39 || (id >= 51 && id <= 60))
      return Kind::invisible;
    const bool is_parton = (id >= 1 && id <= 6) || id == 21;
    const bool is_seen = id == 11 || id == 13 || id == 15 || id == pdg::photon;
    return is_parton || is_seen || has_quarks(id) ? Kind::visible : Kind::unknown;
  }
  for (const int code : heavy_invisible)
    if (id == code)
      return Kind::invisible;
  if (id / 1000 == 4900) { // hidden valley; the partners of quarks and charged leptons are charged
    const int place = id % 1000;
    const bool is_charged = (place >= 1 && place <= 6) || place == 11 || place == 13 || place == 15;
    return is_charged ? Kind::visible : Kind::invisible;
  }
  if (id >= 1000000000) // nuclei, 10LZZZAAAI
    return id < 1100000000 ? Kind::visible : Kind::unknown;
  const int family = id / 1000000, rest = id % 1000000;
  if (family == 1 || family == 2) { // squarks, gluino, sleptons, charginos; their hadrons
    const bool is_charged = (rest >= 1 && rest <= 6) || rest == 11 || rest == 13 || rest == 15 ||
                            rest == 21 || rest == 24 || rest == 37;
    return is_charged || has_quarks(id) ? Kind::visible : Kind::unknown;
  }
  return family == 9 && has_quarks(id) ? Kind::visible : Kind::unknown;
}

inline constexpr int n_common = 10000;

inline constexpr std::array<Kind, n_common> common_kinds = [] {
  std::array<Kind, n_common> kinds{};
  for (int id = 0; id < n_common; ++id)
    kinds[static_cast<std::size_t>(id)] = kind_by_scheme(id);
  return kinds;
}();

/// Further invisible particles from the configuration; usually none.
struct MoreInvisible {
  std::array<int, 64> codes{};
  std::size_t n = 0;

  bool has(int id) const {
    for (std::size_t i = 0; i < n; ++i)
      if (codes[i] == id)
        return true;
    return false;
  }
};

inline MoreInvisible more_invisible;
} // namespace detail

/// Sets the codes of further invisible particles, with their antiparticles; replaces those of
/// earlier calls. Must not be called during an event loop.
///
/// Raises: std::length_error, there are more than 64.
inline void set_invisible(const std::vector<int> &codes) {
  detail::MoreInvisible more;
  if (codes.size() > more.codes.size())
    throw std::length_error("more than 64 codes of invisible particles");
  for (const int code : codes)
    more.codes[more.n++] = std::abs(code);
  if (more.n != detail::more_invisible.n || more.codes != detail::more_invisible.codes)
    detail::more_invisible = more; // not rewritten by each task while others read it
}

inline Kind kind_of(int pdg_id) {
  const int id = std::abs(pdg_id);
  if (detail::more_invisible.n != 0 && detail::more_invisible.has(id))
    return Kind::invisible;
  return id >= 0 && id < detail::n_common ? detail::common_kinds[static_cast<std::size_t>(id)]
                                          : detail::kind_by_scheme(id);
}

/// Whether an ideal detector sees a stable particle: all except known invisible ones (neutrinos,
/// gravitons, dark matter, ...) and those of `set_invisible`.
inline bool is_visible(int pdg_id) { return kind_of(pdg_id) != Kind::invisible; }

/// Whether a stable particle is known to be visible or invisible.
inline bool is_known(int pdg_id) { return kind_of(pdg_id) != Kind::unknown; }

/// Whether a stable particle enters jets: all visible ones except muons, as in ATLAS's
/// AntiKt4TruthJets. Otherwise an isolated muon would be a jet of its own, and the overlap removal
/// would drop the muon.
inline bool enters_jets(int pdg_id) { return is_visible(pdg_id) && std::abs(pdg_id) != pdg::muon; }

} // namespace monojet

#endif
