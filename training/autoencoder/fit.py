"""Training of autoencoders on feature files: events count by what is expected of them.

A training that was stopped begins anew; it is short beside one on images.
"""

from __future__ import annotations

import logging
import math
import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import numpy.typing as npt
import pandas as pd

from common.runtime import files
from common.runtime.errors import ConfigError
from common.runtime.progress import Progress, progress
from training.autoencoder import autoencoder
from training.data.features import (
    Features,
    Floats,
    Part,
    effective_number,
    read_features,
    training_weights,
)
from training.data.scaling import Scaling, fit_scaling
from training.networks.flops import device

if TYPE_CHECKING:
    from analysis.config import Autoencoder

log = logging.getLogger("monojet")

# Effective events, and their share of all: with fewer of them the user is warned.
LEAST_EFFECTIVE, LEAST_SHARE = 20, 0.02

HISTORY, RECORD = "history.csv", "training.json"


@dataclass(frozen=True)
class Data:
    """Scaled features (events, D), and by how much each event counts (events,), mean 1."""

    x: Floats
    weights: Floats


@dataclass(frozen=True)
class Prepared:
    """What an autoencoder is trained on and watched by, and the scaling of both."""

    scaling: Scaling
    training: Data
    validation: Data


Keep = Callable[[Part], npt.NDArray[np.bool_]]


def prepare(spec: Autoencoder, paths: Sequence[Path], keep: Keep | None = None) -> Prepared:
    """Read the training and validation events of some samples; the former decide the scaling.

    ``keep`` chooses among the events of a part.

    Raises:
        InputError: a file is damaged, a part has no events, or a sample no positive sum of weights.
    """
    training = _events(paths, Part.TRAINING, keep)
    validation = _events(paths, Part.VALIDATION, keep)
    weights, of_validation = training_weights(training), training_weights(validation)
    for name, used in (("training", weights), ("validation", of_validation)):
        if effective_number(used) < max(LEAST_EFFECTIVE, LEAST_SHARE * len(used)):
            log.warning(
                "%s: %d %s events scatter as %.1f of equal weight: a few heavy ones decide; "
                "generate more events of their sample",
                spec.name,
                len(used),
                name,
                effective_number(used),
            )
    scaling = fit_scaling(spec.scaling, training.names, training.features, weights)
    return Prepared(
        scaling,
        Data(scaling(training.features), weights),
        Data(scaling(validation.features), of_validation),
    )


def _events(paths: Sequence[Path], part: Part, keep: Keep | None) -> Features:
    events = read_features(paths, part)
    return events if keep is None else events.take(keep(part))


class Report(keras.callbacks.Callback):
    """Progress and one log line an epoch; a loss that is not a number ends the training."""

    def __init__(self, name: str, bar: Progress, batch_size: int) -> None:
        super().__init__()
        self.name, self.bar, self.batch_size, self.epoch = name, bar, batch_size, 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Note which it is."""
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Advance; refuse a loss that is not a number."""
        self.bar.advance(self.batch_size)
        self._require_number(logs, "loss")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Say how it went; refuse a validation loss that is not a number."""
        self._require_number(logs, "val_loss")
        loss, watched = (logs[name] for name in ("loss", "val_loss"))
        log.info("%s, epoch %d: loss %.4g (validation: %.4g)", self.name, epoch + 1, loss, watched)

    def _require_number(self, logs: Any, name: str) -> None:
        if logs and not math.isfinite(logs[name]):
            raise ConfigError(
                f"{self.name}: the {name} is not a number in epoch {self.epoch + 1}: lower the "
                "learning_rate"
            )


def fit(
    spec: Autoencoder,
    paths: Sequence[Path],
    folder: Path,
    *,
    seed: int,
    fingerprint: str,
    keep: Keep | None = None,
) -> dict[str, Any]:
    """Train the autoencoder of ``spec`` on the training events of some samples, until the loss of
    their validation events, weighted likewise, has not fallen for ``patience`` epochs.

    Writes ``model.keras`` (the weights of the least validation loss), ``scaling.json``,
    ``history.csv`` and at last ``training.json``, whose content it returns. ``fingerprint`` names
    unfinished work; ``keep`` chooses among the events. ``spec.tuning`` is not looked at: see
    `training.autoencoder.tuning.tune`.

    Raises:
        ConfigError: the loss is not a number, or the latent space not narrower than the input.
        InputError: a feature file cannot be used.
    """
    start = time.monotonic()
    prepared = prepare(spec, paths, keep)
    training, validation = prepared.training, prepared.validation
    keras.utils.set_random_seed(seed)
    network = autoencoder.build(spec, training.x.shape[1], seed)
    model = network.compile(spec.learning_rate)
    with progress(f"train {spec.name}", spec.epochs * len(training.x)) as bar:
        history = model.fit(
            training.x,
            training.x,
            sample_weight=training.weights,
            validation_data=(validation.x, validation.x, validation.weights),
            epochs=spec.epochs,
            batch_size=spec.batch_size,
            verbose=0,
            callbacks=[Report(spec.name, bar, spec.batch_size), best_kept(spec.patience)],
        ).history
    record = {
        "autoencoder": spec.model_dump(mode="json"),
        "seed": seed,
        "samples": [path.stem for path in paths],
        "features": training.x.shape[1],
        "events": len(training.x),
        "effective_events": round(effective_number(training.weights), 1),
        "validation_events": len(validation.x),
        "effective_validation_events": round(effective_number(validation.weights), 1),
        "parameters": network.model.count_params(),
        **result(history, start),
    }
    work = begin_work(folder, fingerprint)
    network.model.save(work / autoencoder.MODEL)
    prepared.scaling.write(work / autoencoder.SCALING)
    finish_work(work, folder, history, record)
    return record


def best_kept(patience: int) -> keras.callbacks.EarlyStopping:
    """Ends a training in time, and leaves the model with the best weights it had."""
    return keras.callbacks.EarlyStopping(
        "val_loss",
        mode="min",
        patience=patience,
        restore_best_weights=True,
    )


def result(history: dict[str, list[float]], start: float) -> dict[str, Any]:
    """Of a training that began at a time: losses of the best epoch, duration, and on what."""
    best = int(np.argmin(history["val_loss"]))
    return {
        "epochs": len(history["val_loss"]),
        "best_epoch": best + 1,
        "loss": history["loss"][best],
        "validation_loss": history["val_loss"][best],
        "seconds": round(time.monotonic() - start, 1),
        "backend": keras.backend.backend(),
        "device": device(),
    }


def begin_work(folder: Path, fingerprint: str) -> Path:
    """An empty folder for unfinished work."""
    work = folder / f".{fingerprint}"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    return work


def finish_work(
    work: Path, folder: Path, history: dict[str, list[float]], record: dict[str, Any]
) -> None:
    """Move all files to their places; the record, written last, says that they belong together."""
    (folder / RECORD).unlink(missing_ok=True)
    for path in list(work.iterdir()):
        os.replace(path, folder / path.name)
    lines = pd.DataFrame({"epoch": range(len(history["loss"])), **history})
    files.write_text(folder / HISTORY, lines.to_csv(index=False))
    files.write_json(folder / RECORD, record)
    for leftover in folder.glob(".*"):  # this work, and that of fingerprint that were given up
        if leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)
