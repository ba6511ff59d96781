"""Table ``denoising``: performance of denoising autoencoders on held-out events."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from common.schema.json_model import read_model
from common.stats.measured import Measured


@dataclass(frozen=True)
class SquaredErrors:
    """Mean squared distance from the clean scaled picture, over cells and events, of the noisy
    picture and of its reconstruction."""

    events: int
    noisy: float
    reconstruction: float


@dataclass(frozen=True)
class DenoisingResult:
    """Performance of a denoising autoencoder.

    ``background`` is of all background samples together; ``samples``, ``median_score`` and ``auc``
    are keyed by sample and have those with events, ``auc`` only signals.
    """

    denoiser: str
    background: SquaredErrors
    samples: dict[str, SquaredErrors]
    median_score: dict[str, float]
    auc: dict[str, Measured]


def read_denoising(path: Path) -> list[DenoisingResult]:
    """Read the table.

    Raises:
        InputError: the file is missing or damaged.
    """
    return read_model(path, list[DenoisingResult], "denoising")
