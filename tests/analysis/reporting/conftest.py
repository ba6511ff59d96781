"""A finished run of the monojet study with one network, in round numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from analysis.config import Config
from analysis.workflow.run import Run
from common.tables import Table
from tests.analysis.reporting.made_up import cutflow_table, list_figures
from training.classifier.records import FoldRecord, TrainingRecord, write_training_record


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
def finished(tiny_config: Config, tmp_path: Path) -> Run:
    """A run with all that the report reads, in numbers that are easy to follow."""
    data = tiny_config.model_dump()
    data["training"]["networks"] = [{"network": "strides", "compression": "cell"}]
    run = Run(Config.model_validate(data), tmp_path)
    made: dict[Path, Any] = {
        run.table("evaluation"): {"strides+cell": evaluation()},
        run.table("sensitivity"): sensitivities(),
    }
    for path, content in made.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
    write_training_record(run.model("strides+cell"), training_record(run.config))
    for name in ("evaluation", "sensitivity", "signals", "images"):
        table = Table(name, f"Table {name}", ("a", "b"), [["1", "2"]], ["A note."])
        table.write_beside(run.table(name))
    cutflow_table(run.config).write(run.table("cutflow"))
    list_figures(
        run,
        {
            "cutflow_SR": ("Steps.", "Cut-flows"),
            "roc": ("Curves.", "Networks"),
            "sensitivity_strides+cell": ("Ratios.", "Selection by networks"),
            "event_channels": ("Channels.", "Images"),
        },
    )
    return run
