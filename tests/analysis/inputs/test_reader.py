from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from analysis.config import Batch
from analysis.images import imaging
from analysis.inputs import cluster_ranges, paths, reader
from analysis.workflow.run import Run
from analysis.yields import cutflow
from common.runtime.errors import InputError
from tests.analysis.plain import PLAIN
from tests.conftest import WriteEvents
from tests.frames import open_frame


@pytest.mark.parametrize("file_format", ["rntuple", "ttree"])
def test_a_good_file_is_described(write_events: WriteEvents, file_format: str) -> None:
    file = reader.inspect(str(write_events(file_format=file_format)))
    assert file.n_events == 20
    assert file.info is None
    assert {"particle_pt", "met_no_muons"} <= file.columns.keys()
    assert (file.format.name, file.tree, file.data) == ("native", "events", False)


@pytest.mark.parametrize("file_format", ["rntuple", "ttree"])
def test_ranges_run_over_a_file_once(write_events: WriteEvents, file_format: str) -> None:
    file = reader.inspect(str(write_events(n_events=17, file_format=file_format)))
    found: list[int] = []
    for begin, end in ((0, 4), (4, 13), (13, 17)):
        df = open_frame(file, begin, end)
        found += df.AsNumpy(["event_number"])["event_number"].tolist()
    assert found == [i + 1 for i in range(17)]


def test_an_ntuple_of_before_its_final_format_is_named(root: Any, tmp_path: Path) -> None:
    root.gInterpreter.Declare("namespace ROOT::Experimental { struct RNTuple { int x = 0; }; }")
    path = tmp_path / "old.root"
    with root.TFile(str(path), "RECREATE") as file:
        anchor = root.ROOT.Experimental.RNTuple()
        file.WriteObjectAny(anchor, "ROOT::Experimental::RNTuple", "Events")
    with pytest.raises(
        InputError, match=r"old\.root: 'Events' is an RNTuple of a format before 1.0"
    ):
        reader.inspect(str(path))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent.root: no such file"):
        reader.inspect(str(tmp_path / "absent.root"))
    with pytest.raises(InputError, match=r"\*.root: no such file"):
        paths.expand([str(tmp_path / "*.root")])


def test_a_glob_is_sorted_and_a_remote_path_is_kept(tmp_path: Path) -> None:
    for name in "ba":
        (tmp_path / f"{name}.root").touch()
    remote = "root://server//file*.root"
    found = paths.expand([str(tmp_path / "*.root"), remote])
    assert found == [str(tmp_path / "a.root"), str(tmp_path / "b.root"), remote]


def test_a_list_of_files_may_tell_their_events(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("a.root\n\nroot://server//b.root 1200  # a comment\n# c.root\n")
    assert paths.listed([str(path)]) == [
        paths.Listed("a.root"),
        paths.Listed("root://server//b.root", 1200),
    ]
    path.write_text("a.root many\n")
    with pytest.raises(InputError, match=r"list.txt: line 1: expected a file and .*: a.root many"):
        paths.listed([str(path)])
    path.write_bytes(bytes(range(256)))
    with pytest.raises(InputError, match=r"list.txt: not a text file"):
        paths.listed([str(path)])
    with pytest.raises(InputError, match=r"absent.txt: cannot read the list"):
        paths.listed([str(tmp_path / "absent.txt")])


def test_a_file_that_is_given_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.root").touch()
    (tmp_path / "link.other").symlink_to("a.root")
    with pytest.raises(InputError, match=r"a\.root: given 2 times"):
        paths.listed([str(tmp_path / "a.root"), str(tmp_path / "link.other")])
    with pytest.raises(InputError, match=r"a\.root: given 2 times"):
        paths.expand([str(tmp_path / "*.root"), str(tmp_path / "a.root")])


def test_many_files_are_planned_without_opening_them(
    tmp_path: Path, run_of: Callable[..., Run]
) -> None:
    """Files of unknown size are a task each; so are small ones. None of these is there."""
    names = [f"/absent/{i}.root" for i in range(5)]
    (tmp_path / "list.txt").write_text("\n".join(f"{name} 100" for name in names))
    run = run_of(Znunu=[tmp_path / "list.txt"])
    for open_files in (4, 10):
        config = run.config.model_copy(update={"batch": Batch(open_files=open_files)})
        found = list(
            cluster_ranges.input_ranges(replace(run, config=config), "Znunu", imaging.needs(PLAIN))
        )
        assert [(r.file, r.begin, r.end) for r in found] == [(name, 0, None) for name in names]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"not a ROOT file at all", "not a ROOT file"),
        (b"root" + bytes(500), "a ROOT file that is truncated or damaged"),
    ],
)
def test_a_file_that_is_not_root_is_refused(tmp_path: Path, content: bytes, problem: str) -> None:
    path = tmp_path / "bad.root"
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"bad.root: {problem}$"):
        reader.inspect(str(path))
    path.write_bytes(b"")
    with pytest.raises(InputError, match="bad.root: empty: it has 0 bytes"):
        reader.inspect(str(path))


@pytest.mark.parametrize("file_format", ["rntuple", "ttree"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_truncated_file_is_refused(
    write_events: WriteEvents, file_format: str, share: float
) -> None:
    path = write_events(file_format=file_format, n_events=2000)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match=r"events.root: .*(truncated|cannot read)"):
        reader.inspect(str(path))


def test_a_file_without_the_tree_is_refused(root: Any, tmp_path: Path) -> None:
    path = tmp_path / "other.root"
    with root.TFile(str(path), "RECREATE") as file:
        file.WriteObject(root.TNamed("something", ""), "something")
    with pytest.raises(InputError, match=r"no tree or ntuple 'events'.* \(the file holds: some"):
        reader.inspect(str(path))


def test_a_column_is_missed_only_where_it_is_needed(write_events: WriteEvents) -> None:
    file = reader.inspect(str(write_events(particle_eta=None, boson_pt=None)))
    reader.require_columns(file, cutflow.needs(PLAIN))
    cause = "which imaging needs: the file lacks column 'particle_eta' of the format 'native'"
    with pytest.raises(InputError, match=f"events.root: no column 'particle_eta', {cause}"):
        reader.require_columns(file, imaging.needs(PLAIN))


def test_needs_are_columns_that_expressions_name() -> None:
    needs = reader.Needs.of(
        "this",
        ["jets.met + trigger", 'f("jet_eta", x.other)'],
        "weight",
        extra=("trigger", "other"),
    )
    assert needs.columns == {"trigger", "weight"}  # no members, no texts
    assert reader.Needs.of("this", ["trigger && met > 1"]).columns == {"met"}


def test_the_key_that_needs_a_column_is_named(write_events: WriteEvents) -> None:
    file = reader.inspect(str(write_events(boson_pt=None)))
    key = "selection.regions.SR_tight.add.trigger"
    for name, user in (("trigger", key), ("boson_pt", "the cut-flow")):
        needs = reader.Needs.of("the cut-flow", [name], extra=["trigger"], used_by={"trigger": key})
        with pytest.raises(InputError, match=rf"no column '{name}', which {user} needs: "):
            reader.require_columns(file, needs)


def test_a_file_without_what_tells_events_apart_is_refused(write_events: WriteEvents) -> None:
    with pytest.raises(InputError, match=r"events.root: 'events' has no column 'event_number'"):
        reader.inspect(str(write_events(event_number=None)))


def test_a_column_that_is_no_number_is_named_where_it_is_needed(
    write_events: WriteEvents,
) -> None:
    file = reader.inspect(
        str(write_events(met_no_muons='std::string("300")', boson_pt="std::string()"))
    )
    needs = reader.Needs(frozenset({"run_number", "jet_pt"}), "something")
    reader.require_columns(file, needs)
    cause = "which the cut-flow needs: column 'met_no_muons' is std::string, not float as in"
    with pytest.raises(
        InputError, match=f"events.root: no column 'met_no_muons', {cause} the format"
    ):
        reader.require_columns(file, cutflow.needs(PLAIN))


def test_numbers_of_other_types_are_converted(write_events: WriteEvents) -> None:
    path = write_events(
        met_no_muons="double(300)",
        jet_pt="ROOT::RVecD{300., 40.}",
        jet_n_tracks="ROOT::RVec<short>{5, 4}",
    )
    df = open_frame(reader.inspect(str(path)), 0, 20)
    assert [df.Mean(name).GetValue() for name in ("met_no_muons", "jet_pt", "jet_n_tracks")] == [
        300, 170, 4.5,
    ]  # fmt: skip
    file = reader.inspect(str(write_events(run_number="rdfentry_")))  # of 64 bits
    with pytest.raises(InputError, match="no column 'run_number', which .*: column 'run_number'"):
        reader.require_columns(file, cutflow.needs(PLAIN))


def test_columns_of_one_object_must_have_the_same_length(write_events: WriteEvents) -> None:
    path = write_events(jet_eta="rdfentry_ < 5 ? ROOT::RVecF{0.f, 1.f} : ROOT::RVecF{0.f}")
    file = reader.inspect(str(path))
    assert open_frame(file, 0, 5).Sum("event_number").GetValue() == 15
    assert open_frame(file, 0, 5).Max("jet_eta").GetValue() == 1
    with pytest.raises(Exception, match=r"1 entries in column 'jet_eta' and 2 in 'jet_pt'"):
        open_frame(file, 0, 20).Max("jet_eta").GetValue()


def test_a_file_of_an_earlier_version_is_refused(write_events: WriteEvents) -> None:
    """Its column ``met`` has another meaning."""
    path = write_events(met="300.f", full_met="200.f")
    with pytest.raises(
        InputError, match=r"events\.root: column 'full_met' is now called 'met': .* make it again"
    ):
        reader.inspect(str(path))
