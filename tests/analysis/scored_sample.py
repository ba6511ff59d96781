"""Image and score files with the columns that `analysis.monojet.selected_events` reads."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np

from analysis.workflow.run import Run
from common.schema.scores import write_scores
from selections import monojet36


def write_sample(run: Run, name: str, met: Any, passing: Any, score: Any, fold: Any = None) -> None:
    """Write both of a sample: ``met`` in GeV, whether in all regions, score of network ``net``."""
    n = len(met)
    identity: dict[str, Any] = {
        "run_number": np.full(n, 7, np.uint32),
        "event_number": np.arange(n, dtype=np.uint64),
        "fold": np.zeros(n, np.uint8) if fold is None else np.asarray(fold, np.uint8),
    }
    run.images(name).parent.mkdir(parents=True, exist_ok=True)
    run.scores(name).parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(run.images(name), "w") as file:
        columns = {"weight": np.full(n, 2.0), "met": met}
        columns |= {f"pass_{region}": passing for region in monojet36.REGIONS}
        for key, values in (identity | columns).items():
            file[f"events/{key}"] = values
    write_scores(run.scores(name), identity, {"net": np.asarray(score, np.float32)})
