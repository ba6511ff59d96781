"""Small trainings for the tests of this room."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.config import NetworkTraining, parse_network
from analysis.config.networks import AnyNetwork
from training.classifier import fit
from training.classifier.keras_batches import Batches
from training.classifier.records import TrainingRecord, read_training_record
from training.classifier.score import Scorer
from training.data.image_reader import ImageFiles, LabelledFiles
from training.data.sparse_images import Floats

EPOCHS = 6


def spec(**changes: Any) -> AnyNetwork:
    values: dict[str, Any] = {
        "network": "pfn",
        "width": 0.25,
        "batch_size": 20,
        "learning_rate": 1e-2,
        "xla": False,
    }
    if "max_steps" not in changes:
        values["epochs"] = EPOCHS
    if changes.get("network") != "strides":
        values["max_cells"] = 3
    return parse_network(values | changes)


def train(spec: AnyNetwork, paths: list[Path], folder: Path, **options: Any) -> TrainingRecord:
    labels = options.pop("labels", [0, 1])
    settings: dict[str, Any] = {
        "folds": 2,
        "validation_fraction": 0.2,
        "seed": 3,
        "fingerprint": "fingerprint",
    } | options
    fit.train(spec, fit.TrainingInputs(samples=LabelledFiles(paths, labels), **settings), folder)
    return read_training_record(folder)


def score(spec: NetworkTraining, paths: list[Path], folder: Path) -> Floats:
    scorer, scores = Scorer(spec, folder), []
    for path in paths:
        with ImageFiles([path], [0], spec.compression) as files:
            scores.append(scorer(files))
    return np.concatenate(scores)


class Recorder:
    """The batches that networks are given, as Keras asks for them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.batches: list[tuple[Batches, int, bytes]] = []
        get = Batches.__getitem__

        def recorded(batches: Batches, index: int) -> Any:
            found = get(batches, index)
            self.batches.append((batches, index, found[0].tobytes()))
            return found

        monkeypatch.setattr(Batches, "__getitem__", recorded)

    def epochs(self, fold: int) -> list[list[bytes]]:
        """The batches of each epoch of the training of the n-th fold that was trained."""
        trainings = [b for b in dict.fromkeys(b for b, *_ in self.batches) if b.pools.seed]
        found = [(i, content) for b, i, content in self.batches if b is trainings[fold]]
        n = len(trainings[fold])
        asked = [i for i, _ in found]
        # Keras looks at the first two for their shapes; then comes each epoch in its order.
        assert asked == [0, 1, *(list(range(n)) * ((len(found) - 2) // n))]
        contents = [content for _, content in found[2:]]
        return [contents[start : start + n] for start in range(0, len(contents), n)]


@dataclass(frozen=True)
class Trained:
    """A whole training, and the batches it was given."""

    folder: Path
    record: TrainingRecord
    recorder: Recorder
    scores: Floats
