"""Keras callbacks of the training: rounds, monitoring, progress and early stopping."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pandas as pd

from common.runtime.errors import ConfigError
from common.runtime.progress import Progress
from training.classifier.keras_batches import Batches

if TYPE_CHECKING:
    from analysis.config import EarlyStopping, NetworkTraining

log = logging.getLogger("monojet")

_MONITORED = ("accuracy", "val_accuracy", "val_loss")


class SetRound(keras.callbacks.Callback):
    """Set the round of the batches, and the state of the random numbers of drop-out.

    Keras's backups contain neither.
    """

    def __init__(self, *batches: Batches) -> None:
        super().__init__()
        self.batches = batches

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Set both at the begin of a round."""
        for batches in self.batches:
            batches.round = epoch
        for layer in self.model.layers:
            if isinstance(layer, keras.layers.Dropout):
                start = (layer.seed % 2**32, epoch * len(self.batches[0]))
                layer.seed_generator.state.assign(np.array(start, np.uint32))


class EvaluateSubsets(keras.callbacks.Callback):
    """Add the accuracy and loss on subsets, drawn anew in each round, to the log of the round."""

    def __init__(self, subsets: Mapping[str, Batches]) -> None:
        super().__init__()
        self.subsets = subsets

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Evaluate the network at the end of a round."""
        for prefix, batches in self.subsets.items():
            found = self.model.evaluate(batches, verbose=0, return_dict=True)
            logs |= {prefix + key: value for key, value in found.items()}


class ReportProgress(keras.callbacks.Callback):
    """Report progress, with one log line per round; end the training if the loss is NaN.

    ``unit`` is "epoch" or "step", ``best`` the file with the best weights so far.
    """

    def __init__(self, name: str, bar: Progress, batches: Batches, unit: str, best: Path) -> None:
        super().__init__()
        self.name, self.bar, self.batches, self.unit, self.best = name, bar, batches, unit, best

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Advance the progress bar.

        Raises:
            ConfigError: the loss is not finite.
        """
        self.bar.advance(self.batches.spec.batch_size)
        if logs and not math.isfinite(logs["loss"]):
            step = self.batches.round * len(self.batches) + batch + 1
            kept = f"; the best weights so far are in {self.best}" if self.best.exists() else ""
            raise ConfigError(
                f"{self.name}: the loss is not a number in step {step}: lower the learning_rate"
                f"{kept}"
            )

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Write the log line of a round."""
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


class StopEarly(keras.callbacks.Callback):
    """End a training early by its whole history, including that before an interruption."""

    def __init__(self, history: pd.DataFrame, spec: NetworkTraining) -> None:
        super().__init__()
        self.spec = spec
        self.history = {int(row["epoch"]): row for row in history.to_dict("records")}

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Stop if the patience is exhausted, or by `overtrained` with a budget of steps."""
        self.history[epoch] = logs
        of = {name: [row[name] for row in self.history.values()] for name in _MONITORED}
        if self.spec.max_steps is None:
            over = out_of_patience(of["val_loss"], self.spec.patience)
        else:
            over = overtrained(of["accuracy"], of["val_accuracy"], self.spec.early_stopping)
        if over:
            self.model.stop_training = True


def overtrained(
    accuracy: Sequence[float], monitored: Sequence[float], stopping: EarlyStopping
) -> bool:
    """Return whether the training accuracy rises while the monitored accuracy falls.

    Section 3.3 of the thesis gives no rule; here the means of the last ``window`` evaluations are
    compared with those of as many before, and a change counts if it exceeds ``sigmas`` of its
    binomial error.
    """
    n = stopping.window
    if len(accuracy) < 2 * n:
        return False

    def change(values: Sequence[float]) -> float:
        before, after = np.mean(values[-2 * n : -n]), np.mean(values[-n:])
        mean = (before + after) / 2
        error = math.sqrt(2 * mean * (1 - mean) / (n * stopping.events))
        return float((after - before) / max(error, 1e-12))

    return change(accuracy) > stopping.sigmas and change(monitored) < -stopping.sigmas


def out_of_patience(losses: Sequence[float], patience: int) -> bool:
    """Return whether the least loss is at least ``patience`` rounds old."""
    return len(losses) - 1 - int(np.argmin(losses)) >= patience


def tensorboard(folder: Path) -> list[keras.callbacks.Callback]:
    """Return the callback that writes the history for TensorBoard.

    Keras needs TensorFlow for it; the list is empty with other backends or without TensorBoard.
    """
    if keras.backend.backend() != "tensorflow" or find_spec("tensorboard") is None:
        return []
    return [keras.callbacks.TensorBoard(folder, write_graph=False)]
