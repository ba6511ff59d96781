"""Whether signals pass the networks as Znunu events do, as the thesis takes for granted.

Pass rates are compared bin by bin of missing transverse momentum, so that a signal is not told from
Znunu by its harder spectrum alone. One number sums a signal up: its pass rate over that of Znunu
with the signal's own spectrum, by which the gain in sensitivity is to be multiplied.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from analysis.cutflow import by_process
from analysis.pipeline import Done, Run, Target
from analysis.processes import SIGNALS
from analysis.sensitivity import IRREDUCIBLE, VERSIONS, pass_rate
from analysis.yields import Yield
from common import files
from common.measured import Measured
from common.tables import Table
from selections import monojet

LEAST_EVENTS = 10.0  # effective events of each in a bin, below which errors are not Gaussian

Bins = Mapping[str, Yield]


@dataclass(frozen=True)
class Bin:
    """Pass rates of a signal and of Znunu in one exclusive region."""

    region: str
    signal: Measured
    znunu: Measured
    raw: int
    raw_znunu: int
    difference: float  # signal - Znunu, in units of its error
    counts: bool  # whether both have enough events for chi2


@dataclass(frozen=True)
class Comparison:
    """A signal against Znunu, for one network and selection."""

    network: str
    version: str
    signal: str
    bins: list[Bin]
    chi2: float
    ndf: int
    ratio: Measured | None  # of the pass rates, Znunu's with the signal's spectrum; if it has any


def run(run: Run, targets: Sequence[Target], done: Done) -> None:
    """Compare all simulated signals with Znunu, for all networks."""
    comparisons = measure(json.loads(run.table("cutflow").read_text()))
    (target,) = targets
    table(comparisons).write_beside(target.output)
    bins = bin_table(comparisons)
    bins.write_beside(target.output.with_name(f"{bins.name}.json"))
    files.write_json(target.output, [asdict(comparison) for comparison in comparisons])
    done(target)


def measure(data: Mapping[str, Any]) -> list[Comparison]:
    """All comparisons from the numbers of the cut-flow file."""
    return [
        comparison
        for version, selection in VERSIONS.items()
        for comparison in _of_version(data, version, selection)
    ]


def _of_version(data: Mapping[str, Any], version: str, selection: str) -> Iterator[Comparison]:
    flows = by_process(data, selection)
    if IRREDUCIBLE not in flows:
        return
    znunu = flows[IRREDUCIBLE]
    for network in data["networks"]:
        for signal in SIGNALS:
            if signal not in flows:
                continue
            flow = flows[signal]
            names = [
                met_bin.name
                for met_bin in monojet.EXCLUSIVE
                if flow.bins[met_bin.name].raw and znunu.bins[met_bin.name].raw
            ]
            if names:
                mine = flow.bins, flow.networks[network]
                theirs = znunu.bins, znunu.networks[network]
                yield _compared(network, version, signal, names, mine, theirs)


def _compared(
    network: str,
    version: str,
    signal: str,
    names: Sequence[str],
    mine: tuple[Bins, Bins],
    theirs: tuple[Bins, Bins],
) -> Comparison:
    (total, passing), (total_z, passing_z) = mine, theirs
    bins = []
    for name in names:
        rate = pass_rate(passing[name], total[name])
        rate_z = pass_rate(passing_z[name], total_z[name])
        difference = (rate.value - rate_z.value) / math.hypot(rate.error, rate_z.error)
        counts = min(_effective(total[name]), _effective(total_z[name])) >= LEAST_EVENTS
        raw = total[name].raw, total_z[name].raw
        bins.append(Bin(name, rate, rate_z, *raw, difference, counts))
    chi_squared = sum(b.difference**2 for b in bins if b.counts)
    ndf = sum(b.counts for b in bins)
    return Comparison(
        network,
        version,
        signal,
        bins,
        chi_squared,
        ndf,
        _ratio(
            pass_rate(_sum(passing, names), _sum(total, names)),
            [(total[b.region].sumw, b.znunu) for b in bins],
        ),
    )


def _ratio(signal: Measured, znunu: Sequence[tuple[float, Measured]]) -> Measured | None:
    """A pass rate over that of Znunu, whose rates come with the signal's yields as weights."""
    whole = sum(weight for weight, _ in znunu)
    mean = sum(weight * rate.value for weight, rate in znunu) / whole
    error = math.sqrt(sum((weight * rate.error) ** 2 for weight, rate in znunu)) / whole
    if mean == 0:
        return None
    ratio = signal.value / mean
    return Measured(ratio, math.hypot(signal.error, ratio * error) / mean)


def _sum(bins: Bins, names: Sequence[str]) -> Yield:
    return sum((bins[name] for name in names), Yield())


def _effective(y: Yield) -> float:
    """How many events of equal weights would have the same relative error."""
    return y.sumw**2 / y.sumw2 if y.sumw2 else 0.0


def table(comparisons: Sequence[Comparison]) -> Table:
    """A line for each signal, network and version."""
    return Table(
        name="signals",
        title="Signals against Znunu: pass rates of the networks",
        columns=(
            "signal",
            "network",
            "version",
            "raw events",
            "χ²/ndf",
            "pass rate / Znunu's",
        ),
        rows=[
            [
                c.signal,
                c.network,
                c.version,
                f"{sum(b.raw for b in c.bins)}",
                f"{c.chi2:.1f}/{c.ndf}",
                str(c.ratio or "-"),
            ]
            for c in comparisons
        ],
        notes=(
            "The thesis takes signals to pass as Znunu events do: then χ² is about ndf and the "
            f"ratio is 1. χ² is of the exclusive regions with at least {LEAST_EVENTS:g} effective "
            "events of both. In the ratio, Znunu has the signal's spectrum of missing transverse "
            "momentum. As published: before the lepton veto; consistent: after the whole "
            "selection. Errors are statistical; where nearly all events pass they are wider than "
            "the fluctuations, and χ² falls below ndf.",
        ),
    )


def bin_table(comparisons: Sequence[Comparison]) -> Table:
    """A line for each exclusive region of each comparison."""
    return Table(
        name="signals_bins",
        title="Pass rates of signals and of Znunu in the exclusive signal regions",
        columns=(
            "region",
            "signal",
            "network",
            "version",
            "signal selected",
            "Znunu selected",
            "raw events",
            "difference in errors",
        ),
        rows=[
            [
                b.region,
                c.signal,
                c.network,
                c.version,
                str(b.signal),
                str(b.znunu),
                f"{b.raw} / {b.raw_znunu}",
                f"{b.difference:+.1f}",
            ]
            for c in comparisons
            for b in c.bins
        ],
        notes=("Raw events: of the signal / of Znunu, before the network.",),
    )
