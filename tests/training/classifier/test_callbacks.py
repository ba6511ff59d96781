"""When a training ends early."""

from __future__ import annotations

import pytest

from analysis.config import EarlyStopping
from training.classifier.callbacks import out_of_patience, overtrained

RISING, FALLING = [0.6] * 5 + [0.8] * 5, [0.7] * 5 + [0.6] * 5


@pytest.mark.parametrize(
    ("accuracy", "watched", "expected"),
    [
        (RISING, FALLING, True),
        (RISING, RISING, False),
        (FALLING, FALLING, False),
        (RISING, [0.7] * 5 + [0.699] * 5, False),  # within its error
        (RISING[1:], FALLING[1:], False),  # too early to say
    ],
)
def test_a_training_is_overtrained_when_the_accuracies_part(
    accuracy: list[float], watched: list[float], expected: bool
) -> None:
    assert overtrained(accuracy, watched, EarlyStopping(window=5, events=1000)) is expected


@pytest.mark.parametrize(
    ("losses", "expected"), [([3, 2, 2.5, 2.1], True), ([3, 2, 2.5], False), ([3, 2, 1], False)]
)
def test_patience_ends_two_rounds_after_the_best(losses: list[float], expected: bool) -> None:
    assert out_of_patience(losses, 2) is expected
