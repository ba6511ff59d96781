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
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import numpy.typing as npt
import pandas as pd

from common.runtime import files
from common.runtime.errors import ConfigError, InputError, MonojetError
from common.runtime.progress import Progress, progress
from common.schema.hdf5 import create_file
from training.data import dataset
from training.data.dataset import Floats, ImageFiles, Images, Indices, Labelled, Mask
from training.data.pools import Pools
from training.networks import models
from training.networks.flops import device, flops_an_event

if TYPE_CHECKING:
    from analysis.config import NetworkTraining, Watch

log = logging.getLogger("monojet")

TENSORBOARD = "tensorboard"  # folder, in that of a network


class Batches(keras.utils.PyDataset):
    """Batches of (input, class) of chosen events for a network, scattered when they are read.

    They are dealt in rounds of ``steps`` batches, one epoch after the other, or of one epoch each.
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
        steps: int | None = None,
    ) -> None:
        super().__init__()
        self.pools = Pools(files, chosen, seed)
        self.means, self.spec = means, spec
        self.weights = class_weights(files, chosen)
        self.steps_an_epoch = math.ceil(len(self.pools) / spec.batch_size)
        self.steps = steps or self.steps_an_epoch
        self.round = 0
        self.failure: MonojetError | None = None

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, index: int) -> tuple[Floats, npt.NDArray[np.int32], Floats]:
        epoch, place = divmod(self.round * self.steps + index, self.steps_an_epoch)
        begin = place * self.spec.batch_size
        end = min(begin + self.spec.batch_size, len(self.pools))
        try:
            parts = self.pools.read(begin, end, epoch)
        except MonojetError as error:
            self.failure = error  # the backend that asks may wrap it beyond recognition
            raise
        inputs = [network_input(images, events, self.means, self.spec) for images, events in parts]
        classes = np.concatenate([images.label[events] for images, events in parts])
        weights = np.abs(np.concatenate([images.weight[events] for images, events in parts]))
        # A batch of two pools is rare: the others are not copied.
        batch = inputs[0] if len(inputs) == 1 else np.concatenate(inputs)
        return batch, classes.astype(np.int32), self.weights[classes] * weights


def class_weights(files: ImageFiles, chosen: Mask) -> Floats:
    """Weights by which the chosen events of each class count as much together, shape (classes,).

    Events count by the moduli of their weights (`ImageFiles`).
    """
    sums = np.zeros(1 + max(files.labels))
    for events in files.ranges():
        sums[files.labels[events.file]] += np.abs(events.of(files.weight)[events.of(chosen)]).sum(
            dtype=np.float64
        )
    mean = sums.sum() / len(sums)
    weights: Floats = (mean / np.where(sums > 0, sums, 1)).astype(np.float32)
    return weights


def _require_positive_sums(files: ImageFiles) -> None:
    """Refuse a sample that stands for no events."""
    for path, total in zip(files.paths, files.sums, strict=True):
        if total <= 0:
            raise InputError(
                f"{path}: the weights of its events add to {total:g}: a network cannot learn from "
                "a sample that stands for no events: give it others, or weights whose sum is above "
                "0, under 'samples'"
            )


def network_input(images: Images, events: Indices, means: Floats, spec: NetworkTraining) -> Floats:
    """What the network of ``spec`` sees of some events."""
    if spec.network in models.SET_NETWORKS:
        return dataset.cell_lists(images, events, means, spec.max_cells, spec.angles)
    return dataset.dense(images, events, means, spec.size, spec.coordinates)


def input_shape(spec: NetworkTraining) -> tuple[int, ...]:
    """The shape of what the network of ``spec`` sees of an event."""
    if spec.network in models.SET_NETWORKS:
        return (spec.max_cells, 1 + dataset.n_features(spec.angles))
    rows, columns = dataset.GRID if spec.compression == "none" else (spec.size, spec.size)
    return (rows, columns, dataset.N_CHANNELS + 2 * spec.coordinates)


def build(spec: NetworkTraining, seed: int, classes: int = 2, steps: int = 1) -> keras.Model:
    """The untrained network of ``spec``, compiled; ``steps`` are those of its whole training."""
    options: dict[str, Any] = {"width": spec.width, "seed": seed, "classes": classes}
    if spec.network in models.THESIS_NETWORKS:
        options |= {"l2": spec.l2, "initial": spec.initial}
    model = models.NETWORKS[spec.network](input_shape(spec), **options)
    rate: Any = spec.learning_rate
    if spec.decay == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(rate, steps)
    model.compile(
        optimizer=keras.optimizers.Adam(rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile="auto" if spec.xla else False,
    )
    return model


class _Rounds(keras.callbacks.Callback):
    """Tells the batches which round they are dealt in, and drop-out where its random numbers begin,
    which no backup of Keras holds."""

    def __init__(self, *batches: Batches) -> None:
        super().__init__()
        self.batches = batches

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        for batches in self.batches:
            batches.round = epoch
        for layer in self.model.layers:
            if isinstance(layer, keras.layers.Dropout):
                start = (layer.seed % 2**32, epoch * len(self.batches[0]))
                layer.seed_generator.state.assign(np.array(start, np.uint32))


class _Look(keras.callbacks.Callback):
    """Adds to a round's log the accuracy and loss on sub-samples that are drawn anew each round."""

    def __init__(self, samples: Mapping[str, Batches]) -> None:
        super().__init__()
        self.samples = samples

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        for name, batches in self.samples.items():
            found = self.model.evaluate(batches, verbose=0, return_dict=True)
            logs |= {name + key: value for key, value in found.items()}


class _Report(keras.callbacks.Callback):
    """Progress and one log line a round; a loss that is not a number ends the training."""

    def __init__(self, name: str, bar: Progress, batches: Batches, unit: str, kept: Path) -> None:
        super().__init__()
        self.name, self.bar, self.batches, self.unit, self.kept = name, bar, batches, unit, kept

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.bar.advance(self.batches.spec.batch_size)
        if logs and not math.isfinite(logs["loss"]):
            step = self.batches.round * len(self.batches) + batch + 1
            kept = f"; the best weights before it are in {self.kept}" if self.kept.exists() else ""
            raise ConfigError(
                f"{self.name}: the loss is not a number in step {step}: lower the learning_rate"
                f"{kept}"
            )

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        logs = logs or {}
        log.info(
            "%s, %s %d: loss %.4f, accuracy %.3f (validation: %.4f, %.3f)",
            self.name,
            self.unit,
            (epoch + 1) * (len(self.batches) if self.unit == "step" else 1),
            logs.get("loss", math.nan),
            logs.get("accuracy", math.nan),
            logs.get("val_loss", math.nan),
            logs.get("val_accuracy", math.nan),
        )


def overtrained(accuracy: Sequence[float], watched: Sequence[float], watch: Watch) -> bool:
    """Whether accuracy in training rises while that in the test falls (section 3.3 of the thesis,
    which gives no rule; this one is ours).

    The means of the last ``window`` looks are compared with those of as many before; a change
    counts where it is larger than ``sigmas`` of its binomial error.
    """
    n = watch.window
    if len(accuracy) < 2 * n:
        return False

    def change(looks: Sequence[float]) -> float:
        before, after = np.mean(looks[-2 * n : -n]), np.mean(looks[-n:])
        mean = (before + after) / 2
        error = math.sqrt(2 * mean * (1 - mean) / (n * watch.events))
        return float((after - before) / max(error, 1e-12))

    return change(accuracy) > watch.sigmas and change(watched) < -watch.sigmas


def out_of_patience(losses: Sequence[float], patience: int) -> bool:
    """Whether the least loss lies so many rounds back."""
    return len(losses) - 1 - int(np.argmin(losses)) >= patience


class _Stop(keras.callbacks.Callback):
    """Ends a training early by its whole history, that before a stop included."""

    def __init__(self, history: pd.DataFrame, spec: NetworkTraining) -> None:
        super().__init__()
        self.spec = spec
        self.history = {int(row["epoch"]): row for row in history.to_dict("records")}

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.history[epoch] = logs
        of = {name: [row[name] for row in self.history.values()] for name in _WATCHED}
        if self.spec.steps is None:
            over = out_of_patience(of["val_loss"], self.spec.patience)
        else:
            over = overtrained(of["accuracy"], of["val_accuracy"], self.spec.watch)
        if over:
            self.model.stop_training = True


_WATCHED = ("accuracy", "val_accuracy", "val_loss")


def train(
    spec: NetworkTraining,
    samples: Labelled,
    folder: Path,
    *,
    folds: int,
    validation_fraction: float,
    seed: int,
    fingerprint: str,
    settings: Mapping[str, Any] | None = None,
    test: Labelled | None = None,
) -> None:
    """Train the network once a fold, on the events of all other folds; on all if there is one.

    Writes ``fold<i>.keras`` (the best weights: of the least validation loss, or with a budget of
    steps of the highest accuracy watched), ``fold<i>.csv`` (history), ``tensorboard/`` (the same,
    with the TensorFlow backend), ``fold<i>.h5`` (scores by the best weights of the events that a
    threshold is chosen by: the share ``validation_fraction``, which watched the training or, if the
    test did that, was learned from; never the judged ones) and ``training.json``.
    ``fingerprint`` names unfinished work, so that only the same training resumes it; ``settings`` are
    those the images must have been filled with (`dataset.SETTINGS`); ``test`` are watched if
    ``spec.watch`` says so.

    Raises:
        ConfigError: the loss is not a number.
        InputError: an image file is damaged or was filled otherwise, or a fold lacks a class.
    """
    work = folder / f".{fingerprint}"
    work.mkdir(parents=True, exist_ok=True)
    record: dict[str, Any] = {"network": spec.model_dump(), "seed": seed, "folds": []}
    with contextlib.ExitStack() as stack:

        def opened(some: Labelled) -> ImageFiles:
            files = ImageFiles(some.paths, some.labels, spec.compression, settings)
            return stack.enter_context(files)

        images = opened(samples)
        _require_positive_sums(images)
        selected = images.passing(spec.select)
        tested = opened(test) if test is not None and spec.watches_test else None
        tenth = images.in_validation(validation_fraction)
        validation = tenth if tested is None else np.zeros(len(images), bool)
        for fold in range(folds):
            finished = work / f"fold{fold}.json"
            if not finished.exists():
                chosen = selected & (images.fold != fold) if folds > 1 else selected
                training = Chosen(images, chosen & ~validation)
                watched = Chosen(images, chosen & validation)
                if tested is not None:
                    watched = Chosen(tested, tested.passing(spec.select))
                choosing = Chosen(images, chosen & tenth)
                _train_fold(spec, training, watched, choosing, work, fold, seed)
            record["folds"].append(json.loads(finished.read_text()))
    record["parameters"] = record["folds"][0].pop("parameters")
    for fold in range(folds):
        for suffix in ("keras", "csv", "h5"):
            os.replace(work / f"fold{fold}.{suffix}", folder / f"fold{fold}.{suffix}")
    shutil.rmtree(folder / TENSORBOARD, ignore_errors=True)
    if (work / TENSORBOARD).exists():
        os.replace(work / TENSORBOARD, folder / TENSORBOARD)
    files.write_json(folder / "training.json", record)
    for leftover in folder.glob(".*"):  # this work, and that of fingerprint that were given up
        if leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)


@dataclass(frozen=True)
class Chosen:
    """Some events of image files."""

    files: ImageFiles
    mask: Mask


def _train_fold(
    spec: NetworkTraining,
    training: Chosen,
    watched: Chosen,
    choosing: Chosen,
    work: Path,
    fold: int,
    seed: int,
) -> None:
    name = f"{spec.name}, fold {fold}"
    _require_all_classes(training, f"to train {name}")
    _require_all_classes(watched, f"to validate {name}")
    _require_all_classes(choosing, f"to choose the threshold of {name}")
    keras.utils.set_random_seed(seed + fold)
    means = dataset.channel_means(training.files, training.mask)

    def dealt(some: Chosen, seed: int | None = None, steps: int | None = None) -> Batches:
        return Batches(some.files, some.mask, means, spec, seed, steps)

    in_steps = spec.steps is not None
    batches = dealt(training, seed + fold, spec.watch.every if in_steps else None)
    used = [batches]
    validation, looks = None, {}
    if in_steps:
        n = math.ceil(spec.watch.events / spec.batch_size)
        looks = {"": dealt(training, seed + 500 + fold, n), "val_": dealt(watched, seed + 501, n)}
        used += looks.values()
    else:
        validation = dealt(watched)
        used.append(validation)
    rounds = spec.epochs if spec.steps is None else math.ceil(spec.steps / len(batches))
    n_classes = 1 + max(training.files.labels)
    model = build(spec, seed + 1000 * fold, n_classes, rounds * len(batches))
    start = time.monotonic()
    history = work / f"fold{fold}.csv"
    lines = pd.read_csv(history) if history.exists() else pd.DataFrame({"epoch": []})
    logger = keras.callbacks.CSVLogger(history, append=True)
    monitor, better = ("val_accuracy", "max") if in_steps else ("val_loss", "min")
    best = work / f"fold{fold}.keras"
    checkpoint = keras.callbacks.ModelCheckpoint(
        best,
        monitor=monitor,
        mode=better,
        save_best_only=True,
        initial_value_threshold=lines[monitor].agg(better) if len(lines) else None,
    )
    n_events = rounds * (len(batches) * spec.batch_size if in_steps else len(batches.pools))
    with contextlib.ExitStack() as stack:
        bar = stack.enter_context(progress(f"train {name}", n_events))
        stack.callback(lambda: logger.csv_file and logger.csv_file.close())
        try:
            model.fit(
                batches,
                validation_data=validation,
                epochs=rounds,
                shuffle=False,  # of batches, by Keras: it would undo the order of the epoch
                verbose=0,
                callbacks=[
                    _Rounds(batches, *looks.values()),
                    _Look(looks),
                    checkpoint,
                    _Stop(lines, spec),
                    logger,
                    _Report(name, bar, batches, "step" if in_steps else "epoch", best),
                    *_tensorboard(work / TENSORBOARD / f"fold{fold}"),
                    keras.callbacks.BackupAndRestore(work / f"backup{fold}"),
                ],
            )
        except Exception:
            for failure in (b.failure for b in used if b.failure is not None):
                raise failure from None
            raise
    # A round that was stopped between its line and its backup has been run twice.
    lines = pd.read_csv(history).drop_duplicates("epoch", keep="last")
    files.write_text(history, lines.to_csv(index=False))
    _write_validation(work / f"fold{fold}.h5", best, choosing, means, spec)
    files.write_json(
        work / f"fold{fold}.json",
        {
            "fold": fold,
            "parameters": model.count_params(),
            "classes": n_classes,
            "channel_means": [float(mean) for mean in means],
            "events": len(batches.pools),
            "validation_events": int(np.count_nonzero(watched.mask)),
            "epochs": len(lines) * len(batches) / batches.steps_an_epoch,
            "steps": len(lines) * len(batches),
            "seconds": round(time.monotonic() - start, 1),
            "backend": keras.backend.backend(),
            **_cost_of_scoring(model, batches),
        },
    )


def signal_probability(logits: Floats) -> Floats:
    """The probability of signal, of the outputs of a network, shape (events,)."""
    probability: Floats = np.exp(-np.logaddexp.reduce(logits - logits[:, [dataset.SIGNAL]], axis=1))
    return probability


SCORED_BATCH = 256  # of one shape: a model is compiled once


def _write_validation(
    path: Path, best: Path, chosen: Chosen, means: Floats, spec: NetworkTraining
) -> None:
    """Scores, weights and samples (places among ``samples``) of some events."""
    model = keras.saving.load_model(best, compile=False)
    model.compile(jit_compile=False)
    images_of = chosen.files
    columns: dict[str, list[npt.NDArray[Any]]] = {"score": [], "weight": [], "sample": []}
    for events in images_of.ranges():
        (mine,) = np.nonzero(events.of(chosen.mask))
        if not len(mine):
            continue
        images = images_of.gather([(events, mine)])
        for first in range(0, len(mine), SCORED_BATCH):
            batch = np.arange(first, min(first + SCORED_BATCH, len(mine)))
            inputs = network_input(images, np.resize(batch, SCORED_BATCH), means, spec)
            scores = signal_probability(model.predict_on_batch(inputs))[: len(batch)]
            columns["score"].append(scores.astype(np.float32))
        columns["weight"].append(images.weight)
        columns["sample"].append(np.full(len(mine), events.file, np.uint16))
    with files.whole(path) as partial, create_file(partial, []) as file:
        file.attrs["samples"] = [path.stem for path in images_of.paths]
        for name, parts in columns.items():
            file.create_dataset(name, data=np.concatenate(parts), chunks=True, fletcher32=True)


SPEED_EVENTS = 2000


def _cost_of_scoring(model: keras.Model, batches: Batches) -> dict[str, Any]:
    """Operations an event, and how many events a second are read, prepared and scored, on what."""
    try:
        flops = flops_an_event(model)
    except Exception as error:  # a training is not lost for it
        log.warning("%s: its operations cannot be counted: %s", batches.spec.name, error)
        flops = None
    pools, means, spec = batches.pools, batches.means, batches.spec
    size = min(spec.batch_size, len(pools))  # batches of one shape: the model is compiled once
    n_batches = math.ceil(SPEED_EVENTS / size)

    def score(batch: int) -> None:
        place = batch % (len(pools) // size) * size
        parts = pools.read(place, place + size)
        inputs = [network_input(images, events, means, spec) for images, events in parts]
        model.predict_on_batch(np.concatenate(inputs))

    score(0)  # compiles the model
    start = time.monotonic()
    for batch in range(n_batches):
        score(batch)
    rate = n_batches * size / (time.monotonic() - start)
    return {"flops_an_event": flops, "events_per_second": float(f"{rate:.3g}"), "device": device()}


def _tensorboard(folder: Path) -> list[keras.callbacks.Callback]:
    """The history for TensorBoard, which Keras writes with TensorFlow alone, and where it is
    installed."""
    if keras.backend.backend() != "tensorflow" or find_spec("tensorboard") is None:
        return []
    return [keras.callbacks.TensorBoard(folder, write_graph=False)]


def _require_all_classes(chosen: Chosen, what: str) -> None:
    images = chosen.files
    for label in sorted(set(images.labels)):
        kind = "background" if label else "signal"
        paths = [p for p, own in zip(images.paths, images.labels, strict=True) if own == label]
        ranges = (r for r in images.ranges() if images.labels[r.file] == label)
        if not any(r.of(chosen.mask).any() for r in ranges):
            raise InputError(
                f"{', '.join(map(str, paths))}: no {kind} event {what}: more events or fewer folds "
                "are needed"
            )
