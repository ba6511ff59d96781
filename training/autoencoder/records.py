"""Records that trainings leave beside their networks: ``training.json`` and ``tuning.json``."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from analysis.config import Denoising
from analysis.config.autoencoders import AnyAutoencoder
from common.schema.json_model import read_model

TRAINING, TUNING = "training.json", "tuning.json"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True)


class FitResult(_Record):
    """Duration and losses of a training; the losses are those of the best epoch."""

    epochs: int
    best_epoch: int
    loss: float
    validation_loss: float
    seconds: float
    backend: str
    device: str


class AutoencoderRecord(FitResult):
    """The training of an autoencoder of matrices, and its settings."""

    autoencoder: AnyAutoencoder
    seed: int
    samples: list[str]
    features: int
    events: int
    effective_events: float
    validation_events: int
    effective_validation_events: float
    parameters: int


class DenoisingRecord(FitResult):
    """The training of a denoising autoencoder, and its settings."""

    denoising: Denoising
    seed: int
    samples: list[str]
    mean_pt_GeV: float  # noqa: N815  (a key of the file)
    events: int
    validation_events: int
    parameters: int


class Choices(_Record):
    """Settings of an autoencoder that a tuning chooses."""

    layers: list[int]
    latent: int
    activation: str
    learning_rate: float


class Trial(Choices):
    """A trial of a tuning; ``continues`` is the trial that it continues, ``score`` the smallest
    validation loss, None if it is not finite."""

    trial: str
    epochs: int
    continues: str | None
    score: float | None


class TuningRecord(_Record):
    """The trials of a tuning, and the settings that it started from."""

    autoencoder: AnyAutoencoder
    seed: int
    best: str
    trials: list[Trial]
    seconds: float
    backend: str
    device: str


def read_autoencoder_record(folder: Path) -> AutoencoderRecord:
    """Read the record of an autoencoder's training.

    Raises:
        InputError: the file is missing or damaged.
    """
    return read_model(folder / TRAINING, AutoencoderRecord, "autoencoders")
