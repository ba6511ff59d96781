"""What autoencoders find anomalous: regions by score, yields, areas under curves, significance.

Scores come back into RDataFrame by key. Only events that no autoencoder has seen count: those of
the test, scaled up by their share. Regions begin at quantiles of the background's scores. What is
observed there, in data or pseudo-data, is set against the simulated background.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from analysis import rmm
from analysis.config import Config, Sample
from analysis.inputs import reader
from analysis.inputs.sources import input_of, input_ranges
from analysis.pipeline import Done, Run, Target
from analysis.regions import define, require
from analysis.rmm_file import PSEUDO_DATA, TEST, read_attribute, read_events
from analysis.score_tables import load_scores
from analysis.significance import observed_significance, significance
from analysis.yields import ExactYield, Yield, read_out
from common import files
from common.errors import InputError
from common.measured import Measured
from common.roc import Scored, weighted_auc
from common.score_file import read_scores_of
from common.tables import Table, with_error
from cpp_helpers import declare, load_root
from cpp_helpers.errors import cause_of
from selections import three_lepton
from selections.cuts import Cut, Definition

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Events:
    """Test events of a sample: expected events of each, and its score by each autoencoder."""

    weight: Floats
    scores: Mapping[str, Floats]


@dataclass(frozen=True)
class RegionYields:
    """Expected events above a score, by sample and channel; ``quantile`` is the share of the
    background below it."""

    quantile: float
    threshold: float
    samples: dict[str, dict[str, Yield]]


@dataclass(frozen=True)
class Excess:
    """A signal over the background in a region, all channels together."""

    signal: str
    quantile: float
    n_signal: Measured
    n_background: Measured
    significance: float | None  # none without a background
    with_error: float | None  # of the background, as configured


@dataclass(frozen=True)
class Observation:
    """What is observed in a region, in data or pseudo-data, all channels together; significances
    are negative where it is less than the background. ``mean_error`` is that of the background
    that pseudo-data are expected to have, which is simulated, too; of data 0."""

    observed: str
    quantile: float
    n_observed: int
    n_background: Measured
    mean_error: float
    significance: float | None  # none without a background
    with_error: float | None  # of the background, as configured, and of the mean


@dataclass(frozen=True)
class Findings:
    """All that is said of one autoencoder."""

    autoencoder: str
    auc: dict[str, Measured]
    regions: list[RegionYields]
    excesses: list[Excess]
    observations: list[Observation]


def test_share(config: Config, sample: Sample) -> float:
    """Share of a sample's events that are of the test."""
    low, high = rmm.test_window(sample, config.search)
    return min(high, 1.0) - low


def run(run: Run, targets: Sequence[Target], done: Done) -> None:
    """Regions, yields, areas and significances of all autoencoders."""
    config = run.config
    names = [spec.name for spec in config.search.autoencoders]
    events = {s.name: _read(run, s, names, TEST) for s in config.samples}
    background = _joined([events[s.name] for s in config.normal_samples()])
    edges = {
        name: quantiles(background.scores[name], background.weight, config.search.quantiles)
        for name in names
    }
    yields = {s.name: _yields(run, s, edges) for s in config.samples}
    yields |= {p.name: _counts(run, p.name, edges) for p in config.search.pseudo_data}
    errors = _errors_of_means(run, edges) if config.search.pseudo_data else {}
    found = [
        _findings(
            config,
            name,
            edges[name],
            yields,
            events,
            background,
            {pseudo.name: errors[name] for pseudo in config.search.pseudo_data},
        )
        for name in names
    ]
    (target,) = targets
    tables = [findings_table(config, found), regions_table(config, found)]
    if any(one.observations for one in found):
        tables.append(observations_table(config, found))
    for table in tables:
        table.write_beside(target.output.with_name(f"{table.name}.json"))
    files.write_json(target.output, [asdict(one) for one in found])
    done(target)


def _read(run: Run, sample: Sample, names: Sequence[str], part: int) -> Events:
    path = run.matrices(sample.name)
    columns = read_events(path, ["run_number", "event_number", "weight", "part"])
    scores = run.anomaly_scores(sample.name)
    scored = read_scores_of(columns, path, scores, names, "anomaly_scoring")
    chosen = columns["part"] == part
    search = run.config.search
    share = test_share(run.config, sample) if part == TEST else search.rmm.split.pseudo_data
    factor = float(read_attribute(path, "normalisation")) / share
    return Events(
        columns["weight"][chosen] * factor,
        {name: scored[name][chosen].astype(np.float64) for name in names},
    )


def _errors_of_means(run: Run, edges: Mapping[str, Sequence[float]]) -> dict[str, list[float]]:
    """Statistical errors of the background that pseudo-data are to have above each edge."""
    squares = {name: np.zeros(len(bounds)) for name, bounds in edges.items()}
    for sample in run.config.normal_samples():
        drawn = _read(run, sample, list(edges), PSEUDO_DATA)
        for name, bounds in edges.items():
            above = drawn.scores[name][:, np.newaxis] >= np.asarray(bounds, np.float32)
            squares[name] += drawn.weight**2 @ above
    return {name: np.sqrt(total).tolist() for name, total in squares.items()}


def _joined(samples: Sequence[Events]) -> Events:
    return Events(
        np.concatenate([s.weight for s in samples]),
        {n: np.concatenate([s.scores[n] for s in samples]) for n in samples[0].scores},
    )


def quantiles(scores: Floats, weights: Floats, shares: Sequence[float]) -> list[float]:
    """The least scores with no more than ``1 - share`` of the weights at or above; where even the
    highest has more, that one.

    Raises:
        InputError: the events have no positive sum of weights.
    """
    values, place = np.unique(scores, return_inverse=True)
    above = np.cumsum(np.bincount(place, weights)[::-1])[::-1]  # of each score and all higher ones
    if not len(above) or above[0] <= 0:
        raise InputError("the background has no test events of positive weight: generate more")
    kept = [np.flatnonzero(above <= (1 - share) * above[0]) for share in shares]
    return [float(values[k[0]] if len(k) else values[-1]) for k in kept]


def auc(signal: Events, background: Events, name: str, seed: int) -> Measured:
    """Area under the weighted ROC curve, with the error of bootstrap replicas."""
    of_signal = Scored(signal.scores[name], signal.weight)
    return weighted_auc(of_signal, Scored(background.scores[name], background.weight), seed)


def _counts(
    run: Run, name: str, edges: Mapping[str, Sequence[float]]
) -> dict[str, dict[str, list[Yield]]]:
    """Pseudo-data by autoencoder and channel between the edges. They are no events of a sample
    that could be read again, so they are counted from their matrices."""
    path = run.matrices(name)
    columns = read_events(path, ["run_number", "event_number", "n_muons"])
    scores = read_scores_of(columns, path, run.anomaly_scores(name), list(edges), "anomaly_scoring")
    found: dict[str, dict[str, list[Yield]]] = {}
    for autoencoder, bounds in edges.items():
        between = np.searchsorted(np.asarray(bounds, np.float32), scores[autoencoder], side="right")
        found[autoencoder] = {
            channel: [
                Yield(n, n, n)
                for n in np.bincount(
                    between[columns["n_muons"] == n_muons], minlength=len(bounds) + 1
                ).tolist()
            ]
            for n_muons, channel in enumerate(three_lepton.CHANNELS)
        }
    return found


def _yields(
    run: Run, sample: Sample, edges: Mapping[str, Sequence[float]]
) -> dict[str, dict[str, list[Yield]]]:
    """Expected events by autoencoder and channel between the edges, from RDataFrame."""
    sums: dict[str, dict[str, list[ExactYield]]] = {}
    for piece in input_ranges(run, sample.name, rmm.needs(run.config.search.rmm)):
        file = input_of(run, sample.name, piece.file)
        end = file.n_events if piece.end is None else piece.end
        found = _event_loop(run, sample, file, piece.begin, end, edges)
        for name, channels in found.items():
            for channel, bins in channels.items():
                known = sums.setdefault(name, {}).get(channel, [ExactYield()] * len(bins))
                sums[name][channel] = [a + b for a, b in zip(known, bins, strict=True)]
    factor = float(read_attribute(run.matrices(sample.name), "normalisation"))
    factor /= test_share(run.config, sample)
    return {
        name: {
            channel: [y.rounded().scaled(factor) for y in bins]
            for channel, bins in channels.items()
        }
        for name, channels in sums.items()
    }


def _event_loop(
    run: Run,
    sample: Sample,
    file: reader.File,
    begin: int,
    end: int,
    edges: Mapping[str, Sequence[float]],
) -> dict[str, dict[str, list[ExactYield]]]:
    search = run.config.search
    load_scores(run.anomaly_scores(sample.name), tuple(edges))
    df = rmm.selected(reader.open_range(file, begin, end), file, search)
    low, high = rmm.test_window(sample, search)
    df = declare().define_per_sample(df, "test_low", f"{low!r}")
    df = declare().define_per_sample(df, "test_high", f"{high!r}")
    draw = f"float({rmm.DRAW})"
    df = require(df, Cut("test", f"{draw} >= float(test_low) && {draw} < float(test_high)", "test"))
    scores = [
        Definition(f"score_{i}", f"monojet::score({i}, run_number, event_number)")
        for i in range(len(edges))
    ]
    df = define(df, scores)
    booked = {}
    for channel in three_lepton.CHANNELS:
        of_channel = require(df, three_lepton.REGIONS[channel].cuts[-1])
        for i, (name, bounds) in enumerate(edges.items()):
            below = [float(np.nextafter(np.float32(b), np.float32(-np.inf))) for b in bounds]
            booked[name, channel] = declare().book_yields(
                of_channel, f"score_{i}", "event_weight", below
            )
    root = load_root()
    try:
        root.RDF.RunGraphs(list(booked.values()))
    except Exception as error:  # whatever cppyy makes of a C++ exception
        raise InputError(f"{file.path}: the event loop failed: {cause_of(error)}") from error
    found: dict[str, dict[str, list[ExactYield]]] = {name: {} for name in edges}
    for (name, channel), y in booked.items():
        found[name][channel] = read_out(y.GetValue())
    return found


def _findings(
    config: Config,
    name: str,
    edges: Sequence[float],
    yields: Mapping[str, Mapping[str, Mapping[str, Sequence[Yield]]]],
    events: Mapping[str, Events],
    background: Events,
    errors_of_means: Mapping[str, Sequence[float]],
) -> Findings:
    search = config.search
    regions = [
        RegionYields(
            quantile,
            threshold,
            {
                sample: {c: sum(bins[i + 1 :], Yield()) for c, bins in of_sample[name].items()}
                for sample, of_sample in yields.items()
            },
        )
        for i, (quantile, threshold) in enumerate(zip(search.quantiles, edges, strict=True))
    ]
    signals = config.signal_samples()
    normal = [s.name for s in config.normal_samples()]
    observed = [s.name for s in config.samples if s.data] + [p.name for p in search.pseudo_data]
    areas = {
        s.name: auc(events[s.name], background, name, config.seed)
        for s in signals
        if len(events[s.name].weight)
    }
    excesses = []
    for signal in signals:
        for region in regions:
            s = _total(region, [signal.name])
            b, error = _background(region, normal, search.background_error)
            excesses.append(
                Excess(
                    signal.name,
                    region.quantile,
                    s,
                    b,
                    _expected(s, b),
                    _expected(s, b, error),
                )
            )
    observations = []
    for what in observed:
        for i, region in enumerate(regions):
            n = sum(y.raw for y in region.samples[what].values())
            b, error = _background(region, normal, search.background_error)
            of_mean = errors_of_means[what][i] if what in errors_of_means else 0.0
            observations.append(
                Observation(
                    what,
                    region.quantile,
                    n,
                    b,
                    of_mean,
                    _observed(n, b),
                    _observed(n, b, float(np.hypot(error, of_mean))),
                )
            )
    return Findings(name, areas, regions, excesses, observations)


def _observed(n: float, background: Measured, error: float = 0.0) -> float | None:
    if background.value <= 0:
        return None
    return observed_significance(n, background.value, error)


def _expected(signal: Measured, background: Measured, error: float = 0.0) -> float | None:
    return None if background.value <= 0 else significance(signal.value, background.value, error)


def _written(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _total(region: RegionYields, samples: Sequence[str]) -> Measured:
    total = sum((y for name in samples for y in region.samples[name].values()), Yield())
    return Measured(total.sumw, total.error)


def _background(
    region: RegionYields, normal: Sequence[str], relative: float
) -> tuple[Measured, float]:
    """The background, with its statistical error, and the error of both kinds."""
    total = _total(region, normal)
    return total, float(np.hypot(relative * total.value, total.error))


def findings_table(config: Config, findings: Sequence[Findings]) -> Table:
    """Area and significances of each signal."""
    return Table(
        name="anomaly",
        title=f"Signals that no autoencoder has seen, {config.luminosity:g} fb⁻¹",
        columns=(
            "autoencoder",
            "signal",
            "AUC",
            "background below",
            "signal events",
            "background events",
            "significance",
            f"with {100 * config.search.background_error:g} % and statistical error",
        ),
        rows=[
            [
                one.autoencoder,
                excess.signal,
                str(one.auc.get(excess.signal, "-")),
                f"{100 * excess.quantile:g} %",
                str(excess.n_signal),
                str(excess.n_background),
                _written(excess.significance, ".2f"),
                _written(excess.with_error, ".2f"),
            ]
            for one in findings
            for excess in one.excesses
        ],
        notes=(
            "AUC: area under the ROC curve against all simulated backgrounds together. Regions are "
            "above a quantile of the background's scores. Test events alone, scaled up. Errors of "
            "yields are statistical, of areas from bootstrap replicas. A process none of whose "
            "test events lies in a region has no error there, however much one of them would "
            "count.",
        ),
    )


def observations_table(config: Config, findings: Sequence[Findings]) -> Table:
    """What is observed in each region, beside the background."""
    return Table(
        name="anomaly_observed",
        title=f"Observed events above a score, {config.luminosity:g} fb⁻¹",
        columns=(
            "autoencoder",
            "observed in",
            "background below",
            "observed",
            "background",
            "significance",
            f"with {100 * config.search.background_error:g} % and statistical error",
        ),
        rows=[
            [
                one.autoencoder,
                seen.observed,
                f"{100 * seen.quantile:g} %",
                f"{seen.n_observed}",
                str(seen.n_background),
                _written(seen.significance, "+.2f"),
                _written(seen.with_error, "+.2f"),
            ]
            for one in findings
            for seen in one.observations
        ],
        notes=(
            "Pseudo-data are drawn from simulated events that are used for nothing else: their "
            "mean has a statistical error of its own, which only the last column counts. The "
            "background is that of test events, scaled up; its errors are statistical. "
            "Significances are negative where less is observed.",
        ),
    )


def regions_table(config: Config, findings: Sequence[Findings]) -> Table:
    """Expected events of each sample in each region and channel."""
    rows = []
    for one in findings:
        for region in one.regions:
            for sample, channels in region.samples.items():
                rows.append(
                    [
                        one.autoencoder,
                        f"{100 * region.quantile:g} %",
                        f"{region.threshold:.3f}",
                        sample,
                        *(
                            with_error(channels[c].sumw, channels[c].error)
                            if channels[c].raw
                            else "0"
                            for c in three_lepton.CHANNELS
                        ),
                    ]
                )
    return Table(
        name="anomaly_regions",
        title=f"Events above a score, {config.luminosity:g} fb⁻¹",
        columns=(
            *("autoencoder", "background below", "least score", "sample"),
            *three_lepton.CHANNELS,
        ),
        rows=rows,
        notes=("Test events alone, scaled up by their share. Errors are statistical.",),
    )
