"""Training: one network a fold, the best weights kept, resumable after any stop."""

from __future__ import annotations

import contextlib
import json
import logging
import math
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import numpy.typing as npt
import pandas as pd

from common import files
from common.errors import ConfigError, InputError, MonojetError
from common.progress import Progress, progress
from training import dataset, models
from training.dataset import Floats, ImageFiles, Images, Indices, Mask
from training.pools import Pools

if TYPE_CHECKING:
    from analysis.config import NetworkTraining

log = logging.getLogger("monojet")


class Batches(keras.utils.PyDataset):
    """Batches of (input, class) of chosen events for a network, scattered when they are read.

    The order of an epoch depends on the seed and the epoch's number alone, so that a resumed
    training sees the batches it would have seen. Without a seed it is that of the files.
    """

    def __init__(
        self,
        files: ImageFiles,
        chosen: Mask,
        means: Floats,
        spec: NetworkTraining,
        seed: int | None = None,
    ) -> None:
        super().__init__()
        self.pools = Pools(files, chosen, seed)
        self.means, self.spec = means, spec
        self.failure: MonojetError | None = None

    def __len__(self) -> int:
        return math.ceil(len(self.pools) / self.spec.batch_size)

    def __getitem__(self, index: int) -> tuple[Floats, npt.NDArray[np.int32]]:
        begin = index * self.spec.batch_size
        end = min(begin + self.spec.batch_size, len(self.pools))
        try:
            parts = self.pools.read(begin, end)
        except MonojetError as error:
            self.failure = error  # the backend that asks may wrap it beyond recognition
            raise
        inputs = [network_input(images, events, self.means, self.spec) for images, events in parts]
        label = np.concatenate([images.label[events] for images, events in parts])
        classes = np.where(label == 1, dataset.SIGNAL_CLASS, 1 - dataset.SIGNAL_CLASS)
        # A batch of two pools is rare: the others are not copied.
        return inputs[0] if len(inputs) == 1 else np.concatenate(inputs), classes.astype(np.int32)


def network_input(images: Images, events: Indices, means: Floats, spec: NetworkTraining) -> Floats:
    """What the network of ``spec`` sees of some events."""
    if spec.network in models.SET_NETWORKS:
        return dataset.cell_lists(images, events, means, spec.max_cells)
    return dataset.dense(images, events, means, spec.size)


def build(spec: NetworkTraining, seed: int) -> keras.Model:
    """The untrained network of ``spec``, compiled."""
    if spec.network in models.SET_NETWORKS:
        shape: tuple[int, ...] = (spec.max_cells, 1 + dataset.N_FEATURES)
        model = models.SET_NETWORKS[spec.network](shape, width=spec.width, seed=seed)
    else:
        rows, columns = dataset.GRID if spec.compression == "none" else (spec.size, spec.size)
        shape = (rows, columns, dataset.N_CHANNELS + 2)
        model = models.IMAGE_NETWORKS[spec.network](
            shape, width=spec.width, l2=spec.l2, initial=spec.initial, seed=seed
        )
    model.compile(
        optimizer=keras.optimizers.Adam(spec.learning_rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile="auto" if spec.xla else False,
    )
    return model


class _Shuffle(keras.callbacks.Callback):
    def __init__(self, batches: Batches) -> None:
        super().__init__()
        self.batches = batches

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.batches.pools.start(epoch)


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
    paths: Sequence[Path],
    labels: Sequence[int],
    folder: Path,
    *,
    folds: int,
    validation_fraction: float,
    seed: int,
    recipe: str,
    settings: Mapping[str, Any] | None = None,
) -> None:
    """Train the network once a fold, on the events of all other folds.

    Writes ``fold<i>.keras`` (weights of the least validation loss), ``fold<i>.csv`` (history) and
    ``training.json``. ``recipe`` names unfinished work, so that only the same training resumes it;
    ``settings`` are those the images must have been filled with (`dataset.SETTINGS`).

    Raises:
        ConfigError: the loss is not a number.
        InputError: an image file is damaged or was filled otherwise, or a fold lacks a class.
    """
    work = folder / f".{recipe}"
    work.mkdir(parents=True, exist_ok=True)
    record: dict[str, Any] = {"network": spec.model_dump(), "seed": seed, "folds": []}
    with ImageFiles(paths, labels, spec.compression, settings) as images:
        validation = images.in_validation(validation_fraction)
        for fold in range(folds):
            finished = work / f"fold{fold}.json"
            if not finished.exists():
                chosen = images.fold != fold
                _train_fold(
                    spec, images, chosen & ~validation, chosen & validation, work, fold, seed
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
    images: ImageFiles,
    chosen: Mask,
    watched: Mask,
    work: Path,
    fold: int,
    seed: int,
) -> None:
    name = f"{spec.name}, fold {fold}"
    _require_both_classes(images, chosen, f"to train {name}")
    _require_both_classes(images, watched, f"to validate {name}")
    keras.utils.set_random_seed(seed + fold)
    means = dataset.channel_means(images, chosen)
    batches = Batches(images, chosen, means, spec, seed + fold)
    validation = Batches(images, watched, means, spec)
    model = build(spec, seed + 1000 * fold)
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
        bar = stack.enter_context(progress(f"train {name}", spec.epochs * len(batches.pools)))
        stack.callback(lambda: logger.csv_file and logger.csv_file.close())
        try:
            model.fit(
                batches,
                validation_data=validation,
                epochs=spec.epochs,
                shuffle=False,  # of batches, by Keras: it would undo the order of the epoch
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
        except Exception:
            failure = batches.failure or validation.failure
            if failure is not None:
                raise failure from None
            raise
    # An epoch that was stopped between its line and its backup has been run twice.
    epochs = pd.read_csv(history).drop_duplicates("epoch", keep="last")
    files.write_text(history, epochs.to_csv(index=False))
    files.write_json(
        work / f"fold{fold}.json",
        {
            "fold": fold,
            "parameters": model.count_params(),
            "channel_means": [float(mean) for mean in means],
            "events": len(batches.pools),
            "validation_events": len(validation.pools),
            "epochs": len(epochs),
            "seconds": round(time.monotonic() - start, 1),
            "backend": keras.backend.backend(),
        },
    )


def _require_both_classes(images: ImageFiles, chosen: Mask, what: str) -> None:
    for label, kind in ((1, "signal"), (0, "background")):
        paths = [p for p, own in zip(images.paths, images.labels, strict=True) if own == label]
        if not any(images.labels[r.file] == label and r.of(chosen).any() for r in images.ranges()):
            raise InputError(
                f"{', '.join(map(str, paths))}: no {kind} event {what}: more events or fewer folds "
                "are needed"
            )
