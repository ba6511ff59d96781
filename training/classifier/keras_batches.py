"""Batches of events for the training of a network."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import keras
import numpy as np
import numpy.typing as npt

from common.runtime.errors import InputError, MonojetError
from training.classifier.network_io import network_input
from training.data.image_reader import ImageFiles
from training.data.pools import Pools
from training.data.sparse_images import Floats, Mask

if TYPE_CHECKING:
    from analysis.config import NetworkTraining


@dataclass(frozen=True)
class SelectedEvents:
    """Events of image files, selected by a mask over the events of all files."""

    files: ImageFiles
    mask: Mask

    def require_all_classes(self, purpose: str) -> None:
        """Check that each class has an event.

        Raises:
            InputError: a class has none.
        """
        files = self.files
        for label in sorted(set(files.labels)):
            kind = "background" if label else "signal"
            paths = [p for p, own in zip(files.paths, files.labels, strict=True) if own == label]
            ranges = (r for r in files.ranges() if files.labels[r.file] == label)
            if not any(r.view(self.mask).any() for r in ranges):
                raise InputError(
                    f"{', '.join(map(str, paths))}: no {kind} event {purpose}: use more events or "
                    "fewer folds"
                )


class Batches(keras.utils.PyDataset):
    """Batches of (input, class, weight) of selected events, made when they are read.

    They are dealt in rounds of ``steps`` batches, one epoch after the other; by default a round is
    an epoch. The order of an epoch depends only on the seed and the number of the epoch, so that a
    resumed training gets the same batches as an uninterrupted one. Without a seed the order is that
    of the files.
    """

    def __init__(
        self,
        events: SelectedEvents,
        means: Floats,
        spec: NetworkTraining,
        seed: int | None = None,
        steps: int | None = None,
    ) -> None:
        super().__init__()
        self.pools = Pools(events.files, events.mask, seed)
        self.means, self.spec = means, spec
        self.weights = class_weights(events)
        self.steps_per_epoch = math.ceil(len(self.pools) / spec.batch_size)
        self.steps = steps or self.steps_per_epoch
        self.round = 0
        self.failure: MonojetError | None = None

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, index: int) -> tuple[Floats, npt.NDArray[np.int32], Floats]:
        epoch, place = divmod(self.round * self.steps + index, self.steps_per_epoch)
        begin = place * self.spec.batch_size
        end = min(begin + self.spec.batch_size, len(self.pools))
        try:
            pieces = self.pools.read(begin, end, epoch)
        except MonojetError as error:
            self.failure = error  # the backend may wrap it
            raise
        inputs = [network_input(images, events, self.means, self.spec) for images, events in pieces]
        classes = np.concatenate([images.label[events] for images, events in pieces])
        weights = np.abs(np.concatenate([images.weight[events] for images, events in pieces]))
        # Few batches span two pools; the others are not copied.
        batch = inputs[0] if len(inputs) == 1 else np.concatenate(inputs)
        return batch, classes.astype(np.int32), self.weights[classes] * weights


def class_weights(events: SelectedEvents) -> Floats:
    """Return weights that give all classes the same total weight, shape (classes,).

    Events count by the moduli of their weights (`ImageFiles`).
    """
    files = events.files
    sums = np.zeros(1 + max(files.labels))
    for one in files.ranges():
        weight = np.abs(one.view(files.weight)[one.view(events.mask)])
        sums[files.labels[one.file]] += weight.sum(dtype=np.float64)
    mean = sums.sum() / len(sums)
    weights: Floats = (mean / np.where(sums > 0, sums, 1)).astype(np.float32)
    return weights
