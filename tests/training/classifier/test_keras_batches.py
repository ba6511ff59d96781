"""Weights of classes and events in batches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.training.image_files import reweighted
from tests.training.trainings import spec
from training.classifier.keras_batches import Batches, SelectedEvents, class_weights
from training.data.image_reader import ImageFiles


def test_each_class_counts_as_much_as_the_others(good: list[Path]) -> None:
    with ImageFiles([*good, good[0]], [0, 1, 1], "none") as files:
        chosen = np.arange(600) >= 150  # 50 of the first
        weights = class_weights(SelectedEvents(files, chosen))
        np.testing.assert_allclose(weights * [50, 400], [225, 225])
        batches = Batches(SelectedEvents(files, chosen), np.ones(8, np.float32), spec(), seed=1)
        for i in range(3):
            _, classes, of_events = batches[i]
            np.testing.assert_array_equal(of_events, weights[classes])


def test_events_count_by_the_moduli_of_their_weights(good: list[Path], tmp_path: Path) -> None:
    weight = np.where(np.arange(200) % 5 == 0, -1.0, 3.0)
    paths = [reweighted(good[0], tmp_path / "a.h5", weight), good[1]]
    with ImageFiles(paths, [0, 1], "none") as files:
        assert np.abs(files.weight[:200]).mean() == pytest.approx(1)
        everything = np.ones(400, bool)
        np.testing.assert_allclose(
            class_weights(SelectedEvents(files, everything)), [1, 1], rtol=1e-6
        )
        batches = Batches(
            SelectedEvents(files, everything), np.ones(8, np.float32), spec()
        )  # in order
        n = len(batches[0][2])
        expected = np.abs(weight) / np.abs(weight).mean()
        np.testing.assert_allclose(batches[0][2], expected[:n], rtol=1e-6)


def test_weights_of_one_size_train_as_none(good: list[Path], tmp_path: Path) -> None:
    """To the last bit, whatever their scale."""
    same = [reweighted(p, tmp_path / p.name, 0.3) for p in good]
    with ImageFiles(good, [0, 1], "none") as one, ImageFiles(same, [0, 1], "none") as other:
        for files in (one, other):
            np.testing.assert_array_equal(files.weight, np.ones(400, np.float32))
        batches = [
            Batches(SelectedEvents(f, np.ones(400, bool)), np.ones(8, np.float32), spec(), seed=1)
            for f in (one, other)
        ]
        for found, expected in zip(batches[1][0], batches[0][0], strict=True):
            np.testing.assert_array_equal(found, expected)
