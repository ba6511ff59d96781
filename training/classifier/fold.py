"""Train the network of one fold; keep its best weights and score the threshold events with them."""

from __future__ import annotations

import contextlib
import logging
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.config import NetworkTraining, ThesisNetwork
from common.runtime import files
from common.runtime.progress import progress
from common.schema.hdf5 import create_file
from training.classifier.callbacks import (
    EvaluateSubsets,
    ReportProgress,
    SetRound,
    StopEarly,
    tensorboard,
)
from training.classifier.keras_batches import Batches, SelectedEvents
from training.classifier.network_io import (
    SCORED_BATCH,
    input_shape,
    network_input,
    signal_probability,
)
from training.classifier.records import FoldRecord, write_fold_record
from training.data.batches import channel_means
from training.data.sparse_images import Floats
from training.networks.flops import device, flops_per_event
from training.networks.registry import builder

log = logging.getLogger("monojet")

TENSORBOARD = "tensorboard"  # folder
SPEED_EVENTS = 2000  # scored to measure the speed


def build(spec: NetworkTraining, seed: int, classes: int = 2, steps: int = 1) -> keras.Model:
    """Return the untrained, compiled network of ``spec``, to be trained for ``steps``."""
    options: dict[str, Any] = {"width": spec.width, "seed": seed, "classes": classes}
    if isinstance(spec, ThesisNetwork):
        options |= {"l2": spec.l2, "initializer": spec.initializer}
    model = builder(spec.network)(input_shape(spec), **options)
    rate: Any = spec.learning_rate
    if spec.lr_schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(rate, steps)
    model.compile(
        optimizer=keras.optimizers.Adam(rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile="auto" if spec.xla else False,
    )
    return model


def begun_anew(earlier: keras.Model, untrained: keras.Model) -> keras.Model:
    """Return the trained network with the weights, optimizer and drop-out of another one of its
    kind. Its functions are traced, which takes seconds."""
    earlier.set_weights(untrained.get_weights())
    for one in (earlier, untrained):
        one.optimizer.build(one.trainable_variables)
    for old, new in zip(earlier.optimizer.variables, untrained.optimizer.variables, strict=True):
        old.assign(new)
    for old, new in zip(earlier.layers, untrained.layers, strict=True):
        if isinstance(old, keras.layers.Dropout):
            old.seed = new.seed  # see `SetRound`
    return earlier


@dataclass(frozen=True)
class FoldEvents:
    """The events of one fold: for the training, to monitor it, and to choose the threshold."""

    training: SelectedEvents
    monitored: SelectedEvents
    threshold: SelectedEvents

    def require_all_classes(self, name: str) -> None:
        """Check that each class has events for each purpose.

        Raises:
            InputError: a class has none.
        """
        self.training.require_all_classes(f"to train {name}")
        self.monitored.require_all_classes(f"to validate {name}")
        self.threshold.require_all_classes(f"to choose the threshold of {name}")


@dataclass(frozen=True)
class _FoldBatches:
    """Batches of a fold: ``rounds`` of ``training``, and what is evaluated after each.

    That is ``validation`` as a whole or, in a training by steps, ``subsets`` drawn anew.
    """

    training: Batches
    rounds: int
    validation: Batches | None = None
    subsets: Mapping[str, Batches] = field(default_factory=dict)

    @property
    def all(self) -> list[Batches]:
        """Return all batches."""
        validation = [] if self.validation is None else [self.validation]
        return [self.training, *validation, *self.subsets.values()]


def _fold_batches(
    spec: NetworkTraining, events: FoldEvents, means: Floats, fold: int, seed: int
) -> _FoldBatches:
    if spec.max_steps is None:
        batches = Batches(events.training, means, spec, seed + fold)
        return _FoldBatches(batches, spec.epochs, Batches(events.monitored, means, spec))
    stopping = spec.early_stopping
    batches = Batches(events.training, means, spec, seed + fold, stopping.interval)
    n = math.ceil(stopping.events / spec.batch_size)
    subsets = {
        "": Batches(events.training, means, spec, seed + 500 + fold, n),
        "val_": Batches(events.monitored, means, spec, seed + 501, n),
    }
    return _FoldBatches(batches, math.ceil(spec.max_steps / len(batches)), subsets=subsets)


def train_fold(
    spec: NetworkTraining,
    events: FoldEvents,
    work: Path,
    fold: int,
    seed: int,
    earlier: keras.Model | None = None,
) -> keras.Model:
    """Train one fold; write its weights, history, scores and, last, its record to ``work``.

    A training that was interrupted is resumed. Returns the network, to be the ``earlier`` one of
    the next fold, which is trained faster with it.

    Raises:
        ConfigError: the loss is not a number.
        InputError: an image file is damaged, or a class has no events.
    """
    name = f"{spec.name}, fold {fold}"
    events.require_all_classes(name)
    keras.utils.set_random_seed(seed + fold)
    means = channel_means(events.training.files, events.training.mask)
    batches = _fold_batches(spec, events, means, fold, seed)
    training = batches.training
    n_classes = 1 + max(events.training.files.labels)
    model = build(spec, seed + 1000 * fold, n_classes, batches.rounds * len(training))
    if earlier is not None and spec.lr_schedule != "cosine":  # whose steps are traced, too
        model = begun_anew(earlier, model)
    start = time.monotonic()
    history = _fit(model, spec, batches, work, fold)
    best = work / f"fold{fold}.keras"
    _write_scores(work / f"fold{fold}.h5", best, events.threshold, means, spec)
    seconds = round(time.monotonic() - start, 1)
    flops, rate = _cost_of_scoring(model, training)
    record = FoldRecord(
        fold=fold,
        parameters=model.count_params(),
        classes=n_classes,
        channel_means=[float(mean) for mean in means],
        events=len(training.pools),
        validation_events=int(np.count_nonzero(events.monitored.mask)),
        epochs=len(history) * len(training) / training.steps_per_epoch,
        steps=len(history) * len(training),
        seconds=seconds,
        backend=keras.backend.backend(),
        flops_an_event=flops,
        events_per_second=rate,
        device=device(),
    )
    write_fold_record(work / f"fold{fold}.json", record)
    return model


def _fit(
    model: keras.Model, spec: NetworkTraining, batches: _FoldBatches, work: Path, fold: int
) -> pd.DataFrame:
    """Train the model, keep its best weights, and return its history, one line per round."""
    name = f"{spec.name}, fold {fold}"
    in_steps = spec.max_steps is not None
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
    training = batches.training
    events_per_round = len(training) * spec.batch_size if in_steps else len(training.pools)
    with contextlib.ExitStack() as stack:
        bar = stack.enter_context(progress(f"train {name}", batches.rounds * events_per_round))
        stack.callback(lambda: logger.csv_file and logger.csv_file.close())
        try:
            model.fit(
                training,
                validation_data=batches.validation,
                epochs=batches.rounds,
                shuffle=False,  # Keras would shuffle batches, and undo the order of the epoch
                verbose=0,
                callbacks=[
                    SetRound(training, *batches.subsets.values()),
                    EvaluateSubsets(batches.subsets),
                    checkpoint,
                    StopEarly(lines, spec),
                    logger,
                    ReportProgress(name, bar, training, "step" if in_steps else "epoch", best),
                    *tensorboard(work / TENSORBOARD / f"fold{fold}"),
                    keras.callbacks.BackupAndRestore(work / f"backup{fold}"),
                ],
            )
        except Exception:
            for failure in (b.failure for b in batches.all if b.failure is not None):
                raise failure from None
            raise
    # A round that was interrupted between its line and its backup has two lines.
    lines = pd.read_csv(history).drop_duplicates("epoch", keep="last")
    files.write_text(history, lines.to_csv(index=False))
    return lines


def _write_scores(
    path: Path, best: Path, events: SelectedEvents, means: Floats, spec: NetworkTraining
) -> None:
    """Write scores, weights and samples (indices in the attribute ``samples``) of some events."""
    model = keras.saving.load_model(best, compile=False)
    model.compile(jit_compile=False)
    columns: dict[str, list[npt.NDArray[Any]]] = {"score": [], "weight": [], "sample": []}
    for one in events.files.ranges():
        (mine,) = np.nonzero(one.view(events.mask))
        if not len(mine):
            continue
        images = events.files.read_selected([(one, mine)])
        for first in range(0, len(mine), SCORED_BATCH):
            batch = np.arange(first, min(first + SCORED_BATCH, len(mine)))
            inputs = network_input(images, np.resize(batch, SCORED_BATCH), means, spec)
            scores = signal_probability(model.predict_on_batch(inputs))[: len(batch)]
            columns["score"].append(scores.astype(np.float32))
        columns["weight"].append(images.weight)
        columns["sample"].append(np.full(len(mine), one.file, np.uint16))
    with files.whole(path) as partial, create_file(partial, []) as file:
        file.attrs["samples"] = [path.stem for path in events.files.paths]
        for name, arrays in columns.items():
            file.create_dataset(name, data=np.concatenate(arrays), chunks=True, fletcher32=True)


def _cost_of_scoring(model: keras.Model, batches: Batches) -> tuple[float | None, float]:
    """Return the operations per event, and the events read, prepared and scored per second.

    The operations are None if they cannot be counted.
    """
    flops: float | None = None
    try:
        flops = flops_per_event(model)
    except Exception as error:  # must not lose the training
        log.warning("%s: its operations cannot be counted: %s", batches.spec.name, error)
    pools, means, spec = batches.pools, batches.means, batches.spec
    size = min(spec.batch_size, len(pools))  # one shape for all batches: compiled once
    n_batches = math.ceil(SPEED_EVENTS / size)

    def score(batch: int) -> None:
        place = batch % (len(pools) // size) * size
        pieces = pools.read(place, place + size)
        inputs = [network_input(images, events, means, spec) for images, events in pieces]
        model.predict_on_batch(np.concatenate(inputs))

    score(0)  # compiles the model
    start = time.monotonic()
    for batch in range(n_batches):
        score(batch)
    rate = n_batches * size / (time.monotonic() - start)
    return flops, float(f"{rate:.3g}")
