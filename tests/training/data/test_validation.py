"""Validation events: chosen by a hash of their identity."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from tests.training.image_files import write_images
from training.data.image_reader import ImageFiles
from training.data.sparse_images import Mask
from training.data.validation import in_validation


def _chosen(run: int, events: npt.NDArray[np.uint64], fraction: float) -> Mask:
    return in_validation(np.full(len(events), run, np.uint32), events, fraction)


def test_validation_events_are_chosen_by_their_identity_alone() -> None:
    events = np.arange(5000, dtype=np.uint64)
    chosen = _chosen(1, events, 0.2)
    assert chosen.mean() == pytest.approx(0.2, abs=0.03)
    np.testing.assert_array_equal(_chosen(1, events[::-1], 0.2)[::-1], chosen)
    assert (_chosen(2, events, 0.2) != chosen).any()


def test_a_larger_share_for_validation_keeps_the_events_of_a_smaller_one() -> None:
    events = np.arange(1000, dtype=np.uint64)
    small, large = (_chosen(1, events, share) for share in (0.1, 0.3))
    assert large[small].all()
    assert not _chosen(1, events, 0).any()
    assert _chosen(1, events, 1).all()


def test_validation_events_of_files_are_those_of_their_identities(tmp_path: Path) -> None:
    paths = [write_images(tmp_path / f"{run}.h5", 50, run) for run in (1, 2)]
    with ImageFiles(paths, [1, 0], "none") as files:
        found = files.in_validation(0.3)
    events = np.arange(50, dtype=np.uint64)
    expected = np.concatenate([_chosen(run, events, 0.3) for run in (1, 2)])
    np.testing.assert_array_equal(found, expected)
