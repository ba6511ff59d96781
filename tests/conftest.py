"""Fixtures: the C++ helpers, small event files, a finished tiny run."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

# Of few events, to compile takes longer than to run.
os.environ["EXTRA_CLING_ARGS"] = "-O0"
os.environ.setdefault("MONOJET_CXXFLAGS", "-O0")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from analysis.batch.driver import carry_out
from analysis.batch.engines import Engines
from analysis.config import Config, load
from analysis.event_loop.events import Events
from analysis.inputs import reader
from analysis.workflow.registry import partitioned_stage
from analysis.workflow.run import Run
from analysis.workflow.target import Target
from cpp_helpers import declare_jets, load_root
from tests.frames import Opened, watch

REPOSITORY = Path(__file__).parent.parent


TINY = REPOSITORY / "analysis" / "configs" / "tiny.yaml"


def shared_file(name: str) -> Path:
    """A real file of $MONOJET_TEST_DATA; the test is skipped where it is not at hand."""
    path = Path(os.environ.get("MONOJET_TEST_DATA", "")) / name
    if not path.is_file():
        pytest.skip(f"no {name} in $MONOJET_TEST_DATA")
    return path


@pytest.fixture(scope="session")
def root() -> Any:
    return load_root()


@pytest.fixture(scope="session")
def helpers() -> Any:
    return declare_jets()


@pytest.fixture(scope="session")
def tiny_config() -> Config:
    return load(TINY)


EVENTS = {
    "run_number": "7u",
    "event_number": "(unsigned long long)rdfentry_ + 1ull",
    "weight": "1.0",
    "particle_pt": "ROOT::RVecF{300.f + 10 * rdfentry_, 40.f, 5.f}",
    "particle_eta": "ROOT::RVecF{0.31f, -1.21f, 2.f}",
    "particle_phi": "ROOT::RVecF{0.51f, 3.f, -2.f}",
    "particle_energy": "ROOT::RVecF{320.f + 10 * rdfentry_, 70.f, 20.f}",
    "particle_pdg_id": "ROOT::RVecI{211, 22, -321}",
    "particle_charge": "ROOT::RVecI{1, 0, -1}",
    "jet_pt": "ROOT::RVecF{300.f + 10 * rdfentry_, 40.f}",
    "jet_eta": "ROOT::RVecF{0.31f, -1.21f}",
    "jet_phi": "ROOT::RVecF{0.51f, 3.f}",
    "jet_mass": "ROOT::RVecF{1.f, 1.f}",
    "jet_width": "ROOT::RVecF{0.1f, 0.2f}",
    "jet_n_tracks": "ROOT::RVecI{5, 4}",
    "electron_pt": "ROOT::RVecF{}",
    "electron_eta": "ROOT::RVecF{}",
    "electron_phi": "ROOT::RVecF{}",
    "electron_charge": "ROOT::RVecI{}",
    "muon_pt": "ROOT::RVecF{}",
    "muon_eta": "ROOT::RVecF{}",
    "muon_phi": "ROOT::RVecF{}",
    "muon_charge": "ROOT::RVecI{}",
    "met_no_muons": "float(260. + 10 * rdfentry_)",
    "met_no_muons_phi": "-2.f",
    "boson_pt": "300.f",
}
"""A monojet-like event as C++ expressions, one a canonical column."""


def make_stage(name: str, run: Run) -> list[Target]:
    """Make what is not current of a stage that works in parts, and its manifests."""
    stage = partitioned_stage(name)
    targets = stage.targets(run)
    missing = [target for target in targets if target.state() != "current"]
    with Engines(run) as engines:
        carry_out(engines, stage, run, missing, lambda target: target.write_manifest(0))
    return targets


WriteEvents = Callable[..., Path]


def make_events(
    root: Any,
    path: Path,
    n_events: int = 20,
    file_format: str = "rntuple",
    **changes: str | None,
) -> Path:
    """Write a file of hand-made events; ``changes`` replaces expressions, None drops a column."""
    key = (n_events, file_format, *sorted(changes.items()))
    if key not in _MADE:  # seconds of the compiler's time
        _snapshot(root, path, n_events, file_format, {**EVENTS, **changes})
        _MADE[key] = path.read_bytes()
    path.write_bytes(_MADE[key])
    return path


_MADE: dict[tuple[Any, ...], bytes] = {}


def _snapshot(
    root: Any, path: Path, n_events: int, file_format: str, expressions: dict[str, str | None]
) -> None:
    df = root.RDataFrame(n_events)
    columns = {k: v for k, v in expressions.items() if v is not None}
    for column, expression in columns.items():
        df = df.Define(column, expression)
    options = root.RDF.RSnapshotOptions()
    formats = root.RDF.ESnapshotOutputFormat
    options.fOutputFormat = formats.kRNTuple if file_format == "rntuple" else formats.kTTree
    df.Snapshot("events", str(path), list(columns), options)


@pytest.fixture
def write_events(root: Any, tmp_path: Path) -> WriteEvents:
    """`make_events`, of a file named "events.root" unless named otherwise."""

    def write(name: str = "events.root", *arguments: Any, **options: Any) -> Path:
        return make_events(root, tmp_path / name, *arguments, **options)

    return write


@pytest.fixture
def opened_loops(monkeypatch: pytest.MonkeyPatch) -> list[Opened]:
    """All event loops of files that stages open, in the order of opening."""
    opened: list[Opened] = []
    open_events = reader.open_events

    def recorded(*arguments: Any) -> Events:
        events = open_events(*arguments)
        opened.append(Opened(events.loop))
        return events

    monkeypatch.setattr(reader, "open_events", recorded)
    watch(opened, monkeypatch)
    return opened


@pytest.fixture
def run_of(tmp_path: Path, tiny_config: Config) -> Callable[..., Run]:
    """A run on given files: ``run_of(Znunu=[path, ...])``; one worker."""

    def make(**files: list[Path]) -> Run:
        data = tiny_config.model_dump()
        data["samples"] = [
            {
                "process": process,
                "files": [str(p) for p in paths],
                "cross_section": 2.0,
                "sum_of_weights": 100.0,
            }
            for process, paths in files.items()
        ]
        return Run(Config.model_validate(data), tmp_path / "run")

    return make
