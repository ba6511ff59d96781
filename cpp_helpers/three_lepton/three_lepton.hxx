// Events with three leptons: jets misidentified as leptons, flavours and invariant masses.
#ifndef MONOJET_THREE_LEPTON_HXX
#define MONOJET_THREE_LEPTON_HXX

#include "objects/leptons.hxx"
#include "objects/random.hxx"

#include <ROOT/RVec.hxx>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>

namespace monojet {

inline constexpr double electron_mass = 0.000511, muon_mass = 0.10566, z_mass = 91.1876; // GeV

struct ThreeLeptonJets {
  RVecF pt, eta, phi, mass;
  RVecI b_tag;
};

/// The objects of an event in which a jet may be replaced by a lepton, and the factor for its
/// weight. No member may have the name of a column: RDataFrame would use the column in expressions.
struct FakeEvent {
  Leptons electrons, muons;
  ThreeLeptonJets jets;
  double fake_weight = 1.;
  bool has_fake = false;
};

/// Replaces a jet of an event with two leptons by a third lepton. Each jet with pT > `min_pt` and
/// |eta| < 2.47 is misidentified as an electron or a muon with the given small probabilities; two
/// at once are neglected. The event is weighted by the sum of all probabilities, and one
/// possibility is drawn by a hash of its identity. Other events, and those without such a jet, are
/// unchanged.
inline FakeEvent with_fake(FakeEvent event, double electron_rate, double muon_rate, double min_pt,
                           std::uint64_t run_number, std::uint64_t event_number) {
  if (event.electrons.pt.size() + event.muons.pt.size() != 2 || electron_rate + muon_rate <= 0.)
    return event;
  const auto may_be_lepton = [&](std::size_t j) {
    return event.jets.pt[j] > min_pt && std::abs(event.jets.eta[j]) < 2.47;
  };
  std::size_t n_jets = 0;
  for (std::size_t j = 0; j < event.jets.pt.size(); ++j)
    n_jets += may_be_lepton(j);
  if (n_jets == 0)
    return event;
  event.fake_weight = static_cast<double>(n_jets) * (electron_rate + muon_rate);
  event.has_fake = true;
  Draws draws(event_hash(0x66616b65, run_number, event_number), 0);
  auto left =
      std::min(static_cast<std::size_t>(draws.uniform() * static_cast<double>(n_jets)), n_jets - 1);
  const bool is_electron = draws.uniform() * (electron_rate + muon_rate) < electron_rate;
  const int charge = draws.uniform() < 0.5 ? -1 : 1;
  std::size_t chosen = 0;
  while (!may_be_lepton(chosen) || left-- > 0)
    ++chosen;
  Leptons &leptons = is_electron ? event.electrons : event.muons;
  leptons.pt.push_back(event.jets.pt[chosen]);
  leptons.eta.push_back(event.jets.eta[chosen]);
  leptons.phi.push_back(event.jets.phi[chosen]);
  leptons.charge.push_back(charge);
  const auto erase = [&](auto &...columns) { (columns.erase(columns.begin() + chosen), ...); };
  erase(event.jets.pt, event.jets.eta, event.jets.phi, event.jets.mass, event.jets.b_tag);
  return event;
}

/// The event with only the jets that have a non-zero entry in the mask.
inline FakeEvent with_jets(FakeEvent event, const RVecI &kept) {
  const auto keep = [&](auto &...columns) { ((columns = columns[kept]), ...); };
  keep(event.jets.pt, event.jets.eta, event.jets.phi, event.jets.mass, event.jets.b_tag);
  return event;
}

/// Quantities of the leptons of an event.
struct Trilepton {
  int charge = 0;
  float mass = 0.f;      // of all leptons
  float z_mass = -1.f;   // of the same-flavour, opposite-charge pair nearest to the Z boson mass
  float w_mt = -1.f;     // of the remaining lepton and the missing transverse momentum
  float min_mass = -1.f; // smallest mass of such pairs
  std::array<float, 3> pt{}; // hardest first
};

/// Computes the quantities from electrons, muons and the missing transverse momentum.
inline Trilepton trilepton(const Leptons &electrons, const Leptons &muons, double met,
                           double met_phi) {
  struct Lepton {
    double pt, phi, px, py, pz, e;
    int charge, flavour;
  };
  std::array<Lepton, 8> leptons;
  std::size_t n = 0;
  const auto add = [&](const Leptons &some, double mass, int flavour) {
    for (std::size_t i = 0; i < some.pt.size() && n < leptons.size(); ++i) {
      const double p = some.pt[i], a = some.phi[i];
      const double pz = p * std::sinh(static_cast<double>(some.eta[i]));
      leptons[n++] = {p,
                      a,
                      p * std::cos(a),
                      p * std::sin(a),
                      pz,
                      std::sqrt(p * p + pz * pz + mass * mass),
                      some.charge[i],
                      flavour};
    }
  };
  add(electrons, electron_mass, 11);
  add(muons, muon_mass, 13);
  const auto mass_of = [](double e, double px, double py, double pz) {
    return std::sqrt(std::max(0., e * e - px * px - py * py - pz * pz));
  };
  Trilepton found;
  double e = 0., px = 0., py = 0., pz = 0.;
  double nearest = std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < n; ++i) {
    const Lepton &a = leptons[i];
    found.charge += a.charge;
    e += a.e, px += a.px, py += a.py, pz += a.pz;
    for (std::size_t j = 0; j < i; ++j) {
      const Lepton &b = leptons[j];
      if (a.flavour != b.flavour || a.charge * b.charge >= 0)
        continue;
      const double m = mass_of(a.e + b.e, a.px + b.px, a.py + b.py, a.pz + b.pz);
      if (found.min_mass < 0.f || m < found.min_mass)
        found.min_mass = static_cast<float>(m);
      if (std::abs(m - z_mass) >= nearest)
        continue;
      nearest = std::abs(m - z_mass);
      found.z_mass = static_cast<float>(m);
      for (std::size_t k = 0; k < n; ++k)
        if (k != i && k != j)
          found.w_mt = static_cast<float>(std::sqrt(
              2. * leptons[k].pt * met * (1. - std::cos(delta_phi(leptons[k].phi, met_phi)))));
    }
  }
  found.mass = static_cast<float>(mass_of(e, px, py, pz));
  std::sort(leptons.begin(), leptons.begin() + static_cast<std::ptrdiff_t>(n),
            [](const Lepton &a, const Lepton &b) { return a.pt > b.pt; });
  for (std::size_t i = 0; i < std::min(n, found.pt.size()); ++i)
    found.pt[i] = static_cast<float>(leptons[i].pt);
  return found;
}

} // namespace monojet

#endif
