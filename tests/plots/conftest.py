"""A finished run of made-up results, with the files and the schema of a real one."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import pytest

from analysis.config import Config
from analysis.cutflow import BINS, Flow
from analysis.image_file import CHANNELS, UNITS, ImageColumns, ImageWriter, Losses
from analysis.pipeline import Run
from analysis.sensitivity import OWN_THRESHOLD, measure
from analysis.signals import measure as measure_signals
from analysis.yields import Yield
from selections import monojet
from training.evaluate import evaluate

NETWORKS = ("strides+cell", "particle_flow+none")
SAMPLES = (  # process, slice, expected events per unit of weight
    ("Znunu", "high", 0.01),
    ("Wtaunu", "high", 0.02),
    ("Wmunu", "high", 0.02),
    ("Znunu", "low", 5.0),
    ("Wtaunu", "low", 6.0),
    ("own_model", "low", 1.0),  # of the user: no style is known for it
)
EVENTS = 40
FOLDS = 2

Rng = np.random.Generator


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The run. Tests must not change it."""
    data = {
        "name": "made_up",
        "samples": [
            {"process": p, "slice": s, "files": ["x.root"], "sum_of_weights": 1}
            for p, s, _ in SAMPLES
        ],
        "training": {
            "folds": FOLDS,
            "networks": [
                {"network": "strides", "compression": "cell"},
                {"network": "particle_flow"},
            ],
        },
    }
    run = Run(Config.model_validate(data), tmp_path_factory.mktemp("run"))
    rng = np.random.default_rng(1)
    scores: dict[str, dict[str, Any]] = {}
    for number, sample in enumerate(run.config.samples):
        write_images(run.images(sample.name), rng, number, sample.process, sample.slice)
        scores[sample.name] = write_scores(run.scores(sample.name), rng, number, sample.process)
    _write_histories(run, rng)
    _write_tables(run, rng, scores)
    return run


def write_images(path: Path, rng: Rng, number: int, process: str, part: str | None) -> None:
    """Events of 3 to 30 cells, in every event one outside of a crop to 60 x 60."""
    counts = rng.integers(3, 31, EVENTS)
    cells = np.concatenate(
        [rng.choice(100 * 126, n, replace=False).astype(np.int64) for n in counts]
    )
    row, column = (cells // 126).astype(np.uint8), (cells % 126).astype(np.uint8)
    values = rng.uniform(1, 200, (len(cells), 8)).astype(np.float32)
    values[:, CHANNELS.index("n_part")] = rng.integers(1, 5, len(cells))
    values[:, CHANNELS.index("charge")] = rng.integers(-2, 3, len(cells))
    values[:, CHANNELS.index("pt_mu")] = 0
    values[:, CHANNELS.index("emf")] = rng.choice([0, 0.4, 1], len(cells))
    values[:, CHANNELS.index("jet_width")] = rng.choice([0, 0.1], len(cells))
    events: dict[str, npt.NDArray[Any]] = _keys(number) | {
        "weight": rng.uniform(0.5, 1.5, EVENTS),
        "met_phi": rng.uniform(-np.pi, np.pi, EVENTS).astype(np.float32),
        "pass_SR_no_veto": np.arange(EVENTS) % 3 == 0,
    }
    addresses = {
        "cells": (row, column),
        "compression/cell": (row % 64, column % 64),
        "compression/rowcol": (row, column),
        "compression/stochastic": (row % 60, column % 60),
    }
    columns = {f"events/{name}": values for name, values in events.items()}
    for folder, (rows, columns_) in addresses.items():
        columns |= {f"{folder}/row": rows, f"{folder}/column": columns_}
    for lines, n_bytes in (("rows", 13), ("columns", 16)):
        columns[f"compression/stochastic/kept_{lines}"] = np.zeros((EVENTS, n_bytes), np.uint8)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.uint64)
    block = ImageColumns(offsets, columns, list(values.T), Losses())
    attributes = {
        "process": process,
        "slice": part or "",
        "channels": list(CHANNELS),
        "units": list(UNITS),
    }
    with ImageWriter(path) as writer:
        writer.attributes = attributes
        writer.append(block)


def _keys(number: int) -> dict[str, npt.NDArray[Any]]:
    return {
        "run_number": np.full(EVENTS, number, np.uint32),
        "event_number": np.arange(EVENTS, dtype=np.uint64),
    }


def write_scores(path: Path, rng: Rng, number: int, process: str) -> dict[str, Any]:
    """Scores in another order than the images."""
    order = rng.permutation(EVENTS)
    shape = (6, 2) if process == "Znunu" else (2, 6)
    scores = {name: rng.beta(*shape, EVENTS).astype(np.float32) for name in NETWORKS}
    path.parent.mkdir(exist_ok=True)
    with h5py.File(path, "w") as file:
        file.attrs["schema"] = 1
        for name, values in _keys(number).items():
            file[name] = values[order]
        for name, values in scores.items():
            file[f"score/{name}"] = values[order]
    return scores


def _write_histories(run: Run, rng: Rng) -> None:
    for name in NETWORKS:
        run.model(name).mkdir(parents=True)
        for fold in range(FOLDS):
            lines = ["epoch,accuracy,loss,val_accuracy,val_loss"]
            lines += [f"{e},{','.join(map(str, rng.uniform(0.3, 0.9, 4)))}" for e in range(5)]
            (run.model(name) / f"fold{fold}.csv").write_text("\n".join(lines) + "\n")


def made_flow(rng: Rng) -> Flow[Yield]:
    """Falling yields."""
    names = ["all events", *(cut.name for cut in monojet.SR.cuts)]

    def falling(keys: list[str], start: float) -> dict[str, Yield]:
        sizes = start * np.cumprod(rng.uniform(0.5, 0.95, len(keys)))
        return {key: Yield(int(n), float(n), float(n)) for key, n in zip(keys, sizes, strict=True)}

    bins = falling(["all", *(b.name for b in BINS)], 3e5)
    networks = {name: {k: y.scaled(0.7) for k, y in bins.items()} for name in NETWORKS}
    return Flow(falling(names, 1e6), bins, networks)


def _write_tables(run: Run, rng: Rng, scores: dict[str, dict[str, Any]]) -> None:
    results = {
        name: evaluate(
            name,
            scores["Znunu_high"][name],
            scores["Wtaunu_high"][name],
            {sample: columns[name] for sample, columns in scores.items()},
            thresholds=21,
            bootstrap=3,
            seed=1,
        ).to_json()
        for name in NETWORKS
    }
    cutflow: dict[str, Any] = {
        "luminosity": 36.1,
        "networks": {name: result["best_threshold"] for name, result in results.items()},
        "samples": {
            f"{process}_{part}": {
                "process": process,
                "slice": part,
                "normalisation": normalisation,
                "regions": {name: asdict(made_flow(rng)) for name in monojet.REGIONS},
            }
            for process, part, normalisation in SAMPLES
        },
    }
    mediator = {"mediator": cutflow["samples"]["own_model_low"] | {"process": "mediator"}}
    with_signal = cutflow | {"samples": cutflow["samples"] | mediator}
    tables = {
        "evaluation": results,
        "cutflow": cutflow,
        "sensitivity": [
            asdict(replace(r, version=r.version + suffix, ratio=r.ratio * factor))
            for suffix, factor in (("", 1.0), (OWN_THRESHOLD, 1.01))
            for r in measure(cutflow)
        ],
        "signals": [asdict(comparison) for comparison in measure_signals(with_signal)],
    }
    for name, data in tables.items():
        run.table(name).parent.mkdir(exist_ok=True)
        run.table(name).write_text(json.dumps(data))
