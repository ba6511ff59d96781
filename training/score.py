"""Scores: each event by the network of its fold, which never saw it; keyed by run and event."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import keras
import numpy as np

from common.errors import ConfigError, InputError
from common.progress import Progress
from training.dataset import SIGNAL_CLASS, Floats, ImageFiles
from training.fit import network_input

if TYPE_CHECKING:
    from analysis.config import NetworkTraining

BATCH = 256
OTHER = 1 - SIGNAL_CLASS


class Scorer:
    """The trained networks of all folds of one ``spec``."""

    def __init__(self, spec: NetworkTraining, folder: Path) -> None:
        self.spec = spec
        try:
            record = json.loads((folder / "training.json").read_text())
            self.means = [np.array(f["channel_means"], np.float32) for f in record["folds"]]
            self.models = [
                keras.saving.load_model(folder / f"fold{i}.keras", compile=False)
                for i in range(len(self.means))
            ]
            for model in self.models:
                model.compile(jit_compile=False)  # prediction is too short to pay for more
        except (OSError, ValueError, KeyError) as error:
            raise InputError(f"{folder}: not a trained network: {error}") from error

    def __call__(self, files: ImageFiles, bar: Progress) -> Floats:
        """Probability of signal for each event.

        Raises:
            ConfigError: a score is not a number.
            InputError: a file is damaged.
        """
        scores = np.full(len(files), np.nan, np.float32)
        for events in files.ranges():
            images = files.read(events)
            mine = events.of(scores)
            for fold, (model, means) in enumerate(zip(self.models, self.means, strict=True)):
                of_fold = np.flatnonzero(images.fold == fold)
                for start in range(0, len(of_fold), BATCH):
                    batch = of_fold[start : start + BATCH]
                    full = np.resize(batch, BATCH)  # one shape: the model is compiled once
                    logits = model.predict_on_batch(network_input(images, full, means, self.spec))
                    signal = np.exp(-np.logaddexp(0, logits[:, OTHER] - logits[:, SIGNAL_CLASS]))
                    mine[batch] = signal[: len(batch)]
                    bar.advance(len(batch))
            if not np.isfinite(mine).all():
                raise ConfigError(f"{self.spec.name}: a score is not a number: train it again")
        return scores
