"""The record of a classifier's training, ``training.json``, which lies beside its networks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter

from analysis.config.networks import AnyNetwork
from common.runtime import files
from common.schema.json_model import read_model

TRAINING = "training.json"


@dataclass(frozen=True, kw_only=True)
class FoldRecord:
    """The training of one fold, and the cost of scoring with its network.

    ``channel_means`` scale the input of the network, shape (channels,). ``flops_an_event`` is None
    if the operations cannot be counted. ``parameters`` is None in the first fold of
    ``training.json``, whose number is that of the network.
    """

    fold: int
    parameters: Annotated[int | None, Field(exclude_if=lambda value: value is None)] = None
    classes: int
    channel_means: list[float]
    events: int
    validation_events: int
    epochs: float
    steps: int
    seconds: float
    backend: str
    flops_an_event: float | None
    events_per_second: float
    device: str


@dataclass(frozen=True, kw_only=True)
class TrainingRecord:
    """The training of a network, and its settings."""

    network: AnyNetwork
    seed: int
    folds: Annotated[list[FoldRecord], Field(min_length=1)]
    parameters: int


def write_fold_record(path: Path, record: FoldRecord) -> None:
    """Write the record of a finished fold, while others are trained."""
    files.write_json(path, TypeAdapter(FoldRecord).dump_python(record, mode="json"))


def read_fold_record(path: Path) -> FoldRecord:
    """Read the record of a finished fold.

    Raises:
        InputError: the file is missing or damaged.
    """
    # --force resumes unfinished work, too.
    return read_model(path, FoldRecord, f"training after removing {path.parent}")


def write_training_record(folder: Path, record: TrainingRecord) -> None:
    """Write the record of a network's training to its folder."""
    files.write_json(
        folder / TRAINING, TypeAdapter(TrainingRecord).dump_python(record, mode="json")
    )


def read_training_record(folder: Path) -> TrainingRecord:
    """Read the record of a network's training from its folder.

    Raises:
        InputError: the file is missing or damaged.
    """
    return read_model(folder / TRAINING, TrainingRecord, "training --force")
