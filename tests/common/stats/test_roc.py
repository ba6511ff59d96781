"""Areas under ROC curves."""

from __future__ import annotations

import numpy as np
import pytest

from common.stats.roc import Scored, weighted_auc


def scored(score: list[float], weight: list[float]) -> Scored:
    return Scored(np.array(score), np.array(weight))


def test_pairs_count_by_their_weights() -> None:
    # of the signal 3 of 4 lie above the background at 1, and 1 of 4 above that at 2
    signal = scored([1.5, 2.5, 0.5], [2.0, -1.0, 1.0])  # the modulus counts
    found = weighted_auc(signal, scored([1.0, 2.0], [1.0, 3.0]), seed=1)
    assert found.value == pytest.approx((0.75 * 1 + 0.25 * 3) / 4)


@pytest.mark.slow
def test_replicas_give_the_error_of_an_area() -> None:
    rng = np.random.default_rng(1)
    areas, errors = [], []
    for seed in range(12):
        signal, background = (Scored(rng.normal(m, 1, 200), np.ones(200)) for m in (1, 0))
        found = weighted_auc(signal, background, seed)
        areas.append(found.value)
        errors.append(found.error)
    assert np.mean(areas) == pytest.approx(0.76, abs=0.02)  # of Gaussians a width apart
    assert np.mean(errors) == pytest.approx(np.std(areas), rel=0.4)


def test_one_event_of_a_class_is_enough() -> None:
    found = weighted_auc(scored([1.0], [1.0]), scored([0.0, 2.0], [1.0, 1.0]), seed=1)
    assert found.value == 0.5
    assert np.isfinite(found.error)
