"""Score each event with the network of its fold, which was not trained on it.

The stage works in parts, each some consecutive events of an image file. Batches are made within
windows of a fixed number of events, at whose edges parts begin and end. So a score does not depend,
to the last bit, on how the work is cut.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import numpy.typing as npt

from analysis.workflow.stage import PartitionedWork, Parts
from common.runtime.errors import BatchError, ConfigError, InputError
from common.schema.scores import IDENTITY, read_part, write_part, write_scores
from common.tasks import Provenance, Range, Task
from training.classifier.network_io import (
    SCORED_BATCH,
    input_shape,
    network_input,
    signal_probability,
)
from training.classifier.records import TRAINING, read_training_record
from training.data.image_reader import EventRange, ImageFiles
from training.data.image_settings import image_settings
from training.data.sparse_images import Floats

if TYPE_CHECKING:
    from analysis.config import NetworkTraining
    from analysis.workflow.run import Run
    from analysis.workflow.target import Target

WINDOW = 4096  # events


class Scorer:
    """The trained networks of all folds of one ``spec``."""

    def __init__(self, spec: NetworkTraining, folder: Path) -> None:
        self.spec = spec
        folds = read_training_record(folder).folds
        self.means = [np.array(fold.channel_means, np.float32) for fold in folds]
        try:
            self.models = [
                keras.saving.load_model(folder / f"fold{i}.keras", compile=False)
                for i in range(len(self.means))
            ]
            for i, model in enumerate(self.models):
                if (model.name, model.input_shape[1:]) != (spec.network, input_shape(spec)):
                    raise ValueError(f"fold{i}.keras is another network or configuration")
                model.compile(jit_compile=False)  # compiling takes longer than it saves here
        except (OSError, ValueError, KeyError) as error:
            raise InputError(
                f"{folder}: not a trained network ({error}): train it again with --stage training "
                "--force"
            ) from error

    def __call__(self, files: ImageFiles, begin: int = 0, end: int | None = None) -> Floats:
        """Return the probability of signal of events [begin, end) of a file; of all by default."""
        return self.classify(files, begin, end)[0]

    def classify(
        self, files: ImageFiles, begin: int = 0, end: int | None = None
    ) -> tuple[Floats, npt.NDArray[np.uint8]]:
        """Return the probabilities of signal and the most probable classes.

        Raises:
            ConfigError: a score is not a number.
            InputError: a file is damaged.
        """
        end = len(files) if end is None else end
        scores = np.full(end - begin, np.nan, np.float32)
        classes = np.zeros(end - begin, np.uint8)
        for start in range(begin, end, WINDOW):
            stop = min(start + WINDOW, end)
            images = files.read(EventRange(0, start, stop, start))
            mine = slice(start - begin, stop - begin)
            for fold, (model, means) in enumerate(zip(self.models, self.means, strict=True)):
                of_fold = np.flatnonzero((images.fold == fold) | (len(self.models) == 1))
                for first in range(0, len(of_fold), SCORED_BATCH):
                    batch = of_fold[first : first + SCORED_BATCH]
                    full = np.resize(batch, SCORED_BATCH)  # one shape: compiled once
                    logits = model.predict_on_batch(network_input(images, full, means, self.spec))
                    scores[mine][batch] = signal_probability(logits)[: len(batch)]
                    classes[mine][batch] = np.argmax(logits, axis=1)[: len(batch)]
        if not np.isfinite(scores).all():
            raise ConfigError(f"{self.spec.name}: a score is not a number: train it again")
        return scores, classes


def ranges(run: Run, target: Target) -> Iterator[Range]:
    """Yield the events of the sample's image file, cut into tasks of whole windows."""
    path = run.images(target.name)
    file = str(path.relative_to(run.output))
    if not path.exists():
        yield Range(target.name, file)
        return
    with ImageFiles([path], [0], "none", image_settings(run)) as images:
        n_events = len(images)
    size = max(run.config.batch.task_size // WINDOW, 1) * WINDOW
    for begin in range(0, max(n_events, 1), size):
        yield Range(target.name, file, begin, min(begin + size, n_events))


def make_part(run: Run, task: Task, path: Path) -> int:
    """Score the events of a task with all networks; return their number."""
    image_file = run.output / task.range.file
    begin, end = task.range.begin, task.range.end
    settings = image_settings(run)
    scores: dict[str, npt.NDArray[Any]] = {}
    for spec in run.config.training.networks:
        folder = run.model(spec.name)
        scorer = _scorer(spec, folder, (folder / TRAINING).stat().st_mtime_ns)
        with ImageFiles([image_file], [0], spec.compression, settings) as images:
            found = scorer.classify(images, begin, end)
            scores |= dict(zip(spec.columns, found, strict=False))
    with ImageFiles([image_file], [0], "none", settings) as images:
        end = len(images) if end is None else end
        identity = images.columns(EventRange(0, begin, end, begin), IDENTITY)
    origin = Provenance(task.code_settings_hash, task.input_version, task.range.file, begin, end)
    write_part(path, identity, scores, origin)
    return end - begin


@functools.lru_cache(maxsize=16)
def _scorer(spec: NetworkTraining, folder: Path, changed: int) -> Scorer:
    return Scorer(spec, folder)


def provenance(path: Path) -> Provenance:
    """Return the origin of a part.

    Raises:
        BatchError: the part is damaged or not a score file.
    """
    return read_part(path)[1]


def merge(run: Run, target: Target, parts: Parts) -> None:
    """Merge the parts of a sample into its score file.

    Raises:
        BatchError: an image file to be scored was skipped.
        InputError: two events have the same key.
    """
    columns = [read_part(part.path)[0] for part in parts]
    if parts.skipped:
        raise BatchError(f"{target.name}: not scored: {parts.skipped[0].error}")
    merged: dict[str, Any] = {
        name: np.concatenate([part[name] for part in columns]) for name in columns[0]
    }
    networks = run.config.training.networks
    scores = {c: merged.pop(f"score/{c}") for spec in networks for c in spec.columns}
    write_scores(target.output, merged, scores)


WORK = PartitionedWork(
    ranges=ranges, make_part=make_part, provenance=provenance, merge=merge, suffix=".h5"
)
