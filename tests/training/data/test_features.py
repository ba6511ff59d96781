"""Features from matrix files: subsets, weights, bad files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import training.data.features
from common.runtime.errors import InputError
from common.schema.matrices import Subset
from tests.training.feature_files import NAMES, events_of, on_surface, write_features
from tests.training.image_files import flip_a_bit
from training.data.features import read_features, training_weights


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_features(tmp_path / "Wtaunu.h5", on_surface(20), weight=np.arange(20) - 3.0)


def test_a_subset_of_each_file_is_read_in_their_order(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training.data.features, "ROWS", 7)
    other = write_features(tmp_path / "Znunu.h5", on_surface(10, 5), normalisation=0.5)
    found = read_features([path, other], Subset.VALIDATION)
    assert (found.names, found.samples) == (NAMES, ("Wtaunu", "Znunu"))
    np.testing.assert_array_equal(found.event_number, [6, 7, 16, 17, 6, 7])
    np.testing.assert_array_equal(found.sample, [0, 0, 0, 0, 1, 1])
    np.testing.assert_array_equal(found.weight, [6, 8, 26, 28, 0.5, 0.5])  # times normalisation
    expected = np.concatenate([on_surface(20)[[6, 7, 16, 17]], on_surface(10, 5)[6:8]])
    np.testing.assert_array_equal(found.features, expected)
    assert found.features.dtype == np.float32
    assert len(read_features([path, other])) == 30


def test_a_file_without_events_of_the_subset_is_no_error(tmp_path: Path) -> None:
    path = write_features(tmp_path / "empty.h5", on_surface(0))
    assert read_features([path], Subset.TEST).features.shape == (0, 12)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema": 1}, "bad.h5: matrix file of schema version 1, this program reads 2"),
        ({"names": ["a"]}, r"bad.h5: attribute 'names' is .*\(1 names"),
        ({"normalisation": np.nan}, "bad.h5: attribute 'normalisation' .* finite"),
        ({"weight": np.full(10, np.inf)}, "bad.h5: dataset 'events/weight' .* finite"),
        (
            {"subset": np.full(10, 9, np.uint8)},
            "bad.h5: dataset 'events/subset' .*subset 9 is unknown",
        ),
        ({"subset": np.zeros(9, np.uint8)}, r"bad.h5: dataset 'events/subset' .*shape .9,.,"),
        ({"run_number": np.full(10, 0.5)}, "bad.h5: dataset 'events/run_number' .*: make it again"),
    ],
)
def test_bad_columns_are_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    path = write_features(tmp_path / "bad.h5", on_surface(10), **changes)
    with pytest.raises(InputError, match=message):
        read_features([path])


@pytest.mark.parametrize(
    ("names", "difference"),
    [(("x", *NAMES[1:]), r"'x' for 'm\(0\)'"), (NAMES[:-1], "11 of them, not 12")],
)
def test_other_features_are_refused(
    path: Path, tmp_path: Path, names: tuple[str, ...], difference: str
) -> None:
    features = on_surface(10)[:, : len(names)]
    other = write_features(tmp_path / "other.h5", features, names=list(names))
    with pytest.raises(InputError, match=rf"other.h5: .*/Wtaunu.h5 \({difference}\)"):
        read_features([path, other])


def test_missing_and_damaged_files_are_named(path: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="none.h5: no such matrix file: make it with --stage rmm"):
        read_features([tmp_path / "none.h5"])
    text = tmp_path / "text.h5"
    text.write_text("no HDF5")
    with pytest.raises(InputError, match=r"text.h5: not a matrix file \(.*\): make it again"):
        read_features([text])
    flip_a_bit(path, "features")
    with pytest.raises(InputError, match=r"Wtaunu.h5: dataset 'features' .*checksum"):
        read_features([path])


def test_missing_datasets_and_values_are_named(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        file["features"][13, 4] = np.nan
    with pytest.raises(InputError, match=r"Wtaunu.h5: dataset 'features' .*not a finite number"):
        read_features([path])
    with h5py.File(path, "r+") as file:
        del file["events/weight"]
    with pytest.raises(InputError, match=r"Wtaunu.h5: dataset 'events/weight' is damaged or miss"):
        read_features([path])


# --- Weights --------------------------------------------------------------------------------------


def test_weights_keep_the_share_of_each_sample() -> None:
    mixed, plain = np.array([3.0, -1.0, 2.0]), np.array([0.5, 0.5])
    weights = training_weights(events_of(("mixed", mixed), ("plain", plain), ("none", plain[:0])))
    assert weights.dtype == np.float32
    np.testing.assert_allclose(weights.mean(), 1, rtol=1e-6)
    np.testing.assert_allclose(weights[:3] / weights[0], np.abs(mixed) / 3, rtol=1e-6)
    np.testing.assert_allclose(weights[:3].sum() / weights[3:].sum(), 4 / 1, rtol=1e-6)


@pytest.mark.parametrize("weights", [[1.0, -1.0], [-2.0, 1.0], [0.0]])
def test_a_sample_without_a_positive_sum_is_refused(weights: list[float]) -> None:
    events = events_of(("good", np.ones(3)), ("ttbar", np.array(weights)))
    with pytest.raises(InputError, match=r"ttbar: the weights of its \d events .* not above 0"):
        training_weights(events)


def test_no_events_are_refused() -> None:
    with pytest.raises(InputError, match="a, b: no event in this subset"):
        training_weights(events_of(("a", np.ones(0)), ("b", np.ones(0))))
