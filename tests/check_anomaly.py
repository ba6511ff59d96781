"""Check the outputs of a whole run of the search for anomalies: ``python tests/check_anomaly.py
<output>``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from analysis.processes import HEAVY_NEUTRINOS
from analysis.rmm_file import frame
from common.score_file import read_scores
from selections import three_lepton


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
        assert record["autoencoder"]["latent"] < record["features"]
        assert not set(record["samples"]) & set(HEAVY_NEUTRINOS)


def check_scores_and_yields(output: Path) -> None:
    findings = load(output / "tables" / "anomaly.json")
    names = [one["autoencoder"] for one in findings]
    for path in (output / "rmm").glob("*.h5"):
        scores = read_scores(output / "anomaly_scores" / path.name, names)
        assert all(np.isfinite(scores[name]).all() for name in names)
    for one in findings:
        assert set(one["auc"]) <= set(HEAVY_NEUTRINOS)
        assert all(0 <= area["value"] <= 1 for area in one["auc"].values())
        totals = [
            sum(y["raw"] for sample in region["samples"].values() for y in sample.values())
            for region in one["regions"]
        ]
        assert totals == sorted(totals, reverse=True)
        assert totals[0] > 0
        for region in one["regions"]:
            for channels in region["samples"].values():
                assert set(channels) == set(three_lepton.CHANNELS)
        for excess in one["excesses"]:
            assert 0 <= excess["with_error"] <= excess["significance"]


def check_tables(output: Path) -> None:
    for name in ("three_lepton", "anomaly", "anomaly_regions"):
        for suffix in ("md", "tex", "txt"):
            assert (output / "tables" / f"{name}.{suffix}").stat().st_size > 100


def main(output: Path) -> None:
    for check in (check_matrices, check_autoencoders, check_scores_and_yields, check_tables):
        check(output)
        print(f"{check.__name__}: good")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
