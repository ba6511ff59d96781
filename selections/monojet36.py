"""The ATLAS monojet selection for 36.1 fb^-1: arXiv:1711.03301, section 5 and table 1.

Jets: anti-kT 0.4, candidates pT > 20 GeV, counted pT > 30 GeV, |eta| < 2.8. Electrons: pT > 20 GeV,
|eta| < 2.47. Muons: pT > 10 GeV, |eta| < 2.5. Muons count as invisible in the missing transverse
momentum, ``met_no_muons``. Taus and photons are not vetoed. GeV and radians.
"""

from __future__ import annotations

from itertools import pairwise

from selections.cuts import Cut, Definition, MetBin, Region

LUMINOSITY = 36.1  # fb^-1
MET_EDGES = (250, 300, 350, 400, 500, 600, 700, 800, 900, 1000)

DEFINITIONS = (
    Definition("jet_candidate", "jet_pt > 20 && abs(jet_eta) < 2.8"),
    Definition("electron_candidate", "electron_pt > 20 && abs(electron_eta) < 2.47"),
    Definition("muon_candidate", "muon_pt > 10 && abs(muon_eta) < 2.5"),
    Definition(
        "after_overlap",
        "monojet::remove_overlap(jet_eta, jet_phi, jet_n_tracks, jet_candidate, electron_eta,"
        " electron_phi, electron_candidate, muon_eta, muon_phi, muon_candidate)",
    ),
    Definition("good_jet", "after_overlap.jet && jet_pt > 30"),
    Definition("n_jets", "int(Sum(good_jet))"),
    Definition("leading_jet", "n_jets > 0 ? int(ArgMax(Where(good_jet, jet_pt, 0.f))) : -1"),
    Definition("leading_jet_pt", "leading_jet >= 0 ? jet_pt[leading_jet] : -1.f"),
    Definition("leading_jet_eta", "leading_jet >= 0 ? jet_eta[leading_jet] : 0.f"),
    Definition("leading_jet_phi", "leading_jet >= 0 ? jet_phi[leading_jet] : 0.f"),
    Definition("min_delta_phi", "monojet::min_delta_phi(jet_phi[good_jet], met_no_muons_phi)"),
    Definition("n_electrons", "int(Sum(after_overlap.electron))"),
    Definition("n_muons", "int(Sum(after_overlap.muon))"),
)

MET = Cut("met", "met_no_muons > 250", r"$E_\mathrm{T}^\mathrm{miss} > 250$ GeV")
LEADING_JET = Cut(
    "leading_jet",
    "leading_jet_pt > 250 && abs(leading_jet_eta) < 2.4",
    r"leading jet $p_\mathrm{T} > 250$ GeV, $|\eta| < 2.4$",
)
JETS = Cut("n_jets", "n_jets <= 4", "at most four jets")
DELTA_PHI = Cut(
    "delta_phi",
    "min_delta_phi > 0.4",
    r"$\Delta\phi(\mathrm{jet}, \mathbf{p}_\mathrm{T}^\mathrm{miss}) > 0.4$",
)
ELECTRON_VETO = Cut("electron_veto", "n_electrons == 0", "no electron")
MUON_VETO = Cut("muon_veto", "n_muons == 0", "no muon")

_TOPOLOGY = (MET, LEADING_JET, JETS, DELTA_PHI)

SR = Region("SR", (*_TOPOLOGY, ELECTRON_VETO, MUON_VETO))
# The thesis measured its pass rates without the lepton veto (Praderio 2018, section 5.3).
SR_NO_VETO = Region("SR_no_veto", _TOPOLOGY)

REGIONS = {region.name: region for region in (SR, SR_NO_VETO)}

IMAGE_REGIONS = (SR.name, SR_NO_VETO.name)
"""Regions recorded in image files, besides those named by a configuration."""

QUANTITIES = {
    "met": "met_no_muons",
    "met_phi": "met_no_muons_phi",
    **{
        name: name
        for name in (
            *("n_jets", "leading_jet_pt", "leading_jet_eta", "leading_jet_phi"),
            *("min_delta_phi", "n_electrons", "n_muons"),
        )
    },
}
"""Quantities stored with the image of an event: name -> expression. Muons are invisible."""

INCLUSIVE = tuple(MetBin(f"IM{i}", low, None) for i, low in enumerate(MET_EDGES, start=1))
EXCLUSIVE = (
    *(MetBin(f"EM{i}", low, high) for i, (low, high) in enumerate(pairwise(MET_EDGES), start=1)),
    MetBin("EM10", 1000, None),
)
