"""The gain in sensitivity to dark matter from a cut on a network's score.

S = efficiency(signal) x sqrt(B0 / B1), relative to no network (Praderio 2018, section 5.3). Dark
matter is taken to pass as Znunu does; of the backgrounds only Znunu, Wtaunu and Wmunu are scaled by
their pass rates, the others stay. The backgrounds before the network are those of ATLAS
(arXiv:1711.03301, table 5 of the thesis): 245466 events in IM1. Where Wenu is simulated, a variant
scales it, too.

The thesis cuts where precision x recall in the high slice is largest; here the same, on events that
watched the training (`training.classifier.evaluate`). A network's own threshold in a region is that of the
largest ratio there: chosen by the events of even number for those of odd number and the other way
round, so that no event is measured with a threshold that it has chosen. Both are one efficiency of
the signal for the networks of all folds, and a threshold for each.

Errors of a ratio, each propagated to first order:

- statistical: of the pass rates and, above IM1, of the simulated shares IMn / IM1 by which the
  background is made up. IMn is a part of IM1, so that a share is an efficiency. A rate is that of
  the events in IMn, whose number the share is made from: given this number the rate fluctuates by
  itself, and the two are not correlated to first order. (As published, rates are of more events,
  those before the lepton veto: the correlation is positive and neglected, so that these errors are
  too large, by 13 % in IM4 of the quickstart.) Regions are correlated.
- of the cross-sections: each sample's, independent of the others, moves the mixture of slices in
  all rates and shares of its process together.
- between trainings: the spread of the ratios of single folds (`common.stats.measured.Averaged`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from analysis.monojet import published
from analysis.monojet.cutflow import (
    SampleFlow,
    WorkingPoint,
    completeness,
    samples_by_process,
    simulated_alone,
)
from analysis.monojet.scored import Scored, read_selected
from analysis.rdf.yields import Yield
from analysis.workflow.run import Run
from analysis.workflow.target import Done, Target
from common.runtime import files
from common.stats.measured import Averaged, Measured, measured_share, spread
from common.tables import Table, with_error
from selections import monojet36

IRREDUCIBLE = "Znunu"
REJECTED = ("Wtaunu", "Wmunu")
SCALED = (IRREDUCIBLE, *REJECTED)
ALSO_REJECTED = "Wenu"  # in a variant: the thesis leaves it as it is

# How the pass rates are measured: selection applied before the network.
VERSIONS = {
    "as published": monojet36.SR_NO_VETO.name,
    "consistent": monojet36.SR.name,
}
# As published, and the background of each region made up as that of IM1, which alone is known.
IM1_SPLIT = "as published, split of IM1"
WITH_WENU = f", {ALSO_REJECTED} rejected, too"  # added to the name of a version
OWN_THRESHOLD = ", own threshold"  # likewise

EFFICIENCIES = np.linspace(0.01, 1, 100)  # of the signal, among which the own one is chosen

Rates = Mapping[str, float]
Selected = Mapping[str, Mapping[str, Scored]]
"""Events by selection and process."""


@dataclass(frozen=True)
class Ratio:
    """The sensitivity ratio of one region, with its errors and the rates it comes from.

    ``error`` is that of all kinds; ``spread`` is None of a single network. ``thresholds`` are the
    least scores by fold for each of ``signal_efficiencies``: one, or two for events of even and of
    odd number.
    """

    network: str
    version: str
    region: str
    ratio: float
    error: float
    statistical: float
    cross_section: float
    spread: float | None
    largest: float
    largest_error: float
    rates: dict[str, Measured]
    raw: dict[str, int]
    signal_efficiencies: tuple[float, ...]
    thresholds: tuple[tuple[float, ...], ...]


def im1_background() -> dict[str, float]:
    """ATLAS's expected events in IM1 by process, without the non-collision background of 360."""
    data = published.atlas_36ifb()
    return {name: float(value) for name, value in data["im1_background"].items()}


def ratio_of(rates: Rates, background: Mapping[str, float]) -> float:
    """Sensitivity after a network relative to before."""
    before = sum(background.values())
    after = before - sum(background[p] * (1 - rates[p]) for p in rates)
    return rates[IRREDUCIBLE] * math.sqrt(before / after)


def sensitivity_ratio(
    rates: Mapping[str, Measured], background: Mapping[str, float]
) -> tuple[float, float]:
    """`ratio_of` and its error from those of the rates."""
    values = {process: rate.value for process, rate in rates.items()}
    slopes = gradient(lambda at: ratio_of(at, background), values)
    return ratio_of(values, background), math.hypot(*(slopes[p] * rates[p].error for p in rates))


def largest_ratio(background: Mapping[str, float], rejected: Sequence[str] = REJECTED) -> float:
    """The ratio of a perfect network: all Znunu kept, the others that are scaled rejected."""
    before = sum(background.values())
    return math.sqrt(before / (before - sum(background[p] for p in rejected)))


def gradient(function: Callable[[Rates], float], at: Rates) -> dict[str, float]:
    """The slopes of a function of some numbers, by differences."""
    step = 1e-5

    def moved(name: str, by: float) -> float:
        return function({**at, name: at[name] + by})

    return {name: (moved(name, step) - moved(name, -step)) / (2 * step) for name in at}


# --- Rates and shares of simulated events ---------------------------------------------------------


def pass_rate(passing: Yield, total: Yield, *, prior: bool = True) -> Measured:
    """Weighted efficiency and its statistical error."""
    return measured_share(passing.sums, total.sums, prior=prior)


@dataclass(frozen=True)
class Share:
    """The share of a part in the whole of a process: its statistical error, and its change if the
    cross-section of a sample rises by one error, by sample."""

    measured: Measured
    changes: Mapping[str, float]

    @property
    def error(self) -> float:
        """Statistical and of the cross-sections."""
        return math.hypot(self.measured.error, *self.changes.values())


def share_of(
    samples: Sequence[SampleFlow],
    part: Callable[[SampleFlow], Yield],
    whole: Callable[[SampleFlow], Yield],
    *,
    prior: bool = True,
) -> Share:
    """The share of a part in the whole of the samples of a process, normalised.

    With sums P of the part and W of the whole over samples of factor k, the share e has
    de / d ln k_s = (P_s - e W_s) / W.
    """
    parts, wholes = ([get(sample) for sample in samples] for get in (part, whole))
    total = sum(wholes, Yield())
    measured = pass_rate(sum(parts, Yield()), total, prior=prior)
    return Share(
        measured,
        {
            s.name: s.cross_section_error * (p.sumw - measured.value * w.sumw) / total.sumw
            for s, p, w in zip(samples, parts, wholes, strict=True)
        },
    )


def region_share(samples: Sequence[SampleFlow], region: str) -> Share:
    """The share of an inclusive region in IM1; not empty, it needs no prior, which would be one
    event of the lowest slices in regions that these do not reach."""
    return share_of(
        samples, lambda s: s.flow.bins[region], lambda s: s.flow.bins["IM1"], prior=False
    )


def network_share(samples: Sequence[SampleFlow], network: str, region: str) -> Share:
    """The pass rate of a network in a region."""
    return share_of(
        samples, lambda s: s.flow.networks[network][region], lambda s: s.flow.bins[region]
    )


def background_in(shares: Rates) -> dict[str, float]:
    """Background by process in an inclusive region, of its share in IM1 of simulated processes.

    ATLAS publishes the split in IM1 alone. Each simulated process follows its own simulated
    spectrum from there, the others the mean of the simulated ones: only the shares matter.
    """
    published = im1_background()
    if not shares:
        return published
    simulated = sum(published[p] for p in shares)
    mean = sum(published[p] * share for p, share in shares.items()) / simulated
    return {process: events * shares.get(process, mean) for process, events in published.items()}


@dataclass(frozen=True)
class Result:
    """A ratio, or the largest possible, with its statistical error and that of cross-sections."""

    value: float
    statistical: float
    cross_section: float


def propagate(
    function: Callable[[Rates, Rates], float],
    rates: Mapping[str, Share],
    shares: Mapping[str, Share],
) -> Result:
    """The value and errors of a function of pass rates and of regions' shares.

    Statistical errors are independent; the cross-section of a sample moves a rate and a share of
    its process together.
    """
    at_rates = {p: rate.measured.value for p, rate in rates.items()}
    at_shares = {p: share.measured.value for p, share in shares.items()}
    slopes = (
        (gradient(lambda at: function(at, at_shares), at_rates), rates),
        (gradient(lambda at: function(at_rates, at), at_shares), shares),
    )
    statistical: list[float] = []
    moved: dict[str, float] = {}
    for of, inputs in slopes:
        for process, one in inputs.items():
            statistical.append(of[process] * one.measured.error)
            for sample, change in one.changes.items():
                moved[sample] = moved.get(sample, 0.0) + of[process] * change
    return Result(
        function(at_rates, at_shares), math.hypot(*statistical), math.hypot(*moved.values())
    )


# --- Ratios ---------------------------------------------------------------------------------------


def run(run: Run, targets: Sequence[Target], done: Done) -> None:
    """Ratios of all networks in all inclusive regions that have events."""
    data = json.loads(run.table("cutflow").read_text())
    selected = read_all(run, data)
    ratios = [*measure(data, selected), *measure_own(data, selected)]
    (target,) = targets
    further = simulated_alone(data, "Rates are") + completeness(data)
    table(ratios, data["luminosity"], why_empty(data), further).write_beside(target.output)
    files.write_json(target.output, [asdict(ratio) for ratio in ratios])
    done(target)


def why_empty(data: Mapping[str, Any]) -> str:
    """Return why there may be no ratio, from the cut-flow file."""
    processes = {sample["process"] for sample in data["samples"].values()}
    if missing := [process for process in SCALED if process not in processes]:
        return (
            f"no sample of {' and of '.join(missing)}, and the ratio takes the pass rates of "
            f"{', '.join(SCALED)}: add it to 'samples' (or give all with --input)"
        )
    if not data["networks"]:
        return "no network selects events: add one to 'training.networks'"
    return f"no region has selected events of each of {', '.join(SCALED)}: more events are needed"


def read_all(run: Run, data: Mapping[str, Any]) -> Selected:
    """The selected events of the processes that are scaled, with their scores; nothing if one of
    the thesis's is not simulated.

    Raises:
        InputError: an image or score file is damaged, or they do not belong together.
    """
    normalisation: dict[str, dict[str, float]] = {}
    for name, sample in data["samples"].items():
        if sample["process"] in (*SCALED, ALSO_REJECTED):
            normalisation.setdefault(sample["process"], {})[name] = sample["normalisation"]
    if not all(process in normalisation for process in SCALED):
        return {}
    return {
        selection: {
            process: read_selected(run, factors, selection, list(data["networks"]))
            for process, factors in normalisation.items()
        }
        for selection in VERSIONS.values()
    }


def measure(data: Mapping[str, Any], selected: Selected | None = None) -> list[Ratio]:
    """All ratios where the networks cut, from the numbers of the cut-flow file; ``selected`` events
    tell how much the networks of the folds differ."""
    ratios: list[Ratio] = []
    for network, described in data["networks"].items():
        point = WorkingPoint.of(described)
        for version, selection in VERSIONS.items():
            events = (selected or {}).get(selection, {})
            for region, make_up in _made_up(data, version, selection):
                folds = _rates_by_fold(events, network, region, point.thresholds)
                ratios += make_up.ratios(
                    network,
                    {
                        process: network_share(make_up.simulated[process], network, region)
                        for process in make_up.raw
                    },
                    folds,
                    (point.signal_efficiency,),
                    (point.thresholds,),
                )
    return ratios


@dataclass(frozen=True)
class _MakeUp:
    """How the background of a region is made up, by the name of the version; ``simulated`` are the
    samples that pass rates are measured by, ``raw`` their events in the region."""

    region: str
    simulated: Mapping[str, Sequence[SampleFlow]]
    raw: dict[str, int]
    versions: Mapping[str, Mapping[str, Share]]

    def ratios(
        self,
        network: str,
        rates: Mapping[str, Share],
        folds: Sequence[Rates],
        efficiencies: tuple[float, ...],
        thresholds: tuple[tuple[float, ...], ...],
    ) -> Iterator[Ratio]:
        """The ratios of all versions, of the pass rates of all processes."""
        for version, shares in self.versions.items():
            for suffix, processes in (("", SCALED), (WITH_WENU, (*SCALED, ALSO_REJECTED))):
                if not all(process in rates for process in processes):
                    continue
                used = {process: rates[process] for process in processes}

                def ratio(at: Rates, of_im1: Rates) -> float:
                    return ratio_of(at, background_in(of_im1))

                def largest(
                    _: Rates, of_im1: Rates, rejected: Sequence[str] = processes[1:]
                ) -> float:
                    return largest_ratio(background_in(of_im1), rejected)

                found = propagate(ratio, used, shares)
                best = propagate(largest, {}, shares)
                background = background_in({p: s.measured.value for p, s in shares.items()})
                differ = spread(
                    [
                        ratio_of({p: one[p] for p in processes}, background)
                        for one in folds
                        if all(p in one for p in processes)
                    ]
                )
                both = Averaged(found.value, found.statistical, differ).total
                yield Ratio(
                    network,
                    version + suffix,
                    self.region,
                    found.value,
                    math.hypot(both, found.cross_section),
                    found.statistical,
                    found.cross_section,
                    differ,
                    best.value,
                    math.hypot(best.statistical, best.cross_section),
                    {p: Measured(one.measured.value, one.error) for p, one in used.items()},
                    {process: self.raw[process] for process in processes},
                    efficiencies,
                    thresholds,
                )


def _made_up(
    data: Mapping[str, Any], version: str, selection: str
) -> Iterator[tuple[str, _MakeUp]]:
    """The inclusive regions in which all processes of the thesis have events."""
    published = im1_background()
    selected = {
        process: samples
        for process, samples in samples_by_process(data, monojet36.SR.name).items()
        if process in published and _total(samples, "IM1").sumw > 0
    }
    simulated = {
        process: samples
        for process, samples in samples_by_process(data, selection).items()
        if process in (*SCALED, ALSO_REJECTED)
    }
    for region in (met_bin.name for met_bin in monojet36.INCLUSIVE):
        totals = {process: _total(samples, region) for process, samples in simulated.items()}
        raw = {
            process: totals[process].raw
            for process in (*SCALED, ALSO_REJECTED)
            if process in totals and totals[process].sumw > 0
        }
        if not all(process in raw for process in SCALED):
            continue
        shares = {process: region_share(samples, region) for process, samples in selected.items()}
        versions: dict[str, Mapping[str, Share]] = {version: {} if region == "IM1" else shares}
        if version == "as published" and region != "IM1":
            versions[IM1_SPLIT] = {}
        yield region, _MakeUp(region, simulated, raw, versions)


def _total(samples: Sequence[SampleFlow], region: str) -> Yield:
    return sum((sample.flow.bins[region] for sample in samples), Yield())


def _rates_by_fold(
    events: Mapping[str, Scored], network: str, region: str, thresholds: Sequence[float]
) -> list[dict[str, float]]:
    """The pass rates in each fold, of the processes that have events there; of a single network
    none."""
    if len(thresholds) < 2:
        return []
    low = next(b.low for b in monojet36.INCLUSIVE if b.name == region)
    found = []
    for fold, threshold in enumerate(thresholds):
        rates = {}
        for process, scored in events.items():
            mine = scored.take((scored.fold == fold) & (scored.met > low))
            if mine.total.sumw > 0:
                (passing,) = mine.passing(network, np.array([threshold]))
                rates[process] = passing.sumw / mine.total.sumw
        found.append(rates)
    return found


def measure_own(data: Mapping[str, Any], selected: Selected) -> list[Ratio]:
    """The ratios with each network's own threshold, from the scores of the selected events."""
    ratios: list[Ratio] = []
    for version, selection in VERSIONS.items():
        events = {p: e for p, e in selected.get(selection, {}).items() if p in SCALED}
        if not events:
            return []
        for region, make_up in _made_up(data, version, selection):
            low = next(b.low for b in monojet36.INCLUSIVE if b.name == region)
            inside = {p: e.take(e.met > low) for p, e in events.items()}
            halves = [
                {p: e.take(e.event_number % 2 == odd) for p, e in inside.items()} for odd in (0, 1)
            ]
            if not all(e.total.sumw > 0 for half in halves for e in half.values()):
                continue
            thesis = replace(make_up, raw={p: len(e) for p, e in inside.items()})
            for name, shares in thesis.versions.items():
                background = background_in({p: s.measured.value for p, s in shares.items()})
                for network, described in data["networks"].items():
                    n_folds = len(described["thresholds"])
                    points = [
                        best_point(network, half, background, n_folds) for half in reversed(halves)
                    ]
                    rates = {
                        p: _own_share(make_up.simulated[p], network, [h[p] for h in halves], points)
                        for p in SCALED
                    }
                    own = replace(thesis, versions={name + OWN_THRESHOLD: shares})
                    ratios += own.ratios(
                        network,
                        rates,
                        _own_rates_by_fold(network, halves, points, n_folds),
                        tuple(point.signal_efficiency for point in points),
                        tuple(point.thresholds for point in points),
                    )
    return ratios


def best_point(
    network: str, events: Mapping[str, Scored], background: Mapping[str, float], folds: int
) -> WorkingPoint:
    """The signal efficiency of the largest ratio, of `EFFICIENCIES`, and the least score of each
    fold that has it."""
    signal = events[IRREDUCIBLE]
    thresholds = np.array(
        [
            signal.take(signal.fold == fold).thresholds(network, EFFICIENCIES)
            for fold in range(folds)
        ]
    )

    def rate(scored: Scored) -> npt.NDArray[np.float64]:
        passing = np.zeros(len(EFFICIENCIES))
        for fold in range(folds):
            mine = scored.take(scored.fold == fold)
            passing += [y.sumw for y in mine.passing(network, thresholds[fold])]
        return passing / scored.total.sumw

    rates = {process: rate(scored) for process, scored in events.items()}
    after = sum(background.values()) - sum(background[p] * (1 - rates[p]) for p in rates)
    best = int(np.argmax(rates[IRREDUCIBLE] / np.sqrt(after)))
    return WorkingPoint(float(rates[IRREDUCIBLE][best]), tuple(map(float, thresholds[:, best])))


def _passing(scored: Scored, network: str, point: WorkingPoint) -> Scored:
    """The events that pass the threshold of their fold."""
    return scored.take(scored.scores[network] >= np.array(point.thresholds)[scored.fold])


def _own_share(
    samples: Sequence[SampleFlow],
    network: str,
    halves: Sequence[Scored],
    points: Sequence[WorkingPoint],
) -> Share:
    """The pass rate of both halves together, each where the other half has chosen."""
    passing = [_passing(half, network, point) for half, point in zip(halves, points, strict=True)]

    def of(sample: str, parts: Sequence[Scored]) -> Yield:
        return sum((part.of_sample(sample).total for part in parts), Yield())

    return share_of(samples, lambda s: of(s.name, passing), lambda s: of(s.name, halves))


def _own_rates_by_fold(
    network: str,
    halves: Sequence[Mapping[str, Scored]],
    points: Sequence[WorkingPoint],
    folds: int,
) -> list[dict[str, float]]:
    found = []
    for fold in range(folds if folds > 1 else 0):
        rates = {}
        for process in SCALED:
            whole = passing = 0.0
            for half, point in zip(halves, points, strict=True):
                mine = half[process].take(half[process].fold == fold)
                whole += mine.total.sumw
                passing += _passing(mine, network, point).total.sumw
            if whole > 0:
                rates[process] = passing / whole
        found.append(rates)
    return found


def table(ratios: Sequence[Ratio], luminosity: float, empty: str = "", further: str = "") -> Table:
    """The ratios as a table, with a further note."""
    return Table(
        name="sensitivity",
        title=f"Sensitivity with a network relative to without, {luminosity:g} fb⁻¹",
        columns=(
            "region",
            "network",
            "version",
            "signal efficiency",
            "ratio",
            "of which statistical, cross-sections, trainings",
            "largest",
            "Znunu kept",
            "Wtaunu rejected",
            "Wmunu rejected",
            "Wenu rejected",
            "raw events",
        ),
        rows=[
            [
                r.region,
                r.network,
                r.version,
                " / ".join(f"{e:.3f}" for e in r.signal_efficiencies),
                with_error(r.ratio, r.error),
                f"{r.statistical:.2g}, {r.cross_section:.2g}, "
                + ("-" if r.spread is None else f"{r.spread:.2g}"),
                with_error(r.largest, r.largest_error),
                str(r.rates[IRREDUCIBLE]),
                *(
                    with_error(1 - r.rates[p].value, r.rates[p].error) if p in r.rates else "-"
                    for p in (*REJECTED, ALSO_REJECTED)
                ),
                " / ".join(str(n) for n in r.raw.values()),
            ]
            for r in ratios
        ],
        notes=(
            "As published: pass rates before the lepton veto, as in the thesis (cell + strides "
            "there: 1.118 in IM1). Consistent: pass rates of events after the whole selection, to "
            "which the background counts belong. Split of IM1: as published, and each region's "
            "background made up as that of IM1, whose make-up alone is published; else it follows "
            "the simulated spectra from there. Wenu rejected, too: where it is simulated; the "
            "thesis leaves it as it is. Largest: all Znunu kept, all that is rejected gone. Signal "
            "efficiency: where the network cuts, with a threshold for each fold; that of the "
            "largest precision × recall on events that watched the training, in the slices that "
            "are learned from; with its own threshold that of the largest ratio, of Znunu in the "
            "region, chosen by the events of even number for those of odd number and the other way "
            "round.",
            "Errors: statistical, of the pass rates and of the simulated shares of a region in "
            "IM1; of the cross-sections, one for each sample; and the spread between trainings, "
            "s/√K of the ratios of K folds, which holds the statistical error once (-: of one "
            "network, or where a process has events in fewer than two folds: then the error lacks "
            "it). The error of the ratio is the larger of statistics and spread, in quadrature "
            "with that of the cross-sections. Rates have statistical errors and those of the "
            "cross-sections." + further,
        ),
        empty=empty,
    )
