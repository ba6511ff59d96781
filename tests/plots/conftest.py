"""A finished run of made-up results, with the files and the schema of a real one."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import pytest

from analysis.config import Config
from analysis.images.image_file import ImageColumns, ImageWriter
from analysis.images.losses import Losses
from analysis.matrices.rmm_names import names
from analysis.monojet.sensitivity import measure
from analysis.monojet.sensitivity_model import OWN_THRESHOLD
from analysis.monojet.signals import measure as measure_signals
from analysis.rdf.yields import Yield
from analysis.workflow.run import Run
from analysis.yields.cutflow_model import (
    Cutflow,
    CutflowTable,
    ProcessCutflow,
    SampleCutflow,
)
from common.schema.images import CHANNELS, UNITS
from common.schema.matrices import SCHEMA, Subset
from common.schema.templates import Templates
from common.stats.roc import Scored
from plots import style
from plots.three_lepton.samples import Kind, MatrixSample
from selections import monojet36
from tests.analysis.cutflow_samples import cutflow_sample
from training.classifier.evaluate import evaluate
from training.classifier.evaluation_model import WorkingPoint

NETWORKS = ("strides+cell", "pfn+none")
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
                {"network": "pfn"},
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


def made_process(rng: Rng, normalisation: float = 1.0) -> ProcessCutflow:
    """A process of one sample, with an error of the cross-section of 2 %."""
    return ProcessCutflow(
        (SampleCutflow("made up", made_cutflow(rng), normalisation, None, None, 0.02),)
    )


def made_cutflow(rng: Rng) -> Cutflow:
    """Falling yields."""
    names = ["all events", *(cut.name for cut in monojet36.SR.cuts)]

    def falling(keys: list[str], start: float) -> dict[str, Yield]:
        sizes = start * np.cumprod(rng.uniform(0.5, 0.95, len(keys)))
        return {key: Yield(int(n), float(n), float(n)) for key, n in zip(keys, sizes, strict=True)}

    bins = falling(["all", *(b.name for b in (*monojet36.INCLUSIVE, *monojet36.EXCLUSIVE))], 3e5)
    networks = {name: {k: y.scaled(0.7) for k, y in bins.items()} for name in NETWORKS}
    return Cutflow(falling(names, 1e6), bins, networks)


def _write_tables(run: Run, rng: Rng, scores: dict[str, dict[str, Any]]) -> None:
    results = {
        name: evaluate(
            name,
            judged := [
                (
                    Scored(scores["Znunu_high"][name][fold::FOLDS], np.ones(EVENTS // FOLDS)),
                    Scored(scores["Wtaunu_high"][name][fold::FOLDS], np.ones(EVENTS // FOLDS)),
                )
                for fold in range(FOLDS)
            ],
            judged,
            {
                sample: [
                    Scored(columns[name][fold::FOLDS], np.ones(EVENTS // FOLDS))
                    for fold in range(FOLDS)
                ]
                for sample, columns in scores.items()
            },
            thresholds=21,
            bootstrap=3,
            seed=1,
        )
        for name in NETWORKS
    }
    Templates(36.1, ()).write(run.histograms)
    cutflow = CutflowTable(
        36.1,
        {
            name: WorkingPoint(result.signal_efficiency, tuple(result.thresholds))
            for name, result in results.items()
        },
        {
            f"{process}_{slice_}": cutflow_sample(
                process,
                {name: made_cutflow(rng) for name in monojet36.SELECTION.used},
                normalisation,
                slice=slice_,
            )
            for process, slice_, normalisation in SAMPLES
        },
    )
    mediator = replace(cutflow.samples["own_model_low"], process="mediator")
    with_signal = replace(cutflow, samples=cutflow.samples | {"mediator": mediator})
    tables: dict[str, Any] = {
        "evaluation": {name: asdict(result) for name, result in results.items()},
        "cutflow": asdict(cutflow),
        "sensitivity": [
            asdict(replace(r, rate_definition=r.rate_definition + suffix, ratio=r.ratio * factor))
            for suffix, factor in (("", 1.0), (OWN_THRESHOLD, 1.01))
            for r in measure(cutflow)
        ],
        "signals": [
            asdict(comparison) for comparison in measure_signals(with_signal, ["mediator"])
        ],
    }
    for name, data in tables.items():
        run.table(name).parent.mkdir(exist_ok=True)
        run.table(name).write_text(json.dumps(data))


# --- the search for anomalies ----------------------------------------------------

SUBSETS = (Subset.TEST, Subset.PSEUDO_DATA)
OBJECTS = {"jet": 2, "bjet": 0, "muon": 2}
ELEMENTS = names(list(OBJECTS.items()))
AUTOENCODER = "dense"
MATRICES: tuple[tuple[str, str, Kind], ...] = (  # name, process
    ("WZ", "WZ", "background"),
    ("ttbar_1", "ttbar", "background"),
    ("ttbar_2", "ttbar", "background"),
    ("WR_N", "WR_N", "signal"),
    ("pseudo_data", "pseudo_data", "observed"),
)


@dataclass(frozen=True)
class Study:
    """Results of a search: matrices with scores, what is in an autoencoder, and pictures."""

    samples: list[MatrixSample]
    inspection: Path
    pictures: Path

    def of(self, kind: Kind) -> list[MatrixSample]:
        return [sample for sample in self.samples if sample.kind == kind]


@pytest.fixture
def plain_axes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without minor ticks, figures are drawn sooner."""
    for axis in "xy":
        monkeypatch.setitem(style._SETTINGS, f"{axis}tick.minor.visible", False)


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A small search. Tests must not change it."""
    folder, rng = tmp_path_factory.mktemp("search"), np.random.default_rng(5)
    samples = []
    for number, (name, process, kind) in enumerate(MATRICES):
        files = folder / f"{name}.h5", folder / f"scores_{name}.h5"
        write_matrices(*files, rng, number, 60, shift=2.0 * (kind == "signal"))
        samples.append(MatrixSample(name, process, kind, *files, 0.5 + number, SUBSETS))
    processes = {name: process for name, process, _ in MATRICES}
    write_inspection(folder / f"{AUTOENCODER}.h5", rng, processes, OBJECTS)
    write_pictures(folder / "denoiser.h5", rng, ["Znunu", "Wtaunu"])
    return Study(samples, folder / f"{AUTOENCODER}.h5", folder / "denoiser.h5")


def write_matrices(
    path: Path, scores: Path, rng: Rng, number: int, events: int, shift: float = 0.0
) -> None:
    """Matrices with some elements empty and some weights negative, and scores in another order."""
    features = rng.exponential(0.1 * (1 + shift), (events, len(ELEMENTS))).astype(np.float32)
    features[:, ELEMENTS.index("m_jet1_jet2")] = 0
    keys: dict[str, npt.NDArray[Any]] = {
        "run_number": np.full(events, number, np.uint32),
        "event_number": np.arange(events, dtype=np.uint64),
    }
    columns = keys | {
        "weight": np.where(rng.uniform(size=events) < 0.1, -1.0, 1.0) * rng.uniform(1, 2, events),
        "subset": rng.integers(0, 4, events).astype(np.uint8),
        "met": (rng.exponential(60.0 * (1 + shift), events)).astype(np.float32),
        "mass_z": np.where(rng.uniform(size=events) < 0.3, -1, 91).astype(np.float32),
    }
    with h5py.File(path, "w") as file:
        file["features"] = features
        for name, values in columns.items():
            file[f"events/{name}"] = values
        file.attrs["names"] = list(ELEMENTS)
        file.attrs["objects"] = json.dumps(OBJECTS)
        file.attrs["data"] = False
        file.attrs["schema"] = SCHEMA
    order = rng.permutation(events)
    with h5py.File(scores, "w") as file:
        file.attrs["schema"] = 1
        for name, column in keys.items():
            file[name] = column[order]
        file[f"score/{AUTOENCODER}"] = rng.normal(shift, 0.5, events).astype(np.float32)[order]


def write_inspection(
    path: Path,
    rng: Rng,
    processes: dict[str, str],
    objects: dict[str, int],
    events: int = 80,
    explained: tuple[float, float] | None = (0.5, 0.25),
) -> None:
    """What a look into an autoencoder finds; nothing is anomalous in the first sample."""
    elements = names(list(objects.items()))
    with h5py.File(path, "w") as file:
        file.attrs["names"] = list(elements)
        file.attrs["objects"] = json.dumps(objects)
        if explained:
            file.attrs["explained"] = explained
        for number, (name, process) in enumerate(processes.items()):
            for part, count in (("all", events), ("anomalous", 4 * number)):
                errors = rng.exponential(1.0, len(elements)) ** 4
                dataset = file.create_dataset(
                    f"errors/{name}/{part}", data=errors if count else errors * np.nan
                )
                dataset.attrs["events"] = count
                dataset.attrs["weight"] = 0.3 * count**1.2  # anomalous events weigh less
            turn = 0.7 * number
            spread = rng.normal(0, 1, (events, 2)) * [1.5, 0.4]
            turned = spread @ [[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]
            file[f"latent/{name}"] = (turned + np.array([0.4 * number, 0])).astype(np.float32)
            file[f"latent/{name}"].attrs["process"] = process
            file[f"errors/{name}"].attrs["process"] = process
            example = file.create_group(f"examples/{name}")
            there = rng.uniform(size=len(elements)) < 0.3
            features = np.where(there, rng.exponential(0.05, len(elements)), 0.0)
            example["features"] = features.astype(np.float32)
            found = features * rng.normal(1, 0.3, len(elements)) + rng.normal(
                0, 0.0005, len(elements)
            )
            example["reconstruction"] = found.astype(np.float32)
            example.attrs.update({"process": process, "score": 1.25, "event_number": 17})


def write_pictures(
    path: Path, rng: Rng, processes: list[str], shape: tuple[int, int] = (20, 30)
) -> None:
    """Pictures with some cells filled, more of them noisy."""
    size = (len(processes), *shape)
    clean = np.where(rng.uniform(size=size) < 0.05, rng.exponential(20, size), 0)
    noise = np.where(rng.uniform(size=size) < 0.4, rng.exponential(2, size), 0)
    with h5py.File(path, "w") as file:
        file["clean"] = clean.astype(np.float32)
        file["noisy"] = (clean + noise).astype(np.float32)
        file["reconstruction"] = (0.9 * clean + rng.normal(0, 0.1, size)).astype(np.float32)
        file.attrs["process"] = processes
