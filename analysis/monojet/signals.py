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

from analysis.monojet.cutflow import SampleFlow, completeness, samples_by_process, simulated_alone
from analysis.monojet.sensitivity import IRREDUCIBLE, VERSIONS, Share, network_share, share_of
from analysis.processes import SIGNALS
from analysis.rdf.yields import Yield
from analysis.workflow.run import Run
from analysis.workflow.target import Done, Target
from common.runtime import files
from common.stats.measured import Measured
from common.tables import Table
from selections import monojet36

LEAST_EVENTS = 10.0  # effective events of each in a bin, below which errors are not Gaussian

Samples = Sequence[SampleFlow]


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
    data = json.loads(run.table("cutflow").read_text())
    comparisons, empty = measure(data), why_empty(data)
    (target,) = targets
    further = simulated_alone(data, "Rates are") + completeness(data)
    table(comparisons, empty, further).write_beside(target.output)
    bins = bin_table(comparisons, empty)
    bins.write_beside(target.output.with_name(f"{bins.name}.json"))
    files.write_json(target.output, [asdict(comparison) for comparison in comparisons])
    done(target)


def why_empty(data: Mapping[str, Any]) -> str:
    """Return why there may be no comparison, from the cut-flow file."""
    processes = {sample["process"] for sample in data["samples"].values()}
    if not processes.intersection(SIGNALS):
        return f"no sample of a signal: add one of {', '.join(SIGNALS)} to 'samples'"
    if IRREDUCIBLE not in processes:
        return f"no sample of {IRREDUCIBLE} to compare with: add one to 'samples'"
    if not data["networks"]:
        return "no network selects events: add one to 'training.networks'"
    return f"no region has selected events of a signal and of {IRREDUCIBLE}: more are needed"


def measure(data: Mapping[str, Any]) -> list[Comparison]:
    """All comparisons from the numbers of the cut-flow file."""
    return [
        comparison
        for version, selection in VERSIONS.items()
        for comparison in _of_version(data, version, selection)
    ]


def _of_version(data: Mapping[str, Any], version: str, selection: str) -> Iterator[Comparison]:
    processes = samples_by_process(data, selection)
    if IRREDUCIBLE not in processes:
        return
    znunu = processes[IRREDUCIBLE]
    for network in data["networks"]:
        for signal in SIGNALS:
            if signal not in processes:
                continue
            names = [
                met_bin.name
                for met_bin in monojet36.EXCLUSIVE
                if all(_total(s, met_bin.name).sumw > 0 for s in (processes[signal], znunu))
            ]
            if names:
                yield _compared(network, version, signal, names, processes[signal], znunu)


def _compared(
    network: str,
    version: str,
    signal: str,
    names: Sequence[str],
    mine: Samples,
    theirs: Samples,
) -> Comparison:
    bins = []
    for name in names:
        rate, rate_z = (_measured(network_share(s, network, name)) for s in (mine, theirs))
        difference = (rate.value - rate_z.value) / math.hypot(rate.error, rate_z.error)
        totals = _total(mine, name), _total(theirs, name)
        counts = min(map(_effective, totals)) >= LEAST_EVENTS
        raw, raw_z = (y.raw for y in totals)
        bins.append(Bin(name, rate, rate_z, raw, raw_z, difference, counts))
    chi_squared = sum(b.difference**2 for b in bins if b.counts)
    ndf = sum(b.counts for b in bins)
    together = share_of(
        mine,
        lambda s: _sum(s.flow.networks[network], names),
        lambda s: _sum(s.flow.bins, names),
    )
    return Comparison(
        network,
        version,
        signal,
        bins,
        chi_squared,
        ndf,
        _ratio(_measured(together), [(_total(mine, b.region).sumw, b.znunu) for b in bins]),
    )


def _measured(share: Share) -> Measured:
    return Measured(share.measured.value, share.error)


def _ratio(signal: Measured, znunu: Sequence[tuple[float, Measured]]) -> Measured | None:
    """A pass rate over that of Znunu, whose rates come with the signal's yields as weights."""
    whole = sum(weight for weight, _ in znunu)
    mean = sum(weight * rate.value for weight, rate in znunu) / whole
    error = math.sqrt(sum((weight * rate.error) ** 2 for weight, rate in znunu)) / whole
    if mean == 0:
        return None
    ratio = signal.value / mean
    return Measured(ratio, math.hypot(signal.error, ratio * error) / mean)


def _sum(bins: Mapping[str, Yield], names: Sequence[str]) -> Yield:
    return sum((bins[name] for name in names), Yield())


def _total(samples: Samples, region: str) -> Yield:
    return sum((sample.flow.bins[region] for sample in samples), Yield())


def _effective(y: Yield) -> float:
    """How many events of equal weights would have the same relative error."""
    return y.sumw**2 / y.sumw2 if y.sumw2 else 0.0


def table(comparisons: Sequence[Comparison], empty: str = "", further: str = "") -> Table:
    """A line for each signal, network and version, with a further note."""
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
            "selection. Errors are statistical and of the cross-sections, which mix the slices; "
            "how much the networks of the folds differ, which moves both rates together, is in "
            "none. Where nearly all events pass they are wider than the fluctuations, and χ² falls "
            "below ndf." + further,
        ),
        empty=empty,
    )


def bin_table(comparisons: Sequence[Comparison], empty: str = "") -> Table:
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
        empty=empty,
    )
