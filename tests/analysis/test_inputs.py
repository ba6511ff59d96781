from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from analysis.inputs import native, paths
from common.errors import InputError
from tests.conftest import WriteEvents


@pytest.mark.parametrize("file_format", ["rntuple", "ttree"])
def test_a_good_file_is_described(write_events: WriteEvents, file_format: str) -> None:
    file = native.inspect(str(write_events(file_format=file_format)))
    assert file.n_events == 20
    assert file.info is None
    assert {"particle_pt", "met"} <= file.columns


@pytest.mark.parametrize("file_format", ["rntuple", "ttree"])
def test_ranges_run_over_all_files_once(write_events: WriteEvents, file_format: str) -> None:
    files = [
        str(write_events(f"{i}.root", n_events=n, file_format=file_format, run_number=f"{i}u"))
        for i, n in enumerate((10, 7))
    ]
    found = []
    for begin, end in ((0, 4), (4, 13), (13, 17)):
        df = native.open_range(files, begin, end)
        columns = df.AsNumpy(["run_number", "event_number"])
        found += list(zip(columns["run_number"], columns["event_number"], strict=True))
    assert found == [(0, i + 1) for i in range(10)] + [(1, i + 1) for i in range(7)]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent.root: no such file"):
        native.inspect(str(tmp_path / "absent.root"))
    with pytest.raises(InputError, match=r"\*.root: no such file"):
        paths.expand([str(tmp_path / "*.root")])


def test_a_glob_is_sorted_and_a_remote_path_is_kept(tmp_path: Path) -> None:
    for name in "ba":
        (tmp_path / f"{name}.root").touch()
    remote = "root://server//file*.root"
    found = paths.expand([str(tmp_path / "*.root"), remote])
    assert found == [str(tmp_path / "a.root"), str(tmp_path / "b.root"), remote]


@pytest.mark.parametrize("content", [b"", b"not a ROOT file at all", b"root" + bytes(500)])
def test_a_file_that_is_not_root_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.root"
    path.write_bytes(content)
    with pytest.raises(InputError, match="bad.root: not a ROOT file, or truncated"):
        native.inspect(str(path))


@pytest.mark.parametrize("file_format", ["rntuple", "ttree"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_truncated_file_is_refused(
    write_events: WriteEvents, file_format: str, share: float
) -> None:
    path = write_events(file_format=file_format, n_events=2000)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match=r"events.root: .*(truncated|cannot read)"):
        native.inspect(str(path))


def test_a_file_without_events_is_refused(write_events: WriteEvents) -> None:
    with pytest.raises(InputError, match="'events' has no events"):
        native.inspect(str(write_events(n_events=0)))


def test_a_file_without_the_tree_is_refused(root: Any, tmp_path: Path) -> None:
    path = tmp_path / "other.root"
    with root.TFile(str(path), "RECREATE") as file:
        file.WriteObject(root.TNamed("something", ""), "something")
    with pytest.raises(InputError, match=r"no tree or ntuple 'events' \(the file holds: something"):
        native.inspect(str(path))


def test_a_missing_column_is_named(write_events: WriteEvents) -> None:
    with pytest.raises(InputError, match="events.root: column 'particle_eta' is missing"):
        native.inspect(str(write_events(particle_eta=None)))


def test_an_optional_column_may_be_absent(write_events: WriteEvents) -> None:
    assert native.inspect(str(write_events(boson_pt=None))).n_events == 20


def test_a_column_of_another_type_is_named(write_events: WriteEvents) -> None:
    with pytest.raises(InputError, match=r"column 'met' is double, not float"):
        native.inspect(str(write_events(met="double(3)")))
