"""What an autoencoder does to events, in a file for the figures."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from analysis.config import DenseAutoencoder as Spec
from common.schema.matrices import Subset
from tests.training.feature_files import (
    N_FEATURES,
    features_of,
    on_surface,
    write_features,
)
from training.autoencoder import fit as fit_autoencoder
from training.autoencoder.autoencoder import TrainedAutoencoder
from training.autoencoder.inspection import inspect


def described(path: Path) -> Path:
    with h5py.File(path, "a") as file:
        file.attrs["objects"] = json.dumps({"jet": N_FEATURES})
        file.attrs["sqrt_s_GeV"] = 13000.0
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Events of a surface, others of it with two features exchanged, and a file without events of
    the test."""
    folder = tmp_path_factory.mktemp("rmm")
    odd = on_surface(500, seed=3)
    odd[:, [2, 7]] = odd[:, [7, 2]] + 2
    none = write_features(folder / "none.h5", on_surface(6))
    paths = {
        "WZ": write_features(folder / "WZ.h5", on_surface(2000)),
        "WR_N": write_features(folder / "WR_N.h5", odd, weight=np.linspace(0.5, 2, 500)),
        "none": none,
    }
    return {name: described(path) for name, path in paths.items()}


def train(latent: int, files: dict[str, Path], folder: Path) -> TrainedAutoencoder:
    spec = Spec(
        layers=(24,), latent=latent, activation="elu", learning_rate=1e-2, batch_size=64, epochs=8
    )
    fit_autoencoder.fit(spec, [files["WZ"]], folder, seed=1, fingerprint="fingerprint")
    return TrainedAutoencoder(folder)


@pytest.fixture(scope="module")
def autoencoder(
    files: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> TrainedAutoencoder:
    return train(4, files, tmp_path_factory.mktemp("model"))


def inspected(autoencoder: TrainedAutoencoder, files: dict[str, Path], output: Path) -> h5py.File:
    test = features_of(files["WZ"], Subset.TEST)
    threshold = float(np.quantile(autoencoder.score(test), 0.9))
    samples = {name: (name, path) for name, path in files.items()}
    inspect(autoencoder, samples, {"WZ"}, threshold, output)
    return h5py.File(output)


def test_errors_are_weighted_means_of_test_events(
    autoencoder: TrainedAutoencoder, files: dict[str, Path], tmp_path: Path
) -> None:
    with inspected(autoencoder, files, tmp_path / "found.h5") as found:
        assert set(found["errors"]) == {"WZ", "WR_N"}  # the third has no test events
        test = features_of(files["WR_N"], Subset.TEST)
        errors, scores = autoencoder.errors(test), autoencoder.score(test)
        with h5py.File(files["WR_N"]) as file:
            weight = file["events/weight"][:][file["events/subset"][:] == Subset.TEST]
        anomalous = scores >= found.attrs["threshold"]
        for which, chosen in (("all", np.ones(len(test), bool)), ("anomalous", anomalous)):
            dataset = found[f"errors/WR_N/{which}"]
            wanted = np.average(errors[chosen].astype(float), axis=0, weights=weight[chosen])
            assert dataset[:] == pytest.approx(wanted, rel=1e-5)
            assert dataset.attrs["events"] == chosen.sum()
            wanted = 2 * weight[chosen].sum()  # twice: the file's normalisation
            assert dataset.attrs["weight"] == pytest.approx(wanted)
        # the features that were exchanged stand out
        assert set(np.argsort(found["errors/WR_N/all"][:])[-2:]) == {2, 7}
        assert found["errors/WR_N"].attrs["process"] == "WR_N"


def test_the_example_is_an_anomalous_event(
    autoencoder: TrainedAutoencoder, files: dict[str, Path], tmp_path: Path
) -> None:
    with inspected(autoencoder, files, tmp_path / "found.h5") as found:
        example = found["examples/WR_N"]
        features = example["features"][:][np.newaxis]
        assert example.attrs["score"] == pytest.approx(autoencoder.score(features)[0])
        assert example.attrs["score"] >= found.attrs["threshold"]
        assert example["reconstruction"][:] == pytest.approx(
            autoencoder.reconstruct(features)[0], rel=1e-5
        )
        with h5py.File(files["WR_N"]) as file:
            assert np.all(file["features"][int(example.attrs["event_number"])] == features)


def test_a_wide_latent_space_is_seen_along_its_principal_components(
    autoencoder: TrainedAutoencoder, files: dict[str, Path], tmp_path: Path
) -> None:
    with inspected(autoencoder, files, tmp_path / "found.h5") as found:
        places = found["latent/WZ"][:]
        assert places.shape == (200, 2)
        spread = autoencoder.encode(features_of(files["WZ"], Subset.TEST)).var(axis=0)
        shares = found.attrs["explained"]
        assert shares[0] >= shares[1] > 0
        assert places.var(axis=0) == pytest.approx(shares * spread.sum(), rel=1e-3)
        assert places.mean(axis=0) == pytest.approx([0, 0], abs=1e-4)
        assert np.corrcoef(places.T)[0, 1] == pytest.approx(0, abs=1e-4)


def test_two_dimensions_are_shown_as_they_are(files: dict[str, Path], tmp_path: Path) -> None:
    two = train(2, files, tmp_path / "model")
    with inspected(two, files, tmp_path / "found.h5") as found:
        assert "explained" not in found.attrs
        wanted = two.encode(features_of(files["WR_N"], Subset.TEST))
        assert found["latent/WR_N"][:] == pytest.approx(wanted, abs=1e-6)


def test_without_anomalous_events(
    autoencoder: TrainedAutoencoder, files: dict[str, Path], tmp_path: Path
) -> None:
    samples = {"WZ": ("WZ", files["WZ"])}
    inspect(autoencoder, samples, {"WZ"}, 1e9, tmp_path / "found.h5")
    with h5py.File(tmp_path / "found.h5") as found:
        errors = found["errors/WZ/anomalous"]
        assert errors.attrs["events"] == 0
        assert not errors[:].any()
        test = features_of(files["WZ"], Subset.TEST)
        assert found["examples/WZ"].attrs["score"] == autoencoder.score(test).max()
