"""Delphes: what is read is what is in the file, and what it lacks is made of its particles."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import awkward as ak
import h5py
import numpy as np
import pytest
import uproot

from analysis.formats.columns import CANONICAL
from analysis.formats.format import Layout
from analysis.images import imaging
from analysis.inputs import reader
from analysis.workflow.run import Run
from analysis.yields import cutflow
from common.runtime.errors import InputError
from cpp_helpers import load_root
from tests.analysis.plain import PLAIN
from tests.conftest import make_stage, shared_file
from tests.frames import open_frame

REAL = "delphes_ttbar_10events.root"
INTEGERS = {
    "Event.Number": "Long64_t",
    "Jet.BTag": "unsigned int",
    "Jet.TauTag": "unsigned int",
} | dict.fromkeys(
    (
        "Jet.Charge",
        "Jet.NCharged",
        "Electron.Charge",
        "Muon.Charge",
        "Particle.PID",
        "Particle.Status",
        "EFlowTrack.PID",
    ),
    "int",
)

# Two events: the first has its missing momentum by energy flow, the second by towers.
SEEN = 40 * np.exp(0.5j)  # a muon
TOWERS = 100 * np.exp(1j)
EVENTS: dict[str, list[list[float]]] = {
    "Event.Number": [[4], [5]],
    "Event.Weight": [[2.5], [-0.5]],
    "Jet.PT": [[100, 30], []],
    "Jet.Eta": [[0.5, -1.0], []],
    "Jet.Phi": [[1.0, 3.1], []],
    "Jet.Mass": [[9, 4], []],
    "Jet.NCharged": [[7, 3], []],
    "Jet.Charge": [[0, -1], []],
    "Jet.BTag": [[3, 2], []],
    "Jet.TauTag": [[0, 1], []],
    "Electron.PT": [[20, 15], []],
    "Electron.Eta": [[1.0, -1.0], []],
    "Electron.Phi": [[0.1, 0.2], []],
    "Electron.Charge": [[-1, 1], []],
    "Electron.D0": [[0.02, 0.03], []],
    "Electron.ErrorD0": [[0.01, 0], []],
    "Electron.DZ": [[0.5, 0], []],
    "Electron.IsolationVar": [[0.1, 0.2], []],
    "Muon.PT": [[40], [40]],
    "Muon.Eta": [[0.3], [0.3]],
    "Muon.Phi": [[0.5], [0.5]],
    "Muon.Charge": [[1], [-1]],
    "Photon.PT": [[12], []],
    "Photon.Eta": [[0.0], []],
    "Photon.Phi": [[-2.0], []],
    "MissingET.MET": [[abs(-TOWERS - SEEN)], [100]],
    "MissingET.Phi": [[float(np.angle(-TOWERS - SEEN))], [1 - np.pi]],
    "Tower.ET": [[100], [100]],
    "Tower.Phi": [[1.0], [1.0]],
    "Particle.PID": [[6, 211, 22, 12, 13], [1000030060]],
    "Particle.Status": [[62, 1, 1, 1, 1], [1]],
    "Particle.Px": [[9, 30, 0, 5, 7], [6]],
    "Particle.Py": [[9, 40, 10, 5, 0], [8]],
    "Particle.Pz": [[9, float(50 * np.sinh(0.5)), 0, 5, 0], [90]],
    "Particle.E": [[200, 60, 10, 9, 7], [91]],
    "EFlowTrack.PT": [[10], []],
    "EFlowTrack.Eta": [[0.5], []],
    "EFlowTrack.Phi": [[1.1], []],
    "EFlowTrack.PID": [[-211], []],
    "EFlowPhoton.E": [[float(8 * np.cosh(0.6)), 5], []],
    "EFlowPhoton.Eta": [[0.6, 6.0], []],  # the last is beyond the acceptance
    "EFlowPhoton.Phi": [[1.0, 0.0], []],
    "EFlowNeutralHadron.E": [[2], []],
    "EFlowNeutralHadron.Eta": [[0.0], []],
    "EFlowNeutralHadron.Phi": [[0.0], []],
}


def write_delphes(path: Path, events: dict[str, list[list[float]]] = EVENTS) -> Path:
    """Write a ``Delphes`` tree of standard vectors, which read as the real one's branches do."""
    root = load_root()
    with root.TFile(str(path), "RECREATE"):
        tree = root.TTree("Delphes", "")
        vectors = {name: root.std.vector[INTEGERS.get(name, "float")]() for name in events}
        for name, vector in vectors.items():
            tree.Branch(name, vector)
        for i in range(len(events["Event.Number"])):
            for name, vector in vectors.items():
                vector.clear()
                for value in events[name][i]:
                    vector.push_back(value)
            tree.Fill()
        tree.Write()
    return path


def taken(file: reader.File) -> dict[str, Any]:
    """All canonical columns of a file, in one event loop."""
    df = load_root().RDF.AsRNode(open_frame(file, 0, file.n_events))
    handles = {name: df.Take[CANONICAL[name]](name) for name in CANONICAL if name in file.columns}
    return {
        name: ak.Array([list(x) for x in h.GetValue()] if "RVec" in CANONICAL[name] else list(h))
        for name, h in handles.items()
    }


def close(found: Any, expected: Any, rtol: float = 2e-6) -> None:
    assert ak.to_list(ak.num(found)) == ak.to_list(ak.num(expected))
    found, expected = (ak.to_numpy(ak.flatten(x)) for x in (found, expected))
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=1e-5)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = write_delphes(tmp_path_factory.mktemp("delphes") / "delphes.root")
    return taken(reader.inspect(str(path)))


def test_objects_are_those_of_the_file(found: dict[str, Any]) -> None:
    for name, stored in {
        "jet_pt": "Jet.PT",
        "jet_mass": "Jet.Mass",
        "jet_n_tracks": "Jet.NCharged",
        "electron_eta": "Electron.Eta",
        "electron_charge": "Electron.Charge",
        "muon_phi": "Muon.Phi",
        "photon_pt": "Photon.PT",
    }.items():
        close(found[name], ak.Array(EVENTS[stored]))
    assert found["event_number"].to_list() == [4, 5]
    assert found["weight"].to_list() == [2.5, -0.5]
    assert found["jet_b_tag"].to_list() == [[1, 0], []]  # bit 0 alone
    assert found["tau_pt"].to_list() == [[30], []]
    assert found["tau_charge"].to_list() == [[-1], []]
    assert found["electron_isolated"].to_list() == [[1, 0], []]
    assert found["electron_tight"].to_list() == [[1, 1], []]
    close(found["electron_z0_sin_theta"], ak.Array([[0.5 / np.cosh(1), 0], []]))
    # by the error or, where it is 0, by a resolution of 10 (+) 140 GeV / pT um
    close(found["electron_d0_significance"], ak.Array([[2, 30 / np.hypot(10, 140 / 15)], []]))
    assert "muon_d0_significance" not in found


def test_particles_are_the_stable_ones_with_charges_by_their_codes(found: dict[str, Any]) -> None:
    """A file may say -999 of what is in no table."""
    assert found["particle_pdg_id"].to_list() == [[211, 22, 12, 13], [1000030060]]
    assert found["particle_charge"].to_list() == [[1, 0, 0, -1], [3]]
    close(found["particle_pt"], ak.Array([[50, 10, np.hypot(5, 5), 7], [10]]))
    # of the pion alone: the neutrino near it is not seen
    close(found["jet_width"], ak.Array([[1 - np.arctan2(4, 3), 0], []]))


def test_muons_are_added_or_taken_off_as_the_missing_momentum_has_them(
    found: dict[str, Any],
) -> None:
    met, full = (
        found[name].to_numpy() * np.exp(1j * found[f"{name}_phi"].to_numpy())
        for name in ("met_no_muons", "met")
    )
    np.testing.assert_allclose(full, [-TOWERS - SEEN] * 2, rtol=1e-5)
    np.testing.assert_allclose(met, [-TOWERS] * 2, rtol=1e-5)


def test_without_towers_muons_count_as_seen(tmp_path: Path) -> None:
    events = {name: value for name, value in EVENTS.items() if "Tower" not in name}
    found = taken(reader.inspect(str(write_delphes(tmp_path / "d.root", events))))
    np.testing.assert_allclose(found["met"], [abs(TOWERS + SEEN), 100], rtol=1e-5)
    np.testing.assert_allclose(found["met_no_muons"], [100, abs(TOWERS - SEEN)], rtol=1e-5)


def test_images_may_be_of_the_energy_flow(tmp_path: Path) -> None:
    file = reader.inspect(str(write_delphes(tmp_path / "d.root")), Layout("delphes_eflow"))
    reader.require_columns(file, imaging.needs(PLAIN))
    found = taken(file)
    assert found["particle_pdg_id"].to_list() == [[-211, 22, 130], []]
    assert found["particle_charge"].to_list() == [[-1, 0, 0], []]
    close(found["particle_pt"], ak.Array([[10, 8, 2], []]))
    close(found["particle_energy"], ak.Array([[10 * np.cosh(0.5), 8 * np.cosh(0.6), 2], []]))
    width = (10 * 0.1 + 8 * 0.1) / 18
    close(found["jet_width"], ak.Array([[width, 0], []]), rtol=1e-5)
    np.testing.assert_allclose(found["met_no_muons"], [100, 100], rtol=1e-5)


def test_weights_may_be_absent_and_particles_only_where_nothing_needs_them(tmp_path: Path) -> None:
    events = {k: v for k, v in EVENTS.items() if k != "Event.Weight" and "Particle" not in k}
    file = reader.inspect(str(write_delphes(tmp_path / "d.root", events)))
    reader.require_columns(file, reader.Needs(frozenset({"met_no_muons", "jet_pt"}), "this"))
    assert set(taken(file)["weight"].to_list()) == {1.0}
    with pytest.raises(InputError, match=r"no column 'jet_width', .* lacks column 'Particle\.E'"):
        reader.require_columns(file, imaging.needs(PLAIN))


@pytest.mark.parametrize("name", ["delphes", "delphes_eflow"])
def test_a_real_file_that_lacks_leptons_and_missing_momentum(name: str) -> None:
    path = shared_file(REAL)
    file = reader.inspect(str(path), Layout(name))
    for needs in (imaging.needs(PLAIN), cutflow.needs(PLAIN)):
        reader.require_columns(file, needs)
    found = taken(file)
    read = uproot.open(path)["Delphes"]

    def branch(stored: str) -> Any:
        return read[f"{stored.split('.')[0]}/{stored}"].array()

    assert len(found["met_no_muons"]) == file.n_events == 10
    for part, stored in (("pt", "PT"), ("eta", "Eta"), ("phi", "Phi"), ("mass", "Mass")):
        close(found[f"jet_{part}"], branch(f"Jet.{stored}"))
    close(found["jet_n_tracks"], branch("Jet.NCharged"))
    assert ak.all((found["jet_width"] >= 0) & (found["jet_width"] < 0.4))  # 0 if it is one object
    assert ak.mean(found["jet_width"]) > 0.05

    if name == "delphes":
        px, py, pz, pdg_id, status, charge = (
            branch(f"Particle.{x}") for x in ("Px", "Py", "Pz", "PID", "Status", "Charge")
        )
        stable = (status == 1) & (abs(pz) < np.sinh(4.9) * np.hypot(px, py))
        px, py, pdg_id, charge = (x[stable] for x in (px, py, pdg_id, charge))
        close(found["particle_pdg_id"], pdg_id)
        close(found["particle_charge"], charge)
    else:
        kinds = ("EFlowTrack", "EFlowPhoton", "EFlowNeutralHadron")
        pt, eta, phi = (
            ak.concatenate(
                [
                    branch(f"{kind}.{x if x != 'PT' or kind == kinds[0] else 'ET'}")
                    for kind in kinds
                ],
                axis=1,
            )
            for x in ("PT", "Eta", "Phi")
        )
        tracks = branch("EFlowTrack.PID")
        pdg_id = ak.concatenate(
            [
                tracks,
                ak.full_like(branch("EFlowPhoton.Eta"), 22),
                ak.full_like(branch("EFlowNeutralHadron.Eta"), 130),
            ],
            axis=1,
        )
        near = abs(eta) < 4.9
        px, py, pdg_id = ((pt * np.cos(phi))[near], (pt * np.sin(phi))[near], pdg_id[near])
    close(found["particle_pt"], np.hypot(px, py), rtol=1e-5)
    kind = abs(pdg_id)
    visible = (kind != 12) & (kind != 14) & (kind != 16)
    assert ak.any(kind == 13)
    for column, seen in (("met", visible), ("met_no_muons", visible & (kind != 13))):
        expected = np.hypot(ak.sum(px[seen], axis=1), ak.sum(py[seen], axis=1))
        np.testing.assert_allclose(found[column], expected, rtol=1e-3)


def test_images_are_made_of_a_file(tmp_path: Path, run_of: Callable[..., Run]) -> None:
    run = run_of(Znunu=[write_delphes(tmp_path / "delphes.root")])
    make_stage("imaging", run)
    with h5py.File(run.images("Znunu")) as file:
        assert list(file["events/event_number"]) == [4, 5]
        np.testing.assert_allclose(file["events/weight"], [2.5, -0.5])


def test_what_escapes_is_in_no_jet_and_no_cell(
    tmp_path: Path, run_of: Callable[..., Run], caplog: pytest.LogCaptureFixture
) -> None:
    """A pion recoils against an axion-like particle and one that no list knows."""
    new = 9000042
    events: dict[str, list[list[float]]] = {
        "Event.Number": [[1], [2]],
        "Particle.PID": [[211, 9000005, new]] * 2,
        "Particle.Status": [[1, 1, 1]] * 2,
        "Particle.Px": [[320, -240, -80]] * 2,
        "Particle.Py": [[240, -180, -60]] * 2,
        "Particle.Pz": [[10, 10, 10]] * 2,
        "Particle.E": [[401, 301, 101]] * 2,
    }
    plain = run_of(other=[write_delphes(tmp_path / "d.root", events)])
    told = replace(plain, config=plain.config.model_copy(update={"invisible": (new,)}))
    for run, met, n_jets, n_cells in ((plain, 300, 2, 2), (told, 400, 1, 1)):
        caplog.clear()
        with caplog.at_level(logging.WARNING, "monojet"):
            make_stage("imaging", run)  # again for the second: the settings differ
        with h5py.File(run.images("other")) as file:
            np.testing.assert_allclose(file["events/met"], [met] * 2, rtol=1e-6)
            np.testing.assert_array_equal(file["events/n_jets"], [n_jets] * 2)
            np.testing.assert_array_equal(file["cells/offsets"], [0, n_cells, 2 * n_cells])
        line = f"other: 2 stable particles of unknown PDG codes, {new} (2), are taken as visible"
        assert (line in caplog.text) == (run is plain)
