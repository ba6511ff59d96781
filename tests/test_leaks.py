"""Networks learn physics: nothing of labels, files, order or numbers of events can be told from
what they are given."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import yaml

from analysis.cli.main import main
from analysis.config import SetNetwork, load, parse_network
from tests.reference import auc
from tests.training.image_files import image_columns, read_all, write_columns
from training.classifier import fit
from training.classifier.network_io import network_input
from training.classifier.score import Scorer
from training.data.image_reader import EventRange, ImageFiles, LabelledFiles
from training.data.sparse_images import Images, Indices

NETWORKS = [
    {"network": "pfn", "max_cells": 20, "phi_reference": ["met", "leading_jet"]},
    {"network": "strides", "compression": "cell", "crop_size": 20},
    {"network": "strides", "compression": "rowcol", "crop_size": 20},
    {"network": "strides", "compression": "none"},
]


@pytest.mark.parametrize("settings", NETWORKS, ids=lambda s: f"{s['network']}-{len(s)}")
def test_an_input_depends_on_the_event_alone(settings: dict[str, Any], tmp_path: Path) -> None:
    """Not on its numbers, fold, weight or label, nor on the events around it."""
    spec = parse_network(settings)
    made = image_columns(8)
    others: dict[str, npt.NDArray[Any]] = {
        "events/run_number": np.full(8, 77, np.uint32),
        "events/event_number": np.arange(1000, 1008).astype(np.uint64),
        "events/weight": np.full(8, 5.0),
        "events/fold": np.ones(8, np.uint8),
    }
    changed = dataclasses.replace(made, columns={**made.columns, **others})
    paths = [
        write_columns(tmp_path / "a.h5", made),
        write_columns(tmp_path / "b.h5", image_columns(5, 3), changed),
    ]
    means = np.linspace(1, 2, 8, dtype=np.float32)
    first = read_all(paths[:1], [0], spec.compression)
    second = read_all(paths[1:], [1], spec.compression)
    order = np.array([4, 1, 7, 0])
    np.testing.assert_array_equal(
        network_input(first, order, means, spec),
        network_input(second, order[::-1] + 5, means, spec)[::-1],
    )


# --- With simulated events ------------------------------------------------------------------------

N_EVENTS = 400


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Images of two processes, and of one of them again from other seeds, files and numbers."""
    folder = tmp_path_factory.mktemp("leaks")
    config = {
        "name": "leaks",
        "generation": {
            "block_size": 100,
            "slices": {"high": {"low": 1000}, "again": {"low": 1000}},
        },
        "samples": [
            {"process": process, "slice": slice_, "events": N_EVENTS}
            for process, slice_ in (("Znunu", "high"), ("Wtaunu", "high"), ("Znunu", "again"))
        ],
        "training": {"networks": [{"network": "pfn"}]},
    }
    path = folder / "leaks.yaml"
    path.write_text(yaml.safe_dump(config))
    options = ["--config", str(path), "--output", str(folder), "--workers", "2", "-q"]
    assert main(["--stage", "imaging", *options]) == 0
    return {s.name: folder / "images" / f"{s.name}.h5" for s in load(path).samples}


def area(paths: list[Path], folder: Path) -> float:
    """Area under the ROC curve, on events the network did not learn from."""
    spec = SetNetwork(
        network="pfn",
        phi_reference=("met", "leading_jet"),
        max_cells=120,
        epochs=10,
        batch_size=32,
        learning_rate=2e-3,
        xla=False,
    )
    labelled = LabelledFiles(paths, [0, 1])
    inputs = fit.TrainingInputs(
        samples=labelled, folds=2, validation_fraction=0.1, seed=1, fingerprint="leaks"
    )
    fit.train(spec, inputs, folder)
    scorer = Scorer(spec, folder)
    scores: list[Any] = []
    labels: list[Any] = []
    for path, label in zip(paths, labelled.labels, strict=True):
        with ImageFiles([path], [label], "none") as files:
            scores.append(scorer(files))
            labels += [images.label for images in map(files.read, files.ranges())]
    found, truth = np.concatenate(scores), np.concatenate(labels)
    return auc(found[truth == 0], found[truth != 0])


ERROR = math.sqrt(1 / 12 * 2 / N_EVENTS)  # of an area of 1/2 from so many events of each class


@pytest.mark.slow
def test_processes_are_told_apart(images: dict[str, Path], tmp_path: Path) -> None:
    """So that the tests below could fail."""
    assert area([images["Znunu_high"], images["Wtaunu_high"]], tmp_path) > 0.5 + 10 * ERROR


@pytest.mark.slow
def test_files_of_one_process_are_not_told_apart(images: dict[str, Path], tmp_path: Path) -> None:
    """By precision, thresholds, order, or numbers of runs and events."""
    same = area([images["Znunu_high"], images["Znunu_again"]], tmp_path)
    assert abs(same - 0.5) < 4 * ERROR


@pytest.mark.slow
def test_shuffled_labels_cannot_be_learned(
    images: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = ImageFiles.read

    def shuffled(self: ImageFiles, events: EventRange) -> Images:
        found = read(self, events)
        number: Indices = (found.event_number ^ found.run_number).astype(np.int64)
        drawn = np.random.default_rng(5).integers(0, 2, 1 << 10, np.int8)
        return dataclasses.replace(found, label=drawn[number % len(drawn)])

    monkeypatch.setattr(ImageFiles, "read", shuffled)
    none = area([images["Znunu_high"], images["Wtaunu_high"]], tmp_path)
    assert abs(none - 0.5) < 4 * ERROR
