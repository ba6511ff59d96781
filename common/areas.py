"""Areas under ROC curves of weighted events."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from common.measured import Measured

BOOTSTRAP = 100

Numbers = npt.NDArray[np.floating]


def area_under_curve(
    signal: Numbers,
    signal_weight: Numbers,
    background: Numbers,
    background_weight: Numbers,
    seed: int,
) -> Measured:
    """Area under the ROC curve of scores, shape (events,), with the error of bootstrap replicas.

    Events count by the modulus of their weight: negative ones would make the curve go back.
    """
    from sklearn.metrics import roc_auc_score

    truth = np.repeat([1, 0], [len(signal), len(background)])
    score = np.concatenate([signal, background])
    weight = np.abs(np.concatenate([signal_weight, background_weight]))
    rng = np.random.default_rng(seed)

    def area(weights: Numbers) -> float:
        return float(roc_auc_score(truth, score, sample_weight=weights))

    replicas = [area(weight * rng.poisson(1, len(weight))) for _ in range(BOOTSTRAP)]
    return Measured(area(weight), float(np.std(replicas, ddof=1)))
