"""Pictures of events, their noise, and the autoencoder that takes it out."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import training.autoencoder.autoencoder
import training.autoencoder.denoising
from analysis.config import Denoising
from common.runtime.errors import ConfigError, InputError
from tests.reference import auc
from tests.training.image_files import flip_a_bit, read_all, write_images
from training.autoencoder import denoising
from training.autoencoder.denoising import Denoiser, picture_shape, pictures, with_noise
from training.autoencoder.records import DenoisingRecord
from training.data.image_reader import ImageFiles


@pytest.fixture(scope="module")
def background(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp("images") / "Wtaunu.h5", 400, 1, most_cells=12)


def spec(**changes: Any) -> Denoising:
    values = {"filters": (8, 8), "latent": 24, "learning_rate": 3e-3, "epochs": 4, "batch_size": 32}
    crop_size = {} if changes.get("compression") == "none" else {"crop_size": 10}
    return Denoising.model_validate(values | crop_size | changes)


def fit(spec: Denoising, path: Path, folder: Path) -> DenoisingRecord:
    return denoising.fit_denoising(
        spec, [path], folder, validation_fraction=0.2, seed=1, fingerprint="fingerprint"
    )


@pytest.fixture(scope="module")
def trained(background: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained") / "model"
    fit(spec(), background, folder)
    return folder


def score(scorer: Denoiser, path: Path, *ends: int) -> Any:
    with ImageFiles([path], [0], scorer.spec.compression) as files:
        return scorer.score(files, *ends)


# --- Pictures -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "shape"),
    [
        ({"crop_size": 10}, (10, 10, 1)),
        ({"crop_size": 30, "pooling": 4}, (8, 8, 1)),
        ({"compression": "none", "pooling": 4}, (25, 32, 1)),
    ],
)
def test_a_picture_sums_the_momenta_of_its_cells(
    background: Path, changes: dict[str, Any], shape: tuple[int, ...]
) -> None:
    asked = spec(**changes)
    assert picture_shape(asked) == shape
    images = read_all([background], [0], asked.compression)
    found = pictures(images, np.array([7, 3]), asked)
    expected = np.zeros((2, *shape), np.float32)
    for place, event in enumerate((7, 3)):
        for cell in range(images.offsets[event], images.offsets[event + 1]):
            row = int(images.new_row[cell]) // asked.pooling
            column = int(images.new_column[cell]) // asked.pooling
            if row < shape[0] and column < shape[1]:
                expected[place, row, column, 0] += images.values[cell, 0]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert np.count_nonzero(found)


def test_noise_empties_cells_and_adds_soft_ones() -> None:
    pt = np.full((50, 20, 20, 1), 100, np.float32)
    pt[:, 10:] = 0
    asked = spec(drop_probability=0.3, noise_probability=0.1, noise_mean_pt=2.0)
    noisy = with_noise(pt, asked, (1, 2))
    n = pt[:, :10].size
    error = 4 * (0.25 / n) ** 0.5
    assert abs(np.mean(noisy[:, :10] < 50) - 0.3) < error
    filled = noisy[:, 10:][noisy[:, 10:] > 0]
    assert abs(len(filled) / n - 0.1) < error
    assert abs(filled.mean() - 2) < 4 * 2 / len(filled) ** 0.5
    np.testing.assert_array_equal(with_noise(pt, asked, (1, 2)), noisy)
    assert (with_noise(pt, asked, (1, 3)) != noisy).any()
    np.testing.assert_array_equal(
        with_noise(pt, spec(drop_probability=0, noise_probability=0), (1,)), pt
    )


# --- Training -------------------------------------------------------------------------------------


def test_pictures_are_scaled_by_the_mean_of_filled_training_cells(
    background: Path, trained: Path
) -> None:
    record = json.loads((trained / "training.json").read_text())
    with ImageFiles([background], [0], "cell") as files:
        training_events = ~files.in_validation(0.2)
    images = read_all([background], [0], "cell")
    cells, _ = images.cells_of(np.flatnonzero(training_events))
    pt = images.values[cells, 0]
    np.testing.assert_allclose(record["mean_pt_GeV"], pt[pt > 0].mean(), rtol=1e-5)
    assert record["events"] == np.count_nonzero(training_events)
    assert record["events"] + record["validation_events"] == 400


def test_training_lowers_the_loss_of_other_events(trained: Path) -> None:
    lines = (trained / "history.csv").read_text().splitlines()
    losses = [float(line.split(",")[2]) for line in lines[1:]]
    assert min(losses) < 0.9 * losses[0]
    names = ["history.csv", "model.keras", "training.json"]
    assert sorted(path.name for path in trained.iterdir()) == names


def test_events_with_more_in_them_score_higher(trained: Path, tmp_path: Path) -> None:
    scorer = Denoiser(spec(), trained)
    alike = write_images(tmp_path / "alike.h5", 200, 2, most_cells=12)
    unlike = write_images(tmp_path / "unlike.h5", 200, 3, most_cells=12, hard=500.0)
    assert auc(score(scorer, unlike), score(scorer, alike)) > 0.9


@pytest.mark.slow
def test_a_seed_gives_the_same_scores(trained: Path, background: Path, tmp_path: Path) -> None:
    fit(spec(), background, tmp_path / "again")
    first, second = (Denoiser(spec(), folder) for folder in (trained, tmp_path / "again"))
    np.testing.assert_array_equal(score(first, background), score(second, background))


def test_scores_of_parts_are_those_of_the_whole_to_the_last_bit(
    trained: Path, background: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (training.autoencoder.denoising, training.autoencoder.autoencoder):
        monkeypatch.setattr(module, "WINDOW", 16)
    scorer = Denoiser(spec(), trained)
    whole = score(scorer, background)
    parts = [score(scorer, background, begin, min(begin + 48, 400)) for begin in range(0, 400, 48)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_a_reconstruction_is_in_gev(trained: Path, background: Path) -> None:
    images = read_all([background], [0], "cell")
    pt = pictures(images, np.arange(400), spec())
    found = Denoiser(spec(), trained).reconstruct(pt)
    assert found.shape == pt.shape
    assert 0.2 < found.sum() / pt.sum() < 1.5  # a median, as it is fitted to logarithms


def test_a_damaged_file_is_named(background: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(background, tmp_path))
    flip_a_bit(path, "cells/values")
    with pytest.raises(InputError, match="Wtaunu.h5: damaged or incomplete"):
        fit(spec(epochs=1), path, tmp_path / "model")


def test_too_few_events_are_refused(tmp_path: Path) -> None:
    path = write_images(tmp_path / "few.h5", 1, 1)
    with pytest.raises(InputError, match=r"few.h5: too few events to train denoising\+cell"):
        fit(spec(epochs=1), path, tmp_path / "model")


def test_a_loss_that_is_not_a_number_ends_the_training(background: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"denoising\+cell: the (val_)?loss is not a number"):
        fit(spec(learning_rate=1e30, filters=(2,), epochs=1), background, tmp_path / "model")


def test_what_does_not_fit_is_refused(trained: Path, background: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="latent space of 100 is not narrower"):
        fit(spec(latent=100), background, tmp_path / "model")
    with pytest.raises(
        InputError, match=r"not a trained denoising\+cell .* pictures of shape \(10, 10"
    ):
        Denoiser(spec(crop_size=12), trained)
    with pytest.raises(InputError, match=r"not a trained denoising\+cell"):
        Denoiser(spec(), tmp_path)
