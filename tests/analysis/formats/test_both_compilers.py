"""Columns and yields are the same whether the compiler of this machine or ROOT compiles them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from analysis.config import Config
from analysis.formats.columns import CANONICAL
from analysis.formats.format import Layout
from analysis.formats.registry import FORMATS
from analysis.inputs import reader
from analysis.rdf import yields
from analysis.rdf.yields import ExactYield
from analysis.yields import cutflow
from tests.analysis import hepmc_tree_events, mini_events, xaod_events
from tests.analysis.formats import test_delphes, test_formats_agree, test_nanoaod
from tests.analysis.formats.test_delphes import taken
from tests.analysis.formats.test_mini import JETS, THREE
from tests.analysis.hepmc_events import event
from tests.conftest import WriteEvents

pytestmark = pytest.mark.slow

files = test_formats_agree.files  # a fixture

EVENTS = [*THREE, *JETS]
WRITERS: dict[str, Callable[[Path], Path]] = {
    "delphes": test_delphes.write_delphes,
    "delphes_eflow": test_delphes.write_delphes,
    "nanoaod": test_nanoaod.write_nano,
    "mini": lambda path: mini_events.write_mini(
        path, len(EVENTS), mini_events.columns_of(EVENTS, simulated=False)
    ),
    "hepmc_tree": lambda path: hepmc_tree_events.write(path, [event(7), event(8, [])]),
    "daod": lambda path: xaod_events.write(path, CollectionTree=xaod_events.truth1()),
    "physlite": lambda path: xaod_events.write(path, CollectionTree=xaod_events.physlite()),
}


def yields_of(file: reader.File, config: Config) -> list[ExactYield]:
    """The yields after each cut of the signal region."""
    selection = config.selection.resolved
    events = cutflow.defined(reader.open_events(file, 0, file.n_events), selection, region="SR")
    booked = [yields.book(events, "met_no_muons", "weight", (300.0, 500.0))]
    for cut in selection.regions["SR"].cuts:
        events = events.passing(cut)
        booked.append(yields.book(events, "met_no_muons", "weight", (300.0, 500.0)))
    events.loop.run()
    return [y for one in booked for y in yields.read_out(one)]


def both(monkeypatch: pytest.MonkeyPatch, function: Callable[[], Any]) -> list[Any]:
    found = []
    for helpers in ("library", "jit"):
        monkeypatch.setenv("MONOJET_HELPERS", helpers)
        found.append(function())
    return found


def require_same(
    file: reader.File, config: Config, monkeypatch: pytest.MonkeyPatch
) -> list[ExactYield]:
    """Compare a file's columns and, if it has all that these need, its yields, which are
    returned."""
    first, second = (
        {name: column.to_list() for name, column in columns.items()}
        for columns in both(monkeypatch, lambda: taken(file))
    )
    assert first.keys() == file.columns.keys() & CANONICAL.keys()
    assert str(first) == str(second)  # NaN, too
    if not cutflow.needs_of(config, ["SR"]).columns <= file.columns.keys():
        return []
    compiled, interpreted = both(monkeypatch, lambda: yields_of(file, config))
    assert compiled == interpreted
    found: list[ExactYield] = compiled
    return found


@pytest.mark.parametrize("name", WRITERS)
def test_examples_of_each_format(
    name: str, tmp_path: Path, tiny_config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = WRITERS[name](tmp_path / "events.root")
    require_same(reader.inspect(str(path), Layout(name)), tiny_config, monkeypatch)


@pytest.mark.parametrize("file_format", ["rntuple", "ttree"])
def test_native_files(
    file_format: str,
    write_events: WriteEvents,
    tiny_config: Config,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = reader.inspect(str(write_events(file_format=file_format)))
    found = require_same(file, tiny_config, monkeypatch)
    assert sum(y.entries for y in found[-3:]) > 0


@pytest.mark.parametrize("name", test_formats_agree.FORMATS)
def test_generated_events(
    files: dict[str, Path], name: str, tiny_config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = require_same(reader.inspect(str(files[name])), tiny_config, monkeypatch)
    assert sum(y.entries for y in found[-3:]) > 0


def test_no_format_is_left_out() -> None:
    assert FORMATS.keys() == {*WRITERS, "native"}
