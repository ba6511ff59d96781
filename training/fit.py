"""Training: one network a fold, the best weights kept, resumable after any stop."""

from __future__ import annotations

import contextlib
import json
import logging
import math
import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import numpy.typing as npt
import pandas as pd

from common import files
from common.errors import ConfigError, InputError
from common.progress import Progress, progress
from training import dataset, models
from training.dataset import Floats, Images

if TYPE_CHECKING:
    from analysis.config import NetworkTraining

log = logging.getLogger("monojet")

Indices = npt.NDArray[np.int64]


class Batches(keras.utils.PyDataset):
    """Batches of (input, class) for a network, scattered from sparse images when read.

    The order of an epoch depends on the seed and the epoch's number alone, so that a resumed
    training sees the batches it would have seen.
    """

    def __init__(
        self,
        images: Images,
        events: Indices,
        means: Floats,
        spec: NetworkTraining,
        seed: int | None = None,
    ) -> None:
        super().__init__()
        self.images, self.events, self.means, self.spec = images, events, means, spec
        self.seed = seed
        self.order = events
        self.shuffle(0)

    def shuffle(self, epoch: int) -> None:
        """Take the order of an epoch; without a seed the order stays that of the events."""
        if self.seed is not None:
            self.order = np.random.default_rng((self.seed, epoch)).permutation(self.events)

    def __len__(self) -> int:
        return math.ceil(len(self.events) / self.spec.batch_size)

    def __getitem__(self, index: int) -> tuple[Floats, npt.NDArray[np.int32]]:
        size = self.spec.batch_size
        events = self.order[index * size : (index + 1) * size]
        signal = self.images.label[events] == 1
        classes = np.where(signal, dataset.SIGNAL_CLASS, 1 - dataset.SIGNAL_CLASS)
        return network_input(self.images, events, self.means, self.spec), classes.astype(np.int32)


def network_input(images: Images, events: Indices, means: Floats, spec: NetworkTraining) -> Floats:
    """What the network of ``spec`` sees of some events."""
    if spec.network in models.SET_NETWORKS:
        return dataset.cell_lists(images, events, means, spec.max_cells)
    return dataset.dense(images, events, means, spec.size)


def build(spec: NetworkTraining, seed: int) -> keras.Model:
    """The untrained network of ``spec``."""
    if spec.network in models.SET_NETWORKS:
        shape: tuple[int, ...] = (spec.max_cells, 1 + dataset.N_FEATURES)
        return models.SET_NETWORKS[spec.network](shape, width=spec.width, seed=seed)
    rows, columns = dataset.GRID if spec.compression == "none" else (spec.size, spec.size)
    shape = (rows, columns, dataset.N_CHANNELS + 2)
    return models.IMAGE_NETWORKS[spec.network](
        shape, width=spec.width, l2=spec.l2, initial=spec.initial, seed=seed
    )


class _Shuffle(keras.callbacks.Callback):
    def __init__(self, batches: Batches) -> None:
        super().__init__()
        self.batches = batches

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.batches.shuffle(epoch)


class _Report(keras.callbacks.Callback):
    """Progress and one log line an epoch; a loss that is not a number ends the training."""

    def __init__(self, name: str, bar: Progress, batch_size: int) -> None:
        super().__init__()
        self.name, self.bar, self.batch_size = name, bar, batch_size

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.bar.advance(self.batch_size)
        if logs and not math.isfinite(logs["loss"]):
            raise ConfigError(
                f"{self.name}: the loss is not a number in step {batch}: lower the learning_rate"
            )

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        logs = logs or {}
        log.info(
            "%s, epoch %d: loss %.4f, accuracy %.3f (validation: %.4f, %.3f)",
            self.name,
            epoch + 1,
            logs.get("loss", math.nan),
            logs.get("accuracy", math.nan),
            logs.get("val_loss", math.nan),
            logs.get("val_accuracy", math.nan),
        )


def train(
    spec: NetworkTraining,
    paths: list[Path],
    labels: list[int],
    folder: Path,
    *,
    folds: int,
    validation_fraction: float,
    seed: int,
    recipe: str,
) -> None:
    """Train the network once a fold, on the events of all other folds.

    Writes ``fold<i>.keras`` (weights of the least validation loss), ``fold<i>.csv`` (history) and
    ``training.json``. ``recipe`` names unfinished work, so that only the same training resumes it.

    Raises:
        ConfigError: the loss is not a number.
        InputError: an image file is damaged, or a fold lacks a class.
    """
    images = dataset.read_images(paths, labels, spec.compression)
    validation = dataset.in_validation(images, validation_fraction)
    work = folder / f".{recipe}"
    work.mkdir(parents=True, exist_ok=True)
    record: dict[str, Any] = {"network": spec.model_dump(), "seed": seed, "folds": []}
    for fold in range(folds):
        finished = work / f"fold{fold}.json"
        if not finished.exists():
            chosen = images.fold != fold
            _train_fold(
                spec,
                images,
                np.flatnonzero(chosen & ~validation),
                np.flatnonzero(chosen & validation),
                work,
                fold,
                seed,
            )
        record["folds"].append(json.loads(finished.read_text()))
    record["parameters"] = record["folds"][0].pop("parameters")
    for fold in range(folds):
        for suffix in ("keras", "csv"):
            os.replace(work / f"fold{fold}.{suffix}", folder / f"fold{fold}.{suffix}")
    files.write_json(folder / "training.json", record)
    for leftover in folder.glob(".*"):  # this work, and that of recipes that were given up
        if leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)


def _train_fold(
    spec: NetworkTraining,
    images: Images,
    events: Indices,
    watched: Indices,
    work: Path,
    fold: int,
    seed: int,
) -> None:
    name = f"{spec.name}, fold {fold}"
    for what, chosen in (("training", events), ("validation", watched)):
        for label, kind in ((1, "signal"), (0, "background")):
            if not (images.label[chosen] == label).any():
                raise InputError(f"{name}: no {kind} event for {what}: more events are needed")
    keras.utils.set_random_seed(seed + fold)
    means = dataset.channel_means(images, events)
    batches = Batches(images, events, means, spec, seed + fold)
    validation = Batches(images, watched, means, spec)
    model = build(spec, seed + 1000 * fold)
    model.compile(
        optimizer=keras.optimizers.Adam(spec.learning_rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile="auto" if spec.xla else False,
    )
    start = time.monotonic()
    history = work / f"fold{fold}.csv"
    epochs_done = pd.read_csv(history) if history.exists() else pd.DataFrame({"val_loss": []})
    logger = keras.callbacks.CSVLogger(history, append=True)
    checkpoint = keras.callbacks.ModelCheckpoint(
        work / f"fold{fold}.keras",
        save_best_only=True,
        initial_value_threshold=epochs_done["val_loss"].min() if len(epochs_done) else None,
    )
    with contextlib.ExitStack() as stack:
        bar = stack.enter_context(progress(f"train {name}", spec.epochs * len(events)))
        stack.callback(lambda: logger.csv_file and logger.csv_file.close())
        model.fit(
            batches,
            validation_data=validation,
            epochs=spec.epochs,
            verbose=0,
            callbacks=[
                _Shuffle(batches),
                checkpoint,
                keras.callbacks.EarlyStopping(patience=spec.patience),
                logger,
                _Report(name, bar, spec.batch_size),
                keras.callbacks.BackupAndRestore(work / f"backup{fold}"),
            ],
        )
    # An epoch that was stopped between its line and its backup has been run twice.
    epochs = pd.read_csv(history).drop_duplicates("epoch", keep="last")
    files.write_text(history, epochs.to_csv(index=False))
    files.write_json(
        work / f"fold{fold}.json",
        {
            "fold": fold,
            "parameters": model.count_params(),
            "channel_means": [float(mean) for mean in means],
            "events": len(events),
            "validation_events": len(watched),
            "epochs": len(epochs),
            "seconds": round(time.monotonic() - start, 1),
            "backend": keras.backend.backend(),
        },
    )
