"""How well a network tells signal from background, from scores of events it did not see.

Signal and background are given equal total weight, as the thesis's samples have. Its "accuracy"
is (precision + recall) / 2 and its "mean average precision" precision x recall: both are named so
here; ordinary accuracy is another number and is given beside them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import roc_auc_score

from common.measured import Measured, measured_efficiency

Scores = npt.NDArray[np.floating[Any]]

ROC_POINTS = 201
# Efficiencies of signal at which the background's rejection is given; the third is that of the
# thesis's cell + strides at its best threshold (table 2).
EFFICIENCIES = (0.50, 0.90, 0.919, 0.95)


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
class Evaluation:
    """All that is said of one network."""

    network: str
    n_signal: int
    n_background: int
    scan: list[ThresholdRow]
    best_threshold: float
    mean_precision_recall: Measured
    precision_times_recall: Measured
    accuracy: Measured
    auc: Measured
    rejection: dict[str, Measured]
    roc: dict[str, list[float]]
    pass_rates: dict[str, Measured]

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


def threshold_row(signal: Scores, background: Scores, threshold: float) -> ThresholdRow:
    """Precision, recall and what follows from them for ``score >= threshold`` (at 1: ``> 1``).

    Precision is 1 where nothing is selected, as in the thesis's table.
    """
    recall = _share_above(signal, threshold)
    false_positives = _share_above(background, threshold)
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


def _share_above(scores: Scores, threshold: float) -> float:
    return float(np.mean(scores >= threshold if threshold < 1 else scores > threshold))


def rejection_at(efficiency: float, signal: Scores, background: Scores) -> float:
    """Share of the background that is rejected where at least this share of the signal is kept."""
    threshold = np.quantile(signal, 1 - efficiency, method="lower")
    return 1 - float(np.mean(background >= threshold))


def evaluate(
    network: str,
    signal: Scores,
    background: Scores,
    samples: Mapping[str, Scores],
    *,
    thresholds: int,
    bootstrap: int,
    seed: int,
) -> Evaluation:
    """Scan thresholds, pick that of the largest precision x recall, and give errors.

    Args:
        network: its name.
        signal: scores of held-out signal events.
        background: scores of held-out background events.
        samples: scores of every sample, for its pass rate at the best threshold.
        thresholds: how many, uniform in [0, 1] with both ends.
        bootstrap: replicas for the errors; each draws both classes anew.
        seed: of the replicas.

    Rejections are given at the signal efficiencies `EFFICIENCIES`.
    """
    uniform = [i / (thresholds - 1) for i in range(thresholds)]
    scan = [threshold_row(signal, background, t) for t in uniform]
    best = max(scan, key=lambda row: row.precision_times_recall)
    rng = np.random.default_rng(seed)
    replicas: list[tuple[float, ...]] = []
    for _ in range(bootstrap):
        s = rng.choice(signal, len(signal))
        b = rng.choice(background, len(background))
        row = threshold_row(s, b, best.threshold)
        replicas.append(
            (
                row.mean_precision_recall,
                row.precision_times_recall,
                row.accuracy,
                auc(s, b),
                *(rejection_at(efficiency, s, b) for efficiency in EFFICIENCIES),
            )
        )
    errors = np.std(replicas, axis=0, ddof=1).tolist()
    cuts = np.quantile(np.concatenate([signal, background]), np.linspace(0, 1, ROC_POINTS))
    return Evaluation(
        network=network,
        n_signal=len(signal),
        n_background=len(background),
        scan=scan,
        best_threshold=best.threshold,
        mean_precision_recall=Measured(best.mean_precision_recall, errors[0]),
        precision_times_recall=Measured(best.precision_times_recall, errors[1]),
        accuracy=Measured(best.accuracy, errors[2]),
        auc=Measured(auc(signal, background), errors[3]),
        rejection={
            f"{efficiency:g}": Measured(rejection_at(efficiency, signal, background), error)
            for efficiency, error in zip(EFFICIENCIES, errors[4:], strict=True)
        },
        roc={
            "signal_efficiency": [_share_above(signal, t) for t in cuts.tolist()],
            "background_efficiency": [_share_above(background, t) for t in cuts.tolist()],
        },
        pass_rates={name: _rate(scores, best.threshold) for name, scores in samples.items()},
    )


def auc(signal: Scores, background: Scores) -> float:
    """Area under the ROC curve."""
    truth = np.concatenate([np.ones(len(signal)), np.zeros(len(background))])
    return float(roc_auc_score(truth, np.concatenate([signal, background])))


def _rate(scores: Scores, threshold: float) -> Measured:
    rate = _share_above(scores, threshold)
    return measured_efficiency(rate, len(scores))
