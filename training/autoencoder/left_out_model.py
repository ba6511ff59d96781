"""Table ``left_out``: autoencoders trained without a process or a channel, tested on it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from common.schema.json_model import read_model
from common.stats.measured import Measured

GroupKind = Literal["process", "channel"]


@dataclass(frozen=True)
class LeftOutResult:
    """Separation of a group of background events from the other background events.

    AUCs of test events: ``auc`` of the autoencoder trained without the group, ``auc_when_shown`` of
    the autoencoder trained on all events.
    """

    autoencoder: str
    kind: GroupKind
    name: str
    n_left_out: int
    n_others: int
    auc: Measured
    auc_when_shown: Measured


def read_left_out(path: Path) -> list[LeftOutResult]:
    """Read the table.

    Raises:
        InputError: the file is missing or damaged.
    """
    return read_model(path, list[LeftOutResult], "left_out")
