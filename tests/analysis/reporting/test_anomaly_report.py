"""The report of the search for anomalies; its figures and tables are checked by the tiny run."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from analysis.config import Config
from analysis.reporting import anomaly_report
from analysis.workflow.run import Run
from common.runtime import files
from tests.analysis.three_lepton_events import runs_in
from training.autoencoder.records import AutoencoderRecord


def make_run(folder: Path, config: Config) -> Run:
    path = folder / "events.root"  # which is not opened
    path.touch()
    search = {"autoencoders": [{"layers": [9], "latent": 5}]}
    return runs_in(folder, config)(anomaly=search, WZ=path, WR_N=path)


def test_the_elements_that_fail(tmp_path: Path, tiny_config: Config) -> None:
    run = make_run(tmp_path, tiny_config)
    path = run.inspection("dense")
    path.parent.mkdir(parents=True)
    with h5py.File(path, "w") as file:
        file.attrs["names"] = ["met", "mt_jet1", "et_jet1"]
        for sample, errors, n in (("WR_N", [1.0, 6.0, 3.0], 7), ("WZ", [0.0, 0.0, 0.0], 0)):
            dataset = file.create_dataset(f"errors/{sample}/anomalous", data=np.array(errors))
            dataset.attrs["events"] = n
    table = anomaly_report.elements_table(run, "dense")
    assert table.rows == [["WR_N", "7", "mt_jet1 60 %, et_jet1 30 %, met 10 %"]]


def test_settings_are_those_that_were_trained(tmp_path: Path, tiny_config: Config) -> None:
    """Which a search may have changed."""
    run = make_run(tmp_path, tiny_config)
    (spec,) = run.config.anomaly_search.autoencoders
    tuned = spec.model_copy(update={"layers": (40, 20), "latent": 3})
    record = AutoencoderRecord(
        autoencoder=tuned,
        seed=1,
        samples=["WZ"],
        features=9,
        parameters=1234,
        events=100,
        effective_events=51.4,
        validation_events=20,
        effective_validation_events=7.2,
        epochs=9,
        best_epoch=4,
        loss=0.01,
        validation_loss=0.01234,
        seconds=5.6,
        backend="tensorflow",
        device="processor",
    )
    files.write_json(run.model("dense") / "training.json", record.model_dump(mode="json"))
    (row,) = anomaly_report.training_table(run).rows
    assert row[:2] == ["dense", "40 20 3"]
    assert row[5:] == ["1234", "100 (51)", "20 (7)", "4 of 9", "0.0123", "6"]
