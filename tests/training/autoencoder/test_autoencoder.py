"""Autoencoders: networks, training by weights, scores."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from pydantic import ValidationError

import training.autoencoder.autoencoder
from analysis.config import Autoencoder as Spec
from analysis.config import DenseAutoencoder, VariationalAutoencoder, parse_autoencoder
from common.runtime.errors import ConfigError, InputError
from common.schema.matrices import Subset
from tests.reference import auc
from tests.training.feature_files import (
    N_FEATURES,
    features_of,
    off_surface,
    on_surface,
    write_features,
)
from training.autoencoder import autoencoder
from training.autoencoder import fit as fit_autoencoder
from training.autoencoder.autoencoder import TrainedAutoencoder
from training.autoencoder.records import AutoencoderRecord

SMALL: dict[str, Any] = {
    "layers": (32,),
    "latent": 4,
    "activation": "elu",
    "learning_rate": 1e-2,
    "batch_size": 64,
    "epochs": 8,
}


def spec(**changes: Any) -> Spec:
    beta = {"beta": 1e-4} if changes.get("kind") == "variational" else {}
    return parse_autoencoder(SMALL | beta | changes)


def fit(spec: Spec, paths: list[Path], folder: Path) -> AutoencoderRecord:
    return fit_autoencoder.fit(spec, paths, folder, seed=1, fingerprint="fingerprint")


@pytest.fixture(scope="module")
def background(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_features(tmp_path_factory.mktemp("rmm") / "Wtaunu.h5", on_surface(1000))


@dataclass(frozen=True)
class Trained:
    """The folder of an autoencoder, and the network as it was at the end of its training."""

    folder: Path
    model: keras.Model


@pytest.fixture(scope="module", params=["dense", "variational"])
def both(
    request: pytest.FixtureRequest, background: Path, tmp_path_factory: pytest.TempPathFactory
) -> Trained:
    folder = tmp_path_factory.mktemp("trained") / request.param
    (folder / ".given_up").mkdir(parents=True)
    return Trained(folder, fit_and_keep(spec(kind=request.param), background, folder))


def fit_and_keep(spec: Spec, path: Path, folder: Path) -> keras.Model:
    """Train an autoencoder; the network in memory."""
    built = []
    build = autoencoder.build

    def kept(*arguments: Any) -> autoencoder.UntrainedAutoencoder:
        built.append(build(*arguments))
        return built[-1]

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(autoencoder, "build", kept)
        fit(spec, [path], folder)
    return built[0].model


@pytest.fixture
def trained(both: Trained) -> Path:
    return both.folder


def test_an_autoencoder_is_named_after_its_kind_and_variant() -> None:
    assert (DenseAutoencoder().name, VariationalAutoencoder(variant="big").name) == (
        "dense",
        "variational+big",
    )


# --- Networks -------------------------------------------------------------------------------------


def widths(model: keras.Model) -> list[int]:
    return [layer.units for layer in model.layers if isinstance(layer, keras.layers.Dense)]


@pytest.mark.parametrize("kind", ["dense", "variational"])
def test_layers_are_mirrored_around_the_latent_space(kind: str) -> None:
    network = autoencoder.build(spec(kind=kind, layers=(9, 7)), N_FEATURES, seed=1)
    assert widths(network.model) == [9, 7, 4, 7, 9, N_FEATURES]
    assert network.model.output_shape == network.model.input_shape == (None, N_FEATURES)


def test_the_smallest_autoencoder_of_the_thesis_is_one_hidden_layer() -> None:
    network = autoencoder.build(spec(layers=(), latent=150), 529, seed=1)
    assert widths(network.model) == [150, 529]
    assert network.model.count_params() == 150 * (529 + 1) + 529 * (150 + 1)


@pytest.mark.parametrize("kind", ["dense", "variational"])
@pytest.mark.parametrize("latent", [N_FEATURES, N_FEATURES + 1])
def test_a_latent_space_must_be_narrower_than_the_input(kind: str, latent: int) -> None:
    with pytest.raises(ConfigError, match=rf"{latent} is not narrower .* {N_FEATURES}"):
        autoencoder.build(spec(kind=kind, latent=latent), N_FEATURES, seed=1)


def test_activations_and_output_are_those_asked_for() -> None:
    asked = spec(activation="leaky_relu", output="sigmoid")
    model = autoencoder.build(asked, N_FEATURES, seed=1).model
    names = [layer.activation.__name__ for layer in model.layers if hasattr(layer, "activation")]
    assert names == ["leaky_relu"] * 3 + ["sigmoid"]
    with pytest.raises(ValidationError, match="a sigmoid output needs inputs"):
        spec(output="sigmoid", scaling="standard")


def test_a_variational_loss_is_the_error_and_the_divergence() -> None:
    """Against the formula for one event, of weight 3."""
    network = autoencoder.build(spec(kind="variational", beta=0.7), N_FEATURES, seed=1)
    model = network.compile(1e-3)
    x = on_surface(1)
    found = np.asarray(model.predict_on_batch(x))[0].astype(np.float64)
    reconstruction, mean, log_variance = np.split(found, [N_FEATURES, N_FEATURES + 4])
    divergence = 0.5 * np.sum(mean**2 + np.exp(log_variance) - 1 - log_variance)
    expected = np.mean((x[0] - reconstruction) ** 2) + 0.7 / N_FEATURES * divergence
    loss = model.test_on_batch(x, x, sample_weight=np.array([3.0]))
    np.testing.assert_allclose(loss, 3 * expected, rtol=1e-5)


def test_a_variational_autoencoder_draws_in_training_alone() -> None:
    network = autoencoder.build(spec(kind="variational"), N_FEATURES, seed=1)
    x = on_surface(5)
    first, second = (np.asarray(network.trained(x, training=True)) for _ in range(2))
    assert np.abs(first - second).max() > 1e-2
    still = np.asarray(network.trained(x, training=False))[:, :N_FEATURES]
    np.testing.assert_array_equal(still, np.asarray(network.model(x, training=True)))


# --- Training -------------------------------------------------------------------------------------


def test_events_unlike_the_background_score_higher(trained: Path) -> None:
    """Feature by feature they are the same: the correlations alone tell."""
    scorer = TrainedAutoencoder(trained)
    alike, unlike = scorer.score(on_surface(500, 8)), scorer.score(off_surface(500, 9))
    assert auc(unlike, alike) > 0.9


def test_the_record_says_what_was_done(trained: Path, background: Path) -> None:
    names = ["history.csv", "model.keras", "scaling.json", "training.json"]
    assert sorted(path.name for path in trained.iterdir()) == names
    record = json.loads((trained / "training.json").read_text())
    assert (record["events"], record["validation_events"]) == (600, 200)
    assert record["autoencoder"] == spec(kind=trained.name).model_dump(mode="json")
    assert record["parameters"] == TrainedAutoencoder(trained).model.count_params()
    lines = (trained / "history.csv").read_text().splitlines()
    assert lines[0] == "epoch,loss,val_loss"
    assert len(lines) == record["epochs"] + 1
    losses = [float(line.split(",")[2]) for line in lines[1:]]
    assert record["validation_loss"] == min(losses) == losses[record["best_epoch"] - 1]


def test_the_best_weights_are_kept(trained: Path, background: Path) -> None:
    error = TrainedAutoencoder(trained).errors(features_of(background, Subset.VALIDATION)).mean()
    loss = json.loads((trained / "training.json").read_text())["validation_loss"]
    if trained.name == "variational":  # its loss has a divergence, too, times beta
        assert 0.5 * loss < error < loss
    else:
        np.testing.assert_allclose(error, loss, rtol=1e-4)


@pytest.mark.parametrize("both", ["variational"], indirect=True)
def test_a_seed_gives_the_same_weights(both: Trained, background: Path, tmp_path: Path) -> None:
    again = fit_and_keep(spec(kind=both.folder.name), background, tmp_path / "again")
    for ours, theirs in zip(again.get_weights(), both.model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_another_seed_gives_other_weights() -> None:
    start, other = (autoencoder.build(spec(), N_FEATURES, seed).model for seed in (1, 2))
    for ours, theirs in zip(start.get_weights(), other.get_weights(), strict=True):
        assert ours.ndim == 1 or np.abs(ours - theirs).max() > 1e-2


def test_events_count_by_their_weights(tmp_path: Path) -> None:
    """A sample of which little is expected is reconstructed worse than one of which much is; but
    for that and its sign, it is the same."""
    heavy = on_surface(500, 3, 1)
    paths = [
        write_features(tmp_path / "heavy.h5", heavy),
        write_features(tmp_path / "light.h5", -heavy, normalisation=1e-4),
    ]
    fit(spec(), paths, tmp_path / "model")
    scorer = TrainedAutoencoder(tmp_path / "model")
    assert scorer.errors(-heavy).mean() > 3 * scorer.errors(heavy).mean()


@pytest.mark.parametrize("scaling", ["min_max", "standard"])
def test_training_events_alone_decide_the_scaling(tmp_path: Path, scaling: str) -> None:
    features = on_surface(100)
    subsets = np.resize(np.array([0, 1, 2, 3], np.uint8), 100)
    wild = np.where(subsets[:, None] > 0, 50 * features, features).astype(np.float32)
    found = []
    for name, values in (("tame", features), ("wild", wild)):
        path = write_features(tmp_path / f"{name}.h5", values, subset=subsets)
        prepared = fit_autoencoder.prepare(spec(scaling=scaling), [path])
        found.append(prepared.scaling)
    np.testing.assert_array_equal(found[0].offset, found[1].offset)
    np.testing.assert_array_equal(found[0].scale, found[1].scale)


def test_negative_weights_count_by_what_their_sample_sums_to(tmp_path: Path) -> None:
    mixed = np.resize([1.0, 1.0, -1.0, 1.0, 1.0, 1.0, 1.0], 300)
    plain = np.full(300, mixed.mean())
    losses = []
    for name, weight in (("mixed", mixed), ("plain", plain)):
        (tmp_path / name).mkdir()
        path = write_features(tmp_path / name / "WZ.h5", on_surface(300), weight=weight)
        losses.append(fit(spec(epochs=2), [path], tmp_path / f"model_{name}").validation_loss)
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


def test_a_sample_of_negative_weights_is_refused(tmp_path: Path) -> None:
    weight = np.resize([-1.0, 0.5], 100)
    path = write_features(tmp_path / "ttbar.h5", on_surface(100), weight=weight)
    with pytest.raises(InputError, match="ttbar: the weights of its 60 events"):
        fit(spec(), [path], tmp_path / "model")


def test_a_loss_that_is_not_a_number_ends_the_training(background: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="dense: the loss is not a number in epoch 1: lower"):
        fit(spec(learning_rate=1e30), [background], tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_what_was_there_stays_until_the_new_is_whole(
    background: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    folder = tmp_path / "model"
    folder.mkdir()
    for name in ("model.keras", "training.json"):
        (folder / name).write_text("of before")
    monkeypatch.setattr(fit_autoencoder, "finish_work", stop)
    with pytest.raises(KeyboardInterrupt):
        fit(spec(epochs=1), [background], folder)
    assert {path.name for path in folder.glob(".*")} == {".fingerprint"}
    for name in ("model.keras", "training.json"):
        assert (folder / name).read_text() == "of before"


# --- Scores ---------------------------------------------------------------------------------------


def test_a_score_is_the_logarithm_of_the_summed_squared_error(trained: Path) -> None:
    scorer, features = TrainedAutoencoder(trained), off_surface(50)
    scores, errors = scorer.score(features), scorer.errors(features)
    assert scores.shape == (50,)
    assert scores.dtype == np.float32
    assert errors.shape == features.shape
    np.testing.assert_allclose(scores, np.log10(errors.sum(axis=1)), atol=1e-5)
    scaled = scorer.scaling(features) - scorer.scaling(scorer.reconstruct(features))
    np.testing.assert_allclose(scaled**2, errors, atol=1e-5)
    assert scorer.encode(features).shape == (50, 4)


def test_an_error_of_0_has_a_score() -> None:
    x = np.ones((2, 3), np.float32)
    assert np.isfinite(autoencoder.anomaly_score(x, x)).all()
    large = autoencoder.anomaly_score(x * 1e25, -x * 1e25)  # squares beyond single precision
    np.testing.assert_allclose(large, np.log10(12e50), rtol=1e-6)


@pytest.mark.parametrize("size", [16, 48])
def test_scores_of_parts_are_those_of_the_whole_to_the_last_bit(
    trained: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(training.autoencoder.autoencoder, "WINDOW", 16)
    scorer, features = TrainedAutoencoder(trained), on_surface(100, 5)
    parts = [scorer.score(features[begin : begin + size]) for begin in range(0, 100, size)]
    np.testing.assert_array_equal(np.concatenate(parts), scorer.score(features))


def test_a_loaded_autoencoder_scores_as_the_trained_one(both: Trained) -> None:
    """To the last bit: the network in memory at the end of the training, and that of the file."""
    loaded, features = TrainedAutoencoder(both.folder), on_surface(100, 6)
    scores = loaded.score(features)
    loaded.model = both.model
    loaded.model.compile(jit_compile=False)
    np.testing.assert_array_equal(loaded.score(features), scores)


def test_features_of_another_shape_are_refused(trained: Path) -> None:
    with pytest.raises(InputError, match=r"shape \(3, 11\), the autoencoder takes \(events, 12\)"):
        TrainedAutoencoder(trained).score(on_surface(3)[:, :11])


def test_what_is_no_autoencoder_is_named(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="scaling.json: not a scaling"):
        TrainedAutoencoder(tmp_path)
    folder = Path(shutil.copytree(trained, tmp_path / "model"))
    autoencoder.build(spec(), 5, seed=1).model.save(folder / "model.keras")
    with pytest.raises(InputError, match=r"not an autoencoder of 12 features \(it takes 5"):
        TrainedAutoencoder(folder)
    (folder / "model.keras").write_text("nothing")
    with pytest.raises(InputError, match=r"model.keras: not an autoencoder of 12"):
        TrainedAutoencoder(folder)


def test_a_score_that_is_not_a_number_is_refused(trained: Path, tmp_path: Path) -> None:
    scorer = TrainedAutoencoder(Path(shutil.copytree(trained, tmp_path / "model")))
    with pytest.raises(ConfigError, match="a score is not a number"):
        scorer.score(np.full((2, N_FEATURES), np.nan, np.float32))
