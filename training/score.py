"""Scores: each event by the network of its fold, which never saw it; keyed by run and event."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import keras
import numpy as np

from common import files
from common.errors import ConfigError, InputError
from common.progress import Progress
from training import dataset
from training.dataset import Floats, Images
from training.fit import network_input

if TYPE_CHECKING:
    from analysis.config import NetworkTraining

SCHEMA = 1
BATCH = 512


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
        except (OSError, ValueError, KeyError) as error:
            raise InputError(f"{folder}: not a trained network: {error}") from error

    def __call__(self, images: Images, bar: Progress) -> Floats:
        """Probability of signal for each event.

        Raises:
            ConfigError: a score is not a number.
        """
        scores = np.full(len(images), np.nan, np.float32)
        for fold, (model, means) in enumerate(zip(self.models, self.means, strict=True)):
            events = np.flatnonzero(images.fold == fold)
            for start in range(0, len(events), BATCH):
                batch = events[start : start + BATCH]
                logits = model(network_input(images, batch, means, self.spec), training=False)
                probabilities = keras.ops.convert_to_numpy(keras.ops.softmax(logits))
                scores[batch] = probabilities[:, dataset.SIGNAL_CLASS]
                bar.advance(len(batch))
        if not np.isfinite(scores).all():
            raise ConfigError(f"{self.spec.name}: a score is not a number: train it again")
        return scores


def write_scores(path: Path, images: Images, scores: Mapping[str, Floats]) -> None:
    """Write ``/run_number``, ``/event_number``, ``/fold`` and ``/score/<network>``.

    Raises:
        InputError: two events have the same key.
    """
    keys = np.stack([images.run_number.astype(np.uint64), images.event_number], axis=1)
    unique, counts = np.unique(keys, axis=0, return_counts=True)
    if len(unique) != len(keys):
        run, event = unique[counts > 1][0]
        raise InputError(f"{path.stem}: event {event} of run {run} is there twice")
    with files.whole(path) as partial, h5py.File(partial, "w", libver="v110") as file:
        file.attrs["schema"] = SCHEMA
        columns: dict[str, Any] = {
            "run_number": images.run_number,
            "event_number": images.event_number,
            "fold": images.fold,
        }
        columns |= {f"score/{name}": values for name, values in scores.items()}
        for name, values in columns.items():
            file.create_dataset(name, data=values, chunks=True, fletcher32=True)


def read_scores(path: Path, networks: Sequence[str]) -> dict[str, Any]:
    """The columns of a score file: ``run_number``, ``event_number``, and one a network.

    Raises:
        InputError: the file is missing, damaged, of another version, or lacks a network.
    """
    try:
        with h5py.File(path) as file:
            if file.attrs.get("schema") != SCHEMA:
                raise InputError(f"{path}: score file of another version: make it again")
            columns = {name: file[name][:] for name in ("run_number", "event_number")}
            return columns | {name: file[f"score/{name}"][:] for name in networks}
    except (OSError, KeyError) as error:
        raise InputError(f"{path}: not a whole score file: {error}") from error
