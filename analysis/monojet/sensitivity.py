"""Measure the gain in sensitivity to dark matter from a cut on a network's score.

The ratio is defined in `analysis.monojet.ratio`. The thesis cuts where precision x recall in the
high slice is largest; the same is done here, on validation events (`training.classifier.evaluate`).
The own threshold of a network in a region is that with the largest ratio there. Events of even
number choose it for those of odd number and vice versa, so that no event is measured with a
threshold that it has chosen. Both working points are one signal efficiency for the networks of all
folds, with a threshold for each.

Errors of a ratio, each propagated to first order:

- statistical: from the pass rates and, above IM1, from the simulated shares IMn / IM1 that give the
  composition of the background. IMn is a subset of IM1, so that a share is an efficiency. A rate is
  measured on the events in IMn, whose number enters the share. Given this number the rate
  fluctuates independently, and the two are not correlated to first order. (As published, rates are
  measured on more events, those before the lepton veto. The correlation is positive and neglected,
  so that these errors are too large, by 13 % in IM4 of the quickstart.) Regions are correlated.
- cross-sections: that of each sample, independent of the others, changes the mixture of slices in
  all rates and shares of its process coherently.
- between trainings: the spread of the ratios of single folds (`common.stats.measured.Averaged`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
import numpy.typing as npt

from analysis.monojet.pass_rates import Share, network_share, region_share, share_of
from analysis.monojet.ratio import (
    Rates,
    background_in,
    im1_background,
    largest_ratio,
    propagate,
    ratio_of,
)
from analysis.monojet.selected_events import SelectedEvents, read_selected
from analysis.monojet.sensitivity_model import (
    ALSO_REJECTED,
    AS_PUBLISHED,
    IM1_SPLIT,
    OWN_THRESHOLD,
    RATE_DEFINITIONS,
    SCALED,
    WITH_WENU,
    SensitivityRatio,
)
from analysis.monojet.sensitivity_tables import table
from analysis.processes import IRREDUCIBLE
from analysis.rdf.yields import Yield
from analysis.workflow.run import Run
from analysis.workflow.target import Done, Target
from analysis.yields.cutflow_model import CutflowTable, ProcessCutflow, SampleCutflow
from analysis.yields.provenance_notes import completeness, simulated_alone
from common.runtime import files
from common.stats.measured import Averaged, spread
from selections import monojet36
from selections.selection import Selection
from training.classifier.evaluation_model import WorkingPoint

EFFICIENCIES = np.linspace(0.01, 1, 100)  # of the signal, among which the own one is chosen

Selected = Mapping[str, Mapping[str, SelectedEvents]]
"""Events by selection and process."""


def run(run: Run, targets: Sequence[Target], done: Done) -> None:
    """Measure the ratios of all networks in all inclusive regions that have events."""
    cutflow = CutflowTable.read(run.table("cutflow"))
    ratios, empty = [], other_selection(run.config.selection.resolved)
    if not empty:
        selected = read_all(run, cutflow)
        ratios = [*measure(cutflow, selected), *measure_own(cutflow, selected)]
    (target,) = targets
    note = simulated_alone(cutflow, "Rates are") + completeness(cutflow)
    empty = empty or why_empty(cutflow)
    table(ratios, cutflow.luminosity, empty, note).write_beside(target.output)
    files.write_json(target.output, [asdict(ratio) for ratio in ratios])
    done(target)


def other_selection(selection: Selection) -> str:
    """Return what a selection lacks of that whose background ATLAS published; empty if nothing."""
    published = monojet36.SELECTION
    for name in RATE_DEFINITIONS.values():
        if name not in selection.used:
            return f"the ratio needs region {name} of monojet36: add it to 'selection.use'"
        cuts, expected = (
            [cut.expression for cut in one.regions[name].cuts] for one in (selection, published)
        )
        if cuts != expected:
            return f"the selection changes {name} of monojet36, whose background is published"
    bins, expected_bins = (
        (one.binning.axis.expression, one.binning.inclusive) for one in (selection, published)
    )
    if bins != expected_bins:
        return "the selection has other signal bins than monojet36, whose background is published"
    return ""


def why_empty(cutflow: CutflowTable) -> str:
    """Return why there may be no ratio."""
    processes = {sample.process for sample in cutflow.samples.values()}
    if missing := [process for process in SCALED if process not in processes]:
        return (
            f"no sample of {' and of '.join(missing)}, and the ratio takes the pass rates of "
            f"{', '.join(SCALED)}: add it to 'samples' (or give all with --input)"
        )
    if not cutflow.networks:
        return "no network selects events: add one to 'training.networks'"
    return f"no region has selected events of each of {', '.join(SCALED)}: more events are needed"


def read_all(run: Run, cutflow: CutflowTable) -> Selected:
    """Read the selected events of the scaled processes with their scores; nothing if a process that
    the thesis scales is not simulated.

    Raises:
        InputError: an image or score file is damaged.
        ScoreError: images and scores have different events.
    """
    normalisation: dict[str, dict[str, float]] = {}
    for name, sample in cutflow.samples.items():
        if sample.process in (*SCALED, ALSO_REJECTED):
            normalisation.setdefault(sample.process, {})[name] = sample.normalisation
    if not all(process in normalisation for process in SCALED):
        return {}
    return {
        selection: {
            process: read_selected(run, factors, selection, list(cutflow.networks))
            for process, factors in normalisation.items()
        }
        for selection in RATE_DEFINITIONS.values()
    }


def measure(cutflow: CutflowTable, selected: Selected | None = None) -> list[SensitivityRatio]:
    """Return all ratios at the working points of the networks, from the cut-flow.

    ``selected`` events give the spread between the networks of the folds.
    """
    ratios: list[SensitivityRatio] = []
    for network, point in cutflow.networks.items():
        for rate_definition, selection in RATE_DEFINITIONS.items():
            events = (selected or {}).get(selection, {})
            for one in _compositions(cutflow, rate_definition, selection):
                ratios += one.ratios(
                    network,
                    {
                        process: network_share(one.simulated[process], network, one.region)
                        for process in one.entries
                    },
                    _rates_by_fold(events, network, one.region, point.thresholds),
                    (point,),
                )
    return ratios


@dataclass(frozen=True)
class _Composition:
    """The background composition of a region, as shares of IM1 by rate definition.

    ``simulated`` are the cut-flows that give the pass rates, ``entries`` their numbers of events in
    the region.
    """

    region: str
    simulated: Mapping[str, ProcessCutflow]
    entries: dict[str, int]
    shares: Mapping[str, Mapping[str, Share]]

    def ratios(
        self,
        network: str,
        rates: Mapping[str, Share],
        folds: Sequence[Rates],
        points: Sequence[WorkingPoint],
    ) -> Iterator[SensitivityRatio]:
        """Yield the ratios of all rate definitions, without and with Wenu scaled."""
        for rate_definition, shares in self.shares.items():
            for suffix, processes in (("", SCALED), (WITH_WENU, (*SCALED, ALSO_REJECTED))):
                if all(process in rates for process in processes):
                    yield self._ratio(
                        network,
                        rate_definition + suffix,
                        {process: rates[process] for process in processes},
                        shares,
                        folds,
                        points,
                    )

    def _ratio(
        self,
        network: str,
        rate_definition: str,
        rates: Mapping[str, Share],
        shares: Mapping[str, Share],
        folds: Sequence[Rates],
        points: Sequence[WorkingPoint],
    ) -> SensitivityRatio:
        rejected = [process for process in rates if process != IRREDUCIBLE]
        found = propagate(lambda r, of_im1: ratio_of(r, background_in(of_im1)), rates, shares)
        best = propagate(
            lambda _, of_im1: largest_ratio(background_in(of_im1), rejected), {}, shares
        )
        background = background_in({p: s.measured.value for p, s in shares.items()})
        between_folds = spread(
            [
                ratio_of({p: of_fold[p] for p in rates}, background)
                for of_fold in folds
                if all(p in of_fold for p in rates)
            ]
        )
        both = Averaged(found.value, found.statistical, between_folds).total
        return SensitivityRatio(
            network=network,
            rate_definition=rate_definition,
            region=self.region,
            ratio=found.value,
            error=math.hypot(both, found.cross_section),
            statistical=found.statistical,
            cross_section=found.cross_section,
            spread=between_folds,
            largest=best.value,
            largest_error=math.hypot(best.statistical, best.cross_section),
            rates={p: rate.with_total_error for p, rate in rates.items()},
            entries={process: self.entries[process] for process in rates},
            signal_efficiencies=tuple(point.signal_efficiency for point in points),
            thresholds=tuple(point.thresholds for point in points),
        )


def _compositions(
    cutflow: CutflowTable, rate_definition: str, selection: str
) -> Iterator[_Composition]:
    """Yield the compositions of the inclusive regions in which all scaled processes have events."""
    published = im1_background()
    selected = {
        process: found
        for process, found in cutflow.processes(monojet36.SR.name).items()
        if process in published and found.total("IM1").sumw > 0
    }
    simulated = {
        process: found
        for process, found in cutflow.processes(selection).items()
        if process in (*SCALED, ALSO_REJECTED)
    }
    for region in (met_bin.name for met_bin in monojet36.INCLUSIVE):
        totals = {process: found.total(region) for process, found in simulated.items()}
        entries = {
            process: totals[process].entries
            for process in (*SCALED, ALSO_REJECTED)
            if process in totals and totals[process].sumw > 0
        }
        if not all(process in entries for process in SCALED):
            continue
        shares: dict[str, dict[str, Share]] = {rate_definition: {}}
        if region != "IM1":
            shares[rate_definition] = {p: region_share(c, region) for p, c in selected.items()}
            if rate_definition == AS_PUBLISHED:
                shares[IM1_SPLIT] = {}
        yield _Composition(region, simulated, entries, shares)


def _lower_edge(region: str) -> float:
    """Return the lower edge of an inclusive region in GeV."""
    return next(b.low for b in monojet36.INCLUSIVE if b.name == region)


def _rates_by_fold(
    events: Mapping[str, SelectedEvents],
    network: str,
    region: str,
    thresholds: Sequence[float],
) -> list[dict[str, float]]:
    """Return the pass rates in each fold of the processes that have events there; nothing for a
    single network."""
    if len(thresholds) < 2:
        return []
    low = _lower_edge(region)
    found = []
    for fold, threshold in enumerate(thresholds):
        rates = {}
        for process, one in events.items():
            of_fold = one.take((one.fold == fold) & (one.met > low))
            if of_fold.total.sumw > 0:
                (passing,) = of_fold.passing(network, np.array([threshold]))
                rates[process] = passing.sumw / of_fold.total.sumw
        found.append(rates)
    return found


# --- Own thresholds -------------------------------------------------------------------------------


def measure_own(cutflow: CutflowTable, selected: Selected) -> list[SensitivityRatio]:
    """Return the ratios at each network's own threshold, from the scores of the selected events."""
    ratios: list[SensitivityRatio] = []
    for rate_definition, selection in RATE_DEFINITIONS.items():
        events = {p: e for p, e in selected.get(selection, {}).items() if p in SCALED}
        if not events:
            return []
        for one in _compositions(cutflow, rate_definition, selection):
            low = _lower_edge(one.region)
            inside = {p: e.take(e.met > low) for p, e in events.items()}
            ratios += _own_ratios(one, inside, cutflow.networks)
    return ratios


def _own_ratios(
    composition: _Composition,
    events: Mapping[str, SelectedEvents],
    networks: Mapping[str, WorkingPoint],
) -> Iterator[SensitivityRatio]:
    """Yield the ratios of all networks in one region, if both halves of its events have each
    process."""
    halves = [{p: e.take(e.event_number % 2 == odd) for p, e in events.items()} for odd in (0, 1)]
    if not all(e.total.sumw > 0 for half in halves for e in half.values()):
        return
    entries = {p: len(e) for p, e in events.items()}
    for rate_definition, shares in composition.shares.items():
        background = background_in({p: s.measured.value for p, s in shares.items()})
        own = replace(
            composition, entries=entries, shares={rate_definition + OWN_THRESHOLD: shares}
        )
        for network, point in networks.items():
            n_folds = len(point.thresholds)
            points = [best_point(network, half, background, n_folds) for half in reversed(halves)]
            rates = {
                p: _own_share(own.simulated[p], network, [half[p] for half in halves], points)
                for p in SCALED
            }
            by_fold = _own_rates_by_fold(network, halves, points, n_folds)
            yield from own.ratios(network, rates, by_fold, points)


def best_point(
    network: str, events: Mapping[str, SelectedEvents], background: Mapping[str, float], folds: int
) -> WorkingPoint:
    """Return the signal efficiency with the largest ratio, among `EFFICIENCIES`, and the
    corresponding threshold of each fold."""
    signal = events[IRREDUCIBLE]
    thresholds = np.array(
        [
            signal.take(signal.fold == fold).thresholds(network, EFFICIENCIES)
            for fold in range(folds)
        ]
    )

    def rate(one: SelectedEvents) -> npt.NDArray[np.float64]:
        passing = np.zeros(len(EFFICIENCIES))
        for fold in range(folds):
            of_fold = one.take(one.fold == fold)
            passing += [y.sumw for y in of_fold.passing(network, thresholds[fold])]
        return passing / one.total.sumw

    rates = {process: rate(one) for process, one in events.items()}
    after = sum(background.values()) - sum(background[p] * (1 - rates[p]) for p in rates)
    best = int(np.argmax(rates[IRREDUCIBLE] / np.sqrt(after)))
    return WorkingPoint(float(rates[IRREDUCIBLE][best]), tuple(map(float, thresholds[:, best])))


def _passing(events: SelectedEvents, network: str, point: WorkingPoint) -> SelectedEvents:
    """Return the events that pass the threshold of their fold."""
    return events.take(events.scores[network] >= np.array(point.thresholds)[events.fold])


def _own_share(
    process: ProcessCutflow,
    network: str,
    halves: Sequence[SelectedEvents],
    points: Sequence[WorkingPoint],
) -> Share:
    """Return the pass rate of both halves together, each at the point that the other has chosen."""
    passing = [_passing(half, network, point) for half, point in zip(halves, points, strict=True)]

    def total(sample: SampleCutflow, some: Sequence[SelectedEvents]) -> Yield:
        return sum((half.of_sample(sample.name).total for half in some), Yield())

    return share_of(process, lambda s: total(s, passing), lambda s: total(s, halves))


def _own_rates_by_fold(
    network: str,
    halves: Sequence[Mapping[str, SelectedEvents]],
    points: Sequence[WorkingPoint],
    folds: int,
) -> list[dict[str, float]]:
    """Return the pass rates of both halves together in each fold; nothing for a single network."""
    found = []
    for fold in range(folds if folds > 1 else 0):
        rates = {}
        for process in SCALED:
            whole = passing = 0.0
            for half, point in zip(halves, points, strict=True):
                of_fold = half[process].take(half[process].fold == fold)
                whole += of_fold.total.sumw
                passing += _passing(of_fold, network, point).total.sumw
            if whole > 0:
                rates[process] = passing / whole
        found.append(rates)
    return found
