"""ROC curves of weighted events, and the areas under them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from common.stats.measured import Measured

BOOTSTRAP = 100  # replicas


@dataclass(frozen=True)
class Scored:
    """Scores of events, and how many events each stands for, both of shape (events,)."""

    score: npt.NDArray[np.floating[Any]]
    weight: npt.NDArray[np.float64]


def first_with(
    efficiency: npt.NDArray[np.float64], reached: npt.NDArray[np.float64]
) -> npt.NDArray[np.int64]:
    """Return the first indices at which efficiencies are reached; the last index where none is.

    ``reached`` holds efficiencies in ascending order.
    """
    # 1e-12: what rounding may leave of a sum of all
    found = np.searchsorted(reached, np.asarray(efficiency) - 1e-12)
    return np.minimum(found, len(reached) - 1)


class Curve:
    """The ROC curve of events with weights, of either sign.

    All results are sums of weights, and so hold for negative weights, with which the curve is not
    monotonic: the area is the weighted share of correctly ordered pairs, ties counted half, and the
    threshold at an efficiency is the highest score at and above which the signal reaches it.
    """

    def __init__(self, signal: Scored, background: Scored) -> None:
        score = np.concatenate([signal.score, background.score])
        self._weight = np.concatenate([signal.weight, background.weight]).astype(np.float64)
        self._n_signal = len(signal.score)
        ascending, place = np.unique(score, return_inverse=True)
        self.scores = ascending[::-1].astype(np.float64)
        self._place = len(ascending) - 1 - place  # of an event, among the scores from the highest
        self._add()

    def _add(self) -> None:
        n, size = self._n_signal, len(self.scores)
        signal = np.bincount(self._place[:n], self._weight[:n], size).cumsum()
        background = np.bincount(self._place[n:], self._weight[n:], size).cumsum()
        self._signal = signal / (signal[-1] or np.nan)  # efficiencies at and above each score
        self._background = background / (background[-1] or np.nan)
        self._reached = np.maximum.accumulate(self._signal)

    def drawn(self, rng: np.random.Generator) -> Curve:
        """Return a bootstrap replica: as many events of each class, drawn with replacement."""
        n, size = self._n_signal, len(self._weight)
        replica = Curve.__new__(Curve)
        replica.scores, replica._place, replica._n_signal = self.scores, self._place, n
        times = np.zeros(size)
        for low, high in ((0, n), (n, size)):
            picked = rng.integers(low, high, high - low)
            times[low:high] = np.bincount(picked - low, minlength=high - low)
        replica._weight = self._weight * times
        replica._add()
        return replica

    def area(self) -> float:
        """Return the area under the curve."""
        signal = np.append(0.0, self._signal)
        steps = np.diff(np.append(0.0, self._background))
        return float((steps * (signal[1:] + signal[:-1])).sum() / 2)

    def _places(self, efficiency: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        return first_with(efficiency, self._reached)

    def threshold_at(self, efficiency: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the highest thresholds with at least these signal efficiencies."""
        return self.scores[self._places(efficiency)]

    def signal_at(self, efficiency: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the signal efficiencies at these thresholds: larger where scores are equal."""
        return self._signal[self._places(efficiency)]

    def background_at(self, efficiency: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the background efficiencies at these thresholds: 0 where no signal is needed."""
        shares = self._background[self._places(efficiency)]
        return np.where(np.asarray(efficiency) > 0, shares, 0.0)

    def shares_above(self, threshold: float) -> tuple[float, float]:
        """Return the efficiencies of signal and background at and above a threshold."""
        n = int(np.searchsorted(-self.scores, -threshold, side="right"))
        return (float(self._signal[n - 1]), float(self._background[n - 1])) if n else (0.0, 0.0)


def weighted_auc(signal: Scored, background: Scored, seed: int) -> Measured:
    """Return the area under the ROC curve, with its bootstrap error; both classes need events.

    Each event counts with the modulus of its weight, which keeps the curve monotonic.
    """
    from sklearn.metrics import roc_auc_score

    n_signal = len(signal.score)
    truth = np.repeat([1, 0], [n_signal, len(background.score)])
    score = np.concatenate([signal.score, background.score])
    weight = np.abs(np.concatenate([signal.weight, background.weight]))
    rng = np.random.default_rng(seed)
    replicas = []
    for _ in range(BOOTSTRAP):
        drawn = weight * rng.poisson(1, len(weight))
        if (
            drawn[:n_signal].any() and drawn[n_signal:].any()
        ):  # of few events, a replica may hold none
            replicas.append(float(roc_auc_score(truth, score, sample_weight=drawn)))
    value = float(roc_auc_score(truth, score, sample_weight=weight))
    return Measured(value, float(np.std(replicas, ddof=1)))
