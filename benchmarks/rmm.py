"""Rapidity-mass matrices written to a table, relative to a bare read of the same branches.

``python -m benchmarks.rmm FILE.root [--rounds N]``, with a native file (RNTuple or TTree). Loops
over the whole file alternate in one process on one thread; CPU times without start-up are compared:
a bare read, the table with matrices of 23 × 23 (jets of two types, split by mass in place of a tag;
electrons; muons), the table with zeros instead of matrices, and the matrices without a table. The
result is the median ratio of the rates of the first two; the others show where time is spent.
"""

from __future__ import annotations

import argparse
import functools
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

from analysis.formats.columns import own
from analysis.inputs import reader
from benchmarks.measure import cpu_seconds
from cpp_helpers import declare, load_root
from selections.cuts import Definition

DIMENSION = 23
TARGET = 0.5

NUMBERS = ("run_number", "event_number", "weight", "met", "met_phi")
VECTORS = (
    *(f"jet_{x}" for x in ("pt", "eta", "phi", "mass")),
    *(f"{lepton}_{x}" for lepton in ("electron", "muon") for x in ("pt", "eta", "phi")),
)

_JETS = "monojet::objects(jet_pt, jet_eta, jet_phi, jet_mass, 6)"
MATRIX = (
    "monojet::rmm(13e3, 0.15, met, met_phi, {"
    f"{_JETS}.where(jet_mass < 15), {_JETS}.where(jet_mass >= 15), "
    "monojet::objects(electron_pt, electron_eta, electron_phi, 0.000511f, 5), "
    "monojet::objects(muon_pt, muon_eta, muon_phi, 0.10566f, 5)})"
)
# reads the same columns
TOUCHED = " + ".join((*NUMBERS, *(f"{name}.size()" for name in VECTORS)))


def opened(file: reader.File, **columns: str) -> Any:
    events = reader.open_events(file, 0, file.n_events)
    return events.define([Definition(*column) for column in columns.items()]).data_frame()


def bare_read(file: reader.File) -> None:
    df = opened(file, touched=f"double({TOUCHED})")
    load_root().RDF.AsRNode(df).Sum["double"](own("touched")).GetValue()


def matrices(file: reader.File) -> None:
    df = opened(file, touched=f"double(run_number + event_number + weight + {MATRIX}[0])")
    load_root().RDF.AsRNode(df).Sum["double"](own("touched")).GetValue()


def table(file: reader.File, block: Any, features: str) -> None:
    quantities = "ROOT::RVecF{met, met_phi}"
    df = opened(file, quantities=quantities, features=features)
    declare().make_table(df, "weight", block)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("input", type=Path)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    file = reader.inspect(str(options.input))
    block = declare().TableBlock(2, DIMENSION**2)
    zeros = f"ROOT::RVecF({DIMENSION**2}, 0.f * ({TOUCHED}))"
    loops: dict[str, Callable[[], None]] = {
        "bare read": functools.partial(bare_read, file),
        "table with matrices": functools.partial(table, file, block, MATRIX),
        "table with zeros": functools.partial(table, file, block, zeros),
        "matrices, no table": functools.partial(matrices, file),
    }
    for loop in loops.values():
        loop()
    times = {name: [0.0] * options.rounds for name in loops}
    for i in range(options.rounds):
        for name, loop in loops.items():
            times[name][i] = cpu_seconds(loop)
    pairs = zip(times["bare read"], times["table with matrices"], strict=True)
    ratio = statistics.median(bare / full for bare, full in pairs)
    print(f"rate with matrices and table / bare read = {ratio:.2f} (target {TARGET})")
    for name, measured in times.items():
        print(f"{name}: {1e6 * statistics.median(measured) / file.n_events:.2f} us per event")


if __name__ == "__main__":
    main()
