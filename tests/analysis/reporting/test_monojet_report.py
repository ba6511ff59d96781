"""The report holds the numbers it is given, beside the thesis's, and needs no other file."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from analysis.config import Config
from analysis.reporting import monojet_report, results
from analysis.workflow.run import Run
from analysis.workflow.target import Target
from common.runtime.errors import InputError
from common.stats.measured import Averaged, Measured
from common.tables import with_error
from training.classifier.records import FoldRecord, TrainingRecord, write_training_record

PICTURE = b"\x89PNG, as far as the report knows"


def measured(value: float, error: float = 0.01) -> dict[str, float]:
    return {"value": value, "error": error}


def evaluation() -> dict[str, Any]:
    """Return the evaluation of one network, in round numbers."""
    slices = ("high", "medium", "low")
    rates = {f"{p}_{s}": measured(0.2) for p in ("Wtaunu", "Wmunu") for s in slices}
    return {
        "network": "strides+cell",
        "n_signal": 120,
        "n_background": 130,
        "scan": [],
        "signal_efficiency": 0.93,
        "thresholds": [0.45, 0.55],
        "trained": True,
        "precision": measured(0.86),
        "recall": measured(0.88),
        "mean_precision_recall": measured(0.87),
        "precision_times_recall": measured(0.75),
        "accuracy": measured(0.86),
        "auc": measured(0.93),
        "background_rejected_fraction": {"0.919": measured(0.8)},
        "roc": {"signal_efficiency": [], "background_efficiency": []},
        "pass_rates": rates | {f"Znunu_{s}": measured(0.9) for s in slices},
        "folds": [],
    }


def sensitivities() -> list[dict[str, Any]]:
    """Return the ratios of three pairs of rate definition and region."""
    ratio: dict[str, Any] = {
        "network": "strides+cell",
        "rates": {p: measured(0.25) for p in ("Znunu", "Wtaunu", "Wmunu")},
        "error": 0.01,
        "statistical": 0.008,
        "cross_section": 0.001,
        "spread": 0.01,
        "largest": 1.2,
        "largest_error": 0.0,
        "entries": dict.fromkeys(("Znunu", "Wtaunu", "Wmunu"), 100),
        "signal_efficiencies": [0.93],
        "thresholds": [[0.45, 0.55]],
    }
    found = (
        ("as published", "IM1", 1.1),
        ("consistent", "IM1", 1.05),
        ("as published", "IM10", 1.02),
    )
    return [
        ratio | {"rate_definition": name, "region": region, "ratio": value}
        for name, region, value in found
    ]


def training_record(config: Config) -> TrainingRecord:
    """Return the record of two folds whose operations are not known, in round numbers."""
    folds = [
        FoldRecord(
            fold=fold,
            classes=2,
            channel_means=[1.0],
            events=events,
            validation_events=10,
            epochs=1.5,
            steps=7,
            seconds=3.0,
            backend="jax",
            flops_an_event=None,
            events_per_second=50.0,
            device="device",
        )
        for fold, events in enumerate((100, 300))
    ]
    (network,) = config.training.networks
    return TrainingRecord(network=network, seed=config.seed, folds=folds, parameters=4684738)


@pytest.fixture
def finished(tiny_config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run with all that the report reads, in numbers that are easy to follow."""
    monkeypatch.setattr(results, "kept", list)  # none, whatever the repository holds
    data = tiny_config.model_dump()
    data["training"]["networks"] = [{"network": "strides", "compression": "cell"}]
    run = Run(Config.model_validate(data), tmp_path)
    made: dict[Path, Any] = {
        run.table("evaluation"): {"strides+cell": evaluation()},
        run.table("sensitivity"): sensitivities(),
        run.plots / "figures.json": [
            {"name": "roc", "files": ["roc.pdf", "roc.png"], "caption": "Curves."}
        ],
    }
    for path, content in made.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
    write_training_record(run.model("strides+cell"), training_record(run.config))
    for name in ("evaluation", "cutflow", "sensitivity", "signals", "images"):
        run.table(name).with_suffix(".md").write_text(f"| table | {name} |\n| --- | ---: |\n")
    (run.plots / "roc.png").write_bytes(PICTURE)
    return run


def rows(run: Run) -> dict[str, list[str]]:
    return {row[1]: list(row[2:]) for row in monojet_report.against_the_thesis(run).rows}


def test_numbers_stand_beside_those_of_the_thesis(finished: Run) -> None:
    found = rows(finished)
    # table 2 at 0.40, where precision x recall is largest; the thesis gives no error
    assert found["(precision + recall)/2, table 2"] == ["0.85", "0.870 ± 0.010", "+2.0"]
    assert found["best threshold (here the mean of the folds)"] == ["0.4", "0.5", ""]
    # table 3: 0.833 of 8000; 1 - 0.2 with the error of both
    assert found["Wmunu rejected, high slice, table 3"] == [
        "0.8330 ± 0.0042",
        "0.800 ± 0.010",
        "-3.0",
    ]
    assert found["Znunu selected, low slice, table 3"][1:] == ["0.900 ± 0.010", "-3.9"]
    assert found["Wtaunu rejected in IM1, table 4"] == ["0.777", "0.750 ± 0.010", "-2.7"]
    assert found["sensitivity ratio in IM1, as published"] == ["1.118", "1.100 ± 0.010", "-1.8"]
    # the thesis gives no ratio after the whole selection
    assert found["sensitivity ratio in IM1, consistent"] == ["-", "1.050 ± 0.010", "-"]
    assert len(found) == 3 + 9 + 3 + 2


def test_a_network_that_is_not_the_thesiss_is_told(finished: Run) -> None:
    assert "is not the thesis's network" not in " ".join(
        monojet_report.against_the_thesis(finished).notes
    )
    data = finished.config.model_dump()
    (network,) = data["training"]["networks"]
    changes = {"width": 0.125, "crop_size": 30, "initializer": "he"}
    data["training"]["networks"] = [network | changes]
    run = Run(Config.model_validate(data), finished.output)
    note = monojet_report.against_the_thesis(run).notes[0]
    assert note == (
        "strides+cell is not the thesis's network here: crop_size 30, width 0.125, initializer he."
    )


def test_samples_that_the_run_has_not_are_left_out(finished: Run) -> None:
    path = finished.table("evaluation")
    data = json.loads(path.read_text())
    del data["strides+cell"]["pass_rates"]["Wmunu_low"]
    path.write_text(json.dumps(data))
    assert len(rows(finished)) == 16
    path.write_text(json.dumps({"pfn+none": data["strides+cell"]}))
    assert rows(finished) == {}
    assert "was trained in this run" in "".join(monojet_report.sections(finished))


def test_cost_is_the_mean_of_the_folds(finished: Run) -> None:
    (row,) = monojet_report.cost(finished).rows
    assert row == ["strides+cell", "4684738", "-", "200", "7", "1.5", "3", "50", "jax"]
    path = finished.model("strides+cell") / "training.json"
    record = json.loads(path.read_text())
    for number, fold in enumerate(record["folds"]):
        fold |= {"flops_an_event": 1.79e9, "events_per_second": 100 * (1 + number)}
    path.write_text(json.dumps(record))
    (row,) = monojet_report.cost(finished).rows
    assert (row[2], row[7]) == ("1790", "150")


@pytest.mark.parametrize("content", ["{", '{"folds": []}'])
def test_a_damaged_training_record_is_one_line_with_the_remedy(finished: Run, content: str) -> None:
    path = finished.model("strides+cell") / "training.json"
    path.write_text(content)
    with pytest.raises(InputError) as error:
        monojet_report.cost(finished)
    message = str(error.value)
    assert message.startswith(f"{path}: cannot read: ")
    assert message.endswith(": make it with --stage training --force")
    assert "\n" not in message


def test_the_background_is_given_line_by_line(finished: Run) -> None:
    """Table 5, scaled by the rates of table 4, and by ours (all 0.25)."""
    made = monojet_report.backgrounds(finished)
    assert made.columns == (
        "process",
        "ATLAS, IM1",
        "thesis, strides+cell",
        "thesis, maxpool+rowcol",
        "strides+cell",
    )
    lines = {row[0]: list(row[1:]) for row in made.rows}
    assert lines["Wenu"] == ["20600"] * 4
    assert lines["Zee"] == ["0.11"] * 4
    assert lines["Znunu"] == ["137800", "132839", "132701", "34400 ± 1400"]
    assert lines["Wtaunu"] == ["50300", "11217", "13581", "12580 ± 500"]
    assert lines["Wmunu"][1] == "2003"
    assert lines["all"][:2] == ["245466", "182565"]
    error = 0.01 * (137800**2 + 50300**2 + 20860**2) ** 0.5
    own = 245466 - 0.75 * (137800 + 50300 + 20860)
    assert lines["all"][3] == with_error(own, error)
    assert lines["sensitivity ratio in IM1, as published"] == [
        "-",
        "1.118",
        "1.107",
        "1.100 ± 0.010",
    ]
    assert lines["sensitivity ratio in IM1, consistent"] == ["-", "-", "-", "1.050 ± 0.010"]
    assert lines["sensitivity ratio in IM10, as published"][3] == "1.020 ± 0.010"
    assert lines["sensitivity ratio in IM10, consistent"][3] == "-"


def written(run: Run) -> tuple[str, str]:
    """The page and the text of the report."""
    target = Target(
        "report",
        "report",
        run.output / "report.html",
        (),
        extra_outputs=(run.output / "results.json",),
    )
    monojet_report.run(run, [target], lambda _: None)
    return target.output.read_text(), (run.output / "report.md").read_text()


def test_the_page_holds_all_and_needs_no_other_file(finished: Run) -> None:
    page, text = written(finished)
    assert base64.b64encode(PICTURE).decode() in page
    assert 'src="plots' not in page
    assert "http" not in page
    assert page.count("<table>") == 8
    for word in ("Curves.", "Wmunu rejected, high slice", "luminosity: 36.1", "numpy"):
        assert word in page
        assert word in text
    assert "![roc](plots/roc.png)" in text


def test_the_results_are_a_file_that_can_be_read(finished: Run) -> None:
    written(finished)
    found = results.read(finished.output / "results.json")
    assert (found.run, found.seed, found.learned_events) == ("tiny", 7, 600)
    assert found.configuration["luminosity"] == 36.1
    assert "batch" not in found.configuration
    assert found.versions["numpy"]
    assert found.device.processor
    (network,) = found.networks
    assert network.settings["compression"] == "cell"
    assert (network.training.events, network.training.flops_an_event) == (200, None)
    assert network.evaluation.signal_events == 120
    assert network.evaluation.background_rejected_fraction == {"0.919": Averaged(0.8, 0.01)}
    assert len(network.evaluation.pass_rates) == 9
    assert network.ratio("as published", "IM10") == Measured(1.02, 0.01)
    assert network.ratio("consistent", "IM10") is None


def test_other_runs_stand_beside_this_one(
    finished: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    written(finished)
    own = json.loads((finished.output / "results.json").read_text())
    other = own | {"run": "another", "configuration": {}, "learned_events": 140_000}
    (tmp_path / "own.json").write_text(json.dumps(own))
    (tmp_path / "other.json").write_text(json.dumps(other))
    monkeypatch.setattr(results, "kept", lambda: sorted(tmp_path.glob("o*.json")))
    _, text = written(finished)
    assert "## All networks" in text
    assert text.count("| tiny | 600 events | strides+cell |") == 1
    assert text.count("| another | full | strides+cell |") == 1
