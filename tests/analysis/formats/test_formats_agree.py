"""One set of generated events in several formats: the same jets, leptons and cut-flow.

HepMC text files become native ones: `test_convert` compares their columns.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import awkward as ak
import fastjet
import numpy as np
import pytest

from analysis.config import Config
from analysis.inputs import reader
from analysis.processes import PROCESSES
from analysis.simulation import generate
from analysis.workflow.run import Run
from cpp_helpers import load_root
from tests.analysis import hepmc_events, hepmc_tree_events
from tests.analysis.formats.test_delphes import taken
from tests.analysis.simulation.converted import in_order
from tests.conftest import make_stage

N_EVENTS = 60
BLOCK = generate.EventBlock(
    "Wmunu_low", "Wmunu", "low", 280, 500, 0, 0, N_EVENTS, 11, 0.5, "rntuple"
)
FORMATS = ("native", "hepmc_tree", "daod_particles", "daod_jets")
COLUMNS = (
    *(f"jet_{part}" for part in ("pt", "eta", "phi", "mass")),
    *(f"{kind}_{part}" for kind in ("electron", "muon") for part in ("pt", "eta", "phi", "charge")),
    "met_no_muons",
    "met",
)


def truth_jets(event: Any) -> Any:
    """Anti-kT 0.4 jets above 20 GeV, by FastJet's Python bindings: of the stable particles of an
    event but neutrinos and muons."""
    particles = event.numpy.particles
    code, pt = np.abs(particles.pid), np.hypot(particles.px, particles.py)
    chosen = (particles.status == 1) & ~np.isin(code, (12, 13, 14, 16)) & (pt > 0)
    chosen[chosen] &= np.abs(np.arcsinh(particles.pz[chosen] / pt[chosen])) < 4.9
    inputs = [
        fastjet.PseudoJet(*(float(getattr(particles, part)[i]) for part in ("px", "py", "pz", "e")))
        for i in np.flatnonzero(chosen)
    ]
    anti_kt = fastjet.JetDefinition(fastjet.antikt_algorithm, 0.4)
    return fastjet.sorted_by_pt(fastjet.ClusterSequence(inputs, anti_kt).inclusive_jets(20.0))


def write_daod(path: Path, events: list[Any], with_jets: bool) -> Path:
    """Events of pyhepmc as an ATLAS derivation with all particles, MeV."""
    root = load_root()
    file = root.TFile(str(path), "RECREATE")
    tree = root.TTree("CollectionTree", "")
    kinds = dict.fromkeys(("px", "py", "pz", "e"), "float")
    kinds |= dict.fromkeys(("pdgId", "status", "barcode"), "int")
    columns = {f"TruthParticlesAuxDyn.{name}": kind for name, kind in kinds.items()}
    if with_jets:
        columns |= {f"AntiKt4TruthJetsAuxDyn.{name}": "float" for name in ("pt", "eta", "phi", "m")}
    columns["EventInfoAuxDyn.mcEventWeights"] = "float"
    vectors = {name: root.std.vector[kind]() for name, kind in columns.items()}
    for name, vector in vectors.items():
        tree.Branch(name, vector)
    numbers: dict[str, Any] = {
        "EventInfoAuxDyn.runNumber": np.zeros(1, np.uint32),
        "EventInfoAuxDyn.eventNumber": np.zeros(1, np.uint64),
    }
    for (name, number), leaf in zip(numbers.items(), "il", strict=True):
        tree.Branch(name, number, f"{name}/{leaf}")
    for event in events:
        particles = event.numpy.particles
        values = {
            f"TruthParticlesAuxDyn.{name}": 1000 * getattr(particles, name)
            for name in ("px", "py", "pz", "e")
        }
        values["TruthParticlesAuxDyn.pdgId"] = particles.pid
        values["TruthParticlesAuxDyn.status"] = particles.status
        values["TruthParticlesAuxDyn.barcode"] = np.arange(1, len(particles.pid) + 1)
        values["EventInfoAuxDyn.mcEventWeights"] = np.ones(1)
        if with_jets:
            jets = truth_jets(event)
            found = {
                "pt": [1000 * jet.pt() for jet in jets],
                "eta": [jet.eta() for jet in jets],
                "phi": [jet.phi_std() for jet in jets],
                "m": [1000 * jet.m() for jet in jets],
            }
            for name, numbers_of in found.items():
                values[f"AntiKt4TruthJetsAuxDyn.{name}"] = np.array(numbers_of)
        for name, vector in vectors.items():
            vector.assign(values[name].tolist())
        numbers["EventInfoAuxDyn.eventNumber"][0] = event.event_number
        tree.Fill()
    file.Write()
    file.Close()
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same events of Pythia, by format."""
    folder = tmp_path_factory.mktemp("formats")
    native = folder / "native.root"
    generate.write_block(BLOCK, native)
    pythia = generate.start_pythia(
        PROCESSES[BLOCK.process], BLOCK.pt_low, BLOCK.pt_high, BLOCK.pythia_seed
    )
    events = [hepmc_events.of_pythia(pythia, i + 1) for i in range(N_EVENTS)]
    return {
        "native": native,
        "hepmc_tree": hepmc_tree_events.write(folder / "tree.root", events),
        "daod_particles": write_daod(folder / "particles.root", events, with_jets=False),
        "daod_jets": write_daod(folder / "jets.root", events, with_jets=True),
    }


@pytest.fixture(scope="module")
def runs(
    files: dict[str, Path], tiny_config: Config, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Run]:
    """A finished cut-flow without networks of each file."""
    made = {}
    for name, path in files.items():
        data = tiny_config.model_dump()
        data["samples"] = [
            {
                "process": "Wmunu",
                "files": [str(path)],
                "cross_section": 2.0,
                "sum_of_weights": float(N_EVENTS),
            }
        ]
        data["training"]["networks"] = []
        made[name] = Run(Config.model_validate(data), tmp_path_factory.mktemp(name))
        make_stage("cutflow", made[name])
    return made


def columns(files: dict[str, Path], name: str) -> dict[str, Any]:
    return taken(reader.inspect(str(files[name])))


@pytest.mark.parametrize("name", FORMATS[1:])
def test_jets_and_leptons_are_the_same(files: dict[str, Path], name: str) -> None:
    wanted, found = (columns(files, one) for one in ("native", name))
    for column in COLUMNS:
        a, b = (in_order(one, column) for one in (wanted, found))
        if a.ndim > 1:
            assert ak.num(a).to_list() == ak.num(b).to_list(), column
        expected, got = (ak.to_numpy(ak.flatten(one, axis=None)) for one in (a, b))
        # the mass of a narrow jet is the small difference of large numbers, here of floats in MeV
        tolerance = 0.05 if column == "jet_mass" else 2e-4
        assert got == pytest.approx(expected, rel=2e-4, abs=tolerance), column
    assert ak.sum(ak.num(wanted["jet_pt"])) > N_EVENTS
    assert ak.sum(ak.num(wanted["muon_pt"])) > N_EVENTS / 2


@pytest.mark.parametrize("name", FORMATS[1:])
def test_cut_flows_are_the_same(runs: dict[str, Run], name: str) -> None:
    wanted, found = (
        json.loads(runs[one].table("cutflow").read_text())["samples"]["Wmunu"]["regions"]
        for one in ("native", name)
    )
    assert found == wanted
    steps = {step: y["entries"] for step, y in wanted["SR"]["steps"].items()}
    assert N_EVENTS > steps["electron_veto"] > steps["muon_veto"] > 0


def test_no_isolated_muon_is_lost_to_its_own_jet(files: dict[str, Path]) -> None:
    """Of isolated central muons the overlap removal keeps those that no other jet is near."""
    events = columns(files, "native")
    muons = ak.zip({part: events[f"muon_{part}"] for part in ("pt", "eta", "phi")})
    muons = muons[(muons.pt > 10) & (abs(muons.eta) < 2.5)]
    jets = ak.zip({part: events[f"jet_{part}"] for part in ("pt", "eta", "phi")})
    muon, jet = ak.unzip(ak.cartesian([muons, jets], nested=True))
    dphi = np.remainder(muon.phi - jet.phi + np.pi, 2 * np.pi) - np.pi
    near = ak.any(np.hypot(muon.eta - jet.eta, dphi) < 0.4, axis=-1)
    assert ak.sum(ak.num(muons)) > N_EVENTS / 2
    assert ak.sum(near) < 0.05 * ak.sum(ak.num(muons))  # 16 % if muons were in jets
