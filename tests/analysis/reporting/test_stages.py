"""Figures and the report are made from the cut-flow and from the results of trained networks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from analysis.config import Config
from analysis.reporting import plots_stage, report_stage
from analysis.workflow.execute import needs
from analysis.workflow.run import Run
from tests.analysis.reporting.made_up import config

OF_NETWORKS = {"imaging", "training", "scoring", "evaluation", "sensitivity", "signals"}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    (tmp_path / "z.root").touch()
    made = config({"extends": "monojet36"}, ("Znunu",))
    (sample,) = made.samples
    files = {"files": (str(tmp_path / "z.root"),)}
    return Run(made.model_copy(update={"samples": (sample.model_copy(update=files),)}), tmp_path)


def test_without_networks_the_cut_flow_is_enough(run: Run) -> None:
    assert needs(plots_stage.STAGE, run) == {"cutflow"}
    assert needs(report_stage.STAGE, run) == {"cutflow", "plots"}


def test_networks_add_their_results(tiny_config: Config, tmp_path: Path) -> None:
    run = Run(tiny_config, tmp_path)
    assert needs(plots_stage.STAGE, run) == {"cutflow", *OF_NETWORKS}
    assert needs(report_stage.STAGE, run) == {"cutflow", "plots", *OF_NETWORKS}


def test_the_stages_belong_to_the_selection(run: Run) -> None:
    assert {plots_stage.STAGE.study, report_stage.STAGE.study} <= run.config.studies


def test_new_labels_make_new_figures(run: Run) -> None:
    (sample,) = run.config.samples
    changed = run.config.model_copy(
        update={"samples": (sample.model_copy(update={"label": "new"}),)}
    )
    (before,), (after,) = (
        plots_stage.plots_targets(one) for one in (run, replace(run, config=changed))
    )
    assert before.settings != after.settings
    assert before.upstream[0].settings == after.upstream[0].settings
