"""Read files as users have them, or refuse them with a message that names the cause."""

from __future__ import annotations

import json
from array import array
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot

from analysis.config import Config
from analysis.formats.format import Layout
from analysis.frames import frames
from analysis.images.input_files import read_sources
from analysis.inputs import reader, validate
from analysis.inputs.sample_info import SampleInfo
from analysis.inputs.validate_stage import validate_targets
from analysis.workflow.run import Run
from analysis.yields import cutflow
from analysis.yields.cutflow_model import CutflowTable
from common.runtime.errors import BatchError, InputError
from cpp_helpers import load_root
from tests.analysis.formats.test_delphes import EVENTS as DELPHES_EVENTS
from tests.analysis.formats.test_delphes import taken, write_delphes
from tests.analysis.formats.test_nanoaod import write_nano
from tests.analysis.inputs.flat_files import (
    COLUMNS,
    LAYOUT,
    N,
    entries,
    expected,
    flat,
    flows,
    run_with,
)
from tests.analysis.plain import PLAIN
from tests.analysis.three_lepton_events import E1, E2, M1, Event, columns_of
from tests.analysis.xaod_events import SUMS, truth1
from tests.analysis.xaod_events import write as write_xaod
from tests.conftest import WriteEvents, make_stage

# --- Branches that were not filled for each event ------------------------------------------------


def short_tree(path: Path, short: Sequence[str], folder: str = "") -> Path:
    """Ten entries of numbers and vectors; the branches of some names have four."""
    root = load_root()
    number, vector = array("f", [300.0]), root.std.vector["float"]([300.0])
    with root.TFile(str(path), "RECREATE") as file:
        if folder:
            file.mkdir(folder).cd()
        tree = root.TTree("nt", "")
        branches = {
            name: tree.Branch(name, number, f"{name}/F") for name in ("run", "event", "met")
        }
        branches["j1pt"] = tree.Branch("j1pt", vector)
        n_jets = array("i", [1])
        branches["n"] = tree.Branch("n", n_jets, "n/I")
        branches["sized"] = tree.Branch("sized", number, "sized[n]/F")
        for i in range(10):
            for name, branch in branches.items():
                if i < 4 or name not in short:
                    branch.Fill()
        tree.SetEntries(10)
        tree.Write()
    return path


@pytest.mark.parametrize(
    ("name", "folder"), [("met", ""), ("j1pt", "ana"), ("sized", ""), ("n", "")]
)
def test_a_branch_with_fewer_entries_than_its_tree_is_refused(
    tmp_path: Path, name: str, folder: str
) -> None:
    """Else its last value would stand for those that are not there."""
    path = short_tree(tmp_path / "short.root", [name], folder)
    columns = tuple((COLUMNS | {"jet_pt": "sized", "jet_mass": "j1pt"}).items())
    with pytest.raises(
        InputError, match=rf"short\.root: branch '{name}' was filled for 4 of the 10 entries of '"
    ):
        reader.inspect(str(path), Layout(None, None, columns))
    # of a branch that nothing reads nothing is asked
    good = short_tree(tmp_path / "good.root", ["other"], folder)
    assert reader.inspect(str(good), Layout(None, None, columns)).n_events == 10


def test_a_short_branch_of_a_known_format_is_refused(tmp_path: Path) -> None:
    path = write_delphes(tmp_path / "delphes.root")
    root = load_root()
    with root.TFile(str(path), "UPDATE") as file:
        tree = file.Get("Delphes")
        tree.GetBranch("Jet.PT").SetEntries(1)
        tree.Write("", root.TObject.kOverwrite)
    n = len(DELPHES_EVENTS["Event.Number"])
    with pytest.raises(InputError, match=rf"branch 'Jet.PT' was filled for 1 of the {n} entries"):
        reader.inspect(str(path))


# --- Files without events ------------------------------------------------------------------------


def without_events(path: Path, sum_of_weights: float) -> Path:
    """A file of NanoAOD of which a skim kept nothing."""
    with uproot.recreate(path) as file:
        file.mktree("Events", dict.fromkeys(("Jet_pt", "Muon_pt", "event", "run"), "float32"))
        file["Runs"] = {
            "genEventSumw": np.array([sum_of_weights]),
            "genEventSumw2": np.array([sum_of_weights]),
        }
    return path


@pytest.mark.parametrize(("open_files", "skip_bad_files"), [(100, False), (1, True)])
def test_the_weights_of_a_file_without_events_count(
    tmp_path: Path, tiny_config: Config, open_files: int, skip_bad_files: bool
) -> None:
    empty = without_events(tmp_path / "a.root", 37.5)
    full = write_nano(tmp_path / "b.root")  # weights 2.5 and -0.5, of a sum of 12.5
    sample = {"process": "other", "files": (str(empty), str(full)), "cross_section": 4.0}
    run = run_with(tiny_config, tmp_path, sample, open_files=open_files)
    found = flows(replace(run, skip_bad_files=skip_bad_files))
    assert entries(found["other"])[0] == 2
    assert expected(found["other"]) == pytest.approx(4000 * 2.0 / (37.5 + 12.5))
    assert not json.loads(run.table("cutflow").read_text())["skipped_files"]
    make_stage("rmm", run)
    df = frames(run)["other"]
    assert df.Sum("expected").GetValue() == pytest.approx(4000 * 2.0 / 50)


@pytest.mark.parametrize("file_format", ["rntuple", "ttree"])
def test_a_file_without_events_has_no_images(
    write_events: WriteEvents, run_of: Callable[..., Run], file_format: str
) -> None:
    import h5py

    paths = [write_events(f"{n}.root", n, file_format) for n in (0, 20)]
    run = run_of(Znunu=paths)
    make_stage("imaging", run)
    with h5py.File(run.images("Znunu")) as file:
        assert [(s.begin, s.end) for s in read_sources(file)] == [(0, 0), (0, 20)]
        assert len(file["events/met"]) == 20


@pytest.mark.parametrize("stage", ["imaging", "cutflow", "rmm"])
def test_a_sample_without_events_is_refused(
    write_events: WriteEvents, tmp_path: Path, tiny_config: Config, stage: str
) -> None:
    path = write_events(n_events=0)
    known = {"cross_section": 1.0, "sum_of_weights": 1.0}
    run = run_with(tiny_config, tmp_path, {"process": "Znunu", "files": (str(path),)} | known)
    with pytest.raises(InputError, match="sample 'Znunu': none of its files has events"):
        make_stage(stage, run)


# --- Several datasets ----------------------------------------------------------------------------


def derivation(path: Path, dataset: str) -> Path:
    columns = truth1() | {
        "EventInfoAuxDyn.mcChannelNumber": f"{dataset}u",
        "EventInfoAuxDyn.eventNumber": f"{dataset}ull * 10 + rdfentry_",
    }
    return write_xaod(path, CollectionTree=columns, MetaData=SUMS)


def test_two_datasets_are_no_sample(tmp_path: Path, tiny_config: Config) -> None:
    """Each has its cross-section: 452.3 and 379.4 pb, of weights of 1 of 201."""
    one, two = (str(derivation(tmp_path / f"{n}.root", n)) for n in ("410470", "410471"))
    together = {"process": "other", "files": (one, two)}
    for open_files in (1, 100):
        run = run_with(tiny_config, tmp_path, together, open_files=open_files)
        with pytest.raises(
            InputError,
            match=rf"'other': {one} is of dataset 410470, {two} of dataset 410471: .*'dataset'$",
        ):
            flows(run)
    apart = [{"process": "other", "dataset": p[-11:-5], "files": (p,)} for p in (one, two)]
    found = flows(run_with(tiny_config, tmp_path / "apart", *apart))
    sums = [expected(found[f"other_41047{i}"]) for i in "01"]
    assert sums == pytest.approx([452.311e3 / 201, 379.449e3 / 201])
    again = derivation(tmp_path / "again.root", "410470")
    with uproot.open(again) as file:
        assert len(file["CollectionTree"]["EventInfoAuxDyn.eventNumber"].array()) == 2
    run = run_with(tiny_config, tmp_path / "same", together | {"files": (one, str(again))})
    make_stage("cutflow", run)  # of one dataset: the weights of both files count
    (same,) = json.loads(run.table("cutflow").read_text())["samples"].values()
    assert expected(same) == pytest.approx(2 * 452.311e3 / 402)


def generated(path: Path, name: str, cross_section: float, settings: tuple[str, ...]) -> None:
    """Make a file one that another run has generated."""
    info = SampleInfo(
        name, "Znunu", None, None, 20, cross_section, 0.1, 20.0, 20.0, settings=settings
    )
    root = load_root()
    with root.TFile(str(path), "UPDATE") as file:
        file.WriteObject(root.TNamed("sample_info", info.to_json()), "sample_info")


def test_slices_that_another_run_has_generated_are_no_sample(
    write_events: WriteEvents, tmp_path: Path, tiny_config: Config
) -> None:
    paths = [write_events(f"{n}.root", event_number=f"{n}00ull + rdfentry_") for n in (1, 2, 3)]
    for path, name, pb in zip(paths, ("low", "low", "high"), (4.0, 2.0, 1.0), strict=True):
        generated(path, f"Znunu_{name}", pb, ("pTHat = 1",))
    sample = {"process": "Znunu", "files": tuple(map(str, paths))}
    with pytest.raises(
        InputError,
        match=r"2\.root is of dataset Znunu_low .*, .*3\.root of dataset Znunu_high .*'dataset'",
    ):
        flows(run_with(tiny_config, tmp_path, sample))
    with pytest.raises(InputError, match="each has its own cross-section"):
        make_stage("imaging", run_with(tiny_config, tmp_path, sample))
    # two estimates of one cross-section average
    of_low = sample | {"files": tuple(map(str, paths[:2]))}
    found = flows(run_with(tiny_config, tmp_path, of_low))
    assert expected(found["Znunu"]) == pytest.approx(3000)
    generated(paths[1], "Znunu_low", 2.0, ("pTHat = 2",))
    with pytest.raises(InputError, match=r"1\.root is of dataset .*2\.root of dataset"):
        flows(run_with(tiny_config, tmp_path / "other", of_low))


def test_validate_says_it_before(
    write_events: WriteEvents, tmp_path: Path, tiny_config: Config
) -> None:
    two = [write_events(f"{n}.root", run_number=f"{n}u") for n in (1, 2)]
    for path in two:
        generated(path, f"Znunu_{path.stem}", 1.0, ())
    none = write_events("none.root", n_events=0)
    nano = write_nano(tmp_path / "nano.root", drop=("genWeight",))
    run = run_with(
        tiny_config,
        tmp_path,
        {"process": "Znunu", "files": tuple(map(str, two))},
        {"process": "other", "slice": "none", "files": (str(none),)},
        {"process": "other", "slice": "nano", "files": (str(nano),)},
    )
    with pytest.raises(InputError) as caught:
        validate.run(run, validate_targets(run), lambda _: None)
    lines = str(caught.value).splitlines()
    assert len(lines) == 3
    assert "nano.root: no column 'weight', which every stage needs: the file lacks" in lines[0]
    assert "sample 'Znunu': " in lines[1]
    assert "each has its own cross-section" in lines[1]
    assert lines[2] == "sample 'other_none': none of its files has events"


# --- Measured events -----------------------------------------------------------------------------


def test_measured_events_are_counted(
    write_events: WriteEvents, tmp_path: Path, tiny_config: Config
) -> None:
    columns = columns_of([Event((E1, E2, M1))] * 20)
    real, simulated = (write_events(f"{n}.root", weight=n, **columns) for n in ("1.", "2."))
    known = {"cross_section": 2.0, "sum_of_weights": 10.0}
    run = run_with(
        tiny_config,
        tmp_path,
        {"process": "measured", "slice": "A", "files": (str(real),), "data": True},
        {"process": "Znunu", "files": (str(simulated),)} | known,
    )
    found = flows(run)
    assert (expected(found["measured_A"]), expected(found["Znunu"])) == (20, 8000)
    assert list(CutflowTable.read(run.table("cutflow")).processes("SR")) == ["Znunu"]
    table = run.table("cutflow_measured").with_suffix(".md").read_text()
    assert "| all events | 20 | 20 | 4.5 | 0 | 100.00 % |" in table
    assert "Data are counted, not normalised" in table
    make_stage("rmm", run)
    for name in ("cutflow_regions", "three_lepton"):
        text = run.table(name).with_suffix(".md").read_text()
        assert "Data, not normalised: measured" in text


def test_measured_events_have_a_process_of_their_own(tmp_path: Path, tiny_config: Config) -> None:
    for process in ("Znunu", "ours"):
        samples: list[dict[str, Any]] = [
            {"process": process, "slice": "data", "files": ("x.root",), "data": True},
            {"process": "ours", "files": ("y.root",)},
        ]
        with pytest.raises(
            ValueError, match=f"'{process}_data' is collision data, but '{process}' is"
        ):
            run_with(tiny_config, tmp_path, *samples)


# --- Names that are taken ------------------------------------------------------------------------


def test_columns_of_the_file_may_have_the_names_of_ours(
    tmp_path: Path, tiny_config: Config
) -> None:
    """Also ones that the configuration reads: here ``n_jets`` is the jet's pT."""
    taken_names: dict[str, Any] = {
        name: np.full(N, 300, np.float32) for name in ("n_jets", "leading_jet_pt")
    }
    more = ("good_jet", "event_summary", "quantities", "features", "event_weight", "is_data")
    taken_names |= {name: np.full(N, 9.0) for name in (*more, "muons", "final_state", "expected")}
    path = flat(tmp_path / "flat.root", further=taken_names)
    columns = COLUMNS | {"jet_pt": "ROOT::RVecF{float(n_jets)}", "met": "met"}
    known = {"cross_section": 1.0, "sum_of_weights": 1000.0, "columns": columns}
    run = run_with(tiny_config, tmp_path, {"process": "other", "files": (str(path),)} | known)
    assert entries(flows(run)["other"]) == [N] * 7
    df = frames(run, "SR")["other"]
    assert (df.Count().GetValue(), df.Sum("n_jets").GetValue()) == (N, N)
    assert df.Sum("expected").GetValue() == pytest.approx(N)


def test_images_of_a_file_with_the_names_of_ours(
    write_events: WriteEvents, run_of: Callable[..., Run]
) -> None:
    import h5py

    taken_names = {"n_jets": "7", "event_summary": "1.f", "good_jet": "3", "leading_jet": "2.5"}
    path = write_events(**taken_names)
    run = run_of(Znunu=[path])
    make_stage("imaging", run)
    with h5py.File(run.images("Znunu")) as file:
        assert file["events/n_jets"][:].tolist() == [2.0] * 20


def test_a_branch_may_have_the_name_that_expressions_give_another(tmp_path: Path) -> None:
    events = DELPHES_EVENTS | {"Jet_PT": [[-1.0] for _ in DELPHES_EVENTS["Event.Number"]]}
    found = taken(reader.inspect(str(write_delphes(tmp_path / "clash.root", events))))
    assert ak.to_list(found["jet_pt"]) == ak.to_list(
        ak.values_astype(ak.Array(DELPHES_EVENTS["Jet.PT"]), np.float32)
    )


# --- Where trees are -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["TNtuple", "TNtupleD"])
def test_ntuples_are_trees(tmp_path: Path, kind: str) -> None:
    root = load_root()
    path = tmp_path / "ntuple.root"
    with root.TFile(str(path), "RECREATE"):
        ntuple = getattr(root, kind)("nt", "", "run:event:met:j1pt")
        root.SetOwnership(ntuple, False)  # the file deletes it
        for i in range(N):
            ntuple.Fill(7, i + 1, 300, 300)
        ntuple.Write()
    found = taken(reader.inspect(str(path), LAYOUT))
    assert found["event_number"].to_list() == [1, 2, 3, 4, 5]
    assert found["met_no_muons"].to_list() == [300] * N


@pytest.mark.parametrize(("tree", "ntuple"), [(None, False), ("ana/deep/nt", True)])
def test_a_tree_may_lie_in_a_folder(
    tmp_path: Path, tiny_config: Config, tree: str | None, ntuple: bool
) -> None:
    path = flat(tmp_path / "flat.root", "ana/deep/nt", ntuple)
    sample = {"process": "other", "files": (str(path),), "columns": COLUMNS, "tree": tree}
    known = {"cross_section": 1.0, "sum_of_weights": 1000.0}
    assert entries(flows(run_with(tiny_config, tmp_path, sample | known))["other"]) == [N] * 7
    with pytest.raises(InputError, match="no tree or ntuple 'nt' .the file holds: ana/deep/nt"):
        reader.inspect(str(path), replace(LAYOUT, tree="nt"))


# --- Weights that are missing --------------------------------------------------------------------


def test_simulated_events_without_their_weight_are_refused(
    tmp_path: Path, tiny_config: Config
) -> None:
    path = write_nano(tmp_path / "nano.root", drop=("genWeight",))
    sample = {"process": "other", "files": (str(path),), "cross_section": 4.0}
    run = run_with(tiny_config, tmp_path, sample)
    cause = r"nano\.root: no column 'weight', .*: the file lacks column 'genWeight' .*'data: true'"
    for stage in ("cutflow", "rmm"):
        with pytest.raises((InputError, BatchError), match=cause):
            make_stage(stage, run)


def test_a_type_that_no_stage_needs_is_not_asked_for(tmp_path: Path) -> None:
    """``MET_Truth`` of release 21 is double, and here one of its columns is of text."""
    columns = truth1() | {
        "MET_TruthAuxDyn.name": 'std::vector<std::string>{"NonInt"}',
        "MET_TruthAuxDyn.mpx": "std::vector<double>{30e3}",
        "MET_TruthAuxDyn.mpy": "std::vector<double>{0.}",
        "TruthTausAuxDyn.pt_vis": 'std::vector<std::string>{"20"}',
    }
    file = reader.inspect(str(write_xaod(tmp_path / "r21.root", CollectionTree=columns)))
    reader.require_columns(file, cutflow.needs(PLAIN))
    without = {k: v for k, v in columns.items() if not k.startswith("TruthParticles")}
    file = reader.inspect(str(write_xaod(tmp_path / "met.root", CollectionTree=without)))
    assert taken(file)["met"].to_list() == pytest.approx([30, 30])
