"""How well a network tells signal from background, from scores of events it did not see.

Signal and background are given equal total weight, as the thesis's samples have. Its "accuracy"
is (precision + recall) / 2 and its "mean average precision" precision x recall: both are named so
here; ordinary accuracy is another number and is given beside them.

The networks of the folds differ, and so do their scores: each is judged by the events of its fold
alone, and what is quoted is the mean over folds with its statistical error and the spread between
the trainings. They cut at one efficiency of the signal, each at a threshold of its own. Efficiency
and thresholds are chosen by events that watched the training (`choose`), not by those that judge.

Events count by their weights, negative ones included, within a sample; samples count as their
numbers of events.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from common.runtime.errors import InputError
from common.stats.measured import Averaged, Measured, averaged, measured_share, spread
from common.stats.roc import Curve, Scored

ROC_POINTS = 201
# Efficiencies of signal at which the background's rejection is given; the third is that of the
# thesis's cell + strides at its best threshold (table 2).
EFFICIENCIES = (0.50, 0.90, 0.919, 0.95)
WORKING_POINTS = np.linspace(0.001, 1, 1000)  # efficiencies among which the best is chosen

Classes = tuple[Scored, Scored]
"""Signal and background, scored by one network."""


@dataclass(frozen=True)
class ThresholdRow:
    """One line of table 2 of the thesis."""

    threshold: float
    precision: float
    recall: float
    mean_precision_recall: float
    precision_times_recall: float
    accuracy: float


@dataclass(frozen=True)
class Fold:
    """What one network does, where it cuts, on the judged events of its fold."""

    threshold: float
    n_signal: int
    n_background: int
    precision: Measured
    recall: Measured
    mean_precision_recall: Measured
    precision_times_recall: Measured
    accuracy: Measured
    auc: Measured
    rejection: dict[str, Measured]


@dataclass(frozen=True)
class Evaluation:
    """All that is said of one network: means over its folds."""

    network: str
    n_signal: int
    n_background: int
    scan: list[ThresholdRow]
    signal_efficiency: float
    thresholds: list[float]
    trained: bool  # whether it is better than chance, by more than two errors
    precision: Averaged
    recall: Averaged
    mean_precision_recall: Averaged
    precision_times_recall: Averaged
    accuracy: Averaged
    auc: Averaged
    rejection: dict[str, Averaged]
    roc: dict[str, list[float]]
    pass_rates: dict[str, Averaged]
    folds: list[Fold]

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


def row_of(threshold: float, recall: float, false_positives: float) -> ThresholdRow:
    """Precision and what follows, of the shares of signal and background that pass.

    Precision is 1 where nothing is selected, as in the thesis's table.
    """
    selected = recall + false_positives
    precision = recall / selected if selected > 0 else 1.0
    return ThresholdRow(
        threshold=threshold,
        precision=precision,
        recall=recall,
        mean_precision_recall=(precision + recall) / 2,
        precision_times_recall=precision * recall,
        accuracy=(recall + 1 - false_positives) / 2,
    )


def share_above(scored: Scored, threshold: float) -> float:
    """The weighted share of events of ``score >= threshold`` (at 1: ``> 1``)."""
    passing = scored.score >= threshold if threshold < 1 else scored.score > threshold
    return float(scored.weight[passing].sum() / scored.weight.sum())


def threshold_row(folds: Sequence[Classes], threshold: float) -> ThresholdRow:
    """A threshold for all folds alike, as in the thesis's table: a description, not a choice."""
    recall, false_positives = (
        float(np.mean([share_above(fold[kind], threshold) for fold in folds])) for kind in (0, 1)
    )
    return row_of(threshold, recall, false_positives)


def choose(folds: Sequence[Classes]) -> tuple[float, list[float]]:
    """The signal efficiency of the largest precision x recall, with the background efficiency at it
    averaged over folds, and the threshold of each fold that has it."""
    curves = [Curve(*fold) for fold in folds]
    signal, background = (
        np.mean([at(curve, WORKING_POINTS) for curve in curves], axis=0)
        for at in (Curve.signal_at, Curve.background_at)
    )
    rows = [
        row_of(0.0, float(e), max(float(b), 0.0)) for e, b in zip(signal, background, strict=True)
    ]
    best = max(range(len(rows)), key=lambda i: rows[i].precision_times_recall)
    return float(signal[best]), [float(c.threshold_at(WORKING_POINTS[[best]])[0]) for c in curves]


def evaluate(
    network: str,
    choosing: Sequence[Classes],
    judging: Sequence[Classes],
    samples: Mapping[str, Sequence[Scored]],
    *,
    thresholds: int,
    bootstrap: int,
    seed: int,
) -> Evaluation:
    """Choose where to cut, judge each fold there, and average over folds.

    Args:
        network: its name.
        choosing: for each fold, events that watched the training of its network.
        judging: for each fold, the events that its network is judged by.
        samples: for each fold, scores of every sample, for its pass rate.
        thresholds: how many the scan has, uniform in [0, 1] with both ends.
        bootstrap: replicas for the errors; each draws both classes anew.
        seed: of the replicas.

    Rejections are given at the signal efficiencies `EFFICIENCIES`. A fold without judged events of
    both classes is left out of the means.

    Raises:
        InputError: no fold has events of both classes.
    """
    efficiency, cuts = choose(choosing)
    used = [
        (judged, cut)
        for judged, cut in zip(judging, cuts, strict=True)
        if all(len(c.score) and c.weight.sum() > 0 for c in judged)
    ]
    if not used:
        raise InputError(
            f"{network}: no fold has signal and background events of positive weight to judge it "
            "by: more events or fewer folds are needed"
        )
    rng = np.random.default_rng(seed)
    folds = [_judge(judged, cut, bootstrap, rng) for judged, cut in used]
    judged = [one for one, _ in used]
    grid = np.linspace(0, 1, ROC_POINTS)[::-1]
    area = averaged([fold.auc for fold in folds])
    return Evaluation(
        network=network,
        n_signal=sum(fold.n_signal for fold in folds),
        n_background=sum(fold.n_background for fold in folds),
        scan=[threshold_row(judged, i / (thresholds - 1)) for i in range(thresholds)],
        signal_efficiency=efficiency,
        thresholds=cuts,
        trained=area.value > 0.5 + 2 * area.total,
        precision=averaged([fold.precision for fold in folds]),
        recall=averaged([fold.recall for fold in folds]),
        mean_precision_recall=averaged([fold.mean_precision_recall for fold in folds]),
        precision_times_recall=averaged([fold.precision_times_recall for fold in folds]),
        accuracy=averaged([fold.accuracy for fold in folds]),
        auc=area,
        rejection={
            key: averaged([fold.rejection[key] for fold in folds]) for key in folds[0].rejection
        },
        roc={
            # from where everything passes
            "signal_efficiency": [1.0, *grid.tolist()],
            "background_efficiency": [
                1.0,
                *np.mean([Curve(*one).background_at(grid) for one in judged], axis=0).tolist(),
            ],
        },
        pass_rates={name: _rate(parts, cuts) for name, parts in samples.items()},
        folds=folds,
    )


def _judge(judged: Classes, cut: float, bootstrap: int, rng: np.random.Generator) -> Fold:
    """One network, with the errors of bootstrap replicas of its events."""
    curve = Curve(*judged)
    at = np.array(EFFICIENCIES)

    def numbers(curve: Curve) -> list[float]:
        row = row_of(cut, *curve.shares_above(cut))
        return [
            row.precision,
            row.recall,
            row.mean_precision_recall,
            row.precision_times_recall,
            row.accuracy,
            curve.area(),
            *(1 - curve.background_at(at)).tolist(),
        ]

    replicas = [numbers(curve.drawn(rng)) for _ in range(bootstrap)]
    errors = np.std(replicas, axis=0, ddof=1).tolist()
    measured = [Measured(v, e) for v, e in zip(numbers(curve), errors, strict=True)]
    rejection = {f"{e:g}": one for e, one in zip(EFFICIENCIES, measured[6:], strict=True)}
    precision, recall, mean, product, accuracy, area = measured[:6]
    return Fold(
        threshold=cut,
        n_signal=len(judged[0].score),
        n_background=len(judged[1].score),
        precision=precision,
        recall=recall,
        mean_precision_recall=mean,
        precision_times_recall=product,
        accuracy=accuracy,
        auc=area,
        rejection=rejection,
    )


def _rate(parts: Sequence[Scored], cuts: Sequence[float]) -> Averaged:
    """The pass rate of a sample, each event at the threshold of its fold."""
    passing, whole = np.zeros(2), np.zeros(2)
    rates = []
    for scored, cut in zip(parts, cuts, strict=True):
        weight, chosen = scored.weight, scored.weight[scored.score >= cut]
        whole += weight.sum(), (weight**2).sum()
        passing += chosen.sum(), (chosen**2).sum()
        if weight.sum() > 0:
            rates.append(float(chosen.sum() / weight.sum()))
    if whole[0] <= 0:
        return Averaged(float("nan"), float("nan"))
    found = measured_share((passing[0], passing[1]), (whole[0], whole[1]))
    return Averaged(float(found.value), float(found.error), spread(rates))
