"""ATLAS open data of 13 TeV, release 2020: a TTree ``mini``, MeV and mm.

*Review of the 13 TeV ATLAS Open Data release*, ATL-OREACH-PUB-2020-001, and
https://opendata.atlas.cern/docs/documentation/overview_data/data_education_2020. Objects are
reconstructed and preselected by the release: leptons with pT > 7 GeV, loose identification and
isolation. Overlaps are removed: in its data of four leptons no jet is within dR < 0.4 of one.
"""

from __future__ import annotations

from analysis.formats.columns import RVEC_FLOAT, RVEC_INT
from analysis.formats.format import IS_DATA, Column, ColumnGroup, Format, sources
from analysis.formats.invisible_muons import MET

WEIGHT_FACTORS = (
    "mcWeight",
    "scaleFactor_PILEUP",
    "scaleFactor_ELE",
    "scaleFactor_MUON",
    "scaleFactor_PHOTON",
    "scaleFactor_TAU",
    "scaleFactor_BTAG",
    "scaleFactor_LepTRIGGER",
    "scaleFactor_PhotonTRIGGER",
)
"""Factors of the weight of a simulated event; meaningless and 0 in data."""

# The working point of the tagger MV2c10 that scaleFactor_BTAG is for and the analyses of the
# release use (60, 70, 77, 85 % efficiency: 0.934906, 0.8244273, 0.645925, 0.1758475).
B_TAG_THRESHOLD = 0.8244273

# Required by the analyses of the release, in addition to its loose preselection.
MAX_ISOLATION = 0.15

_LEPTONS = {"electron": 11, "muon": 13}


def _leptons(flavour: str) -> dict[str, Column]:
    mask = f"[lep_type == {_LEPTONS[flavour]}]"
    isolated = " && ".join(
        f"lep_{cone} / lep_pt < {MAX_ISOLATION}" for cone in ("ptcone30", "etcone20")
    )
    return {
        f"{flavour}_pt": Column(f"lep_pt{mask} / 1000"),
        f"{flavour}_eta": Column(f"lep_eta{mask}"),
        f"{flavour}_phi": Column(f"lep_phi{mask}"),
        f"{flavour}_charge": Column(f"lep_charge{mask}"),
        f"{flavour}_z0_sin_theta": Column(
            f"(lep_z0 / cosh(lep_eta)){mask}", "derived", "sin θ = 1 / cosh η"
        ),
        # The name could mean significance or error. The next release calls it lep_d0sig
        # (https://opendata.atlas.cern/docs/13TeV25Doc/cheatsheet/variables), and |d0| / value is 4
        # to 80 µm in data, like errors of tracks; values go up to 200.
        f"{flavour}_d0_significance": Column(
            f"lep_tracksigd0pvunbiased{mask}",
            note="\\|d0\\| / σ, not σ; unsigned",
        ),
        f"{flavour}_isolated": Column(
            f"({isolated}){mask}", "derived", "as in the analyses of the release"
        ),
        f"{flavour}_tight": Column(f"lep_isTightID{mask} == true"),
    }


_COLUMNS = {
    "run_number": Column(
        "(unsigned int)(channelNumber > 0 ? channelNumber : runNumber)",
        "derived",
        "the number of the simulated dataset, as all share a run number; in data the run number",
    ),
    "event_number": Column(
        "(unsigned long long)(unsigned int)eventNumber",
        note="stored with 32 bits and a sign: numbers above 2³¹ are negative in the file",
    ),
    "weight": Column(
        f"{IS_DATA} ? 1. : {' * '.join(f'double({name})' for name in WEIGHT_FACTORS)}",
        "derived",
        "1 with `data: true` in the configuration",
    ),
    "jet_pt": Column("jet_pt / 1000"),
    "jet_eta": Column("jet_eta"),
    "jet_phi": Column("jet_phi"),
    "jet_mass": Column("monojet::masses(jet_E / 1000, jet_pt, jet_eta)", "derived"),
    "jet_n_tracks": Column(
        "ROOT::RVecI(jet_pt.size(), 3)",
        "assumed",
        "enough to keep a jet beside a muon; overlaps are removed in the release",
    ),
    "jet_b_tag": Column(
        f"jet_MV2c10 > {B_TAG_THRESHOLD}", "derived", "working point of 70 % efficiency"
    ),
    **_leptons("electron"),
    **_leptons("muon"),
    "tau_pt": Column("tau_pt / 1000"),
    "tau_eta": Column("tau_eta"),
    "tau_phi": Column("tau_phi"),
    "tau_mass": Column("monojet::masses(tau_E / 1000, tau_pt, tau_eta)", "derived"),
    "tau_charge": Column("tau_charge"),
    "photon_pt": Column("photon_pt / 1000"),
    "photon_eta": Column("photon_eta"),
    "photon_phi": Column("photon_phi"),
    "met": Column("met_et / 1000"),
    "met_phi": Column("met_phi"),
    **MET,
}

MINI = Format(
    name="mini",
    title="ATLAS open data of 13 TeV, release 2020 (ATL-OREACH-PUB-2020-001)",
    trees=("mini",),
    markers=frozenset({"lep_pt", "lep_type", "jet_MV2c10", "met_et"}),
    sources={
        **sources(("runNumber", "eventNumber", "channelNumber"), "int"),
        **sources(WEIGHT_FACTORS, "float"),
        **sources(
            (f"lep_{x}" for x in ("pt", "eta", "phi", "z0", "ptcone30", "etcone20")), RVEC_FLOAT
        ),
        **sources(("lep_tracksigd0pvunbiased",), RVEC_FLOAT),
        **sources(("lep_charge",), RVEC_INT),
        **sources(("lep_type",), "ROOT::VecOps::RVec<unsigned int>"),
        **sources(("lep_isTightID",), "ROOT::VecOps::RVec<bool>"),
        **sources((f"jet_{x}" for x in ("pt", "eta", "phi", "E", "MV2c10")), RVEC_FLOAT),
        **sources((f"tau_{x}" for x in ("pt", "eta", "phi", "E")), RVEC_FLOAT),
        **sources(("tau_charge",), RVEC_INT),
        **sources((f"photon_{x}" for x in ("pt", "eta", "phi")), RVEC_FLOAT),
        **sources(("met_et", "met_phi", "XSection", "SumWeights"), "float"),
    },
    groups=(ColumnGroup(_COLUMNS),),
    mc_only=frozenset(WEIGHT_FACTORS),
    reconstructed=True,
    cross_section="XSection",
    dataset="channelNumber",
    sum_of_weights="SumWeights",
)

FORMATS = (MINI,)
