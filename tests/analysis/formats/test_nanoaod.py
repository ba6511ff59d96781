"""CMS NanoAOD: files of the layouts of its versions, as trees and as an RNTuple."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot

from analysis.formats.columns import CANONICAL, plain_type
from analysis.images import imaging
from analysis.inputs import reader
from analysis.yields import cutflow
from common.runtime.errors import InputError
from cpp_helpers import load_root
from tests.analysis.formats.test_delphes import close, taken
from tests.analysis.plain import PLAIN
from tests.frames import open_frame

N = 2
MET, MUON = 100 * np.exp(1j), 40 * np.exp(0.5j)
FLOATS: dict[str, dict[str, list[list[float]]]] = {
    "Jet": {
        "pt": [[100, 40], []],
        "eta": [[0.5, -1.0], []],
        "phi": [[1.0, 3.0], []],
        "mass": [[9, 4], []],
        "muEF": [[0.1, 0.9], []],
        "btagDeepFlavB": [[0.28, 0.27], []],
    },
    "Electron": {
        "pt": [[20, 15], []],
        "eta": [[1.0, -1.0], []],
        "phi": [[0.1, 0.2], []],
        "dz": [[0.05, -0.01], []],
        "dxy": [[0.002, -0.004], []],
        "dxyErr": [[0.001, 0.002], []],
        "pfRelIso03_all": [[0.1, 0.2], []],
    },
    "Muon": {
        "pt": [[40], [40]],
        "eta": [[0.0], [0.0]],
        "phi": [[0.5], [0.5]],
        "dz": [[0.01], [0.0]],
        "dxy": [[0.01], [0.0]],
        "dxyErr": [[0.002], [0.001]],
        "pfRelIso04_all": [[0.1], [0.3]],
    },
    "Tau": {
        "pt": [[30, 25], []],
        "eta": [[1.0, 2.0], []],
        "phi": [[2.0, 1.0], []],
        "mass": [[1.2, 0.8], []],
    },
    "Photon": {
        "pt": [[12, 50, 60], []],
        "eta": [[0.0, 1.0, 1.0], []],
        "phi": [[-2.0, 1.0, 2.0], []],
    },
}
BOOLEANS = {
    "Muon": {
        "looseId": [[True], [True]],
        "isPFcand": [[True], [True]],
        "isGlobal": [[True], [False]],
        "isTracker": [[False], [True]],
        "tightId": [[True], [False]],
    },
    "Photon": {"electronVeto": [[True, True, False], []]},
}
INTEGERS: dict[str, dict[str, list[list[int]]]] = {
    "Electron": {"charge": [[-1, 1], []], "cutBased": [[4, 3], []]},
    "Muon": {"charge": [[1], [-1]]},
    "Photon": {"cutBased": [[2, 1, 3], []]},
}
# by version: what the numbers are, of which type and by which names
OLD = {
    ("Electron", "cutBased"): "int32",
    ("Photon", "cutBased"): "int32",
    ("Jet", "nConstituents"): ("uint8", [[200, 30], []]),
    ("Jet", "jetId"): ("int32", [[6, 2], []]),
    ("Jet", "puId"): ("int32", [[0, 4], []]),  # not asked of the first, which is hard
    ("Tau", "charge"): ("int32", [[-1, 1], []]),
    ("Tau", "idDeepTau2017v2p1VSjet"): ("uint8", [[31, 15], []]),
}
NEW = {
    ("Electron", "cutBased"): "uint8",
    ("Photon", "cutBased"): "uint8",
    ("Jet", "nConstituents"): ("uint8", [[250, 40], []]),
    ("Jet", "chMultiplicity"): ("int16", [[200, 30], []]),
    ("Tau", "charge"): ("int16", [[-1, 1], []]),
    ("Tau", "idDeepTau2018v2p5VSjet"): ("uint8", [[5, 4], []]),
    ("Tau", "idDeepTau2017v2p1VSjet"): ("uint8", [[4, 5], []]),
}
CANDIDATES: dict[str, list[list[float]]] = {
    "pt": [[10, 20, 40, 5, 5, 8], []],
    "eta": [[0.5, 0.7, 0.0, 4.0, 4.0, 0.0], []],
    "phi": [[1.0, 1.0, 0.5, 0.0, 1.0, 2.0], []],
    "mass": [[0.1396, 0, 0.1057, 0, 0, 0.1396], []],
    "puppiWeight": [[1, 0.5, 1, 1, 0.25, 0], []],
}
# objects added to the first event: copies of these, but for their identification
FAKES: dict[str, list[tuple[int, dict[str, bool | int]]]] = {
    "Electron": [(0, {"cutBased": 0})],
    "Muon": [(0, {"looseId": False, "isPFcand": False})],
    "Jet": [(0, {"jetId": 0}), (1, {"puId": 0})],
}
CODES = [[-211, 22, -13, 1, 2, 211], []]


def nano_objects(version: str, fakes: bool) -> dict[str, Any]:
    """Return the columns of each collection in a NanoAOD version; with `FAKES` if requested."""
    made: dict[str, Any] = {
        kind: {x: ak.values_astype(ak.Array(v), "float32") for x, v in parts.items()}
        for kind, parts in FLOATS.items()
    }
    for kind, parts in BOOLEANS.items():
        made[kind] |= {x: ak.values_astype(ak.Array(v), bool) for x, v in parts.items()}
    changed: dict[tuple[str, str], Any] = OLD if version == "old" else NEW
    for kind, numbers in INTEGERS.items():
        for x, v in numbers.items():
            made[kind][x] = ak.values_astype(ak.Array(v), changed.get((kind, x), "int32"))
    for (kind, x), value in changed.items():
        if isinstance(value, tuple):
            made[kind][x] = ak.values_astype(ak.Array(value[1]), value[0])
    for kind, copies in FAKES.items() if fakes else ():
        for x, values in made[kind].items():
            first = values[0].to_list()
            more = [but.get(x, first[i]) for i, but in copies]
            longer = ak.Array([first + more, *values[1:].to_list()])
            made[kind][x] = ak.values_astype(longer, values.type.content.content.primitive)
    return made


def write_nano(
    path: Path,
    version: str = "old",
    candidates: bool = False,
    drop: tuple[str, ...] = (),
    fakes: bool = False,
    identity: dict[str, Any] | None = None,
) -> Path:
    """Write ``Events``, arrays with counters as in real files, and ``Runs``; with `FAKES` if
    requested."""
    made = nano_objects(version, fakes)
    if candidates:
        made["PFCands"] = {
            x: ak.values_astype(ak.Array(v), "float32") for x, v in CANDIDATES.items()
        } | {"pdgId": ak.values_astype(ak.Array(CODES), "int32")}
    met = "MET" if version == "old" else "PFMET"
    scalars = {
        "run": np.array([1, 1], "uint32"),
        "event": np.array([2**40, 7], "uint64"),
        "genWeight": np.array([2.5, -0.5], "float32"),
        f"{met}_pt": np.full(N, abs(MET), "float32"),
        f"{met}_phi": np.full(N, np.angle(MET), "float32"),
        "PuppiMET_pt": np.full(N, 3, "float32"),
        "PuppiMET_phi": np.full(N, 0, "float32"),
    }
    scalars |= identity or {}
    zipped = {
        kind: ak.zip({x: v for x, v in parts.items() if f"{kind}_{x}" not in drop})
        for kind, parts in made.items()
    }
    with uproot.recreate(path) as file:
        for name, columns in (
            ("Events", {k: v for k, v in scalars.items() if k not in drop} | zipped),
            (
                "Runs",
                {
                    "run": np.array([1, 1], "uint32"),
                    "genEventSumw": np.array([2.5, 10.0]),
                    "genEventSumw2": np.array([6.25, 30.0]),
                },
            ),
        ):
            file.mktree(
                name,
                {
                    k: v.type.content if isinstance(v, ak.Array) else v.dtype
                    for k, v in columns.items()
                },
            )
            file[name].extend(columns)
    return path


def as_ntuples(path: Path, copy: Path) -> Path:
    """The same as RNTuples."""
    root = load_root()
    options = root.RDF.RSnapshotOptions()
    options.fOutputFormat = root.RDF.ESnapshotOutputFormat.kRNTuple
    for name, mode in (("Events", "RECREATE"), ("Runs", "UPDATE")):
        df = root.RDataFrame(name, str(path))
        options.fMode = mode
        df.Snapshot(name, str(copy), [str(x) for x in df.GetColumnNames()], options)
    return copy


@pytest.fixture(scope="module", params=["old", "new", "ntuple"])
def nano(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("nano")
    version = "old" if request.param == "old" else "new"
    path = write_nano(folder / "tree.root", version, candidates=request.param == "ntuple")
    return as_ntuples(path, folder / "ntuple.root") if request.param == "ntuple" else path


def test_objects_are_those_of_the_file(nano: Path) -> None:
    file = reader.inspect(str(nano))
    assert file.format.name == "nanoaod"
    reader.require_columns(file, cutflow.needs(PLAIN))
    found = taken(file)
    for kind in ("jet", "electron", "muon"):
        for part in ("pt", "eta", "phi"):
            close(found[f"{kind}_{part}"], ak.Array(FLOATS[kind.capitalize()][part]))
    assert found["run_number"].to_list() == [1, 1]
    assert found["event_number"].to_list() == [2**40, 7]
    assert found["weight"].to_list() == [2.5, -0.5]
    assert found["jet_n_tracks"].to_list() == [[200, 0], []]  # the second is a muon
    assert found["jet_b_tag"].to_list() == [[1, 0], []]
    assert found["electron_charge"].to_list() == [[-1, 1], []]
    assert found["electron_tight"].to_list() == [[1, 0], []]
    assert found["electron_isolated"].to_list() == [[1, 0], []]
    assert found["muon_tight"].to_list() == [[1], [0]]
    assert found["muon_isolated"].to_list() == [[1], [0]]
    close(found["electron_z0_sin_theta"], ak.Array([[0.5, -0.1], []]) / np.cosh(1))  # mm
    close(found["electron_d0_significance"], ak.Array([[2, -2], []]))
    close(found["muon_d0_significance"], ak.Array([[5], [0]]))
    assert found["tau_pt"].to_list() == [[30], []]
    assert found["tau_charge"].to_list() == [[-1], []]
    assert found["photon_pt"].to_list() == [[12], []]


FLAGS = ("Muon_looseId", "Muon_isPFcand")


@pytest.mark.parametrize("drop", [(), FLAGS[:1]])
def test_only_loose_objects_are_read(drop: tuple[str, ...], tmp_path: Path) -> None:
    clean, more = (
        taken(reader.inspect(str(write_nano(tmp_path / f"{fakes}.root", drop=drop, fakes=fakes))))
        for fakes in (False, True)
    )
    assert ak.count(clean["electron_pt"]) == ak.count(clean["jet_pt"]) == 2
    for name in CANONICAL.keys() & clean.keys():
        assert more[name].tolist() == clean[name].tolist(), name


def test_of_muons_without_identification_all_are_read_with_a_warning(tmp_path: Path) -> None:
    file = reader.inspect(str(write_nano(tmp_path / "n.root", drop=FLAGS, fakes=True)))
    assert "all muons" in file.columns["muon_kept"].warning
    assert taken(file)["muon_pt"].to_list() == [[40, 40], [40]]


BLOCKS = np.array([3, 5], "uint32")


@pytest.mark.parametrize(
    ("run", "data", "runs", "numbers"),
    [
        (1, False, [3, 5], [7, 7]),
        (320000, True, [320000] * 2, [7, 7]),  # events are numbered within a run
        (320000, False, [320000] * 2, [(3 << 40) + 7, (5 << 40) + 7]),
    ],
)
def test_luminosity_blocks_tell_events_apart(
    run: int, data: bool, runs: list[int], numbers: list[int], tmp_path: Path
) -> None:
    both = {"run": np.full(N, run, "uint32"), "event": np.full(N, 7, "uint64")}
    path = write_nano(tmp_path / "n.root", identity=both | {"luminosityBlock": BLOCKS})
    found = taken(reader.inspect(str(path), data=data))
    assert found["run_number"].to_list() == runs
    assert found["event_number"].to_list() == numbers


def test_a_number_that_leaves_no_room_for_the_block_stops_the_loop(tmp_path: Path) -> None:
    run = np.full(N, 320000, "uint32")
    path = write_nano(tmp_path / "n.root", identity={"run": run, "luminosityBlock": BLOCKS})
    said = "event 1099511627776 of luminosity block 3 has no unique number"
    with pytest.raises(Exception, match=said):
        taken(reader.inspect(str(path)))


def test_muons_are_added_to_the_missing_momentum(nano: Path) -> None:
    found = taken(reader.inspect(str(nano)))
    np.testing.assert_allclose(found["met"], [100, 100], rtol=1e-6)
    np.testing.assert_allclose(found["met_no_muons"], [abs(MET + MUON)] * 2, rtol=1e-6)
    np.testing.assert_allclose(found["met_no_muons_phi"], [np.angle(MET + MUON)] * 2, rtol=1e-6)


def test_columns_have_the_canonical_types(nano: Path) -> None:
    file = reader.inspect(str(nano))
    df = load_root().RDF.AsRNode(open_frame(file, 0, N))
    for name in file.columns.keys() & CANONICAL.keys():
        assert plain_type(str(df.GetColumnType(name))) == CANONICAL[name], name


def test_sums_of_weights_are_those_of_all_runs(nano: Path) -> None:
    info = reader.inspect(str(nano)).info
    assert info is not None
    assert (info.sum_of_weights, info.sum_of_weights_squared) == (12.5, 36.25)
    assert reader.inspect(str(nano), data=True).info is None


def test_images_are_of_candidates_without_pile_up(tmp_path: Path) -> None:
    file = reader.inspect(str(write_nano(tmp_path / "n.root", candidates=True)))
    reader.require_columns(file, imaging.needs(PLAIN))
    found = taken(file)
    # a forward hadron and a forward photon, of half and a quarter of their momenta
    assert found["particle_pdg_id"].to_list() == [[-211, 22, -13, 130, 22], []]
    assert found["particle_charge"].to_list() == [[-1, 0, 1, 0, 0], []]
    close(found["particle_pt"], ak.Array([[10, 10, 40, 5, 1.25], []]))
    expected = [np.hypot(10 * np.cosh(0.5), 0.1396), 10 * np.cosh(0.7), np.hypot(40, 0.1057)]
    close(found["particle_energy"][:, :3], ak.Array([expected, []]))
    close(found["jet_width"], ak.Array([[10 * 0.2 / 20, 0], []]))


def test_candidates_without_weights_are_taken_as_they_are(tmp_path: Path) -> None:
    path = write_nano(tmp_path / "n.root", candidates=True, drop=("PFCands_puppiWeight",))
    found = taken(reader.inspect(str(path)))
    close(found["particle_pt"], ak.Array(CANDIDATES["pt"]))


def test_without_candidates_there_are_no_images(tmp_path: Path) -> None:
    file = reader.inspect(str(write_nano(tmp_path / "n.root")))
    line = r"n\.root: no column 'jet_width', .* file lacks column 'PFCands_eta'"
    with pytest.raises(InputError, match=line):
        reader.require_columns(file, imaging.needs(PLAIN))


def test_data_have_no_weights(tmp_path: Path) -> None:
    path = str(write_nano(tmp_path / "n.root", drop=("genWeight",)))
    assert set(taken(reader.inspect(path, data=True))["weight"].to_list()) == {1.0}
    with pytest.raises(
        InputError,
        match=r"no column 'weight', .* lacks column 'genWeight' of the format 'nanoaod', which",
    ):
        reader.require_columns(reader.inspect(path), cutflow.needs(PLAIN))
