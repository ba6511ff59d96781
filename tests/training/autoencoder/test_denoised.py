"""The stage `denoising`: trained, judged on held-out events, pictures kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from analysis.cli.configure import chosen_stages
from analysis.config import Config
from analysis.workflow.execute import needs
from analysis.workflow.registry import stage_named
from analysis.workflow.run import Run
from analysis.workflow.target import Target
from common.runtime.errors import ConfigError, NormalisationError
from tests.reference import auc
from tests.training.image_files import image_columns, write_columns
from training.autoencoder.autoencoder import WINDOW
from training.autoencoder.denoising import Denoiser
from training.autoencoder.denoising_stage import denoise as run_stage
from training.autoencoder.denoising_stage import denoising_targets
from training.data.image_reader import ImageFiles

SPEC = {"crop_size": 10, "filters": [8], "latent": 24, "epochs": 4, "batch_size": 32}
NOISE = {"drop_probability": 0.3, "noise_probability": 0.3, "noise_mean_pt": 5.0}
NAME = "denoising+cell"


def make_run(folder: Path, *, signal_info: dict[str, Any] | None = None) -> Run:
    """Two backgrounds, of which one counts ten times, a signal of harder events, and data."""
    known = {"cross_section": 2.0, "sum_of_weights": 100.0}
    samples: dict[str, dict[str, Any]] = {
        "WZ": {},
        "ZZ": {"k_factor": 10.0},
        "WR_N": {},
        "measured": {"data": True},
    }
    for i, name in enumerate(samples):
        (folder / f"{name}.root").write_text("events")
        info = known | (signal_info or {} if name == "WR_N" else {})
        columns = image_columns(1100, i, i, most_cells=12, hard=500.0 if name == "WR_N" else 0.0)
        path = folder / "run" / "images" / f"{name}.h5"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_columns(path, columns, sample_info=json.dumps(info))
    return Run(
        Config.model_validate(
            {
                "name": "test",
                "samples": [
                    {"process": name, "files": [str(folder / f"{name}.root")]} | known | options
                    for name, options in samples.items()
                ],
                "anomaly": {"denoising": [SPEC | NOISE]},
            }
        ),
        folder / "run",
    )


def denoise(run: Run) -> list[Target]:
    made: list[Target] = []
    run_stage(run, denoising_targets(run), made.append)
    return made


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = make_run(tmp_path_factory.mktemp("denoised"))
    made = denoise(run)
    assert made == denoising_targets(run)
    assert all(path.exists() for target in made for path in target.outputs)
    return run


@pytest.fixture(scope="module")
def judged(run: Run) -> Any:
    (found,) = json.loads(run.table("denoising").read_text())
    return found


def held_out(run: Run, name: str) -> Any:
    """Scores of all events of a sample, and which are held out."""
    with ImageFiles([run.images(name)], [0], "cell") as images:
        (spec,) = run.config.anomaly_search.denoising
        score = Denoiser(spec, run.model(NAME)).score(images)
        learned = name in ("WZ", "ZZ")
        return score, images.in_validation(0.1) if learned else np.ones(len(images), bool)


def test_noise_is_taken_out_of_events_that_were_not_learned(run: Run, judged: Any) -> None:
    record = json.loads((run.model(NAME) / "training.json").read_text())
    assert record["samples"] == ["WZ", "ZZ"]
    errors = judged["background"]
    assert errors["events"] == record["validation_events"]
    assert errors["reconstruction"] < errors["noisy"]
    # of other noise than that which watched the training
    assert errors["reconstruction"] == pytest.approx(record["validation_loss"], rel=0.1)
    assert judged["samples"]["WR_N"]["events"] == judged["samples"]["measured"]["events"] == 1100
    each = [judged["samples"][name] for name in ("WZ", "ZZ")]
    mean = sum(one["noisy"] * one["events"] for one in each) / errors["events"]
    assert errors["noisy"] == pytest.approx(mean)


def test_scores_are_those_of_the_denoiser(run: Run, judged: Any) -> None:
    for name, median in judged["median_score"].items():
        score, chosen = held_out(run, name)
        assert median == pytest.approx(float(np.median(score[chosen])), abs=1e-5)
    assert len(held_out(run, "WZ")[0]) > WINDOW


def test_areas_are_weighted_by_events_expected(run: Run, judged: Any) -> None:
    assert list(judged["auc"]) == ["WR_N"]
    areas = []
    weights = []
    signal, _ = held_out(run, "WR_N")
    signal_weight = image_weights(run, "WR_N")
    for name, factor in (("WZ", 1), ("ZZ", 10)):
        score, chosen = held_out(run, name)
        weight = factor * image_weights(run, name)[chosen]
        above = signal[:, None] > score[chosen]
        areas.append(np.einsum("i,ij,j", signal_weight, above, weight))
        weights.append(weight.sum() * signal_weight.sum())
        assert auc(signal, score[chosen]) > 0.8
    assert judged["auc"]["WR_N"]["value"] == pytest.approx(sum(areas) / sum(weights), abs=1e-3)
    assert 0 < judged["auc"]["WR_N"]["error"] < 0.05


def image_weights(run: Run, name: str) -> Any:
    with h5py.File(run.images(name)) as file:
        return file["events/weight"][:]


def test_pictures_of_events_of_median_score_are_kept(run: Run, judged: Any) -> None:
    with h5py.File(run.denoised(NAME)) as file:
        names = ("clean", "noisy", "reconstruction")
        clean, noisy, reconstruction = (file[name][:] for name in names)
        processes = list(file.attrs["process"])
    assert processes == [name for name in judged["samples"] for _ in range(2)]
    assert clean.shape == noisy.shape == reconstruction.shape == (8, 10, 10)
    assert clean.dtype == np.float32
    assert (clean != noisy).any(axis=(1, 2)).all()
    (spec,) = run.config.anomaly_search.denoising
    denoiser = Denoiser(spec, run.model(NAME))
    np.testing.assert_allclose(
        denoiser.reconstruct(noisy[..., None])[..., 0], reconstruction, rtol=1e-3, atol=1e-3
    )
    x = denoiser.scaled(clean[..., None])
    score = np.log10(np.square(x - denoiser.clean(x)).sum(axis=(1, 2, 3)))
    for process, found in zip(processes, score, strict=True):
        assert found == pytest.approx(judged["median_score"][process], abs=0.02)


def test_the_same_again_gives_the_same_table(run: Run) -> None:
    before = run.table("denoising").read_text(), run.denoised(NAME).read_bytes()
    run_stage(run, denoising_targets(run)[1:], lambda _: None)
    assert (run.table("denoising").read_text(), run.denoised(NAME).read_bytes()) == before


def test_a_sample_without_a_cross_section_is_named(tmp_path: Path) -> None:
    run = make_run(tmp_path, signal_info={"cross_section": None})
    with pytest.raises(NormalisationError, match="sample 'WR_N' has no cross_section"):
        denoise(run)


def test_nothing_is_imaged_without_a_denoiser(run: Run) -> None:
    data = run.config.model_dump()
    data["anomaly"]["denoising"] = []
    plain = Config.model_validate(data)
    assert "denoising" in chosen_stages(None, run.config)
    assert "denoising" not in chosen_stages(None, plain)
    assert denoising_targets(Run(plain, run.output)) == []
    with pytest.raises(ConfigError, match="stage 'denoising' needs 'denoising'"):
        chosen_stages(["denoising"], plain)
    assert needs(stage_named("denoising"), run) == {"imaging"}
