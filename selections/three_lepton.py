"""Events with three leptons: the search for heavy neutrinos in the 2022 thesis.

*Deployment of unsupervised learning in the search for new physics at the LHC with the ATLAS
detector*, section 3.1. Baseline electrons: pT > 10 GeV (not in the thesis), |eta| <= 2.47,
|z0 sin theta| <= 0.5 mm; muons: pT > 10 GeV, |eta| <= 2.7, likewise; both after the overlap removal
of arXiv:1711.03301. Signal electrons are isolated and tight with |d0 / sigma| <= 5; muons isolated
with |d0 / sigma| <= 3. Jets: pT >= 20 GeV, |eta| <= 2.8. In simulation a jet may be misidentified
as the third lepton, with the probabilities ``fake_rate_electron`` and ``fake_rate_muon``, which are
0 in data. GeV and radians.
"""

from __future__ import annotations

from collections.abc import Collection

from selections.cuts import Axis, Cut, Definition, ObjectType, Region
from selections.selection import Binning, Histogram, Selection

CHANNELS = ("eee", "eemu", "emumu", "mumumu")
"""Flavours of the three leptons in any order, by the number of muons."""

FAKE_MIN_PT = 20.0  # GeV

_BEFORE = ", ".join(
    "{" + ", ".join(f"{kind}_{part}[signal_{kind}]" for part in ("pt", "eta", "phi", *others)) + "}"
    for kind, others in (
        ("electron", ["charge"]),
        ("muon", ["charge"]),
        ("jet", ["mass", "b_tag"]),
    )
)

DEFINITIONS: tuple[Definition, ...] = (
    Definition("jet_candidate", "jet_pt >= 20 && abs(jet_eta) <= 2.8"),
    Definition(
        "electron_candidate",
        "electron_pt > 10 && abs(electron_eta) <= 2.47 && abs(electron_z0_sin_theta) <= 0.5",
    ),
    Definition(
        "muon_candidate", "muon_pt > 10 && abs(muon_eta) <= 2.7 && abs(muon_z0_sin_theta) <= 0.5"
    ),
    Definition(
        "after_overlap",
        "monojet::remove_overlap(jet_eta, jet_phi, jet_n_tracks, jet_candidate, electron_eta,"
        " electron_phi, electron_candidate, muon_eta, muon_phi, muon_candidate)",
    ),
    Definition("signal_jet", "after_overlap.jet"),
    Definition(
        "signal_electron",
        "after_overlap.electron && electron_isolated && electron_tight"
        " && abs(electron_d0_significance) <= 5",
    ),
    Definition(
        "signal_muon", "after_overlap.muon && muon_isolated && abs(muon_d0_significance) <= 3"
    ),
    Definition(
        "final_state",
        f"monojet::with_fake({{{_BEFORE}}}, fake_rate_electron, fake_rate_muon, {FAKE_MIN_PT},"
        " run_number, event_number)",
    ),
    Definition(
        "n_baseline",
        "int(Sum(after_overlap.electron) + Sum(after_overlap.muon)) + int(final_state.has_fake)",
    ),
    Definition("n_signal", "int(final_state.electrons.pt.size() + final_state.muons.pt.size())"),
    Definition("n_muons", "int(final_state.muons.pt.size())"),
    Definition("n_jets", "int(final_state.jets.pt.size())"),
    Definition("n_b_jets", "int(Sum(final_state.jets.b_tag))"),
    Definition(
        "leptons",
        "monojet::trilepton(final_state.electrons, final_state.muons, met, met_phi)",
    ),
    Definition("event_weight", "weight * final_state.fake_weight"),
)

_OVERLAPPING = {
    "photon": ("photon_pt > 20 && abs(photon_eta) < 2.37", 0.4),
    "tau": ("tau_pt > 20 && abs(tau_eta) < 2.5", 0.2),
}
"""Requirements on photon and tau candidates, and the dR of their overlap with other objects."""


def definitions(objects: Collection[str]) -> tuple[Definition, ...]:
    """Return the columns of the selection, for matrices of these types of objects.

    Photons and taus may also be reconstructed as leptons or jets. Those of the given types are
    removed near a selected lepton, then jets near a remaining one, with the cones of ATLAS's common
    tool (athena, AssociationUtils): dR < 0.4 for photons, 0.2 for taus. As in that tool, a photon
    and a tau may be the same object. The event selection does not depend on this.
    """
    kinds = [kind for kind in _OVERLAPPING if kind in objects]
    if not kinds:
        return DEFINITIONS
    chosen = [Definition(f"chosen_{kind}", _chosen(kind)) for kind in kinds]
    apart = " && ".join(
        f"monojet::apart(with_all_jets.jets.eta, with_all_jets.jets.phi, {kind}_eta[chosen_{kind}],"
        f" {kind}_phi[chosen_{kind}], {_OVERLAPPING[kind][1]})"
        for kind in kinds
    )
    found: list[Definition] = []
    for definition in DEFINITIONS:
        if definition.name == "final_state":
            found += [Definition("with_all_jets", definition.expression), *chosen]
            definition = Definition("final_state", f"monojet::with_jets(with_all_jets, {apart})")
        found.append(definition)
    return tuple(found)


def _chosen(kind: str) -> str:
    candidate, cone = _OVERLAPPING[kind]
    apart = (
        f"monojet::apart({kind}_eta, {kind}_phi, with_all_jets.{leptons}.eta,"
        f" with_all_jets.{leptons}.phi, {cone})"
        for leptons in ("electrons", "muons")
    )
    return " && ".join((candidate, *apart))


BASELINE = Cut("baseline", "n_baseline == 3", "three baseline leptons")
SIGNAL = Cut("signal", "n_signal == 3", "three signal leptons")
HARD = Cut("hard", "leptons.pt[1] > 20", r"two leptons with $p_\mathrm{T} > 20$ GeV")

SR = Region("three_lepton", (BASELINE, SIGNAL, HARD))


def _channel(name: str, n_muons: int) -> Region:
    latex = "e" * (3 - n_muons) + r"\mu" * n_muons
    return Region(name, (*SR.cuts, Cut(name, f"n_muons == {n_muons}", f"${latex}$")))


REGIONS = {
    region.name: region for region in (SR, *(_channel(n, i) for i, n in enumerate(CHANNELS)))
}

QUANTITIES = {
    "met": "met",
    "met_phi": "met_phi",
    "lepton1_pt": "leptons.pt[0]",
    "lepton2_pt": "leptons.pt[1]",
    "lepton3_pt": "leptons.pt[2]",
    "mass_3l": "leptons.mass",
    "mass_z": "leptons.z_mass",
    "min_mass": "leptons.min_mass",
    "mt_w": "leptons.w_mt",
    "charge": "leptons.charge",
    "n_muons": "n_muons",
    "n_jets": "n_jets",
    "n_b_jets": "n_b_jets",
    "ht": "Sum(final_state.jets.pt)",
    "has_fake": "final_state.has_fake",
}
"""Quantities stored with the features of an event: name -> expression. Lepton pairs have one
flavour and opposite charges; -1 without a pair."""

OBJECTS = {
    kind.name: kind
    for kind in (
        ObjectType("jet", "final_state.jets.{}", "final_state.jets.b_tag == 0"),
        ObjectType("bjet", "final_state.jets.{}", "final_state.jets.b_tag != 0"),
        ObjectType("electron", "final_state.electrons.{}", mass="monojet::electron_mass"),
        ObjectType("muon", "final_state.muons.{}", mass="monojet::muon_mass"),
        ObjectType("photon", "photon_{}", "chosen_photon", "0."),
        ObjectType("tau", "tau_{}", "chosen_tau"),
    )
}
"""Types of objects for rapidity-mass matrices, from the columns of `definitions`."""

SELECTION = Selection(
    name="three_lepton",
    title="events with three leptons (thesis of 2022, section 3.1)",
    columns={"fake_rate_electron": "0.", "fake_rate_muon": "0."},  # no jet is misidentified
    definitions=(
        *DEFINITIONS,
        *(
            Definition(name, QUANTITIES[name])
            for name in ("mass_3l", "mass_z", "min_mass", "mt_w", "ht")
        ),
    ),
    weights=("weight", "final_state.fake_weight"),
    regions=REGIONS,
    used=tuple(REGIONS),
    binning=Binning(
        Axis("met", (0.0, 50.0, 100.0, 150.0, 200.0), r"$E_\mathrm{T}^\mathrm{miss}$ [GeV]")
    ),
    histograms={
        one.name: one
        for one in (
            Histogram(
                "met",
                (
                    Axis(
                        "met",
                        tuple(20.0 * i for i in range(16)),
                        r"$E_\mathrm{T}^\mathrm{miss}$ [GeV]",
                    ),
                ),
            ),
            Histogram(
                "mass_3l",
                (Axis("mass_3l", tuple(50.0 * i for i in range(21)), r"$m_{3\ell}$ [GeV]"),),
            ),
        )
    },
    quantities=QUANTITIES,
)
