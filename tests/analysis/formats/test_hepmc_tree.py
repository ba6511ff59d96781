"""HepMC 3 events in trees: read without HepMC, in the units of each event."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import awkward as ak
import h5py
import numpy as np
import pyhepmc
import pytest
import uproot

from analysis.formats.columns import CANONICAL, plain_type
from analysis.images import imaging
from analysis.inputs import reader
from analysis.processes import PROCESSES
from analysis.simulation import generate
from analysis.workflow.run import Run
from analysis.yields import cutflow
from common.runtime.errors import InputError
from cpp_helpers import load_root
from tests.analysis.formats.test_delphes import taken
from tests.analysis.hepmc_events import MUON, NEUTRINO, PION, event, of_pythia
from tests.analysis.hepmc_tree_events import write
from tests.analysis.plain import PLAIN
from tests.analysis.simulation.converted import TTBAR, require_same
from tests.conftest import make_stage, shared_file
from tests.frames import open_frame

MEV = (pyhepmc.Units.MEV, pyhepmc.Units.CM)
IMPOSSIBLE = {"boson_pt"}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(
        tmp_path_factory.mktemp("hepmc") / "hepmc.root",
        [
            event(7, weights=(2.5, 9.0)),
            event(8, weights=(-0.5,), units=MEV),
            event(9, [PION], weights=(), units=MEV),
            event(9, []),
        ],
    )


def test_columns_are_those_of_the_particles(path: Path) -> None:
    file = reader.inspect(str(path))
    assert (file.format.name, file.n_events) == ("hepmc_tree", 4)
    found = taken(file)
    assert found["event_number"].to_list() == [7, 8, 9, 9]
    assert found["weight"].to_list() == [2.5, -0.5, 1, 1]
    assert found["run_number"].to_list() == [0] * 4
    codes = [MUON[3], PION[3], NEUTRINO[3]]
    assert found["particle_pdg_id"].to_list() == [codes, codes, [211], []]  # not the beams
    assert found["particle_charge"].to_list() == [[-1, 1, 0], [-1, 1, 0], [1], []]
    pion, muon = np.hypot(*PION[:2]), np.hypot(*MUON[:2])
    assert found["jet_pt"].to_list() == [*[pytest.approx([pion])] * 3, []]  # no jet of the muon
    assert found["muon_pt"].to_list() == [pytest.approx([muon])] * 2 + [[], []]
    assert found["met_no_muons"].to_list() == pytest.approx([pion] * 3 + [0])  # without the muon
    full = np.hypot(*NEUTRINO[:2])
    assert found["met"].to_list() == pytest.approx([full, full, pion, 0])
    energies = found["particle_energy"].to_list()
    assert energies[0] == pytest.approx(
        [
            np.hypot(pt, p[2])
            for pt, p in zip((muon, pion, full), (MUON, PION, NEUTRINO), strict=True)
        ]
    )
    assert energies[1] == pytest.approx(energies[0])


def test_columns_have_their_types_and_what_needs_a_boson_is_refused(path: Path) -> None:
    file = reader.inspect(str(path))
    for needs in (imaging.needs(PLAIN), cutflow.needs(PLAIN)):
        reader.require_columns(file, needs)
    assert CANONICAL.keys() - file.columns.keys() == IMPOSSIBLE
    df = load_root().RDF.AsRNode(open_frame(file, 0, file.n_events))
    for name in CANONICAL.keys() - IMPOSSIBLE:
        assert plain_type(str(df.GetColumnType(name))) == CANONICAL[name], name
    with pytest.raises(InputError, match="the format 'hepmc_tree' cannot give it"):
        reader.require_columns(file, reader.Needs(frozenset({"boson_pt"}), "this"))


def test_columns_are_those_of_the_generated_events(tmp_path: Path) -> None:
    generated = tmp_path / "generated.root"
    generate.write_block(TTBAR, generated)
    pythia = generate.start_pythia(
        PROCESSES[TTBAR.process], TTBAR.pt_low, TTBAR.pt_high, TTBAR.pythia_seed
    )
    tree = write(tmp_path / "a.root", [of_pythia(pythia, i + 1) for i in range(TTBAR.n_events)])
    wanted, got = (taken(reader.inspect(str(one))) for one in (generated, tree))
    stored = got["particle_pt"] > TTBAR.stored_particle_min_pt
    got |= {name: got[name][stored] for name in got if name.startswith("particle_")}
    require_same(wanted, got, "run_number", *IMPOSSIBLE)
    assert ak.sum(ak.num(got["jet_pt"])) > 100
    assert ak.sum(ak.num(got["tau_pt"])) > 2
    assert ak.sum(got["jet_b_tag"]) > 30
    assert ak.sum(abs(got["muon_z0_sin_theta"]) > 0.01) > 0


def test_images_are_made_of_a_file(path: Path, run_of: Callable[..., Run]) -> None:
    run = run_of(Znunu=[path])
    make_stage("imaging", run)
    with h5py.File(run.images("Znunu")) as file:
        assert set(file["events/event_number"]) <= {7, 8, 9}
        assert len(file["events/event_number"]) > 1


@pytest.mark.parametrize(
    ("name", "n_events"),
    [("hepmc3_tree_pp_13TeV_6events.root", 6), ("hepmc3_tree_3.0_100events.root", 100)],
)
def test_a_file_that_hepmc_wrote(name: str, n_events: int) -> None:
    path = shared_file(name)
    found = taken(reader.inspect(str(path)))
    tree = uproot.open(path)["hepmc3_tree/hepmc3_event"]

    def branch(stored: str) -> Any:
        return tree[f"particles/particles.{stored}"].array()

    x, y, z = (branch(f"momentum.m_v{place}") for place in (1, 2, 3))
    pdg_id, pt = abs(branch("pid")), np.hypot(x, y)
    stable = (branch("status") == 1) & (abs(z) < np.sinh(4.9) * pt)
    seen = stable & ~((pdg_id == 12) | (pdg_id == 14) | (pdg_id == 16))
    no_muons = seen & (pdg_id != 13)
    assert len(found["met_no_muons"]) == n_events
    assert found["event_number"].to_list() == tree["event_number"].array().to_list()
    assert found["weight"].to_list() == tree["weights"].array()[:, 0].to_list()
    assert found["particle_pdg_id"].to_list() == branch("pid")[stable].to_list()
    for column, mask in (("met", seen), ("met_no_muons", no_muons)):
        expected = np.hypot(ak.sum(x[mask], axis=1), ak.sum(y[mask], axis=1))
        np.testing.assert_allclose(found[column], expected, rtol=1e-4, atol=1e-3)
    assert ak.sum(ak.num(found["jet_pt"])) > n_events
    assert ak.all(found["jet_pt"] <= ak.sum(pt[no_muons], axis=1) * (1 + 1e-5))
