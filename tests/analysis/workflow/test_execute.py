from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from analysis.config import CONFIGS, Config, FileSample, load
from analysis.workflow.execute import execute, needs, to_make, with_needs
from analysis.workflow.registry import stage_named, stages
from analysis.workflow.run import Run
from analysis.workflow.stage import AnyStage, Stage
from analysis.workflow.target import Done, Target
from training.classifier.training_stage import training_targets


@pytest.fixture
def counting_stage(tmp_path: Path) -> Stage:
    def make_all(run: Run, targets: Sequence[Target], done: Done) -> None:
        for one in targets:
            one.output.write_text("made")
            done(one)

    def targets(run: Run) -> list[Target]:
        return [
            Target("s", name, tmp_path / f"{name}.txt", ("selections.cuts",)) for name in ("a", "b")
        ]

    return Stage(name="s", summary="", reads="", writes="", targets=targets, run=make_all)


def test_only_what_is_not_current_is_made(
    tmp_path: Path, counting_stage: Stage, tiny_config: Config
) -> None:
    run = Run(tiny_config, tmp_path)
    execute([counting_stage], run, (), lambda *_: None)
    assert to_make(counting_stage, run, force=False) == []
    (tmp_path / "b.txt").unlink()
    assert [t.name for t in to_make(counting_stage, run, force=False)] == ["b"]
    assert len(to_make(counting_stage, run, force=True)) == 2


def test_needs_are_put_in_the_order_of_the_data(tiny_config: Config, tmp_path: Path) -> None:
    found = with_needs(["training"], stages(), Run(tiny_config, tmp_path))
    assert [stage.name for stage in found] == ["validate", "generate", "imaging", "training"]


def test_needs_follow_from_the_configuration(tmp_path: Path) -> None:
    """Figures of the search show denoising where it is configured."""
    run = Run(load(CONFIGS / "anomaly_tiny.yaml"), tmp_path)
    figures = stage_named("anomaly_plots")
    assert needs(figures, run) == {"anomaly", "inspection", "denoising"}
    search = run.config.anomaly_search.model_copy(update={"denoising": ()})
    config = run.config.model_copy(update={"anomaly": search})
    assert needs(figures, dataclasses.replace(run, config=config)) == {"anomaly", "inspection"}


def stages_and_runs(folder: Path, workers: int = 1) -> Iterator[tuple[AnyStage, Run]]:
    """All stages, each with a run that has its study."""
    for name in ("tiny", "anomaly_tiny"):
        skim = {"region": "SR", "columns": ["met"]}
        run = Run(load(CONFIGS / f"{name}.yaml", skim=skim), folder, workers)
        for stage in stages():
            if stage.study is None or stage.study in run.config.studies:
                yield stage, run


def test_every_stage_belongs_to_a_study_that_is_tried(tmp_path: Path) -> None:
    assert {stage.name for stage, _ in stages_and_runs(tmp_path)} == {s.name for s in stages()}


def test_a_seed_reaches_every_sample_and_image(tiny_config: Config, tmp_path: Path) -> None:
    other = tiny_config.model_copy(update={"seed": 8})
    for stage in (stage_named("generate"), stage_named("imaging")):
        before = [t.fingerprint for t in stage.targets(Run(tiny_config, tmp_path))]
        after = [t.fingerprint for t in stage.targets(Run(other, tmp_path))]
        assert not set(before) & set(after)


def test_what_escapes_reaches_every_target(tmp_path: Path) -> None:
    """Also of a stage that reads the user's files, by its own settings."""
    for stage, run in stages_and_runs(tmp_path):
        samples = tuple(
            FileSample(process=s.process, slice=s.slice, role=s.role, files=(f"{s.name}.root",))
            for s in run.config.samples
        )
        for config in (run.config, run.config.model_copy(update={"samples": samples})):
            other = config.model_copy(update={"invisible": (9000042,)})
            before, after = (
                {t.fingerprint for t in stage.targets(dataclasses.replace(run, config=one))}
                for one in (config, other)
            )
            assert not before & after, stage.name


@pytest.mark.parametrize("sample", ["validation", "test"])
def test_a_training_that_watches_the_test_is_upstream_it(sample: str, tmp_path: Path) -> None:
    data = load(CONFIGS / "thesis_small.yaml").model_dump()
    for network in data["training"]["networks"]:
        if network["max_steps"] is not None:
            network["early_stopping"]["sample"] = sample
    first, *_ = training_targets(Run(Config.model_validate(data), tmp_path))
    learned = ["Znunu_high_training", "Wtaunu_high_training"]
    watched = ["Znunu_high", "Wtaunu_high"] if sample == "test" else []
    assert [target.name for target in first.upstream] == learned + watched


def test_the_number_of_workers_changes_no_fingerprint(tmp_path: Path) -> None:
    pairs = zip(
        stages_and_runs(tmp_path, workers=1), stages_and_runs(tmp_path, workers=7), strict=True
    )
    for (stage, one), (_, many) in pairs:
        fingerprints = [[t.fingerprint for t in stage.targets(run)] for run in (one, many)]
        assert fingerprints[0] == fingerprints[1]
