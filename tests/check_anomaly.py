"""Check the outputs of a whole run of the search for anomalies: ``python tests/check_anomaly.py
<output>``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))


from analysis.processes import HEAVY_NEUTRINOS
from analysis.three_lepton.search_model import read_search_results
from common.schema.matrices import frame
from common.schema.scores import read_scores
from selections import three_lepton
from training.autoencoder.denoising_model import read_denoising
from training.autoencoder.left_out_model import read_left_out


def load(path: Path) -> Any:
    return json.loads(path.read_text())


def check_matrices(output: Path) -> None:
    paths = sorted((output / "rmm").glob("*.h5"))
    assert paths
    for path in paths:
        table = frame(path)
        assert len(table), path
        assert np.isfinite(table).all(axis=None), path
        matrices = table.filter(like="rmm_")
        assert (matrices >= 0).all(axis=None), path
        assert np.allclose(table["rmm_met"] * 13000, table["met"], rtol=1e-5)
        assert table["n_muons"].between(0, 3).all()


def check_autoencoders(output: Path) -> None:
    for record in (load(p) for p in (output / "models").glob("*/training.json")):
        assert record["validation_loss"] > 0
        assert not set(record["samples"]) & set(HEAVY_NEUTRINOS)
        if "denoising" in record:
            continue
        assert record["autoencoder"]["latent"] < record["features"]


def check_scores_and_yields(output: Path) -> None:
    findings = read_search_results(output / "tables" / "anomaly.json")
    names = [one.autoencoder for one in findings]
    for path in (output / "rmm").glob("*.h5"):
        scores = read_scores(output / "anomaly_scores" / path.name, names)
        assert all(np.isfinite(scores[name]).all() for name in names)
    for one in findings:
        assert set(one.auc) <= set(HEAVY_NEUTRINOS)
        assert all(0 <= area.value <= 1 for area in one.auc.values())
        totals = [
            sum(y.entries for sample in region.samples.values() for y in sample.values())
            for region in one.regions
        ]
        assert totals == sorted(totals, reverse=True)
        assert totals[0] > 0
        for region in one.regions:
            for channels in region.samples.values():
                assert set(channels) == set(three_lepton.CHANNELS)
        for excess in one.excesses:
            assert excess.significance is not None
            assert excess.with_error is not None
            assert 0 <= excess.with_error <= excess.significance


def check_pseudo_data(output: Path) -> None:
    plain, injected = (
        frame(output / "rmm" / f"pseudo_data{variant}.h5") for variant in ("", "_injected")
    )
    assert 0 < len(plain) < len(injected)
    for one in read_search_results(output / "tables" / "anomaly.json"):
        seen = {(o.observed, o.quantile): o.n_observed for o in one.observations}
        for region in one.regions:
            quantile = region.quantile
            assert seen["pseudo_data", quantile] <= seen["pseudo_data_injected", quantile]
        for variant, events in (("", plain), ("_injected", injected)):
            path = output / "anomaly_scores" / f"pseudo_data{variant}.h5"
            score = read_scores(path, [one.autoencoder])[one.autoencoder]
            for region in one.regions:
                passing = int((score >= np.float32(region.threshold)).sum())
                assert passing == seen[f"pseudo_data{variant}", region.quantile]
            assert len(score) == len(events)


def check_what_was_not_shown(output: Path) -> None:
    found = read_left_out(output / "tables" / "left_out.json")
    assert [one.name for one in found] == ["WZ", "ttbar"]
    assert {one.kind for one in found} == {"process"}
    assert all(0 <= one.auc.value <= 1 for one in found)


def check_inspection(output: Path) -> None:
    for path in (output / "inspection").glob("*.h5"):
        with h5py.File(path) as file:
            for errors in file["errors"].values():
                assert np.all(errors["all"][:] >= 0)
                assert errors["all"].attrs["events"] >= errors["anomalous"].attrs["events"]
            assert all(np.isfinite(places[:]).all() for places in file["latent"].values())


def check_denoising(output: Path) -> None:
    samples = {path.stem for path in (output / "samples").glob("*.root")}
    for one in read_denoising(output / "tables" / "denoising.json"):
        assert one.background.reconstruction < one.background.noisy
        assert set(one.samples) == set(one.median_score) == samples
        assert set(one.auc) == samples & set(HEAVY_NEUTRINOS)
        assert all(0 <= area.value <= 1 for area in one.auc.values())
        with h5py.File(output / "denoising" / f"{one.denoiser}.h5") as file:
            pictures = [file[name][:] for name in ("clean", "noisy", "reconstruction")]
            assert set(file.attrs["process"]) == samples
            assert {len(pt) for pt in pictures} == {len(file.attrs["process"])}
        assert np.isfinite(pictures).all()
        assert all(clean.sum() > 0 for clean in pictures[0])


def check_tables(output: Path) -> None:
    for name in (
        *("three_lepton", "anomaly", "anomaly_regions"),
        *("anomaly_observed", "left_out", "denoising"),
    ):
        for suffix in ("md", "tex", "txt"):
            assert (output / "tables" / f"{name}.{suffix}").stat().st_size > 100


def main(output: Path) -> None:
    for check in (
        check_matrices,
        check_autoencoders,
        check_scores_and_yields,
        check_pseudo_data,
        check_what_was_not_shown,
        check_inspection,
        check_denoising,
        check_tables,
    ):
        check(output)
        print(f"{check.__name__}: good")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
