"""The ATLAS monojet selection for 139 fb^-1: arXiv:2102.10874, sections 4 and 5.

As `selections.monojet36` with looser thresholds: electrons and muons pT > 7 GeV are vetoed, and so
are hadronic taus (pT > 20 GeV, |eta| < 2.5) and photons (pT > 10 GeV, |eta| < 2.37) away from
selected leptons by dR > 0.2 and 0.4, the cones of ATLAS's common tool (athena, AssociationUtils).
Jets near a tau or photon are kept. GeV and radians.
"""

from __future__ import annotations

from dataclasses import replace

from selections import monojet36
from selections.cuts import Axis, Cut, Definition, Region
from selections.selection import Binning, Histogram, Selection

LUMINOSITY = 139.0  # fb^-1
MET_EDGES = (
    *(200.0, 250.0, 300.0, 350.0, 400.0, 500.0, 600.0, 700.0, 800.0, 900.0, 1000.0),
    *(1100.0, 1200.0),
)


def _away(kind: str, cone: float) -> str:
    return " && ".join(
        f"monojet::apart({kind}_eta, {kind}_phi, {lepton}_eta[after_overlap.{lepton}],"
        f" {lepton}_phi[after_overlap.{lepton}], {cone})"
        for lepton in ("electron", "muon")
    )


_CHANGED = {
    "electron_candidate": "electron_pt > 7 && abs(electron_eta) < 2.47",
    "muon_candidate": "muon_pt > 7 && abs(muon_eta) < 2.5",
}

DEFINITIONS = (
    *(
        Definition(one.name, _CHANGED.get(one.name, one.expression))
        for one in monojet36.DEFINITIONS
    ),
    Definition("n_taus", f"int(Sum(tau_pt > 20 && abs(tau_eta) < 2.5 && {_away('tau', 0.2)}))"),
    Definition(
        "n_photons",
        f"int(Sum(photon_pt > 10 && abs(photon_eta) < 2.37 && {_away('photon', 0.4)}))",
    ),
)

SR = Region(
    "SR",
    (
        Cut("met", "met_no_muons > 200", r"$E_\mathrm{T}^\mathrm{miss} > 200$ GeV"),
        Cut(
            "leading_jet",
            "leading_jet_pt > 150 && abs(leading_jet_eta) < 2.4",
            r"leading jet $p_\mathrm{T} > 150$ GeV, $|\eta| < 2.4$",
        ),
        monojet36.JETS,
        Cut(
            "delta_phi",
            "min_delta_phi > (met_no_muons > 250 ? 0.4 : 0.6)",
            r"$\Delta\phi(\mathrm{jet}, \mathbf{p}_\mathrm{T}^\mathrm{miss}) > 0.4$"
            r" ($> 0.6$ below 250 GeV)",
            monojet36.DELTA_PHI.axis,
        ),
        monojet36.ELECTRON_VETO,
        monojet36.MUON_VETO,
        Cut("tau_veto", "n_taus == 0", "no tau"),
        Cut("photon_veto", "n_photons == 0", "no photon"),
    ),
)

REGIONS = {SR.name: SR}

SELECTION = Selection(
    name="monojet139",
    title="monojet events, ATLAS with 139 fb⁻¹ (arXiv:2102.10874)",
    definitions=DEFINITIONS,
    regions=REGIONS,
    used=(SR.name,),
    binning=Binning(Axis("met_no_muons", MET_EDGES, monojet36.MET_LABEL), first=0),
    histograms={
        **monojet36.SELECTION.histograms,
        "met": Histogram("met", (Axis("met_no_muons", (*MET_EDGES, 1400.0), monojet36.MET_LABEL),)),
        "leading_jet_pt": Histogram(
            "leading_jet_pt",
            (
                replace(
                    monojet36.SELECTION.histograms["leading_jet_pt"].axes[0],
                    edges=(
                        *(150.0, 200.0, 250.0, 300.0, 350.0, 400.0, 500.0, 600.0, 700.0, 800.0),
                        *(1000.0, 1200.0),
                    ),
                ),
            ),
        ),
    },
    quantities=monojet36.QUANTITIES,
    labels=monojet36.LABELS | {"n_taus": "number of taus", "n_photons": "number of photons"},
)
