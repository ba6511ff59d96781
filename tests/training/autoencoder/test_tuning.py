"""Hyperband over small autoencoders."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from analysis.config import Autoencoder as Spec
from analysis.config import DenseAutoencoder, Tuning, parse_autoencoder
from common.runtime.errors import ConfigError
from tests.training.feature_files import on_surface, write_features
from training.autoencoder.tuning import tune

pytestmark = pytest.mark.filterwarnings(
    "ignore:currentThread:DeprecationWarning",  # Python's name for it changed
    "ignore:getName:DeprecationWarning",
)

SEARCH: dict[str, Any] = {
    "max_epochs": 3,
    "layers": (0, 1),
    "nodes": (8, 16),
    "latent": (1, 4),
    "activation": ("elu", "tanh"),
    "learning_rate": (1e-3, 1e-2),
}


def spec(**changes: Any) -> Spec:
    values = {"batch_size": 64, "tuning": SEARCH | changes}
    return parse_autoencoder(values)


@pytest.fixture(scope="module")
def background(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_features(tmp_path_factory.mktemp("rmm") / "Wtaunu.h5", on_surface(500))


def search(spec: Spec, path: Path, folder: Path) -> tuple[Spec, dict[str, Any]]:
    best = tune(spec, [path], folder, seed=0, fingerprint="fingerprint")
    return best, json.loads((folder / "tuning.json").read_text())


CHOSEN = ("layers", "latent", "activation", "learning_rate")


@pytest.mark.slow
def test_the_best_trial_is_returned(
    background: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    best, record = search(spec(), background, tmp_path / "model")
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["tuning.json"]
    assert capsys.readouterr() == ("", "")
    trials = {trial["trial"]: trial for trial in record["trials"]}
    # Two brackets of Hyperband: three of one epoch, the best of them of three; two of three.
    assert sorted(trial["epochs"] for trial in trials.values()) == [1, 1, 1, 3, 3, 3]
    least = min(trials.values(), key=lambda trial: float(trial["score"]))
    assert record["best"] == least["trial"]
    found = best.model_dump(mode="json")
    assert {name: found[name] for name in CHOSEN} == {name: least[name] for name in CHOSEN}
    assert (best.tuning, best.batch_size) == (None, 64)
    (promoted,) = (trial for trial in trials.values() if trial["continues"] is not None)
    past = trials[promoted["continues"]]
    assert {name: past[name] for name in CHOSEN} == {name: promoted[name] for name in CHOSEN}
    assert past["score"] == min(t["score"] for t in trials.values() if t["epochs"] == 1)
    assert promoted["score"] < past["score"]


@pytest.mark.slow
def test_a_seed_gives_the_same_search(background: Path, tmp_path: Path) -> None:
    short = spec(max_epochs=2)
    first, second = (search(short, background, tmp_path / name)[1]["trials"] for name in "ab")
    assert first == second


def test_a_search_without_any_loss_is_refused(background: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"dense: none of \d+ trials has a finite loss"):
        search(spec(learning_rate=(1e30, 1e31), max_epochs=2), background, tmp_path / "model")


def test_without_keras_tuner_the_remedy_is_named(
    background: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "keras_tuner", None)
    with pytest.raises(ConfigError, match="install keras-tuner, or leave 'tuning' out"):
        search(spec(), background, tmp_path / "model")


def test_what_cannot_be_searched_is_refused(background: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="dense: nothing to search for"):
        tune(DenseAutoencoder(), [background], tmp_path, seed=1, fingerprint="fingerprint")
    with pytest.raises(ConfigError, match="latent space of 12 is not narrower"):
        search(spec(latent=(4, 12)), background, tmp_path / "model")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"nodes": (3, 3)}, "listed twice"),
        ({"layers": (-1,)}, "greater than or equal to 0"),
        ({"latent": ()}, "at least 1 item"),
        ({"learning_rate": (1e-2, 1e-3)}, "the lower one first"),
        ({"learning_rate": (0.0, 1e-3)}, "above 0"),
    ],
)
def test_a_bad_range_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Tuning.model_validate(changes)
