"""Write flat trees, and run the cut-flow on them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import uproot

from analysis.config import Config
from analysis.formats.format import Layout
from analysis.workflow.run import Run
from tests.conftest import make_stage

COLUMNS = {
    "run_number": "run",
    "event_number": "event",
    "weight": "1",
    "met_no_muons": "met",
    "met_no_muons_phi": "3.14",
    "jet_pt": "ROOT::RVecF{float(j1pt)}",
    "jet_eta": "ROOT::RVecF{0}",
    "jet_phi": "ROOT::RVecF{0}",
    "jet_n_tracks": "ROOT::RVecI(jet_pt.size(), 9)",
} | {f"{kind}_{x}": "ROOT::RVecF{}" for kind in ("electron", "muon") for x in ("pt", "eta", "phi")}
LAYOUT = Layout(None, None, tuple(COLUMNS.items()))
N = 5
"""Events of the flat files; all pass the selection."""


def flat(
    path: Path, tree: str = "nt", ntuple: bool = False, further: dict[str, Any] | None = None
) -> Path:
    """Write `N` events of numbers to a tree or RNTuple, which may lie in a folder."""
    numbers = {
        "run": np.full(N, 7, np.int32),
        "event": np.arange(1, N + 1, dtype=np.int32),
        "met": np.full(N, 300, np.float32),
        "j1pt": np.full(N, 300, np.float32),
    }
    return write_tree(path, tree, numbers | (further or {}), ntuple)


def write_tree(path: Path, tree: str, columns: dict[str, Any], ntuple: bool = False) -> Path:
    with uproot.recreate(path) as file:
        if ntuple:
            file[tree] = columns
        else:
            types = {
                k: v.type.content if isinstance(v, ak.Array) else v.dtype
                for k, v in columns.items()
            }
            file.mktree(tree, types).extend(columns)
    return path


def run_with(config: Config, folder: Path, *samples: dict[str, Any], **batch: Any) -> Run:
    """Return a run without networks."""
    data = config.model_dump() | {"luminosity": 1.0, "samples": samples}
    data["training"]["networks"] = []
    data["batch"] |= batch
    data["anomaly"] = {}
    return Run(Config.model_validate(data), folder / "run")


def flows(run: Run) -> dict[str, Any]:
    """Run the cut-flow and return its samples."""
    make_stage("cutflow", run)
    found: dict[str, Any] = json.loads(run.table("cutflow").read_text())["samples"]
    return found


def entries(sample: dict[str, Any]) -> list[int]:
    """Return the entries after each cut."""
    return [y["entries"] for y in sample["regions"]["SR"]["steps"].values()]


def expected(sample: dict[str, Any]) -> float:
    """Return the normalised yield before any cut."""
    return float(sample["regions"]["SR"]["steps"]["all events"]["sumw"] * sample["normalisation"])
