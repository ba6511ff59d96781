"""Train autoencoders on matrix files, weighting events by expected events.

An interrupted training starts again from the beginning.
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
from common.schema.matrices import Subset
from training.autoencoder import autoencoder, records
from training.autoencoder.records import AutoencoderRecord, FitResult
from training.data.features import (
    Features,
    Floats,
    effective_number,
    read_features,
    training_weights,
)
from training.data.scaling import Scaling, fit_scaling
from training.networks.flops import device

if TYPE_CHECKING:
    from analysis.config import Autoencoder

log = logging.getLogger("monojet")

# The user is warned below these: effective events, and their share of all events.
MIN_EFFECTIVE, MIN_EFFECTIVE_SHARE = 20, 0.02

HISTORY = "history.csv"


@dataclass(frozen=True)
class WeightedFeatures:
    """Scaled features (events, D), and the weights of events (events,), mean 1."""

    x: Floats
    weights: Floats


@dataclass(frozen=True)
class TrainingData:
    """Training and validation events of an autoencoder, and their scaling."""

    scaling: Scaling
    training: WeightedFeatures
    validation: WeightedFeatures


Keep = Callable[[Subset], npt.NDArray[np.bool_]]
"""Returns a mask of the events of a subset."""


def prepare(spec: Autoencoder, paths: Sequence[Path], keep: Keep | None = None) -> TrainingData:
    """Read the training and validation events of samples; fit the scaling to the former.

    ``keep`` selects among the events of a subset.

    Raises:
        InputError: a file is damaged, a subset has no events, or the sum of weights of a sample is
            not positive.
    """
    training = _events(paths, Subset.TRAINING, keep)
    validation = _events(paths, Subset.VALIDATION, keep)
    weights, validation_weights = training_weights(training), training_weights(validation)
    for name, used in (("training", weights), ("validation", validation_weights)):
        if effective_number(used) < max(MIN_EFFECTIVE, MIN_EFFECTIVE_SHARE * len(used)):
            log.warning(
                "%s: %d %s events have the statistical power of %.1f of equal weight: generate "
                "more events of the samples with large weights",
                spec.name,
                len(used),
                name,
                effective_number(used),
            )
    scaling = fit_scaling(spec.scaling, training.names, training.features, weights)
    return TrainingData(
        scaling,
        WeightedFeatures(scaling(training.features), weights),
        WeightedFeatures(scaling(validation.features), validation_weights),
    )


def _events(paths: Sequence[Path], subset: Subset, keep: Keep | None) -> Features:
    events = read_features(paths, subset)
    return events if keep is None else events.take(keep(subset))


class EpochLog(keras.callbacks.Callback):
    """Show progress, write one log line per epoch, and stop at a loss that is not finite."""

    def __init__(self, name: str, bar: Progress, batch_size: int) -> None:
        super().__init__()
        self.name, self.bar, self.batch_size, self.epoch = name, bar, batch_size, 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Store the number of the epoch."""
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Advance the progress; refuse a loss that is not finite."""
        self.bar.advance(self.batch_size)
        self._require_number(logs, "loss")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Log the losses; refuse a validation loss that is not finite."""
        self._require_number(logs, "val_loss")
        losses = logs["loss"], logs["val_loss"]
        log.info("%s, epoch %d: loss %.4g (validation: %.4g)", self.name, epoch + 1, *losses)

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
) -> AutoencoderRecord:
    """Train the autoencoder of ``spec`` on the training events of samples, until the weighted loss
    of their validation events has not decreased for ``patience`` epochs.

    Write ``model.keras`` (with the weights of the smallest validation loss), ``scaling.json``,
    ``history.csv`` and finally ``training.json``; return the content of the last. ``fingerprint``
    names the folder of unfinished work; ``keep`` selects among the events. ``spec.tuning`` is
    ignored here: see `training.autoencoder.tuning.tune`.

    Raises:
        ConfigError: the loss is not finite, or the latent space is not narrower than the input.
        InputError: a matrix file cannot be used.
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
            callbacks=[EpochLog(spec.name, bar, spec.batch_size), early_stopping(spec.patience)],
        ).history
    record = AutoencoderRecord(
        autoencoder=spec,
        seed=seed,
        samples=[path.stem for path in paths],
        features=training.x.shape[1],
        events=len(training.x),
        effective_events=round(effective_number(training.weights), 1),
        validation_events=len(validation.x),
        effective_validation_events=round(effective_number(validation.weights), 1),
        parameters=network.model.count_params(),
        **dict(fit_result(history, start)),
    )
    work = begin_work(folder, fingerprint)
    network.model.save(work / autoencoder.MODEL)
    prepared.scaling.write(work / autoencoder.SCALING)
    finish_work(work, folder, history, record)
    return record


def early_stopping(patience: int) -> keras.callbacks.EarlyStopping:
    """Return the callback that ends a training and restores the best weights."""
    return keras.callbacks.EarlyStopping(
        "val_loss",
        mode="min",
        patience=patience,
        restore_best_weights=True,
    )


def fit_result(history: dict[str, list[float]], start: float) -> FitResult:
    """Return the result of a training with these losses, started at a time in s."""
    best = int(np.argmin(history["val_loss"]))
    return FitResult(
        epochs=len(history["val_loss"]),
        best_epoch=best + 1,
        loss=history["loss"][best],
        validation_loss=history["val_loss"][best],
        seconds=round(time.monotonic() - start, 1),
        backend=keras.backend.backend(),
        device=device(),
    )


def begin_work(folder: Path, fingerprint: str) -> Path:
    """Return an empty folder for unfinished work."""
    work = folder / f".{fingerprint}"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    return work


def finish_work(
    work: Path, folder: Path, history: dict[str, list[float]], record: FitResult
) -> None:
    """Move all files to their folder; write the record last, as it marks them as complete."""
    (folder / records.TRAINING).unlink(missing_ok=True)
    for path in list(work.iterdir()):
        os.replace(path, folder / path.name)
    lines = pd.DataFrame({"epoch": range(len(history["loss"])), **history})
    files.write_text(folder / HISTORY, lines.to_csv(index=False))
    files.write_json(folder / records.TRAINING, record.model_dump(mode="json"))
    for leftover in folder.glob(".*"):  # of this training, and of abandoned ones
        if leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)
