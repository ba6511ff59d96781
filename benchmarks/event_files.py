"""Event files for the benchmarks: generated, repeated and converted, and the imaging of them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from analysis.config import Batch, Config, load, parse_sample
from analysis.formats.native import TREE
from analysis.inputs import reader
from benchmarks.measure import QUICKSTART, REPOSITORY, timed
from cpp_helpers import load_root
from cpp_helpers.calls import quiet

NUMBERS = ("run_number", "event_number", "weight", "met_no_muons", "met_no_muons_phi")
VECTORS = (
    *(f"particle_{x}" for x in ("pt", "eta", "phi", "energy", "pdg_id", "charge")),
    *(f"jet_{x}" for x in ("pt", "eta", "phi", "width", "n_tracks")),
    *(f"{lepton}_{x}" for lepton in ("electron", "muon") for x in ("pt", "eta", "phi")),
)
"""The branches that imaging reads."""


def generate(folder: Path) -> list[Path]:
    """Generate events of all processes and slices of the quickstart; return the files."""
    command = [sys.executable, "run_analysis.py", "--config", str(QUICKSTART)]
    command += ["--stage", "generate", "--events", "700", "--output", str(folder), "-q"]
    subprocess.run(command, cwd=REPOSITORY, check=True)
    return sorted(folder.glob("samples/*.root"))


def repeat(sources: list[Path], events: int, output: Path) -> None:
    """Write an RNTuple of all sources, repeated to contain at least ``events``."""
    root = load_root()
    once = sum(reader.inspect(str(path)).n_events for path in sources)
    merger = root.TFileMerger(False)
    merger.SetPrintLevel(0)
    zstd = int(root.RCompressionSetting.EAlgorithm.kZSTD)
    merger.OutputFile(str(output), "RECREATE", zstd * 100 + 5)
    merger.AddObjectNames(TREE)
    for _ in range(-(-events // once)):
        for path in sources:
            merger.AddFile(str(path), False)
    kept = root.TFileMerger.kAll | root.TFileMerger.kRegular | root.TFileMerger.kOnlyListed
    with quiet():
        merger.PartialMerge(kept)


def to_tree(source: Path, output: Path) -> None:
    """Write the events of an RNTuple as a TTree with zlib compression."""
    root = load_root()
    df = root.RDataFrame(TREE, str(source))
    df = df.Redefine("event_number", "(ULong64_t)event_number")  # the types of tree branches
    df = df.Redefine("run_number", "(UInt_t)run_number")
    options = root.RDF.RSnapshotOptions()
    options.fOutputFormat = root.RDF.ESnapshotOutputFormat.kTTree
    options.fCompressionAlgorithm = root.RCompressionSetting.EAlgorithm.kZLIB
    options.fCompressionLevel = 1
    df.Snapshot(TREE, str(output), [*NUMBERS, *VECTORS], options)


def quickstart(**batch: Any) -> Config:
    """Return the configuration of the quickstart, whose workers start at once."""
    changed = Batch(**({"start_up": 0.0} | batch))
    return load(QUICKSTART).model_copy(update={"batch": changed})


def config_of(paths: Sequence[Path], **batch: Any) -> Config:
    """Return that configuration with these files as its only sample."""
    sample = parse_sample({"process": "Znunu", "files": tuple(map(str, paths))})
    return quickstart(**batch).model_copy(update={"samples": (sample,)})


def run_imaging(inputs: list[Path], folder: Path, *options: str) -> tuple[float, float]:
    """Return the wall-clock seconds of an imaging command, and the largest peak memory (MB) of its
    processes."""
    arguments = ["--stage", "imaging", "--output", str(folder / "run"), "--process", "Znunu", "-q"]
    arguments += ["--only"]  # the stage validate refuses repeated events
    files = [part for path in inputs for part in ("--input", str(path))]
    return timed(sys.executable, "run_analysis.py", *arguments, "--force", *files, *options)
