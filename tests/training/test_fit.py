from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from analysis.config import NetworkTraining
from common.errors import ConfigError, InputError
from common.progress import progress
from common.score_file import read_scores, write_scores
from training import dataset, fit
from training.score import Scorer

SCHEMA = 1


def write_images(path: Path, run_number: int, n_events: int, hard: float) -> Path:
    """Two cells an event; the transverse momentum of the first tells the classes apart."""
    rng = np.random.default_rng(run_number)
    with h5py.File(path, "w") as file:
        file.attrs["schema"] = SCHEMA
        file["cells/offsets"] = 2 * np.arange(n_events + 1, dtype=np.uint64)
        row = np.tile(np.array([3, 50], np.uint8), n_events)
        column = np.tile(np.array([10, 70], np.uint8), n_events)
        values = np.zeros((2 * n_events, 8), np.float32)
        values[:, 0] = rng.exponential(5, 2 * n_events)
        values[::2, 0] += hard
        values[:, 1] = 1
        for name, data in (("row", row), ("column", column), ("values", values)):
            file[f"cells/{name}"] = data
        for name in ("cell", "rowcol", "stochastic"):
            file[f"compression/{name}/row"] = row // 50
            file[f"compression/{name}/column"] = column // 70
        file["events/run_number"] = np.full(n_events, run_number, np.uint32)
        file["events/event_number"] = np.arange(n_events, dtype=np.uint64)
        file["events/fold"] = (np.arange(n_events) % 2).astype(np.uint8)
    return path


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    return [
        write_images(tmp_path / "signal.h5", 1, 200, 50.0),
        write_images(tmp_path / "background.h5", 2, 200, 0.0),
    ]


def spec(**changes: Any) -> NetworkTraining:
    values: dict[str, Any] = {
        "network": "particle_flow",
        "width": 0.25,
        "max_cells": 3,
        "epochs": 6,
        "batch_size": 20,
        "learning_rate": 1e-2,
        "xla": False,
    }
    return NetworkTraining.model_validate(values | changes)


def train(spec: NetworkTraining, paths: list[Path], folder: Path) -> dict[str, Any]:
    fit.train(
        spec,
        paths,
        [1, 0],
        folder,
        folds=2,
        validation_fraction=0.2,
        seed=3,
        recipe="recipe",
    )
    found: dict[str, Any] = json.loads((folder / "training.json").read_text())
    return found


def test_a_network_learns_and_scores_events_it_did_not_see(
    paths: list[Path], tmp_path: Path
) -> None:
    record = train(spec(), paths, tmp_path / "model")
    names = sorted(p.name for p in (tmp_path / "model").iterdir())
    assert names == ["fold0.csv", "fold0.keras", "fold1.csv", "fold1.keras", "training.json"]
    # 200 of 400 events are in the other fold, about a fifth of them watch
    for fold in record["folds"]:
        assert fold["events"] + fold["validation_events"] == 200
        assert 20 <= fold["validation_events"] <= 60
    images = dataset.read_images(paths, [1, 0], "none")
    with progress("score", len(images)) as bar:
        scores = Scorer(spec(), tmp_path / "model")(images, bar)
    assert np.mean((scores > 0.5) == (images.label == 1)) > 0.95


def test_an_image_network_trains_on_dense_batches(paths: list[Path], tmp_path: Path) -> None:
    image = spec(network="strides", compression="cell", size=8, width=0.05, epochs=1)
    record = train(image, paths, tmp_path / "model")
    assert record["parameters"] > 0


def test_the_same_seed_gives_the_same_scores(paths: list[Path], tmp_path: Path) -> None:
    images = dataset.read_images(paths, [1, 0], "none")
    found = []
    for name in "ab":
        train(spec(epochs=2), paths, tmp_path / name)
        with progress("score", len(images)) as bar:
            found.append(Scorer(spec(epochs=2), tmp_path / name)(images, bar))
    assert found[0] == pytest.approx(found[1], abs=1e-5)


def test_a_stopped_training_resumes(
    paths: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "model"
    report = fit._Report.on_epoch_end
    seen: list[tuple[str, int]] = []

    def stop(self: Any, epoch: int, logs: Any = None) -> None:
        seen.append((self.name, epoch))
        if len(seen) == 9:  # fold 1, third epoch
            raise KeyboardInterrupt
        report(self, epoch, logs)

    monkeypatch.setattr(fit._Report, "on_epoch_end", stop)
    with pytest.raises(KeyboardInterrupt):
        train(spec(), paths, folder)
    assert not (folder / "training.json").exists()
    seen.clear()
    monkeypatch.setattr(
        fit._Report, "on_epoch_end", lambda self, epoch, logs=None: seen.append((self.name, epoch))
    )
    train(spec(), paths, folder)
    assert {name for name, _ in seen} == {"particle_flow+none, fold 1"}
    assert [epoch for _, epoch in seen] == [2, 3, 4, 5]
    rows = (folder / "fold1.csv").read_text().splitlines()[1:]
    assert [int(row.split(",")[0]) for row in rows] == list(range(6))


def test_an_image_that_is_not_finite_is_refused(paths: list[Path], tmp_path: Path) -> None:
    with h5py.File(paths[0], "r+") as file:
        file["cells/values"][4, 3] = np.inf
    with pytest.raises(InputError, match="not a number"):
        train(spec(), paths, tmp_path / "model")


def test_a_loss_that_is_not_a_number_stops(paths: list[Path], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the loss is not a number in step"):
        train(spec(learning_rate=1e30), paths, tmp_path / "model")
    assert not (tmp_path / "model" / "training.json").exists()


def test_a_class_missing_from_the_training_is_named(paths: list[Path], tmp_path: Path) -> None:
    with h5py.File(paths[1], "r+") as file:
        file["events/fold"][:] = 0
    with pytest.raises(InputError, match="fold 0: no background event for training"):
        train(spec(), paths, tmp_path / "model")


def test_scores_are_stored_by_key(tmp_path: Path) -> None:
    path = tmp_path / "scores.h5"
    identity: dict[str, Any] = {
        "run_number": np.array([1, 1], np.uint32),
        "event_number": np.array([5, 6], np.uint64),
        "fold": np.array([0, 1], np.uint8),
    }
    write_scores(path, identity, {"a+b": np.array([0.25, 0.5], np.float32)})
    found = read_scores(path, ["a+b"])
    assert found["event_number"].tolist() == [5, 6]
    assert found["a+b"].tolist() == [0.25, 0.5]
    with pytest.raises(InputError, match="not a whole score file"):
        read_scores(path, ["absent"])
    identity["event_number"][:] = 5
    with pytest.raises(InputError, match="event 5 of run 1 is there twice"):
        write_scores(path, identity, {})
