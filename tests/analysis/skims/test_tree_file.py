"""ROOT files of skims: order, texts, and files that cannot be written."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import uproot

from analysis.event_loop.events import EventLoop
from analysis.inputs import root_file
from analysis.skims import tree_file
from common.runtime.errors import InputError
from cpp_helpers import load_root
from selections.cuts import Definition


@pytest.fixture
def two_threads() -> Iterator[None]:
    load_root().EnableImplicitMT(2)
    yield
    load_root().DisableImplicitMT()


def write(path: Path, n_events: int) -> int:
    events = EventLoop("", [], 0, n_events).events()
    events = events.define([Definition("number", "(unsigned long long)rdfentry_")])
    return tree_file.write_events(events, path, {"number": "number"}, ttree=True, source="memory")


@pytest.mark.usefixtures("two_threads")
def test_one_thread_keeps_the_order(tmp_path: Path) -> None:
    """Two threads would take turns: ROOT divides the entries into several ranges."""
    root = load_root()
    for attempt in range(5):
        path = tmp_path / f"{attempt}.root"
        with tree_file.one_thread():
            assert not root.IsImplicitMTEnabled()
            assert write(path, 20_000) == 20_000
        assert root.IsImplicitMTEnabled()
        assert root.GetThreadPoolSize() == 2
        with uproot.open(path) as file:
            assert file["events"]["number"].array().tolist() == [*range(20_000)]


@pytest.mark.usefixtures("two_threads")
def test_threads_return_after_an_error() -> None:
    with contextlib.suppress(KeyError), tree_file.one_thread():
        raise KeyError
    assert load_root().GetThreadPoolSize() == 2


def test_texts_and_events_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a.root"
    write(path, 10)
    root_file.write_texts(path, {"one": "é {}", "other": ""})
    found = [root_file.read_text(path, name, "") for name in ("one", "other")]
    assert found == ["é {}", ""]
    assert (tree_file.n_events_in(path), [*tree_file.clusters_of(path)]) == (10, [(0, 10)])
    with pytest.raises(InputError, match=r"a\.root: no 'third': not a complete file of events"):
        root_file.read_text(path, "third", "no 'third': not a complete file of events")


@pytest.mark.parametrize("ttree", [False, True])
def test_columns_without_events(ttree: bool, tmp_path: Path) -> None:
    path = tmp_path / "a.root"
    types = {"n": "unsigned long long", "passes": "bool", "pt": "ROOT::VecOps::RVec<float>"}
    events = EventLoop("events", [], 0, 0).events()
    for name, kind in types.items():
        events = events.source(name, name, name, kind)
    columns = {name: name for name in types}
    assert tree_file.write_events(events, path, columns, ttree=ttree, source="none") == 0
    with uproot.open(path) as file:
        events = file["events"].arrays()
    assert str(events.type) == "0 * {n: uint64, passes: bool, pt: var * float32}"
