"""Autoencoders that were not shown a part of the background."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from analysis.config import DenseAutoencoder
from common.schema.matrices import Subset
from tests.training.feature_files import on_surface, write_features
from training.autoencoder import fit as fit_autoencoder
from training.autoencoder.left_out import BackgroundGroup, leave_out
from training.data.features import read_column, read_features

N = 1500
SPEC = DenseAutoencoder(
    layers=(24,), latent=3, activation="elu", learning_rate=1e-2, batch_size=64, epochs=10
)


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two halves of a surface. In either, events with two muons have one feature shifted."""
    folder = tmp_path_factory.mktemp("rmm")
    found = []
    for name, side in (("WZ", 1), ("ttbar", -1)):
        features = on_surface(N, seed=side + 2, side=side)
        n_muons = np.random.default_rng(side + 2).integers(0, 3, N).astype(np.float32)
        features[n_muons == 2, 5] += 3
        path = write_features(folder / f"{name}.h5", features)
        with h5py.File(path, "a") as file:
            file["events/n_muons"] = n_muons
        found.append(path)
    return found


def test_groups(paths: list[Path]) -> None:
    process = BackgroundGroup("process", "ttbar", (1,)).mask(paths, Subset.TEST)
    assert process.tolist() == [False] * (N // 10) + [True] * (N // 10)
    channel = BackgroundGroup("channel", "emumu", (2,)).mask(paths, Subset.VALIDATION)
    assert np.array_equal(channel, read_column(paths, Subset.VALIDATION, "n_muons") == 2)
    assert len(channel) == len(read_features(paths, Subset.VALIDATION))


@pytest.mark.slow
def test_what_was_not_shown_is_anomalous(paths: list[Path], tmp_path: Path) -> None:
    fit_autoencoder.fit(SPEC, paths, tmp_path, seed=1, fingerprint="fingerprint")
    groups = [
        BackgroundGroup("process", "ttbar", (1,)),
        BackgroundGroup("channel", "emumu", (2,)),
        BackgroundGroup("channel", "mumumu", (3,)),  # of which there are none
    ]
    found = list(leave_out(SPEC, groups, paths, tmp_path, seed=1, fingerprint="fingerprint"))
    assert [one.name for one in found] == ["ttbar", "emumu"]
    for one in found:
        assert one.auc.value > 0.8
        assert one.auc.value > one.auc_when_shown.value + 3 * one.auc.error
        assert one.n_left_out + one.n_others == 2 * N // 10
    record = (tmp_path / "without_ttbar" / "training.json").read_text()
    assert f'"events": {6 * N // 10}' in record  # of the other process alone


def test_all_of_one_process_cannot_be_left_out(paths: list[Path], tmp_path: Path) -> None:
    fit_autoencoder.fit(SPEC, paths[:1], tmp_path, seed=1, fingerprint="fingerprint")
    only = [BackgroundGroup("process", "WZ", (0,))]
    assert not list(leave_out(SPEC, only, paths[:1], tmp_path, seed=1, fingerprint="fingerprint"))
