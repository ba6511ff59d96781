"""The table action: events as rows, in the order of the file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from analysis.formats.columns import own
from analysis.formats.native import TREE
from cpp_helpers import declare
from cpp_helpers.errors import cause_of
from selections.cuts import Cut, Definition
from tests.cpp_helpers.bridge import array, implicit_mt
from tests.frames import apply_cut, define

N_QUANTITIES, N_FEATURES = 2, 7
Columns = dict[str, npt.NDArray[Any]]
TYPES = {
    "run_number": np.uint32,
    "event_number": np.uint64,
    "weight": np.float64,
    "quantities": np.float32,
    "features": np.float32,
}
COLUMNS = {
    "run_number": "(unsigned int)(4294967295u - rdfentry_)",
    "event_number": "18446744073709551615ull - rdfentry_",
    "weight": "1. / (1 + rdfentry_)",
    "quantities": "ROOT::RVecF{float(rdfentry_), 0.5f}",
    "features": f"ROOT::RVecF({N_FEATURES}, float(rdfentry_)) * ROOT::RVecF{{1,2,3,4,5,6,7}}",
}


THREADS = pytest.mark.parametrize("threads", [1, 2])


def _frame(root: Any, n_events: int, **changes: str) -> Any:
    df = root.RDF.AsRNode(root.RDataFrame(n_events))
    return define(df, [Definition(*x) for x in (COLUMNS | changes).items()])


def _block() -> Any:
    return declare().TableBlock(N_QUANTITIES, N_FEATURES)


def _arrays(block: Any) -> Columns:
    found = {name: array(getattr(block, name), dtype) for name, dtype in TYPES.items()}
    found["quantities"] = found["quantities"].reshape(-1, N_QUANTITIES)
    found["features"] = found["features"].reshape(-1, N_FEATURES)
    return found


def _as_numpy(root: Any, df: Any) -> Columns:
    """The same by `AsNumpy`, which has no order with several threads."""
    taken = root.RDF.AsRNode(df).AsNumpy([own(name) for name in TYPES])
    found = {name: taken[own(name)] for name in TYPES}
    for name in ("quantities", "features"):
        found[name] = np.stack([np.array(x, np.float32) for x in found[name]])
    order = np.argsort(found["weight"])[::-1]
    return {name: np.asarray(column)[order] for name, column in found.items()}


def _assert_same(found: Columns, expected: Columns) -> None:
    for name, column in expected.items():
        assert found[name].dtype == TYPES[name]
        np.testing.assert_array_equal(found[name], column, err_msg=name)


@THREADS
def test_a_table_is_what_as_numpy_makes(root: Any, threads: int) -> None:
    block = _block()
    with implicit_mt(threads):
        df = apply_cut(_frame(root, 5000), Cut("some", "rdfentry_ % 3 != 1", ""))
        declare().make_table(df, "weight", block)
        expected = _as_numpy(root, df)
    assert block.size() == 3333
    _assert_same(_arrays(block), expected)


@THREADS
@pytest.mark.parametrize("file_format", ["rntuple", "ttree"])
def test_rows_are_in_the_order_of_the_files(
    root: Any, write_events: Callable[..., Path], threads: int, file_format: str
) -> None:
    columns = {own(name): COLUMNS[name] for name in ("quantities", "features")}
    paths = [
        str(write_events(f"{i}.root", n, file_format, run_number=f"{i}u", **columns))
        for i, n in enumerate((300, 1, 700))
    ]
    block = _block()
    with implicit_mt(threads):
        declare().make_table(declare().open_range(TREE, paths, 100, 900), "weight", block)
    found = _arrays(block)
    run = np.repeat([0, 1, 2], [200, 1, 599])
    entry = np.concatenate((np.arange(100, 300), [0], np.arange(599)))
    np.testing.assert_array_equal(found["run_number"], run)
    np.testing.assert_array_equal(found["event_number"], entry + 1)
    np.testing.assert_array_equal(found["features"], np.outer(entry, np.arange(1, 8)))


@THREADS
def test_rows_of_a_tree_of_many_clusters_are_in_order(
    root: Any, threads: int, tmp_path: Path
) -> None:
    options = root.RDF.RSnapshotOptions()
    options.fAutoFlush = 10
    options.fOutputFormat = root.RDF.ESnapshotOutputFormat.kTTree
    path = str(tmp_path / "clusters.root")
    root.RDF.AsRNode(_frame(root, 500)).Snapshot(TREE, path, list(map(own, COLUMNS)), options)
    assert len(declare().cluster_ends(TREE, path)) == 50
    block = _block()
    with implicit_mt(threads):
        declare().make_table(declare().open_range(TREE, [path], 0, 500), "weight", block)
    np.testing.assert_array_equal(_arrays(block)["quantities"][:, 0], np.arange(500))


def test_a_block_is_used_again(root: Any) -> None:
    block = _block()
    declare().make_table(_frame(root, 300), "weight", block)
    place, capacity = _place(block), block.features.capacity()
    declare().make_table(_frame(root, 200, weight="2. + rdfentry_"), "weight", block)
    assert block.size() == 200
    assert (_place(block), block.features.capacity()) == (place, capacity)
    _assert_same(_arrays(block), {"weight": 2.0 + np.arange(200)})


def _place(block: Any) -> int:
    """Where its features are in memory."""
    view = np.frombuffer(block.features.data(), np.float32, 1)
    return int(view.__array_interface__["data"][0])


@THREADS
def test_no_events_make_an_empty_table(root: Any, threads: int) -> None:
    block = _block()
    with implicit_mt(threads):
        nothing = apply_cut(_frame(root, 50), Cut("none", "rdfentry_ > 100", ""))
        for df in (nothing, _frame(root, 0)):
            declare().make_table(_frame(root, 10), "weight", block)
            declare().make_table(df, "weight", block)
            assert block.size() == 0
            assert all(len(column) == 0 for column in _arrays(block).values())


@pytest.mark.parametrize("name", ["quantities", "features"])
def test_an_event_of_another_length_is_an_error(
    root: Any, capfd: pytest.CaptureFixture[str], name: str
) -> None:
    n = {"quantities": N_QUANTITIES, "features": N_FEATURES}[name]
    df = _frame(
        root,
        10,
        run_number="3u",
        event_number="rdfentry_",
        **{name: f"ROOT::RVecF({n} + (rdfentry_ == 7))"},
    )
    with pytest.raises(Exception, match="event 7 of run 3") as caught:
        declare().make_table(df, "weight", _block())
    assert cause_of(caught.value) == f"event 7 of run 3 has {n + 1} {name}, not {n}"
    capfd.readouterr()  # ROOT's own message
