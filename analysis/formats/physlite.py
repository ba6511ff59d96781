"""ATLAS DAOD_PHYSLITE: calibrated objects of reconstructed events; MeV and mm.

https://opendata.atlas.cern/docs/documentation/data_format/physlite. A TTree or an RNTuple. Nominal
calibrations are applied in the files; the working points are defined below.
"""

from __future__ import annotations

from collections.abc import Mapping

from analysis.formats.columns import RVEC_FLOAT
from analysis.formats.format import Column, ColumnGroup, Format
from analysis.formats.xaod import (
    BOOKKEEPING,
    EVENT,
    EVENT_SOURCES,
    MC_ONLY,
    TREES,
    container,
    link,
    met_container,
)

# Working points of 70 % efficiency of the two taggers: ln of p_b over the average of the others,
# with these shares. The calibration files with these values are internal to ATLAS. On 100 ttbar
# events each, the taggers select 72 % (120 of 166) and 72 % (118 of 163) of the b jets and none of
# 228 and 267 light jets.
B_TAGGERS: Mapping[str, tuple[float, float, float]] = {
    "GN2v01": (0.2, 0.01, 1.892),
    "DL1dv01": (0.018, 0.0, 3.493),
}
"""Shares of c jets and tau leptons, and the threshold."""

# Pile-up jets are identified by their tracks in this range (arXiv:1510.03823).
MIN_JVT = 0.5
_JVT_REACH = "AnalysisJets_pt < 60e3 && abs(AnalysisJets_eta) < 2.4"

MIN_TAU_FLAG = 30
"""Bit of the flags of a tau lepton: medium identification by the recurrent network."""

_CHAR = "ROOT::VecOps::RVec<char>"
_UNSIGNED = "ROOT::VecOps::RVec<unsigned int>"
_BYTES = ("ROOT::VecOps::RVec<unsigned char>", "ROOT::VecOps::RVec<std::uint8_t>")
_NESTED_FLOATS = (
    "ROOT::VecOps::RVec<vector<float>>",
    "ROOT::VecOps::RVec<std::vector<float>>",
    "ROOT::VecOps::RVec<ROOT::VecOps::RVec<float>>",
)
_NESTED_INTS = tuple(one.replace("float", "int") for one in _NESTED_FLOATS)

_TRACK_ISOLATION = {
    "electron": "ptvarcone30_Nonprompt_All_MaxWeightTTVALooseCone_pt1000",
    "muon": "ptvarcone30_Nonprompt_All_MaxWeightTTVA_pt1000",
}
_MAX_CALORIMETER_ISOLATION = {"electron": 0.2, "muon": 0.3}
_MAX_TRACK_ISOLATION = 0.15
_TRACKS = {"electron": "GSFTrackParticles", "muon": "CombinedMuonTrackParticles"}
_KEPT = {
    "electron": "AnalysisElectrons_DFCommonElectronsLHLoose == 1",
    # quality: 0 tight, 1 medium, 2 loose, 3 very loose; 8 is set if its inner track is good
    "muon": "(AnalysisMuons_quality & 7) <= 2 && (AnalysisMuons_quality & 8) > 0",
}
_TIGHT = {
    "electron": Column(
        "AnalysisElectrons_DFCommonElectronsLHTight[electron_kept] == 1", note="likelihood"
    ),
    "muon": Column(
        "(AnalysisMuons_quality & 7)[muon_kept] <= 1",
        note="medium: newer files do not mark tight ones",
    ),
}


def _leptons(flavour: str) -> tuple[ColumnGroup, ...]:
    name = f"Analysis{flavour.capitalize()}s"
    kept, tracks = f"[{flavour}_kept]", _TRACKS[flavour]
    track = {
        "electron": Column(
            f"monojet::tracks_along({name}_eta, {name}_phi, {tracks}_theta, {tracks}_phi)",
            note="the track with the same direction",
        ),
        "muon": Column(f"{name}_combinedTrackParticleLink", note="the combined track"),
    }
    isolated = " && ".join(
        f"{name}_{cone} / {name}_pt < {largest}"
        for cone, largest in (
            ("topoetcone20", _MAX_CALORIMETER_ISOLATION[flavour]),
            (_TRACK_ISOLATION[flavour], _MAX_TRACK_ISOLATION),
        )
    )

    def of_track(values: str) -> str:
        return f"monojet::linked({values}, {flavour}_track, INFINITY){kept}"

    return (
        ColumnGroup(
            {
                f"{flavour}_kept": Column(_KEPT[flavour], note="loose"),
                f"{flavour}_pt": Column(f"{name}_pt{kept} / 1000"),
                f"{flavour}_eta": Column(f"{name}_eta{kept}"),
                f"{flavour}_phi": Column(f"{name}_phi{kept}"),
                f"{flavour}_charge": Column(f"{name}_charge{kept}"),
                f"{flavour}_isolated": Column(f"({isolated}){kept}", "derived"),
                f"{flavour}_tight": _TIGHT[flavour],
            }
        ),
        ColumnGroup(
            {
                f"{flavour}_track": track[flavour],
                f"{flavour}_z0_sin_theta": Column(
                    of_track(
                        f"monojet::z0_sin_theta({tracks}_z0, {tracks}_vz, {tracks}_theta,"
                        " PrimaryVertices_z[PrimaryVertices_vertexType == 1])"
                    ),
                    "derived",
                    "to the primary vertex; infinite without a track",
                ),
                f"{flavour}_d0_significance": Column(
                    of_track(
                        f"monojet::d0_in_errors({tracks}_d0, {tracks}_phi,"
                        f" {tracks}_definingParametersCovMatrixDiag, EventInfo_beamPosSigmaX,"
                        " EventInfo_beamPosSigmaY, EventInfo_beamPosSigmaXY)"
                    ),
                    "derived",
                    "with the width of the beam spot; infinite without a track",
                ),
            }
        ),
    )


def _b_tags(tagger: str) -> ColumnGroup:
    charm, tau, threshold = B_TAGGERS[tagger]
    one = f"BTagging_AntiKt4EMPFlow_{tagger}"
    others = f"{charm} * {one}_pc + {1 - charm - tau:g} * {one}_pu"
    if tau:
        others += f" + {tau} * {one}_ptau"
    return ColumnGroup(
        {
            "jet_b_tag": Column(
                f"monojet::linked(log({one}_pb / ({others})), AnalysisJets_btaggingLink,"
                f" -INFINITY)[jet_kept] > {threshold}",
                "derived",
                f"{tagger}, working point of 70 % efficiency",
            )
        }
    )


_NOT_PILE_UP = (
    ColumnGroup({"jet_kept": Column("AnalysisJets_NNJvtPass == 1", note="not of pile-up")}),
    ColumnGroup(
        {
            "jet_kept": Column(
                f"!({_JVT_REACH} && AnalysisJets_Jvt < {MIN_JVT})", note="not of pile-up"
            )
        }
    ),
    ColumnGroup(
        {
            "jet_kept": Column(
                "AnalysisJets_pt > 0",
                note="all: pile-up cannot be identified",
                warning="jets have neither NNJvtPass nor Jvt: pile-up jets are kept",
            )
        }
    ),
)

_JETS = ColumnGroup(
    {
        "jet_pt": Column("AnalysisJets_pt[jet_kept] / 1000"),
        "jet_eta": Column("AnalysisJets_eta[jet_kept]"),
        "jet_phi": Column("AnalysisJets_phi[jet_kept]"),
        "jet_mass": Column("AnalysisJets_m[jet_kept] / 1000"),
        "jet_width": Column("AnalysisJets_Width[jet_kept]"),
        "jet_n_tracks": Column(
            "monojet::of_first_vertex(AnalysisJets_NumTrkPt500)[jet_kept]",
            note="of the primary vertex, pT > 0.5 GeV",
        ),
    }
)

_TAUS = ColumnGroup(
    {
        "tau_kept": Column(
            f"(AnalysisTauJets_isTauFlags & (1u << {MIN_TAU_FLAG})) > 0", note="medium"
        ),
        "tau_pt": Column("AnalysisTauJets_pt[tau_kept] / 1000"),
        "tau_eta": Column("AnalysisTauJets_eta[tau_kept]"),
        "tau_phi": Column("AnalysisTauJets_phi[tau_kept]"),
        "tau_mass": Column("AnalysisTauJets_m[tau_kept] / 1000"),
        "tau_charge": Column("AnalysisTauJets_charge[tau_kept]"),
    }
)

_PHOTONS = ColumnGroup(
    {
        "photon_kept": Column(
            "AnalysisPhotons_DFCommonPhotonsIsEMTight == 1"
            " && AnalysisPhotons_topoetcone20 < 0.065 * AnalysisPhotons_pt"
            " && AnalysisPhotons_ptcone20 < 0.05 * AnalysisPhotons_pt",
            note="tight and loosely isolated (arXiv:1908.00005)",
        ),
        "photon_pt": Column("AnalysisPhotons_pt[photon_kept] / 1000"),
        "photon_eta": Column("AnalysisPhotons_eta[photon_kept]"),
        "photon_phi": Column("AnalysisPhotons_phi[photon_kept]"),
    }
)


def _hard(kind: str, cuts: str, *harder: str, dr: float = 0.2) -> dict[str, Column]:
    """Return the mask of objects in the missing momentum: those apart from objects in it."""
    apart = "".join(
        f" && monojet::apart({kind}_eta, {kind}_phi, {one}_eta[hard_{one}], {one}_phi[hard_{one}],"
        f" {dr})"
        for one in harder
    )
    return {f"hard_{kind}": Column(f"{cuts}{apart}")}


_ALL_JETS = {
    "every_jet_pt": Column("AnalysisJets_pt / 1000"),
    "every_jet_eta": Column("AnalysisJets_eta"),
    "every_jet_phi": Column("AnalysisJets_phi"),
}

_MET = ColumnGroup(
    {
        **_hard("electron", "electron_pt > 10 && abs(electron_eta) < 2.47"),
        **_hard("muon", "muon_tight && muon_pt > 10 && abs(muon_eta) < 2.7"),
        **_hard("photon", "photon_pt > 25 && abs(photon_eta) < 2.37", "electron"),
        **_hard("tau", "tau_pt > 20 && abs(tau_eta) < 2.5", "electron", "photon", "muon"),
        **_ALL_JETS,
        **{
            name.replace("hard_every_jet", "jet_apart"): column
            for name, column in _hard(
                "every_jet", "every_jet_pt > 0", "electron", "photon", "tau"
            ).items()
        },
        "hard_jet": Column(
            "jet_apart && jet_kept && every_jet_pt > 20"
            " && (abs(every_jet_eta) < 2.5 || every_jet_pt > 30)"
        ),
        "track_pt": Column("monojet::of_first_vertex(AnalysisJets_SumPtTrkPt500) / 1000"),
        "missing": Column(
            "monojet::as_met(monojet::met_component(MET_Core_AnalysisMET_name,"
            ' MET_Core_AnalysisMET_mpx, MET_Core_AnalysisMET_mpy, "PVSoftTrkCore", 1e-3)'
            + "".join(
                f" - monojet::transverse_sum({pt}[{mask}], {phi}[{mask}])"
                for pt, phi, mask in (
                    ("electron_pt", "electron_phi", "hard_electron"),
                    ("muon_pt", "muon_phi", "hard_muon"),
                    ("photon_pt", "photon_phi", "hard_photon"),
                    ("tau_pt", "tau_phi", "hard_tau"),
                    ("every_jet_pt", "every_jet_phi", "hard_jet"),
                    ("track_pt", "every_jet_phi", "jet_apart && !hard_jet"),
                )
            )
            + ")",
            note="minus the sum of all objects, each once, and of the soft tracks",
        ),
        "met": Column("missing.pt", "derived", "an approximation: see docs/inputs.md"),
        "met_phi": Column("missing.phi", "derived", "likewise"),
        "met_no_muons": Column(
            "monojet::without_muons(met, met_phi, muon_pt[hard_muon], muon_phi[hard_muon]).pt",
            "derived",
            "the same, with its muons added as invisible",
        ),
        "met_no_muons_phi": Column(
            "monojet::without_muons(met, met_phi, muon_pt[hard_muon], muon_phi[hard_muon]).phi",
            "derived",
            "likewise",
        ),
    }
)

PHYSLITE = Format(
    name="physlite",
    title="ATLAS's DAOD_PHYSLITE: calibrated objects of reconstructed events",
    trees=TREES,
    markers=frozenset({"AnalysisJets_pt", "AnalysisElectrons_pt", "AnalysisMuons_pt"}),
    sources={
        **EVENT_SOURCES,
        **container("EventInfo", (f"beamPosSigma{axis}" for axis in ("X", "Y", "XY")), "float"),
        **container("PrimaryVertices", ("z",), RVEC_FLOAT),
        **container(
            "PrimaryVertices",
            ("vertexType",),
            "ROOT::VecOps::RVec<short>",
            "ROOT::VecOps::RVec<std::int16_t>",
        ),
        **container("AnalysisJets", ("pt", "eta", "phi", "m", "Width", "Jvt"), RVEC_FLOAT),
        **container("AnalysisJets", ("NNJvtPass",), _CHAR),
        **container("AnalysisJets", ("NumTrkPt500",), *_NESTED_INTS),
        **container("AnalysisJets", ("SumPtTrkPt500",), *_NESTED_FLOATS),
        **link("AnalysisJets", "btaggingLink"),
        **container(
            "BTagging_AntiKt4EMPFlow",
            (
                f"{tagger}_p{flavour}"
                for tagger, (_, tau, _) in B_TAGGERS.items()
                for flavour in ("b", "c", "u", *(("tau",) if tau else ()))
            ),
            RVEC_FLOAT,
        ),
        **container(
            "AnalysisElectrons",
            ("pt", "eta", "phi", "charge", "topoetcone20", _TRACK_ISOLATION["electron"]),
            RVEC_FLOAT,
        ),
        **container(
            "AnalysisElectrons", ("DFCommonElectronsLHLoose", "DFCommonElectronsLHTight"), _CHAR
        ),
        **container(
            "AnalysisMuons",
            ("pt", "eta", "phi", "charge", "topoetcone20", _TRACK_ISOLATION["muon"]),
            RVEC_FLOAT,
        ),
        **container("AnalysisMuons", ("quality",), *_BYTES),
        **link("AnalysisMuons", "combinedTrackParticleLink"),
        **{
            key: one
            for name in _TRACKS.values()
            for key, one in (
                container(name, ("d0", "z0", "vz", "theta", "phi"), RVEC_FLOAT)
                | container(name, ("definingParametersCovMatrixDiag",), *_NESTED_FLOATS)
            ).items()
        },
        **container("AnalysisTauJets", ("pt", "eta", "phi", "m", "charge"), RVEC_FLOAT),
        **container("AnalysisTauJets", ("isTauFlags",), _UNSIGNED),
        **container(
            "AnalysisPhotons", ("pt", "eta", "phi", "topoetcone20", "ptcone20"), RVEC_FLOAT
        ),
        **container("AnalysisPhotons", ("DFCommonPhotonsIsEMTight",), _CHAR),
        **met_container("MET_Core_AnalysisMET"),
    },
    groups=(
        *EVENT,
        *_NOT_PILE_UP,
        _JETS,
        *map(_b_tags, B_TAGGERS),
        *_leptons("electron"),
        *_leptons("muon"),
        _TAUS,
        _PHOTONS,
        _MET,
    ),
    mc_only=MC_ONLY,
    reconstructed=True,
    dataset="EventInfo_mcChannelNumber",
    bookkeeping=BOOKKEEPING,
)

FORMATS = (PHYSLITE,)
