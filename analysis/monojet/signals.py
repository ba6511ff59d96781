"""Compare how signals and Znunu pass the networks; the thesis assumes that they pass alike.

Pass rates are compared in bins of missing transverse momentum, so that a harder spectrum alone does
not distinguish a signal from Znunu. The ratio of pass rates, with Znunu weighted to the spectrum of
the signal, is the factor by which the gain in sensitivity is to be multiplied.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict

from analysis.monojet.pass_rates import network_share, share_of
from analysis.monojet.sensitivity_model import RATE_DEFINITIONS
from analysis.monojet.signals_model import SignalBin, SignalComparison
from analysis.processes import IRREDUCIBLE, SIGNALS
from analysis.rdf.yields import Yield
from analysis.workflow.run import Run
from analysis.workflow.target import Done, Target
from analysis.yields.cutflow_model import CutflowTable, ProcessCutflow
from analysis.yields.provenance_notes import completeness, simulated_alone
from common.runtime import files
from common.stats.measured import Measured
from common.tables import Table
from selections import monojet36

LEAST_EVENTS = 10.0  # effective events of each in a bin, below which errors are not Gaussian


def run(run: Run, targets: Sequence[Target], done: Done) -> None:
    """Compare all simulated signals of a run with Znunu, for all networks."""
    cutflow = CutflowTable.read(run.table("cutflow"))
    signals = run.config.signals
    comparisons, empty = measure(cutflow, signals), why_empty(cutflow, signals)
    (target,) = targets
    note = simulated_alone(cutflow, "Rates are") + completeness(cutflow)
    table(comparisons, empty, note).write_beside(target.output)
    bins = bin_table(comparisons, empty)
    bins.write_beside(target.output.with_name(f"{bins.name}.json"))
    files.write_json(target.output, [asdict(comparison) for comparison in comparisons])
    done(target)


def why_empty(cutflow: CutflowTable, signals: Sequence[str]) -> str:
    """Return why there may be no comparison of some signals with Znunu."""
    processes = {sample.process for sample in cutflow.samples.values()}
    if not processes.intersection(signals):
        return (
            f"no sample of a signal: add one of {', '.join(SIGNALS)} to 'samples', or one of your "
            "own with 'signal: true'"
        )
    if IRREDUCIBLE not in processes:
        return f"no sample of {IRREDUCIBLE} to compare with: add one to 'samples'"
    if not cutflow.networks:
        return "no network selects events: add one to 'training.networks'"
    return f"no region has selected events of a signal and of {IRREDUCIBLE}: more are needed"


def measure(cutflow: CutflowTable, signals: Sequence[str]) -> list[SignalComparison]:
    """Return the comparisons of some signals, for all networks and rate definitions."""
    return [
        comparison
        for rate_definition, selection in RATE_DEFINITIONS.items()
        for comparison in _comparisons(cutflow, signals, rate_definition, selection)
    ]


def _comparisons(
    cutflow: CutflowTable, signals: Sequence[str], rate_definition: str, selection: str
) -> Iterator[SignalComparison]:
    processes = cutflow.processes(selection)
    if IRREDUCIBLE not in processes:
        return
    znunu = processes[IRREDUCIBLE]
    for network in cutflow.networks:
        for signal in signals:
            if signal not in processes or signal == IRREDUCIBLE:
                continue
            regions = [
                met_bin.name
                for met_bin in monojet36.EXCLUSIVE
                if all(c.total(met_bin.name).sumw > 0 for c in (processes[signal], znunu))
            ]
            if regions:
                yield _compare(network, rate_definition, signal, regions, processes[signal], znunu)


def _compare(
    network: str,
    rate_definition: str,
    name: str,
    regions: Sequence[str],
    signal: ProcessCutflow,
    znunu: ProcessCutflow,
) -> SignalComparison:
    bins = [_bin(region, network, signal, znunu) for region in regions]
    all_bins = share_of(
        signal,
        lambda s: _sum(s.normalised.networks[network], regions),
        lambda s: _sum(s.normalised.bins, regions),
    )
    return SignalComparison(
        network,
        rate_definition,
        name,
        bins,
        chi2=sum(b.difference**2 for b in bins if b.counts),
        ndf=sum(b.counts for b in bins),
        ratio=_ratio(
            all_bins.with_total_error, [(signal.total(b.region).sumw, b.znunu) for b in bins]
        ),
    )


def _bin(region: str, network: str, signal: ProcessCutflow, znunu: ProcessCutflow) -> SignalBin:
    rate, rate_znunu = (
        network_share(process, network, region).with_total_error for process in (signal, znunu)
    )
    total, total_znunu = signal.total(region), znunu.total(region)
    return SignalBin(
        region,
        rate,
        rate_znunu,
        total.entries,
        total_znunu.entries,
        difference=(rate.value - rate_znunu.value) / math.hypot(rate.error, rate_znunu.error),
        counts=min(_effective(total), _effective(total_znunu)) >= LEAST_EVENTS,
    )


def _ratio(signal: Measured, znunu: Sequence[tuple[float, Measured]]) -> Measured | None:
    """Return a pass rate over that of Znunu, whose rates by bin have the yields of the signal as
    weights."""
    whole = sum(weight for weight, _ in znunu)
    mean = sum(weight * rate.value for weight, rate in znunu) / whole
    error = math.sqrt(sum((weight * rate.error) ** 2 for weight, rate in znunu)) / whole
    if mean == 0:
        return None
    ratio = signal.value / mean
    return Measured(ratio, math.hypot(signal.error, ratio * error) / mean)


def _sum(bins: Mapping[str, Yield], regions: Sequence[str]) -> Yield:
    return sum((bins[region] for region in regions), Yield())


def _effective(y: Yield) -> float:
    """Return the number of events of equal weights with the same relative error."""
    return y.sumw**2 / y.sumw2 if y.sumw2 else 0.0


def table(comparisons: Sequence[SignalComparison], empty: str = "", note: str = "") -> Table:
    """Return the table of comparisons.

    ``empty`` states why it has no rows, ``note`` is added to the last note.
    """
    return Table(
        name="signals",
        title="Signals against Znunu: pass rates of the networks",
        columns=(
            "signal",
            "network",
            "rates",
            "raw events",
            "χ²/ndf",
            "pass rate / Znunu's",
        ),
        rows=[
            [
                c.signal,
                c.network,
                c.rate_definition,
                f"{sum(b.entries for b in c.bins)}",
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
            "selection. Errors are statistical and of the cross-sections, which mix the slices. "
            "The spread between folds shifts both rates together and is not included. Where nearly "
            "all events pass, the errors exceed the fluctuations, and χ² falls below ndf." + note,
        ),
        empty=empty,
    )


def bin_table(comparisons: Sequence[SignalComparison], empty: str = "") -> Table:
    """Return the table of all exclusive regions of the comparisons."""
    return Table(
        name="signals_bins",
        title="Pass rates of signals and of Znunu in the exclusive signal regions",
        columns=(
            "region",
            "signal",
            "network",
            "rates",
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
                c.rate_definition,
                str(b.signal),
                str(b.znunu),
                f"{b.entries} / {b.entries_znunu}",
                f"{b.difference:+.1f}",
            ]
            for c in comparisons
            for b in c.bins
        ],
        notes=("Raw events: of the signal / of Znunu, before the network.",),
        empty=empty,
    )
