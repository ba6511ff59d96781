"""The image files of the stage and of the pipeline without ROOT are the same.

They share the writer and nothing else: here the C++, there numpy. Every number has to be equal, not
nearly so: the momenta and energies are floats of like size, whose sums in double are exact in any
order and are rounded once; a ratio of exact sums is rounded once as well.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import awkward as ak
import h5py
import hdf5plugin  # noqa: F401
import numpy as np
import numpy.typing as npt
import pytest
import uproot

from analysis.config import Config
from analysis.images import imaging
from analysis.images.image_file import ImageWriter
from analysis.inputs.reader import inspect
from benchmarks import columnar
from common.schema.images import INPUT_FILES

N_EVENTS = 400
CODES = (
    *(211, -211, 22, 130, 2212, 111, 11, -11, 13, -13),
    *(12, -14, 16, 18, 39, 51, -55, 60, 61, 50, 1000022, 9900012, 1000010020),
    *(9000005, -4900101, 4900011, 9000042),
)
# What is special: edges of cells, of the grid and of the selection, and beyond; thresholds.
ETAS = (-2.5, 2.5, 2.4999998, 0.0, -1e-20, 0.05, -0.15, 1.05, 2.4, 2.47, -2.8, 2.85)
PHIS = (np.pi, -np.pi, 3.15, -3.15, 3.2, 6.2, -9.0, 40.0, 0.0, -1e-20, 0.35)
PTS = (1.0, 10.0, 20.0, 30.0, 250.0)

Flat = dict[str, npt.NDArray[Any]]


def directions(rng: np.random.Generator, n: int, spread: float) -> Flat:
    """Mostly near one of a few axes, so that cells are shared and objects overlap."""
    axes = np.array([(0.3, 0.5), (-1.2, 3.1), (2.4, -2.0), (-4.5, 1.0)])
    eta, phi = (axes[rng.integers(4, size=n)] + rng.normal(0, spread, (n, 2))).T
    eta = np.where(rng.random(n) < 0.1, rng.choice(ETAS, n), eta)
    phi = np.where(rng.random(n) < 0.1, rng.choice(PHIS, n), phi)
    return {"eta": eta.astype(np.float32), "phi": phi.astype(np.float32)}


def momenta(rng: np.random.Generator, n: int, least: float, mean: float) -> npt.NDArray[Any]:
    pt = least + rng.exponential(mean, n)
    return np.where(rng.random(n) < 0.1, rng.choice(PTS, n), pt).astype(np.float32)


def make_twins(flat: Flat, counts: npt.NDArray[Any]) -> None:
    """In some events the second object is as hard as the first, and in some of them in its cell."""
    first = (np.cumsum(counts) - counts)[counts > 1]
    for name, every in (("pt", 5), ("eta", 10), ("phi", 10)):
        flat[name][first[::every] + 1] = flat[name][first[::every]]


def break_some(flat: Flat, counts: npt.NDArray[Any], names: tuple[str, ...]) -> None:
    """In an event each quantity of an object is not finite once."""
    event = int(np.flatnonzero(counts >= len(names))[0])
    for i, name in enumerate(names, start=counts[:event].sum()):
        flat[name][i] = (np.nan, np.inf)[i % 2]


def random_events() -> dict[str, Any]:
    """The columns of events of all kinds, among them empty and crowded ones."""
    rng = np.random.default_rng(1)
    n_particles = rng.choice([0, 1, 30, 150, 900], N_EVENTS, p=(0.05, 0.05, 0.4, 0.4, 0.1))
    n = int(n_particles.sum())
    particle = directions(rng, n, 0.8) | {"pt": momenta(rng, n, 0.25, 3)}
    particle["energy"] = particle["pt"] * np.cosh(particle["eta"])
    particle["pdg_id"] = rng.choice(CODES, n).astype(np.int32)
    particle["charge"] = rng.integers(-2, 3, n, np.int32)
    break_some(particle, n_particles, ("pt", "eta", "phi", "energy"))
    objects = {"particle": (n_particles, particle)}

    for kind, most, spread, least, mean in (
        ("jet", 6, 0.15, 15, 200),
        ("electron", 2, 0.3, 5, 20),
        ("muon", 2, 0.3, 5, 20),
    ):
        counts = rng.integers(0, most + 1, N_EVENTS)
        n = int(counts.sum())
        flat = directions(rng, n, spread) | {"pt": momenta(rng, n, least, mean)}
        make_twins(flat, counts)
        objects[kind] = counts, flat
        if kind == "jet":
            flat["width"] = rng.uniform(0, 0.4, n).astype(np.float32)
            flat["n_tracks"] = rng.integers(0, 8, n, np.int32)
            break_some(flat, counts, ("pt", "eta", "phi", "width"))

    return {
        "run_number": rng.integers(1, 2**32, N_EVENTS, np.uint32),
        "event_number": rng.integers(1, 2**63, N_EVENTS, np.uint64),
        "weight": rng.normal(1, 0.5, N_EVENTS),
        "met_no_muons": rng.uniform(150, 600, N_EVENTS).astype(np.float32),
        "met_no_muons_phi": rng.uniform(-np.pi, np.pi, N_EVENTS).astype(np.float32),
        **{
            f"{kind}_{name}": ak.unflatten(column, counts)
            for kind, (counts, flat) in objects.items()
            for name, column in flat.items()
        },
    }


@pytest.fixture(scope="module", params=["rntuple", "ttree"])
def events_file(root: Any, request: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("events") / "ntuple.root"
    events = random_events()
    with uproot.recreate(path) as file:
        begin, *ends = 0, 60, 130, N_EVENTS  # of the clusters
        for end in ends:
            block = {name: column[begin:end] for name, column in events.items()}
            file["events"].extend(block) if begin else file.mkrntuple("events", block)
            begin = end
    if request.param == "rntuple":
        return path
    options = root.RDF.RSnapshotOptions()
    options.fOutputFormat = root.RDF.ESnapshotOutputFormat.kTTree
    tree = path.with_name("tree.root")
    root.RDataFrame("events", str(path)).Snapshot("events", str(tree), "", options)
    return tree


def contents(path: Path) -> tuple[dict[str, npt.NDArray[Any]], dict[str, int]]:
    """The datasets of an image file, and its losses."""
    datasets: dict[str, npt.NDArray[Any]] = {}
    with h5py.File(path) as file:
        file.visititems(
            lambda name, item: datasets.update({name: item[:]} if hasattr(item, "dtype") else {})
        )
        del datasets[INPUT_FILES]
        losses = {k: int(v) for k, v in file.attrs.items() if k.startswith("losses/")}
    return datasets, losses


@pytest.mark.parametrize("step", [100, 1000])  # less than a cluster, and several of them
def test_both_pipelines_make_the_same_file(
    step: int, events_file: Path, tmp_path: Path, tiny_config: Config, monkeypatch: Any
) -> None:
    with ImageWriter(tmp_path / "stage.h5") as writer:
        file = inspect(str(events_file))
        for images in imaging.make_images(file, [(0, N_EVENTS)], tiny_config):
            writer.append(images)
    monkeypatch.setattr(columnar, "BLOCK", 64)
    columnar.make_images(
        events_file,
        tmp_path / "columnar.h5",
        particle_threshold=tiny_config.imaging.particle_threshold,
        jet_threshold=tiny_config.imaging.jet_threshold,
        seed=tiny_config.seed,
        folds=tiny_config.training.folds,
        step=step,
    )
    expected, expected_losses = contents(tmp_path / "stage.h5")
    found, losses = contents(tmp_path / "columnar.h5")
    assert list(found) == list(expected)
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name, strict=True)
    assert losses == expected_losses
    # the events have what may differ
    assert all(losses.values())
    assert 0 < expected["events/pass_SR"].sum() < expected["events/pass_SR_no_veto"].sum()
