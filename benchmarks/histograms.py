"""Histograms relative to yields only: the time of an event loop, and of its start.

``python -m benchmarks.histograms [--events N] [--rounds N]``

The events are synthetic: most pass the cuts of the signal region. Loops over an RNTuple of them
alternate in one process on one thread; their CPU times without start-up are compared:

- yields after each cut of five regions, all with the cuts of the signal region;
- the same and one histogram in each region, while the bins of all 100 are found;
- the same and 100 histograms of 40 bins in each region;
- the same, ten of them of all jets.

The last lines are CPU times in new processes, from the first booking to the end of a loop over one
event: it includes the compilation of the selection, and with 100 histograms that of 100
expressions.
"""

from __future__ import annotations

import argparse
import functools
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from analysis.formats.native import TREE
from analysis.inputs import reader
from analysis.rdf import histograms, yields
from benchmarks.measure import REPOSITORY, cpu_seconds, spread
from cpp_helpers import load_root
from selections import monojet36
from selections.cuts import Axis, Definition
from selections.selection import Histogram

TARGET = 1.5
N_REGIONS, N_HISTOGRAMS, N_BINS = 5, 100, 40

_JETS, _ELECTRONS, _MUONS = "2 + rdfentry_ % 6", "rdfentry_ % 3 == 0", "rdfentry_ % 4 == 0"


def _each(number: str, value: str) -> str:
    """Return an expression for a vector of floats, the i-th of a given value."""
    loop = f"for (std::size_t i = 0; i < all.size(); ++i) all[i] = {value};"
    return f"ROOT::RVecF all({number}); {loop} return all;"


COLUMNS = {
    "run_number": "7u",
    "event_number": "(unsigned long long)rdfentry_ + 1ull",
    "weight": "gRandom->Gaus(1., 0.3)",
    "jet_pt": _each(_JETS, "20. + gRandom->Exp(i < 4 ? 60. : 2.) + (i == 0 ? 250. : 0.)"),
    "jet_eta": _each(_JETS, "gRandom->Uniform(-2.3, 2.3)"),
    "jet_phi": _each(_JETS, "gRandom->Uniform(-2., 2.)"),
    "jet_n_tracks": f"ROOT::RVecI({_JETS}, 8)",
    "jet_b_tag": f"ROOT::RVecI({_JETS}, rdfentry_ % 20 == 0)",
    "electron_pt": _each(_ELECTRONS, "gRandom->Uniform(5., 20.3)"),
    "electron_eta": _each(_ELECTRONS, "gRandom->Uniform(-2.4, 2.4)"),
    "electron_phi": _each(_ELECTRONS, "gRandom->Uniform(2.2, 3.1)"),
    "muon_pt": _each(_MUONS, "gRandom->Uniform(3., 10.2)"),
    "muon_eta": _each(_MUONS, "gRandom->Uniform(-2.4, 2.4)"),
    "muon_phi": _each(_MUONS, "gRandom->Uniform(2.2, 3.1)"),
    "met_no_muons": "float(245. + gRandom->Exp(150.))",
    "met_no_muons_phi": "float(gRandom->Uniform(2.5, 3.1))",
    "met": "met_no_muons",
    "met_phi": "met_no_muons_phi",
}
"""Synthetic events: two to seven jets, opposite to the missing momentum, and soft leptons."""

QUANTITIES = {
    "met_no_muons": (200.0, 1000.0),
    "met_no_muons_phi": (-3.2, 3.2),
    "leading_jet_pt": (200.0, 1000.0),
    "leading_jet_eta": (-2.4, 2.4),
    "leading_jet_phi": (-3.2, 3.2),
    "min_delta_phi": (0.0, 3.2),
    "n_jets": (-0.5, 39.5),
    "n_electrons": (-0.5, 39.5),
    "n_muons": (-0.5, 39.5),
    "ht": (200.0, 2000.0),
}
"""Quantities of the selection, with the range of their bins."""


def write_events(path: Path, n_events: int) -> None:
    """Write synthetic events as an RNTuple."""
    root = load_root()
    root.gRandom.SetSeed(1)
    df = root.RDataFrame(n_events)
    for name, expression in COLUMNS.items():
        df = df.Define(name, expression)
    options = root.RDF.RSnapshotOptions()
    options.fOutputFormat = root.RDF.ESnapshotOutputFormat.kRNTuple
    df.Snapshot(TREE, str(path), list(COLUMNS), options)


def made(n_histograms: int, n_of_vectors: int = 0) -> list[Histogram]:
    """Return histograms of different expressions, the last ones of all jets."""
    found = []
    for number in range(n_histograms):
        quantity, (low, high) = [*QUANTITIES.items()][number % len(QUANTITIES)]
        if number >= n_histograms - n_of_vectors:
            quantity, (low, high) = "jet_pt", (0.0, 400.0)
        shift = number // len(QUANTITIES)
        width = (high - low) / N_BINS
        edges = tuple(low + shift + width * i for i in range(N_BINS + 1))
        found.append(Histogram(str(number), (Axis(f"{quantity} + {shift}", edges),)))
    return found


def loop(
    file: reader.File, end: int, found: Sequence[Histogram] = (), filled: Sequence[Histogram] = ()
) -> list[Any]:
    """Fill yields, and histograms in each region; return what was booked last."""
    events = reader.open_events(file, 0, end).define(monojet36.DEFINITIONS)
    events = events.define([Definition("binned", "float(met_no_muons)")])
    quantities = histograms.quantities(found)
    if quantities:
        events = histograms.define_values(events, quantities)
    edges = list(monojet36.MET_EDGES)
    counted = [yields.book(events, "binned", "weight", edges)]
    booked = []
    for _ in range(N_REGIONS):
        region = events
        for cut in monojet36.SR.cuts:
            region = region.passing(cut)
            counted.append(yields.book(region, "binned", "weight", edges))
        if filled:
            booked.append(histograms.book(region, filled, quantities, "weight"))
    events.loop.run()
    first, last = (sum(x.entries for x in yields.read_out(y)) for y in (counted[0], counted[-1]))
    return [last / first, booked]


def compare_loops(file: reader.File, rounds: int) -> None:
    """Print the times of loops over all events, and their ratios."""
    numbers, some_vectors = made(N_HISTOGRAMS), made(N_HISTOGRAMS, 10)
    loops = {
        "yields only": functools.partial(loop, file, file.n_events),
        "and one histogram": functools.partial(loop, file, file.n_events, numbers, numbers[:1]),
        f"and {N_HISTOGRAMS}": functools.partial(loop, file, file.n_events, numbers, numbers),
        "ten of them of all jets": functools.partial(
            loop, file, file.n_events, some_vectors, some_vectors
        ),
    }
    passed, booked = [run() for run in loops.values()][2]
    times: dict[str, list[float]] = {name: [] for name in loops}
    for _ in range(rounds):
        for name, run in loops.items():
            times[name].append(1e6 * cpu_seconds(run) / file.n_events)
    print(f"{file.n_events} events, {passed:.0%} of them in each of {N_REGIONS} regions")
    for name, measured in times.items():
        ratios = [a / b for a, b in zip(measured, times["yields only"], strict=True)]
        target = f" (target {TARGET})" if name == f"and {N_HISTOGRAMS}" else ""
        print(f"{name}: {spread(measured)} us per event; ratio {spread(ratios)}{target}")
    print(f"reading the content of a region: {1e3 * cpu_seconds(booked[-1]):.0f} ms")


_FIRST = """
import sys
from analysis.inputs import reader
from benchmarks import histograms
from benchmarks.measure import cpu_seconds
file, found = reader.inspect(sys.argv[1]), histograms.made(int(sys.argv[2]))
print(cpu_seconds(lambda: histograms.loop(file, 1, found, found)))
"""


def compare_starts(path: Path, rounds: int) -> None:
    """Print the times to the end of the first event, with several numbers of histograms."""
    for n in (0, 1, N_HISTOGRAMS):
        command = [sys.executable, "-W", "ignore", "-c", _FIRST, str(path), str(n)]
        seconds = [
            float(
                subprocess.run(
                    command, cwd=REPOSITORY, check=True, capture_output=True, text=True
                ).stdout
            )
            for _ in range(rounds)
        ]
        print(f"start with {n} histograms: {spread(seconds)} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "events.root"
        write_events(path, options.events)
        compare_loops(reader.inspect(str(path)), options.rounds)
        compare_starts(path, 3)


if __name__ == "__main__":
    main()
