"""Train a network, once per fold; a training that was interrupted is resumed."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from common.runtime.errors import InputError
from training.classifier.fold import TENSORBOARD, FoldEvents, train_fold
from training.classifier.keras_batches import SelectedEvents
from training.classifier.records import (
    FoldRecord,
    TrainingRecord,
    read_fold_record,
    write_training_record,
)
from training.data.image_reader import ImageFiles, LabelledFiles

if TYPE_CHECKING:
    from analysis.config.networks import AnyNetwork


@dataclass(frozen=True, kw_only=True)
class TrainingInputs:
    """What a network is trained on.

    ``validation_fraction`` of the events monitor the training and choose the threshold. ``test``
    are monitored instead if the network's ``early_stopping`` requires it. ``settings`` are those
    that the images must have been filled with (`common.schema.images.SETTINGS`). ``fingerprint``
    names unfinished work, which only the same training resumes.
    """

    samples: LabelledFiles
    folds: int
    validation_fraction: float
    seed: int
    fingerprint: str
    settings: Mapping[str, Any] | None = None
    test: LabelledFiles | None = None


def train(spec: AnyNetwork, inputs: TrainingInputs, folder: Path) -> None:
    """Train the network once per fold on the events of all other folds; on all with one fold.

    Writes ``fold<i>.keras`` (the best weights: with the least validation loss or, with a budget of
    steps, the highest monitored accuracy), ``fold<i>.csv`` (history), ``tensorboard/`` (the same,
    with the TensorFlow backend), ``fold<i>.h5`` (scores by the best weights of the events that
    choose the threshold: the fraction ``validation_fraction``, which monitored the training or, if
    the test events did, were trained on; never the judged ones) and ``training.json``.

    Raises:
        ConfigError: the loss is not a number.
        InputError: an image file is damaged or was filled with other settings, or a class has no
            events in a fold.
    """
    work = folder / f".{inputs.fingerprint}"
    work.mkdir(parents=True, exist_ok=True)
    folds: list[FoldRecord] = []
    with contextlib.ExitStack() as stack:

        def opened(some: LabelledFiles) -> ImageFiles:
            found = ImageFiles(some.paths, some.labels, spec.compression, inputs.settings)
            return stack.enter_context(found)

        images = opened(inputs.samples)
        _require_positive_sums(images)
        selected = images.passing(spec.region)
        tested = None
        if inputs.test is not None and spec.watches_test:
            test = opened(inputs.test)
            tested = SelectedEvents(test, test.passing(spec.region))
        validation = images.in_validation(inputs.validation_fraction)
        monitoring = validation if tested is None else np.zeros(len(images), bool)
        network = None
        for fold in range(inputs.folds):
            finished = work / f"fold{fold}.json"
            if not finished.exists():
                others = selected & (images.fold != fold) if inputs.folds > 1 else selected
                events = FoldEvents(
                    training=SelectedEvents(images, others & ~monitoring),
                    monitored=tested or SelectedEvents(images, others & monitoring),
                    threshold=SelectedEvents(images, others & validation),
                )
                network = train_fold(spec, events, work, fold, inputs.seed, network)
            folds.append(read_fold_record(finished))
    parameters = folds[0].parameters
    assert parameters is not None
    folds[0] = replace(folds[0], parameters=None)
    record = TrainingRecord(network=spec, seed=inputs.seed, folds=folds, parameters=parameters)
    _publish(work, folder, record)


def _publish(work: Path, folder: Path, record: TrainingRecord) -> None:
    """Move the finished files to the folder of the network, and remove unfinished work."""
    for fold in range(len(record.folds)):
        for suffix in ("keras", "csv", "h5"):
            os.replace(work / f"fold{fold}.{suffix}", folder / f"fold{fold}.{suffix}")
    shutil.rmtree(folder / TENSORBOARD, ignore_errors=True)
    if (work / TENSORBOARD).exists():
        os.replace(work / TENSORBOARD, folder / TENSORBOARD)
    write_training_record(folder, record)
    for leftover in folder.glob(".*"):  # this work, and abandoned work of other fingerprints
        if leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)


def _require_positive_sums(images: ImageFiles) -> None:
    """Check that the weights of each sample have a positive sum.

    Raises:
        InputError: a sum is not positive.
    """
    for path, total in zip(images.paths, images.sums, strict=True):
        if total <= 0:
            raise InputError(
                f"{path}: the sum of event weights is {total:g}: training needs a positive sum of "
                "weights: give other samples or weights under 'samples'"
            )
