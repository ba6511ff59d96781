"""The layouts of event files that are damaged, and how they are read (`benchmarks.fuzz_inputs`)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from analysis.formats.columns import CANONICAL
from analysis.formats.format import Layout
from analysis.images import imaging
from analysis.inputs import hepmc, reader
from analysis.yields import cutflow
from benchmarks.fuzz_damages import (
    BYTES,
    COLUMNS,
    HEPMC,
    Rewrite,
    rewrite_arrays,
    rewrite_expressions,
    rewrite_hepmc,
)
from cpp_helpers import load_root
from cpp_helpers.errors import event_loop_errors
from tests.analysis import hepmc_events, hepmc_tree_events, mini_events, xaod_events
from tests.analysis import three_lepton_events as leptons
from tests.analysis.formats import test_delphes, test_nanoaod
from tests.analysis.plain import PLAIN
from tests.conftest import EVENTS

Sums = dict[str, float]

TOTALS = """
#include <ROOT/RDataFrame.hxx>
namespace fuzz {
template <typename T> double weighed(const T &value) {
  if constexpr (std::is_arithmetic_v<T>) {
    return double(value);
  } else {
    double sum = 0.;
    for (std::size_t i = 0; i < value.size(); ++i)
      sum += double(value[i]) * (i + 1.);
    return sum;
  }
}
template <typename T>
ROOT::RDF::RResultPtr<double> total(ROOT::RDF::RNode df, const std::string &name) {
  return df.Aggregate([](double sum, const T &value) { return sum + weighed(value); },
                      [](double a, double b) { return a + b; }, name, 0.);
}
}
"""


@dataclass(frozen=True)
class Kind:
    """Files of one layout, which are damaged."""

    name: str
    write: Callable[[Path], Path]
    """Write a seed file in a folder."""
    rewrite: Rewrite | None = None
    """Write a damaged file from the seed, by the name of the damage."""
    layout: Layout = Layout()  # noqa: RUF009
    damages: tuple[str, ...] = ()

    def needs(self, path: str) -> reader.Needs | None:
        """Return the needs of the first stage that the intact file satisfies."""
        columns = reader.inspect(path, self.layout).columns.keys()
        stages = (imaging.needs(PLAIN), cutflow.needs(PLAIN))
        return next((needs for needs in stages if needs.columns <= columns), None)

    def read(self, path: str, needs: reader.Needs | None) -> Sums:
        """Return sums over all events, read as by a stage."""
        file = reader.inspect(path, self.layout)
        if needs is not None:
            reader.require_columns(file, needs)
        df = load_root().RDF.AsRNode(reader.open_events(file, 0, file.n_events).data_frame())
        with event_loop_errors(path):
            count = df.Count()
            booked = {
                name: load_root().fuzz.total[kind](df, name)
                for name, kind in CANONICAL.items()
                if name in file.columns
            }
            sums = {name: float(result.GetValue()) for name, result in booked.items()}
        if count.GetValue() != file.n_events:
            raise AssertionError(f"read {count.GetValue()} of {file.n_events} events")
        return {"events": float(file.n_events)} | sums


class HepmcKind(Kind):
    """HepMC ascii files."""

    def needs(self, path: str) -> None:
        """Return None: no column can be missing."""
        return

    def read(self, path: str, needs: reader.Needs | None) -> Sums:
        """Return sums over all events, read as by the conversion."""
        sums: dict[str, float] = defaultdict(float)
        events = hepmc.EventReader(path, 0, 0, defaultdict(int))
        for numbers, particles, decayed in events:
            sums["numbers"] += float(numbers.sum())
            for part in (particles, decayed):
                for name, value in vars(part).items():
                    if isinstance(value, np.ndarray):
                        total = float(np.nansum(value.astype(float)))
                        sums[f"{type(part).__name__}.{name}"] += total
        return {"events": float(events.n_events), "weights": events.sum_of_weights, **sums}


def _native(ntuple: bool) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        root = load_root()
        df = root.RDataFrame(50)
        for name, expression in EVENTS.items():
            df = df.Define(name, expression)
        options = root.RDF.RSnapshotOptions()
        formats = root.RDF.ESnapshotOutputFormat
        options.fOutputFormat = formats.kRNTuple if ntuple else formats.kTTree
        path = folder / "native.root"
        df.Snapshot("events", str(path), list(EVENTS), options)
        return path

    return write


def _mini(folder: Path) -> Path:
    events = [event for event, _ in leptons.EVENTS.values()]
    columns = mini_events.columns_of(events)
    return mini_events.write_mini(folder / "mini.root", len(events), columns)


def _xaod(columns: Callable[[], dict[str, str]]) -> dict[str, Any]:
    def write(path: Path, chosen: Mapping[str, str]) -> Path:
        return xaod_events.write(path, CollectionTree=dict(chosen), MetaData=xaod_events.SUMS)

    return {
        "write": lambda folder: write(folder / "xaod.root", columns()),
        "rewrite": rewrite_expressions(write, columns),
    }


def _hepmc(name: str, version: int) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        events = [hepmc_events.event(i, cross_section=2.0) for i in range(1, 21)]
        return hepmc_events.write(folder / name, events, version)

    return write


def _hepmc_tree(folder: Path) -> Path:
    return hepmc_tree_events.write(folder / "tree.root", map(hepmc_events.event, range(1, 21)))


def _delphes(folder: Path) -> Path:
    return test_delphes.write_delphes(folder / "delphes.root")


_EFLOW = Layout("delphes_eflow")
_ALL = (*BYTES, *COLUMNS)
_OF_HEPMC = (*BYTES, *HEPMC)
KINDS = {
    kind.name: kind
    for kind in (
        Kind("native", _native(False), rewrite_arrays("events"), damages=_ALL),
        Kind("native_rntuple", _native(True), rewrite_arrays("events", True), damages=_ALL),
        Kind("mini", _mini, rewrite_arrays("mini"), damages=_ALL),
        Kind("delphes", _delphes, rewrite_arrays("Delphes"), damages=_ALL),
        Kind(
            "delphes_eflow",
            _delphes,
            rewrite_arrays("Delphes", layout=_EFLOW),
            _EFLOW,
            damages=_ALL,
        ),
        Kind(
            "nanoaod",
            lambda folder: test_nanoaod.write_nano(folder / "nano.root", candidates=True),
            rewrite_arrays("Events"),
            damages=_ALL,
        ),
        Kind("daod", **_xaod(xaod_events.truth1), damages=_ALL),
        Kind("physlite", **_xaod(xaod_events.physlite), damages=_ALL),
        Kind("hepmc_tree", _hepmc_tree, rewrite_arrays("hepmc3_tree"), damages=_ALL),
        HepmcKind("hepmc2", _hepmc("events.hepmc", 2), rewrite_hepmc, damages=_OF_HEPMC),
        HepmcKind("hepmc3", _hepmc("events.hepmc", 3), rewrite_hepmc, damages=_OF_HEPMC),
    )
}
REAL = {
    "mini": "atlas_open_data_13TeV_A_4lep.root",
    "delphes": "delphes_ttbar_10events.root",
    "daod": "daod_exot15_mc_10events.root",
    "physlite": "daod_physlite_22_ttbar_100events.root",
    "hepmc2": "hepmc2_pp_13TeV_6events.hepmc",
}
