"""The evaluation table, `tables/evaluation.json`: the performance of each network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from common.schema.json_model import read_model
from common.stats.measured import Averaged, Measured


@dataclass(frozen=True)
class WorkingPoint:
    """The cut on a network's score: one signal efficiency for all folds, and the threshold of each
    fold, at and above which an event passes."""

    signal_efficiency: float
    thresholds: tuple[float, ...]

    def __str__(self) -> str:
        return f"{100 * self.signal_efficiency:.1f} %"


@dataclass(frozen=True)
class ThresholdRow:
    """Performance at one threshold, as in a row of table 2 of the thesis."""

    threshold: float
    precision: float
    recall: float
    mean_precision_recall: float
    precision_times_recall: float
    accuracy: float


@dataclass(frozen=True)
class FoldEvaluation:
    """Performance of the network of one fold at its threshold, on the judged events of the fold."""

    threshold: float
    n_signal: int
    n_background: int
    precision: Measured
    recall: Measured
    mean_precision_recall: Measured
    precision_times_recall: Measured
    accuracy: Measured
    auc: Measured
    background_rejected_fraction: dict[str, Measured]


@dataclass(frozen=True)
class RocPoints:
    """Efficiencies along a ROC curve, both of shape (points,)."""

    signal_efficiency: list[float]
    background_efficiency: list[float]


@dataclass(frozen=True)
class NetworkEvaluation:
    """Performance of a network: means over its folds, and the folds.

    ``scan`` has one threshold for all folds. ``trained`` states whether the AUC exceeds 0.5 by more
    than two errors. ``background_rejected_fraction`` is 1 - efficiency, by signal efficiency;
    ``pass_rates`` are keyed by sample.
    """

    network: str
    n_signal: int
    n_background: int
    scan: list[ThresholdRow]
    signal_efficiency: float
    thresholds: list[float]
    trained: bool
    precision: Averaged
    recall: Averaged
    mean_precision_recall: Averaged
    precision_times_recall: Averaged
    accuracy: Averaged
    auc: Averaged
    background_rejected_fraction: dict[str, Averaged]
    roc: RocPoints
    pass_rates: dict[str, Averaged]
    folds: list[FoldEvaluation]


def read_evaluation(path: Path) -> dict[str, NetworkEvaluation]:
    """Read the evaluation table, by network.

    Raises:
        InputError: the file is missing or damaged.
    """
    return read_model(path, dict[str, NetworkEvaluation], "evaluation")


def read_working_points(path: Path) -> dict[str, WorkingPoint]:
    """Read the working points of all networks from the evaluation table.

    Raises:
        InputError: the file is missing or damaged.
    """
    return read_model(path, dict[str, WorkingPoint], "evaluation")
