"""Evaluate a network on events that it was not trained on.

Signal and background get equal total weight, as in the samples of the thesis. Its "accuracy" is
(precision + recall) / 2 and its "mean average precision" is precision x recall; both have these
names here, and the ordinary accuracy is given as well.

The networks of the folds differ, and so do their scores. Each is judged on the events of its fold
only; results are means over folds with the statistical error and the spread between trainings. All
folds cut at one signal efficiency, each at its own threshold. Efficiency and thresholds are chosen
on validation events (`choose`), not on the judged ones.

Within a sample events count by their weights, including negative ones; samples count by their
numbers of events.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from common.runtime.errors import InputError
from common.stats.measured import Averaged, Measured, averaged, measured_share, spread
from common.stats.roc import Curve, Scored
from training.classifier.evaluation_model import (
    FoldEvaluation,
    NetworkEvaluation,
    RocPoints,
    ThresholdRow,
)

ROC_POINTS = 201
# Signal efficiencies at which the rejected fraction of the background is given; the third is that
# of the thesis's cell + strides at its best threshold (table 2).
EFFICIENCIES = (0.50, 0.90, 0.919, 0.95)
WORKING_POINTS = np.linspace(0.001, 1, 1000)  # efficiencies among which the best is chosen

Classes = tuple[Scored, Scored]
"""Signal and background, scored by one network."""


def row_of(threshold: float, recall: float, false_positives: float) -> ThresholdRow:
    """Return precision and the derived numbers from the efficiencies of signal and background.

    Precision is 1 if nothing is selected, as in the table of the thesis.
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
    """Return the weighted fraction of events with ``score >= threshold`` (at 1: ``> 1``)."""
    passing = scored.score >= threshold if threshold < 1 else scored.score > threshold
    return float(scored.weight[passing].sum() / scored.weight.sum())


def threshold_row(folds: Sequence[Classes], threshold: float) -> ThresholdRow:
    """Return the mean performance of the folds at one threshold, as in the table of the thesis."""
    recall, false_positives = (
        float(np.mean([share_above(fold[kind], threshold) for fold in folds])) for kind in (0, 1)
    )
    return row_of(threshold, recall, false_positives)


def choose(folds: Sequence[Classes]) -> tuple[float, list[float]]:
    """Return the signal efficiency with the largest precision x recall and the corresponding
    threshold of each fold. The background efficiency is averaged over folds."""
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
) -> NetworkEvaluation:
    """Choose the thresholds, judge each fold at its threshold, and average over folds.

    The rejected fraction of the background is given at the signal efficiencies `EFFICIENCIES`. A
    fold without judged events of both classes does not enter the means.

    Args:
        network: its name.
        choosing: by fold, validation events, which choose the thresholds.
        judging: by fold, events that judge its network.
        samples: by sample and fold, scores for the pass rates.
        thresholds: number of thresholds of the scan, uniform in [0, 1] with both ends.
        bootstrap: number of replicas for the errors; each draws both classes anew.
        seed: of the replicas.

    Raises:
        InputError: no fold has events of both classes.
    """
    efficiency, cuts = choose(choosing)
    used = _with_both_classes(network, judging, cuts)
    rng = np.random.default_rng(seed)
    folds = [_judge(judged, cut, bootstrap, rng) for judged, cut in used]
    judged = [one for one, _ in used]
    area = averaged([fold.auc for fold in folds])
    rejected = [fold.background_rejected_fraction for fold in folds]
    return NetworkEvaluation(
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
        background_rejected_fraction={
            key: averaged([of_fold[key] for of_fold in rejected]) for key in rejected[0]
        },
        roc=_mean_roc(judged),
        pass_rates={name: _rate(of_sample, cuts) for name, of_sample in samples.items()},
        folds=folds,
    )


def _with_both_classes(
    network: str, judging: Sequence[Classes], cuts: Sequence[float]
) -> list[tuple[Classes, float]]:
    """Return the folds that have events of both classes, each with its threshold."""
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
    return used


def _mean_roc(judged: Sequence[Classes]) -> RocPoints:
    """Return the ROC curve of background efficiencies averaged over folds, from (1, 1) down."""
    grid = np.linspace(0, 1, ROC_POINTS)[::-1]
    background = np.mean([Curve(*one).background_at(grid) for one in judged], axis=0)
    return RocPoints([1.0, *grid.tolist()], [1.0, *background.tolist()])


def _judge(judged: Classes, cut: float, bootstrap: int, rng: np.random.Generator) -> FoldEvaluation:
    """Return the performance of one network, with errors from bootstrap replicas of its events."""
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
    rejected = {f"{e:g}": one for e, one in zip(EFFICIENCIES, measured[6:], strict=True)}
    precision, recall, mean, product, accuracy, area = measured[:6]
    return FoldEvaluation(
        threshold=cut,
        n_signal=len(judged[0].score),
        n_background=len(judged[1].score),
        precision=precision,
        recall=recall,
        mean_precision_recall=mean,
        precision_times_recall=product,
        accuracy=accuracy,
        auc=area,
        background_rejected_fraction=rejected,
    )


def _rate(folds: Sequence[Scored], cuts: Sequence[float]) -> Averaged:
    """Return the pass rate of a sample, each event at the threshold of its fold."""
    passing, whole = np.zeros(2), np.zeros(2)
    rates = []
    for scored, cut in zip(folds, cuts, strict=True):
        weight, chosen = scored.weight, scored.weight[scored.score >= cut]
        whole += weight.sum(), (weight**2).sum()
        passing += chosen.sum(), (chosen**2).sum()
        if weight.sum() > 0:
            rates.append(float(chosen.sum() / weight.sum()))
    if whole[0] <= 0:
        return Averaged(float("nan"), float("nan"))
    found = measured_share((passing[0], passing[1]), (whole[0], whole[1]))
    return Averaged(float(found.value), float(found.error), spread(rates))
