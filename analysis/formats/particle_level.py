"""Columns made from stable particles only: jets, leptons, photons, missing transverse momentum.

The same expressions make the columns of generated samples and of files with particles. They use
``all_pt`` etc.: all stable particles with |eta| < 4.9 in GeV, including neutrinos.
"""

from __future__ import annotations

from analysis.formats.format import Column, ColumnGroup, How

JET_MIN_PT = 20.0  # GeV
LEPTON_MIN_PT = 5.0  # GeV
PHOTON_MIN_PT = 10.0  # GeV

PARTICLE_PARTS = ("pt", "eta", "phi", "energy", "pdg_id", "charge")
_LEPTONS = {"electron": 11, "muon": 13}


def stable_particles(expression: str, how: How = "read", note: str = "") -> ColumnGroup:
    """Return the particles of a file from an expression of type ``monojet::Truth``."""
    return ColumnGroup(
        {
            "truth": Column(expression),
            **{
                f"all_{part}": Column(f"truth.{part}")
                for part in ("pt", "eta", "phi", "energy", "pdg_id")
            },
            "all_charge": Column("monojet::charges(all_pdg_id)"),
            **{
                f"particle_{part}": Column(f"all_{part}", how, note) for part in PARTICLE_PARTS[:-1]
            },
            "particle_charge": Column("all_charge", "derived", "from the PDG codes"),
        }
    )


_SAME = {f"all_{part}": Column(f"particle_{part}") for part in PARTICLE_PARTS}
_OF_CODES = {
    "particle_charge": Column("monojet::charges(particle_pdg_id)", "derived", "from the PDG codes")
}
OF_PARTICLES = (
    ColumnGroup(_SAME, needs=frozenset({"particle_charge"})),
    ColumnGroup(_OF_CODES | _SAME, needs=frozenset({"particle_pt"})),
)
"""For files with the canonical particles, with or without charges."""

JETS = ColumnGroup(
    {
        "jets": Column(
            "monojet::cluster_jets(all_pt, all_eta, all_phi, all_energy, all_pdg_id, all_charge,"
            f" {JET_MIN_PT})"
        ),
        **{
            f"jet_{part}": Column(
                f"jets.{part}",
                "derived",
                "anti-kT, R = 0.4, from the visible particles except muons",
            )
            for part in ("pt", "eta", "phi", "mass", "width", "n_tracks")
        },
    },
    needs=frozenset({"all_charge"}),
)


def leptons(flavour: str) -> ColumnGroup:
    """Return dressed, isolated electrons or muons; all pass both qualities."""
    dressed = f"{flavour}s"
    note = "from particles: dressed with photons, isolated"
    return ColumnGroup(
        {
            dressed: Column(
                "monojet::dressed_leptons(all_pt, all_eta, all_phi, all_pdg_id, all_charge,"
                f" {_LEPTONS[flavour]}, {LEPTON_MIN_PT})"
            ),
            **{
                f"{flavour}_{part}": Column(f"{dressed}.{part}", "derived", note)
                for part in ("pt", "eta", "phi", "charge")
            },
            **{
                f"{flavour}_{quality}": Column(
                    f"ROOT::RVecI({flavour}_pt.size(), 1)", "assumed", "all: see above"
                )
                for quality in ("isolated", "tight")
            },
        },
        needs=frozenset({"all_charge"}),
    )


PHOTONS = ColumnGroup(
    {
        "photons": Column(
            f"monojet::isolated_photons(all_pt, all_eta, all_phi, all_pdg_id, {PHOTON_MIN_PT})"
        ),
        **{
            f"photon_{part}": Column(f"photons.{part}", "derived", "from particles: isolated")
            for part in ("pt", "eta", "phi")
        },
    },
    needs=frozenset({"all_charge"}),
)

MET = ColumnGroup(
    {
        "missing": Column("monojet::missing_momentum(all_pt, all_eta, all_phi, all_pdg_id)"),
        "met_no_muons": Column(
            "missing.pt", "derived", "minus the sum of the visible particles except muons"
        ),
        "met_no_muons_phi": Column("missing.phi", "derived", "likewise"),
        "missing_with_muons": Column(
            "monojet::missing_momentum(all_pt, all_eta, all_phi, all_pdg_id, true)"
        ),
        "met": Column("missing_with_muons.pt", "derived", "minus the sum of the visible particles"),
        "met_phi": Column("missing_with_muons.phi", "derived", "likewise"),
    },
    needs=frozenset({"all_charge"}),
)


def impact_parameters(flavour: str) -> ColumnGroup:
    """Return impact parameters of dressed leptons from those of all particles, ``all_d0`` and
    ``all_z0_sin_theta`` (mm)."""
    return ColumnGroup(
        {
            f"{flavour}_z0_sin_theta": Column(
                f"Take(all_z0_sin_theta, {flavour}s.particle)", "derived", "for a straight track"
            ),
            f"{flavour}_d0_significance": Column(
                f"monojet::d0_significance(Take(all_d0, {flavour}s.particle), {flavour}_pt,"
                f" {flavour}_eta)",
                "derived",
                "likewise, with the resolution of ATLAS",
            ),
        },
        needs=frozenset({"all_d0", f"{flavour}s"}),
    )


DECAYED = ColumnGroup(
    {
        "is_tau": Column("abs(decayed_pdg_id) == 15"),
        **{
            f"tau_{part}": Column(
                f"decayed_{part}[is_tau]", "derived", "visible part of hadronic decays"
            )
            for part in ("pt", "eta", "phi", "energy")
        },
        "tau_mass": Column("monojet::masses(tau_energy, tau_pt, tau_eta)", "derived", "likewise"),
        "tau_charge": Column(
            "Where(decayed_pdg_id[is_tau] > 0, -1, 1)", "derived", "from the PDG codes"
        ),
        "jet_b_tag": Column(
            "monojet::b_tags(jets.eta, jets.phi, decayed_eta[!is_tau], decayed_phi[!is_tau])",
            "derived",
            "the jet contains a b hadron",
        ),
    },
    needs=frozenset({"decayed_pdg_id", "jets"}),
)
"""From b hadrons and the visible parts of hadronic taus: ``decayed_pt`` and so on."""

ALL = (JETS, leptons("electron"), leptons("muon"), PHOTONS, MET)
"""For formats whose files lack these columns, always or sometimes."""

OF_DECAYS = (impact_parameters("electron"), impact_parameters("muon"), DECAYED)
"""For formats with decay records."""
