"""Pseudo-data are a Poisson measurement of the mix they are drawn from."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt
import pytest

from analysis.config import Config
from analysis.matrices import pseudo_data
from analysis.matrices.pseudo_data_stage import pseudo_data_targets
from analysis.workflow.run import Run
from common.runtime.errors import InputError
from common.schema.matrices import MatrixWriter, Subset, read_events
from tests.analysis.three_lepton_events import runs_in

N = 4000
SHARE = 0.25


def write_matrices(
    run: Run, name: str, normalisation: float, weight: npt.NDArray[np.float64] | float = 1.0
) -> None:
    """A file of N events whose only feature is their number; every fourth is set apart."""
    path = run.matrices(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    number = np.arange(N)
    with MatrixWriter(path) as writer:
        writer.append(
            {
                "features": number[:, np.newaxis].astype(np.float32),
                "events/run_number": np.full(N, 1, np.uint32),
                "events/event_number": number.astype(np.uint64),
                "events/weight": np.broadcast_to(weight, N).astype(np.float64),
                "events/subset": np.where(number % 4 == 0, Subset.PSEUDO_DATA, Subset.TEST).astype(
                    np.uint8
                ),
                "events/n_muons": (number % 3).astype(np.float32),
            }
        )
        writer.attributes = {
            "normalisation": normalisation,
            "names": ["met"],
            "objects": "{}",
            "sqrt_s_GeV": 13000.0,
            "rapidity_scale": 0.15,
        }


def make_run(folder: Path, config: Config) -> Run:
    path = folder / "events.root"  # which is not opened
    path.touch()
    search = {
        "rmm": {"split": {"training": 0.4, "pseudo_data": SHARE}},
        "pseudo_data": [{}, {"variant": "injected", "signal_strength": {"WR_N": 3.0}}],
    }
    return runs_in(folder, config)(anomaly=search, WZ=path, ttbar=path, WR_N=path)


def draw(run: Run) -> tuple[Path, Path]:
    targets = pseudo_data_targets(run)
    pseudo_data.run(run, targets, lambda target: None)
    first, second = (target.output for target in targets)
    return first, second


def test_counts_are_those_of_the_weights(tmp_path: Path, tiny_config: Config) -> None:
    """0.3 a WZ event of 1000 that are set apart, of one in four; 2 a ttbar event; and 3 x 0.5 a
    signal event."""
    run = make_run(tmp_path, tiny_config)
    write_matrices(run, "WZ", 0.3 * SHARE)
    write_matrices(run, "ttbar", SHARE, weight=np.where(np.arange(N) < N / 2, 4.0, 0.0))
    write_matrices(run, "WR_N", 0.5 * SHARE)
    plain, injected = draw(run)
    drawn = {}
    for path in (plain, injected):
        with h5py.File(path) as file:
            drawn[path] = json.loads(file.attrs["drawn"])
            assert file.attrs["normalisation"] == 1
    assert drawn[plain]["WZ"] == pytest.approx(300, abs=4 * 300**0.5)
    assert drawn[plain]["ttbar"] == pytest.approx(2000, abs=4 * 2000**0.5)
    assert "WR_N" not in drawn[plain]
    # the background is the same with a signal
    assert {k: drawn[injected][k] for k in drawn[plain]} == drawn[plain]
    assert drawn[injected]["WR_N"] == pytest.approx(1500, abs=4 * 1500**0.5)

    columns = ["run_number", "event_number", "weight", "subset", "n_muons"]
    events = read_events(injected, columns)
    assert len(np.unique(events["event_number"])) == sum(drawn[injected].values())
    assert np.all(events["weight"] == 1)
    assert np.all(events["subset"] == Subset.TEST)
    assert set(read_events(plain, ["run_number"])["run_number"]) != set(events["run_number"])
    with h5py.File(plain) as file:
        number = file["features"][:, 0]
    assert np.all(number % 4 == 0)  # none that is used for anything else
    assert np.all(number[drawn[plain]["WZ"] :] < N / 2)
    # each is a whole event
    assert np.array_equal(read_events(plain, ["n_muons"])["n_muons"], number % 3)


def test_counts_scatter_as_poisson_numbers(tmp_path: Path, tiny_config: Config) -> None:
    """Of few events of large weight, too: 10 of mean 5, whose sum has the variance 50."""
    weight = np.where((np.arange(N) % 400) == 0, 5.0, 0.0)
    totals = []
    for seed in range(80):
        data = tiny_config.model_dump() | {"seed": seed}
        run = make_run(tmp_path, Config.model_validate(data))
        if seed == 0:
            write_matrices(run, "WZ", SHARE, weight)
            for name in ("ttbar", "WR_N"):
                write_matrices(run, name, SHARE, 0.0)
        totals.append(len(read_events(draw(run)[0], ["subset"])["subset"]))
    assert np.mean(totals) == pytest.approx(50, abs=4 * (50 / 80) ** 0.5)
    assert 22 < np.var(totals) < 78  # chi squared of 79: 50 +- 8 x 3.5


def test_negative_weights_are_refused(tmp_path: Path, tiny_config: Config) -> None:
    run = make_run(tmp_path, tiny_config)
    for name in ("WZ", "ttbar", "WR_N"):
        write_matrices(run, name, 1.0, np.where(np.arange(N) == 400, -1.0, 1.0))
    with pytest.raises(InputError, match=r"'WZ'.*negative weight"):
        draw(run)
    assert not run.matrices("pseudo_data").exists()


def test_copies_are_told(
    tmp_path: Path, tiny_config: Config, caplog: pytest.LogCaptureFixture
) -> None:
    run = make_run(tmp_path, tiny_config)
    for name in ("WZ", "ttbar", "WR_N"):
        write_matrices(run, name, 10 * SHARE)
    draw(run)
    assert "copies of 2000 simulated" in caplog.text
