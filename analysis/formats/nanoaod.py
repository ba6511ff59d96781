"""CMS NanoAOD: a TTree or an RNTuple ``Events``, GeV and cm; optional particle-flow candidates.

https://twiki.cern.ch/twiki/bin/view/CMSPublic/WorkBookNanoAOD; columns and types by version:
https://cms-nanoaod-integration.web.cern.ch/autoDoc/, and ``PhysicsTools/NanoAOD/python`` of
https://github.com/cms-sw/cmssw. Candidates (``PFCands``): https://github.com/cms-jet/PFNano and
https://github.com/cms-opendata-analyses/PFNanoProducerTool (``nanoAOD_2016MC.html`` is its list of
columns and types).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from analysis.formats import particle_level
from analysis.formats.columns import RVEC_FLOAT
from analysis.formats.format import (
    IS_DATA,
    Bookkeeping,
    Column,
    ColumnGroup,
    Format,
    SourceColumn,
    sources,
)
from analysis.formats.invisible_muons import MET

# The medium working point (1 % of light jets) of DeepJet in the legacy simulation of 2018:
# https://btv-wiki.docs.cern.ch/ScaleFactors/UL2018/; other years: 0.2489 (end of 2016) to 0.3086
# (2022).
B_TAG_THRESHOLD = 0.2783

MAX_ISOLATION = 0.15  # of muons, the tight working point of CMS; of electrons likewise

# Working points of the cut-based identification: 1 veto, 2 loose, 3 medium, 4 tight. The efficiency
# of the veto, 95 %, is the closest to that of ATLAS's loose electrons, 93 % (arXiv:2012.06888,
# arXiv:1902.04655).
VETO, TIGHT = 1, 4

# Pile-up among jets with charged-hadron subtraction is identified below this pT (GeV). The bits of
# Jet_puId differ between years, but 0 always fails the loose working point.
_PILE_UP_REACH = 50

_CONES = {"electron": "pfRelIso03_all", "muon": "pfRelIso04_all"}
_MUON_FLAGS = ("looseId", "tightId", "isPFcand", "isGlobal", "isTracker")
_INTEGERS = ("int", "short", "unsigned char", "unsigned short", "unsigned int", "long long")
RVEC_INTEGERS = tuple(f"ROOT::VecOps::RVec<{one}>" for one in (*_INTEGERS, "char", "signed char"))
"""Types of counts and categories, which became narrower in version 10."""


def _leptons(flavour: str, tight: str) -> dict[str, Column]:
    """Return the leptons selected by the mask ``<flavour>_kept``."""
    name, kept = flavour.capitalize(), f"[{flavour}_kept]"
    return {
        **{
            f"{flavour}_{part}": Column(f"{name}_{part}{kept}")
            for part in ("pt", "eta", "phi", "charge")
        },
        f"{flavour}_z0_sin_theta": Column(
            f"(10 * {name}_dz / cosh({name}_eta)){kept}",
            "derived",
            "mm from cm; sin θ = 1 / cosh η",
        ),
        f"{flavour}_d0_significance": Column(f"({name}_dxy / {name}_dxyErr){kept}", "derived"),
        f"{flavour}_isolated": Column(
            f"({name}_{_CONES[flavour]} < {MAX_ISOLATION}){kept}", "derived"
        ),
        f"{flavour}_tight": Column(f"({tight}){kept}"),
    }


_LOOSE_MUONS = (
    ColumnGroup({"muon_kept": Column("Muon_looseId == true", note="loose")}),
    ColumnGroup(
        {
            "muon_kept": Column(
                "Muon_isPFcand == true && (Muon_isGlobal == true || Muon_isTracker == true)",
                note="the definition of loose",
            )
        }
    ),
    ColumnGroup(
        {
            "muon_kept": Column(
                "Muon_pt > 0",
                note="all: loose muons are not marked",
                warning="no Muon_looseId: all muons are taken as loose",
            )
        }
    ),
)

_JETS_KEPT = (
    ColumnGroup({"jet_identified": Column("(Jet_jetId & 2) > 0", note="tight, against noise")}),
    ColumnGroup({"jet_identified": Column("Jet_pt > 0", note="all, without `jetId` (version 15)")}),
    ColumnGroup(
        {
            "jet_kept": Column(
                f"jet_identified && (Jet_puId > 0 || Jet_pt > {_PILE_UP_REACH})",
                note="loose working point against pile-up",
            )
        }
    ),
    ColumnGroup({"jet_kept": Column("jet_identified", note="PUPPI jets have no `puId`")}),
)


def _taus(selected: str) -> ColumnGroup:
    return ColumnGroup(
        {
            "tau_medium": Column(selected),
            **{
                f"tau_{part}": Column(f"Tau_{part}[tau_medium]", note="medium DeepTau")
                for part in ("pt", "eta", "phi", "mass", "charge")
            },
        }
    )


# Run, luminosity block and event identify an event. Collision data are numbered within their run;
# simulated events, all of run 1, within their block; those with runs of data within both.
_IDENTITY = (
    ColumnGroup(
        {
            "run_number": Column(
                "run == 1 ? luminosityBlock : run",
                "derived",
                "the luminosity block of simulated events, which are all of run 1",
            ),
            "event_number": Column(
                f"run == 1 || {IS_DATA} ? event : monojet::number_in_block(event, luminosityBlock)",
                "derived",
                "plus the block times 2⁴⁰ for simulated events of other runs",
            ),
        }
    ),
    ColumnGroup({"run_number": Column("run"), "event_number": Column("event")}),
)

_COLUMNS = {
    "weight": Column(
        f"{IS_DATA} ? 1. : double(genWeight)",
        "derived",
        "1 with `data: true` in the configuration",
    ),
    **{f"jet_{part}": Column(f"Jet_{part}[jet_kept]") for part in ("pt", "eta", "phi", "mass")},
    "jet_n_tracks": Column(
        "ROOT::VecOps::Where(Jet_muEF < 0.5f, ROOT::RVecI(jet_constituents), 0)[jet_kept]",
        "derived",
        "charged constituents or, if not counted, all; 0 for a jet that is mostly a muon",
    ),
    "jet_b_tag": Column(
        f"(Jet_btagDeepFlavB > {B_TAG_THRESHOLD})[jet_kept]",
        "derived",
        "medium working point of 2018",
    ),
    "electron_kept": Column(f"Electron_cutBased >= {VETO}", note="veto working point"),
    **_leptons("electron", f"Electron_cutBased >= {TIGHT}"),
    **_leptons("muon", "Muon_tightId"),
    "photon_medium": Column("Photon_cutBased >= 2 && Photon_electronVeto"),
    **{
        f"photon_{part}": Column(f"Photon_{part}[photon_medium]", note="medium, not an electron")
        for part in ("pt", "eta", "phi")
    },
    "met": Column("missing_pt"),
    "met_phi": Column("missing_phi"),
    **MET,
}


def _candidates(weight: str, note: str) -> ColumnGroup:
    return particle_level.stable_particles(
        "monojet::weighted_candidates(PFCands_pt, PFCands_eta, PFCands_phi, PFCands_mass,"
        f" PFCands_pdgId, {weight})",
        "derived",
        note,
    )


def _all_generated(runs: Mapping[str, list[Any]]) -> tuple[float, float]:
    """Return the sums over all runs."""
    return sum(runs["weights"]), sum(runs["squares"])


NANOAOD = Format(
    name="nanoaod",
    title="CMS NanoAOD, version 9 and later; images with particle-flow candidates only",
    trees=("Events",),
    markers=frozenset({"run", "event", "Jet_pt", "Muon_pt"}),
    sources={
        **sources(("run", "luminosityBlock"), "unsigned int"),
        "event": SourceColumn(("unsigned long long",)),
        "genWeight": SourceColumn(("float",)),
        **sources(
            (f"Jet_{x}" for x in ("pt", "eta", "phi", "mass", "muEF", "btagDeepFlavB")), RVEC_FLOAT
        ),
        "jet_constituents": SourceColumn(
            RVEC_INTEGERS, ("Jet_chMultiplicity", "Jet_nConstituents")
        ),
        **sources(
            (
                f"{flavour.capitalize()}_{x}"
                for flavour, cone in _CONES.items()
                for x in ("pt", "eta", "phi", "dz", "dxy", "dxyErr", cone)
            ),
            RVEC_FLOAT,
        ),
        **sources(("Electron_charge", "Muon_charge", "Tau_charge"), *RVEC_INTEGERS),
        **sources(("Electron_cutBased", "Photon_cutBased"), *RVEC_INTEGERS),
        **sources(("Jet_jetId", "Jet_puId"), *RVEC_INTEGERS),
        **sources((f"Muon_{x}" for x in _MUON_FLAGS), "ROOT::VecOps::RVec<bool>"),
        **sources(("Photon_electronVeto",), "ROOT::VecOps::RVec<bool>"),
        **sources((f"Tau_{x}" for x in ("pt", "eta", "phi", "mass")), RVEC_FLOAT),
        **sources(("Tau_idDeepTau2018v2p5VSjet", "Tau_idDeepTau2017v2p1VSjet"), *RVEC_INTEGERS),
        **sources((f"Photon_{x}" for x in ("pt", "eta", "phi")), RVEC_FLOAT),
        "missing_pt": SourceColumn(("float",), ("PFMET_pt", "MET_pt", "PuppiMET_pt")),
        "missing_phi": SourceColumn(("float",), ("PFMET_phi", "MET_phi", "PuppiMET_phi")),
        **sources(
            (f"PFCands_{x}" for x in ("pt", "eta", "phi", "mass", "puppiWeight")), RVEC_FLOAT
        ),
        "PFCands_pdgId": SourceColumn(RVEC_INTEGERS),
    },
    groups=(
        *_IDENTITY,
        *_JETS_KEPT,
        *_LOOSE_MUONS,
        ColumnGroup(_COLUMNS),
        _taus("Tau_idDeepTau2018v2p5VSjet >= 5"),
        _taus("Tau_idDeepTau2017v2p1VSjet >= 16"),
        _candidates("PFCands_puppiWeight", "candidates times their PUPPI weights"),
        _candidates("ROOT::RVecF(PFCands_pt.size(), 1.f)", "candidates, including pile-up"),
        ColumnGroup(
            {
                "jet_width": Column(
                    "monojet::jet_shapes(jet_eta, jet_phi, all_pt, all_eta, all_phi, all_pdg_id,"
                    " all_charge).width",
                    "derived",
                    "from the candidates within ΔR < 0.4",
                )
            }
        ),
    ),
    mc_only=frozenset({"genWeight"}),
    reconstructed=True,
    bookkeeping=Bookkeeping(
        tree="Runs",
        columns={
            "weights": ("genEventSumw", "genEventSumw_"),
            "squares": ("genEventSumw2", "genEventSumw2_"),
        },
        sums=_all_generated,
    ),
)

FORMATS = (NANOAOD,)
