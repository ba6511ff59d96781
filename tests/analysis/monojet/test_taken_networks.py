"""Events of the user's, scored by the networks of another run."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.cli.configure import chosen_stages, configuration
from analysis.cli.options import parser
from analysis.config import CONFIGS, Config, load
from analysis.workflow.execute import with_needs
from analysis.workflow.registry import stages
from analysis.workflow.run import Run
from analysis.yields.cutflow_stage import cutflow_targets
from common.runtime import files
from common.runtime.errors import ConfigError
from tests.conftest import TINY
from training.classifier.scoring_stage import scoring_targets
from training.classifier.training_stage import training_targets

INPUT = ("--input", "a.root", "--process", "Znunu")


def configured(*arguments: object, config: Path = TINY) -> Config:
    return configuration(parser().parse_args(["--config", str(config), *map(str, arguments)]))


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    """What a finished run of tiny.yaml says of its networks."""
    run = Run(load(TINY), tmp_path / "finished")
    for one in training_targets(run):
        one.output.parent.mkdir(parents=True)
        one.output.write_text("{}")
        one.write_manifest(1.0)
    files.write_json(run.evaluation, {})
    return run.output


def test_samples_that_cannot_train_take_the_networks_of_the_configured_run() -> None:
    taken = configured(*INPUT).training
    assert taken.models == str(Path("runs/tiny").absolute())
    assert taken.folds == 2
    both = ("--input", "a.root", "--process", "Znunu", "--input", "b.root", "--process", "Wtaunu")
    assert configured(*both).training.models is None
    assert configured().training.models is None
    assert configured("--models", "runs/mine").training.models == str(Path("runs/mine").absolute())


def test_one_network_for_all_events_stays_one() -> None:
    """Of a configuration whose networks learn from samples of their own."""
    config = configured(*INPUT, config=CONFIGS / "thesis_best.yaml")
    assert config.folds == 1


def test_scores_are_made_from_images_and_the_other_runs_networks(
    finished: Path, tmp_path: Path
) -> None:
    config = configured(*INPUT, "--models", finished)
    run = Run(config, tmp_path / "own")
    (target,) = scoring_targets(run)
    assert [one.stage for one in target.upstream] == ["imaging"]
    assert target.output == tmp_path / "own" / "scores" / "Znunu.h5"
    assert run.model("pfn+none") == finished / "models" / "pfn+none"
    (cutflow,) = cutflow_targets(run)
    assert str(finished / "tables" / "evaluation.json") in cutflow.input_files
    found = with_needs(["cutflow"], stages(), run)
    assert [stage.name for stage in found] == [*("validate", "imaging", "scoring", "cutflow")]


def test_another_training_makes_the_scores_again(finished: Path, tmp_path: Path) -> None:
    run = Run(configured(*INPUT, "--models", finished), tmp_path / "own")
    (before,) = scoring_targets(run)
    one = training_targets(Run(load(TINY).model_copy(update={"seed": 9}), finished))[0]
    one.write_manifest(1.0)
    (after,) = scoring_targets(run)
    assert before.code_settings_hash != after.code_settings_hash


def test_networks_that_are_not_there_are_named(tmp_path: Path, finished: Path) -> None:
    run = Run(configured(*INPUT, "--models", tmp_path / "none"), tmp_path / "own")
    with pytest.raises(ConfigError, match=r"none/models/pfn\+none: no trained network"):
        scoring_targets(run)
    taken = Run(configured(*INPUT, "--models", finished), tmp_path / "own")
    taken.evaluation.unlink()
    with pytest.raises(ConfigError, match="evaluation.json: missing"):
        cutflow_targets(taken)


def test_networks_of_another_configuration_are_refused(finished: Path, tmp_path: Path) -> None:
    config = configured(*INPUT, "--models", finished)
    imaging = config.imaging.model_copy(update={"jet_threshold": 30.0})
    network = config.training.networks[0].model_copy(update={"max_cells": 7})
    training = config.training.model_copy(update={"networks": (network,)})
    for change, message in (
        ({"imaging": imaging}, r"imaging\.jet_threshold: 20\.0 → 30\.0"),
        ({"training": training}, r"network\.max_cells: 128 → 7"),
    ):
        run = Run(config.model_copy(update=change), tmp_path / "own")
        with pytest.raises(ConfigError, match=message):
            scoring_targets(run)


def test_stages_that_train_or_judge_are_refused(finished: Path) -> None:
    config = configured(*INPUT, "--models", finished)
    assert chosen_stages(["scoring"], config) == ["scoring"]
    for stage in ("training", "evaluation", "sensitivity", "signals"):
        with pytest.raises(ConfigError, match="trained in the same run"):
            chosen_stages([stage], config)


def test_a_network_of_one_fold_is_not_trained_here(tiny_config: Config) -> None:
    data = tiny_config.model_dump()
    data["training"]["folds"] = 1
    with pytest.raises(ValueError, match="at least 2"):
        Config.model_validate(data)
    data["training"]["models"] = "runs/other"
    assert Config.model_validate(data).folds == 1
