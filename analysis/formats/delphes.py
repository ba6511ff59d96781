"""Delphes, a fast simulation of detectors: a TTree ``Delphes``, GeV and mm.

JHEP 02 (2014) 057, arXiv:1307.6346; branches and units:
https://delphes.github.io/workbook/root_tree.html; contents defined by the detector cards:
``cards/`` of https://github.com/delphes/delphes. Missing objects are made from particles: generated
ones, or those of the energy flow.
"""

from __future__ import annotations

from analysis.formats import particle_level
from analysis.formats.columns import RVEC_FLOAT, RVEC_INT
from analysis.formats.format import Column, ColumnGroup, Format, SourceColumn

# For electrons and muons; the cards require 0.12 and 0.25 within dR < 0.5 beforehand.
MAX_ISOLATION = 0.15

_EVENT = ColumnGroup(
    {
        "run_number": Column("0u", "assumed", "no run numbers"),
        "event_number": Column("Event_Number.at(0)", note="starts at 0 in each file"),
    }
)
_WEIGHTS = (
    ColumnGroup({"weight": Column("Event_Weight.at(0)")}),
    ColumnGroup({"weight": Column("1.", "assumed", "without `Event.Weight`")}),
)

_GENERATED = particle_level.stable_particles(
    "monojet::stable_particles(Particle_Px, Particle_Py, Particle_Pz, Particle_E, Particle_PID,"
    " Particle_Status == 1)"
)
_ENERGY_FLOW = particle_level.stable_particles(
    "monojet::energy_flow(EFlowTrack_PT, EFlowTrack_Eta, EFlowTrack_Phi, EFlowTrack_PID,"
    " {EFlowPhoton_Eta, EFlowPhoton_Phi, EFlowPhoton_E},"
    " {EFlowNeutralHadron_Eta, EFlowNeutralHadron_Phi, EFlowNeutralHadron_E})",
    "derived",
    "from tracks, photons and neutral hadrons",
)

_JETS = (
    ColumnGroup(
        {
            "jet_pt": Column("Jet_PT"),
            "jet_eta": Column("Jet_Eta"),
            "jet_phi": Column("Jet_Phi"),
            "jet_mass": Column("Jet_Mass"),
            "jet_width": Column(
                "monojet::jet_shapes(jet_eta, jet_phi, all_pt, all_eta, all_phi, all_pdg_id,"
                " all_charge).width",
                "derived",
                "from the visible particles except muons within ΔR < 0.4: no constituents",
            ),
            "jet_n_tracks": Column("Jet_NCharged", note="0 for jets of calorimeter towers"),
            "jet_b_tag": Column("Jet_BTag & 1u", note="bit 0 of the tags"),
        },
        needs=frozenset({"Jet_PT"}),
    ),
    ColumnGroup(
        {
            "tau_tagged": Column("(Jet_TauTag & 1u) == 1u"),
            **{
                f"tau_{part}": Column(f"Jet_{stored}[tau_tagged]", note="also kept as jets")
                for part, stored in (
                    ("pt", "PT"),
                    ("eta", "Eta"),
                    ("phi", "Phi"),
                    ("mass", "Mass"),
                    ("charge", "Charge"),
                )
            },
        },
        needs=frozenset({"Jet_PT"}),
    ),
    particle_level.JETS,
)


def _leptons(flavour: str) -> tuple[ColumnGroup, ColumnGroup]:
    name = flavour.capitalize()
    here = ColumnGroup(
        {
            f"{flavour}_pt": Column(f"{name}_PT"),
            f"{flavour}_eta": Column(f"{name}_Eta"),
            f"{flavour}_phi": Column(f"{name}_Phi"),
            f"{flavour}_charge": Column(f"{name}_Charge"),
            f"{flavour}_z0_sin_theta": Column(
                f"{name}_DZ / cosh({name}_Eta)", "derived", "with respect to z = 0, not to a vertex"
            ),
            f"{flavour}_d0_significance": Column(
                f"ROOT::VecOps::Where({name}_ErrorD0 > 0, {name}_D0 / {name}_ErrorD0,"
                f" monojet::d0_significance({name}_D0, {name}_PT, {name}_Eta))",
                "derived",
                "with the resolution of ATLAS if the simulation has none",
            ),
            f"{flavour}_isolated": Column(f"{name}_IsolationVar < {MAX_ISOLATION}", "derived"),
            f"{flavour}_tight": Column(f"ROOT::RVecI({name}_PT.size(), 1)", "assumed", "all"),
        },
        needs=frozenset({f"{name}_PT"}),
    )
    return here, particle_level.leptons(flavour)


_PHOTONS = (
    ColumnGroup(
        {
            "photon_pt": Column("Photon_PT"),
            "photon_eta": Column("Photon_Eta"),
            "photon_phi": Column("Photon_Phi"),
        },
        needs=frozenset({"Photon_PT"}),
    ),
    particle_level.PHOTONS,
)

_OF_TOWERS = (
    ColumnGroup(
        {
            "met_of_towers": Column(
                "monojet::is_of_towers(MissingET_MET.at(0), MissingET_Phi.at(0), Tower_ET,"
                " Tower_Phi)",
                "derived",
                "equals minus the sum of the towers within 10 MeV: then muons are invisible in it",
            )
        },
        needs=frozenset({"MissingET_MET"}),
    ),
    ColumnGroup(
        {"met_of_towers": Column("false", "assumed", "without towers")},
        needs=frozenset({"MissingET_MET"}),
    ),
)


def _met(part: str) -> dict[str, Column]:
    suffix, member = ("", "pt") if part == "MET" else ("_phi", "phi")
    arguments = "MissingET_MET.at(0), MissingET_Phi.at(0)"
    return {
        f"met{suffix}": Column(
            f"met_of_towers ? monojet::without_muons({arguments}, -muon_pt, muon_phi).{member}"
            f" : MissingET_{part}.at(0)",
            "derived",
            "the file's; if from towers, the muons are subtracted",
        ),
        f"met_no_muons{suffix}": Column(
            f"met_of_towers ? MissingET_{part}.at(0)"
            f" : monojet::without_muons({arguments}, muon_pt, muon_phi).{member}",
            "derived",
            "the file's; if not from towers, the muons are added",
        ),
    }


_MET = (
    *_OF_TOWERS,
    ColumnGroup(_met("MET") | _met("Phi"), needs=frozenset({"met_of_towers", "muon_pt"})),
    particle_level.MET,
)


def _stored(names: dict[str, str], *types: str) -> dict[str, SourceColumn]:
    """Return sources by branch, with leaves separated by blanks. Their names have no dots."""
    return {
        f"{branch}_{leaf}": SourceColumn(types, (f"{branch}.{leaf}",))
        for branch, leaves in names.items()
        for leaf in leaves.split()
    }


_LEPTON = "PT Eta Phi DZ D0 ErrorD0 IsolationVar"
_SOURCES = {
    **_stored({"Event": "Number"}, "ROOT::VecOps::RVec<long long>"),
    **_stored({"Event": "Weight"}, RVEC_FLOAT),
    **_stored(
        {
            "Jet": "PT Eta Phi Mass",
            "Electron": _LEPTON,
            "Muon": _LEPTON,
            "Photon": "PT Eta Phi",
            "MissingET": "MET Phi",
            "Tower": "ET Phi",
        },
        RVEC_FLOAT,
    ),
    **_stored({"Jet": "NCharged Charge", "Electron": "Charge", "Muon": "Charge"}, RVEC_INT),
    **_stored({"Jet": "BTag TauTag"}, "ROOT::VecOps::RVec<unsigned int>"),
}
_AFTER_PARTICLES = (
    *_JETS,
    *_leptons("electron"),
    *_leptons("muon"),
    *_PHOTONS,
    *_MET,
)

DELPHES = Format(
    name="delphes",
    title="Delphes, a fast simulation (arXiv:1307.6346), with images of generated particles",
    trees=("Delphes",),
    markers=frozenset({"Event_Number"}),
    sources={
        **_SOURCES,
        **_stored({"Particle": "PID Status"}, RVEC_INT),
        **_stored({"Particle": "Px Py Pz E"}, RVEC_FLOAT),
    },
    groups=(_EVENT, *_WEIGHTS, _GENERATED, *_AFTER_PARTICLES),
    unique_event_ids=False,
    reconstructed=True,
)

DELPHES_EFLOW = Format(
    name="delphes_eflow",
    title="the same, with images of the energy flow; only if requested by name",
    trees=("Delphes",),
    markers=frozenset({"Event_Number", "EFlowTrack_PT"}),
    sources={
        **_SOURCES,
        **_stored({"EFlowTrack": "PID"}, RVEC_INT),
        **_stored(
            {
                "EFlowTrack": "PT Eta Phi",
                "EFlowPhoton": "Eta Phi E",
                "EFlowNeutralHadron": "Eta Phi E",
            },
            RVEC_FLOAT,
        ),
    },
    groups=(_EVENT, *_WEIGHTS, _ENERGY_FLOW, *_AFTER_PARTICLES),
    unique_event_ids=False,
    reconstructed=True,
)

FORMATS = (DELPHES, DELPHES_EFLOW)
