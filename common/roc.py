"""Areas under ROC curves of events with weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from common.measured import Measured

BOOTSTRAP = 100  # replicas


@dataclass(frozen=True)
class Scored:
    """Scores of events, and how many events each stands for, both of shape (events,)."""

    score: npt.NDArray[np.floating[Any]]
    weight: npt.NDArray[np.float64]


def weighted_auc(signal: Scored, background: Scored, seed: int) -> Measured:
    """Area under the ROC curve, with the error of bootstrap replicas; there must be events of both.

    Each counts by the modulus of its weight: negative ones would make the curve go back.
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
        if drawn[:n_signal].any() and drawn[n_signal:].any():  # of few events, all may be left out
            replicas.append(float(roc_auc_score(truth, score, sample_weight=drawn)))
    value = float(roc_auc_score(truth, score, sample_weight=weight))
    return Measured(value, float(np.std(replicas, ddof=1)))
