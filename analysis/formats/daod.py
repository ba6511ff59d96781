"""ATLAS derivations with generated particles: TRUTH1, TRUTH3 and others; MeV.

Contents: https://gitlab.cern.ch/atlas/athena, DerivationFrameworkMCTruth. All columns are at
particle level, even if a file has reconstructed objects. With all particles (``TruthParticles``),
missing objects are made from these; without them, images are impossible.
"""

from __future__ import annotations

from analysis.formats.columns import RVEC_FLOAT, RVEC_INT
from analysis.formats.format import Column, ColumnGroup, Format
from analysis.formats.particle_level import (
    JETS,
    LEPTON_MIN_PT,
    MET,
    PHOTON_MIN_PT,
    PHOTONS,
    leptons,
    stable_particles,
)
from analysis.formats.xaod import (
    BOOKKEEPING,
    EVENT,
    EVENT_SOURCES,
    MC_ONLY,
    TREES,
    container,
    met_container,
)

# Barcodes of the detector simulation (Athena, TruthUtils/MagicNumbers.h). In releases without
# barcodes the status of its particles is above 20000.
MIN_SIMULATED_BARCODE = 200000

# Athena, MCTruthClassifierDefs.h: types of isolated particles, and the origin in a tau lepton.
_ISOLATED = {"electron": 2, "muon": 6, "photon": 14}
_FROM_TAU = 9

_CONTAINERS = {"electron": "TruthElectrons", "muon": "TruthMuons", "photon": "TruthPhotons"}
_JETS = ("AntiKt4TruthJets", "AntiKt4TruthDressedWZJets")
_UNSIGNED = "ROOT::VecOps::RVec<unsigned int>"


def _particles(stable: str) -> ColumnGroup:
    momentum = ", ".join(f"TruthParticles_{x}" for x in ("px", "py", "pz", "e", "pdgId"))
    return stable_particles(f"monojet::stable_particles({momentum}, {stable}, 1e-3)")


def _jets(name: str) -> ColumnGroup:
    return ColumnGroup(
        {
            "jet_pt": Column(f"{name}_pt / 1000"),
            "jet_eta": Column(f"{name}_eta"),
            "jet_phi": Column(f"{name}_phi"),
            "jet_mass": Column(f"{name}_m / 1000"),
            "jet_b_tag": Column(
                f"{name}_HadronConeExclTruthLabelID == 5", "derived", "the jet contains a b hadron"
            ),
        },
        needs=frozenset({f"{name}_pt"}),
    )


_SHAPES = ColumnGroup(
    {
        "shapes": Column(
            "monojet::jet_shapes(jet_eta, jet_phi, all_pt, all_eta, all_phi, all_pdg_id,"
            " all_charge)"
        ),
        "jet_width": Column("shapes.width", "derived", "from the particles within ΔR < 0.4"),
        "jet_n_tracks": Column("shapes.n_tracks", "derived", "likewise"),
    },
    needs=frozenset({"jet_pt", "all_charge"}),
)

_NO_SHAPES = ColumnGroup(
    {
        "jet_n_tracks": Column(
            "ROOT::RVecI(jet_pt.size(), 3)",
            "assumed",
            "enough to keep a jet beside a muon",
        )
    },
    needs=frozenset({"jet_pt"}),
)


def _prompt(kind: str) -> ColumnGroup:
    name = _CONTAINERS[kind]
    isolated = f"{name}_classifierParticleType == {_ISOLATED[kind]}"
    from_tau = f"{name}_classifierParticleOrigin == {_FROM_TAU}"
    return ColumnGroup(
        {
            f"prompt_{kind}": Column(
                isolated if kind == "photon" else f"{isolated} || {from_tau}",
                note="not from hadrons",
            )
        }
    )


def _all(kind: str) -> ColumnGroup:
    return ColumnGroup(
        {f"prompt_{kind}": Column(f"{_CONTAINERS[kind]}_pdgId != 0", note="all of them")}
    )


def _of_container(kind: str, min_pt: float, dressed: bool) -> ColumnGroup:
    """Return leptons or photons from their container."""
    name = _CONTAINERS[kind]
    x, y, z = (f"{name}_p{axis}" for axis in "xyz")
    pt, eta, phi = f"hypot({x}, {y})", f"asinh({z} / hypot({x}, {y}))", f"atan2({y}, {x})"
    if dressed:
        pt, eta, phi = (f"{name}_{part}_dressed" for part in ("pt", "eta", "phi"))
    mask = f"[prompt_{kind} && {pt} > {1000 * min_pt:.0f}]"
    made = {
        f"{kind}_pt": Column(f"{pt}{mask} / 1000"),
        f"{kind}_eta": Column(f"{eta}{mask}"),
        f"{kind}_phi": Column(f"{phi}{mask}"),
    }
    if kind != "photon":
        made |= {
            f"{kind}_charge": Column(f"(1 - 2 * ({name}_pdgId > 0)){mask}", "derived"),
            **{
                f"{kind}_{quality}": Column(
                    f"ROOT::RVecI({kind}_pt.size(), 1)", "assumed", "all: they are prompt"
                )
                for quality in ("isolated", "tight")
            },
        }
    return ColumnGroup(
        made, needs=frozenset({f"{name}_pt_dressed" if dressed else x, f"prompt_{kind}"})
    )


_TAUS = ColumnGroup(
    {
        **{
            f"tau_{part}": Column(
                f"TruthTaus_{stored}_vis[TruthTaus_IsHadronicTau == 1]{unit}",
                note="hadronic decays, without the neutrinos",
            )
            for part, stored, unit in (
                ("pt", "pt", " / 1000"),
                ("eta", "eta", ""),
                ("phi", "phi", ""),
                ("mass", "m", " / 1000"),
            )
        },
        "tau_charge": Column(
            "(1 - 2 * (TruthTaus_pdgId > 0))[TruthTaus_IsHadronicTau == 1]", "derived"
        ),
    },
    needs=frozenset({"TruthTaus_pt_vis", "TruthTaus_IsHadronicTau"}),
)

_NEUTRINOS = ColumnGroup(
    {
        "missing": Column(
            "monojet::as_met(monojet::met_component(MET_Truth_name, MET_Truth_mpx, MET_Truth_mpy,"
            ' "NonInt", 1e-3))'
        ),
        "met": Column("missing.pt", note="of non-interacting particles"),
        "met_phi": Column("missing.phi", note="likewise"),
        "met_no_muons": Column(
            "monojet::without_muons(met, met_phi, muon_pt, muon_phi).pt",
            "derived",
            "the same, with the prompt muons added as invisible",
        ),
        "met_no_muons_phi": Column(
            "monojet::without_muons(met, met_phi, muon_pt, muon_phi).phi",
            "derived",
            "likewise",
        ),
    },
    needs=frozenset({"MET_Truth_name"}),
)

DAOD = Format(
    name="daod",
    title="ATLAS derivations (DAOD) with generated particles, TRUTH1, TRUTH3 and others",
    trees=TREES,
    markers=frozenset({"EventInfo_runNumber", "EventInfo_eventNumber"}),
    sources={
        **EVENT_SOURCES,
        **container("TruthParticles", ("px", "py", "pz", "e"), RVEC_FLOAT),
        **container("TruthParticles", ("pdgId", "status", "barcode"), RVEC_INT),
        **{
            key: one
            for name in _JETS
            for key, one in (
                container(name, ("pt", "eta", "phi", "m"), RVEC_FLOAT)
                | container(name, ("HadronConeExclTruthLabelID",), RVEC_INT)
            ).items()
        },
        **{
            key: one
            for kind, name in _CONTAINERS.items()
            for key, one in (
                container(name, ("px", "py", "pz"), RVEC_FLOAT)
                | container(name, ("pdgId",), RVEC_INT)
                | container(name, ("classifierParticleType",), _UNSIGNED)
                | (
                    container(name, ("classifierParticleOrigin",), _UNSIGNED)
                    | container(name, ("pt_dressed", "eta_dressed", "phi_dressed"), RVEC_FLOAT)
                    if kind != "photon"
                    else {}
                )
            ).items()
        },
        **container(
            "TruthTaus",
            ("pt_vis", "eta_vis", "phi_vis", "m_vis"),
            "ROOT::VecOps::RVec<double>",
            RVEC_FLOAT,
        ),
        **container("TruthTaus", ("IsHadronicTau",), "ROOT::VecOps::RVec<char>"),
        **container("TruthTaus", ("pdgId",), RVEC_INT),
        **met_container("MET_Truth"),
    },
    groups=(
        *EVENT,
        _particles(
            f"TruthParticles_status == 1 && TruthParticles_barcode < {MIN_SIMULATED_BARCODE}"
        ),
        _particles("TruthParticles_status == 1"),
        *map(_jets, _JETS),
        JETS,
        _SHAPES,
        _NO_SHAPES,
        *map(_prompt, _CONTAINERS),
        *(_of_container(kind, LEPTON_MIN_PT, True) for kind in ("electron", "muon")),
        _of_container("photon", PHOTON_MIN_PT, False),
        *map(leptons, ("electron", "muon")),
        PHOTONS,
        *map(_all, _CONTAINERS),
        *(_of_container(kind, LEPTON_MIN_PT, True) for kind in ("electron", "muon")),
        *(_of_container(kind, LEPTON_MIN_PT, False) for kind in ("electron", "muon")),
        _of_container("photon", PHOTON_MIN_PT, False),
        _TAUS,
        MET,
        _NEUTRINOS,
    ),
    mc_only=MC_ONLY,
    dataset="EventInfo_mcChannelNumber",
    bookkeeping=BOOKKEEPING,
)

FORMATS = (DAOD,)
