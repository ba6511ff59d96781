from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from analysis import pipeline
from analysis.config import CONFIGS, Config, load
from analysis.pipeline import Done, Run, Stage, Target
from analysis.stages import STAGES, training_targets


def target(tmp_path: Path, **changes: object) -> Target:
    base = Target(
        "stage", "name", tmp_path / "out.txt", settings={"a": 1}, code=("selections/*.py",)
    )
    return dataclasses.replace(base, **changes)  # type: ignore[arg-type]


def make(one: Target) -> None:
    one.output.write_text("made")
    one.write_manifest(0.1)


def test_a_target_is_missing_then_current_then_stale(tmp_path: Path) -> None:
    one = target(tmp_path)
    assert one.state() == "missing"
    make(one)
    assert one.state() == "current"
    one.output.write_text("shorter or longer")
    assert one.state() == "stale"


def test_settings_code_and_inputs_change_the_fingerprint(tmp_path: Path) -> None:
    external = tmp_path / "input"
    external.write_text("x")
    base = target(tmp_path)
    upstream = target(tmp_path, name="upstream")
    different = [
        target(tmp_path, settings={"a": 2}),
        target(tmp_path, code=("analysis/*.py",)),
        target(tmp_path, made_from=(upstream,)),
        target(tmp_path, made_from=(target(tmp_path, name="upstream", settings=3),)),
        target(tmp_path, external=(str(external),)),
    ]
    fingerprints = {base.fingerprint, *(t.fingerprint for t in different)}
    assert len(fingerprints) == 1 + len(different)
    assert target(tmp_path).fingerprint == base.fingerprint


def test_an_output_without_manifest_is_stale(tmp_path: Path) -> None:
    one = target(tmp_path)
    make(one)
    one.manifest.unlink()
    assert one.state() == "stale"
    make(one)
    one.manifest.write_text("{")
    assert one.state() == "stale"


@pytest.fixture
def counting_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    def make_all(run: Run, targets: Sequence[Target], done: Done) -> None:
        for one in targets:
            one.output.write_text("made")
            done(one)

    monkeypatch.setattr(pipeline, "counting_stage_function", make_all, raising=False)

    def targets(run: Run) -> list[Target]:
        return [target(tmp_path), target(tmp_path, name="b", output=tmp_path / "b.txt")]

    return Stage("s", "", "", "", "analysis.pipeline", "counting_stage_function", (), (), targets)


def test_only_what_is_not_current_is_made(
    tmp_path: Path, counting_stage: Stage, tiny_config: Config
) -> None:
    run = Run(tiny_config, tmp_path)
    pipeline.execute([counting_stage], run, (), lambda *_: None)
    assert pipeline.to_make(counting_stage, run, force=False) == []
    (tmp_path / "b.txt").unlink()
    assert [t.name for t in pipeline.to_make(counting_stage, run, force=False)] == ["b"]
    assert len(pipeline.to_make(counting_stage, run, force=True)) == 2


def test_needs_are_put_in_the_order_of_the_data() -> None:
    names = [stage.name for stage in pipeline.with_needs(["training"], STAGES, {"training"})]
    assert names == ["validate", "generate", "convert", "imaging", "training"]


def test_what_is_not_configured_is_not_needed(counting_stage: Stage) -> None:
    optional = dataclasses.replace(counting_stage, name="optional", study="denoising")
    figures = dataclasses.replace(
        counting_stage, name="figures", study="anomaly", needs=("s", "optional")
    )
    stages = (counting_stage, optional, figures)
    for studies, names in (
        (["anomaly"], ["s", "figures"]),
        (["anomaly", "denoising"], ["s", "optional", "figures"]),
    ):
        assert [s.name for s in pipeline.with_needs(["figures"], stages, studies)] == names


def stages_and_runs(folder: Path, workers: int = 1) -> Iterator[tuple[Stage, Run]]:
    """All stages, each with a run that has its study."""
    for name in ("tiny", "anomaly_tiny"):
        run = Run(load(CONFIGS / f"{name}.yaml"), folder, workers)
        for stage in STAGES:
            if stage.study is None or stage.study in run.config.studies:
                yield stage, run


def test_every_stage_belongs_to_a_study_that_is_tried(tmp_path: Path) -> None:
    assert {stage.name for stage, _ in stages_and_runs(tmp_path)} == {s.name for s in STAGES}


def test_the_code_of_every_target_exists(tmp_path: Path) -> None:
    for stage, run in stages_and_runs(tmp_path):
        for one in stage.targets(run):
            for pattern in one.code:
                assert list(pipeline.ROOT_DIRECTORY.glob(pattern)), f"{stage.name}: {pattern}"


def test_a_seed_reaches_every_sample_and_image(tiny_config: Config, tmp_path: Path) -> None:
    other = tiny_config.model_copy(update={"seed": 8})
    for stage in STAGES[1:3]:
        before = [t.fingerprint for t in stage.targets(Run(tiny_config, tmp_path))]
        after = [t.fingerprint for t in stage.targets(Run(other, tmp_path))]
        assert not set(before) & set(after)


@pytest.mark.parametrize("sample", ["validation", "test"])
def test_a_training_that_watches_the_test_is_made_from_it(sample: str, tmp_path: Path) -> None:
    data = load(CONFIGS / "thesis_small.yaml").model_dump()
    for network in data["training"]["networks"]:
        network["watch"]["sample"] = sample
    first, *_ = training_targets(Run(Config.model_validate(data), tmp_path))
    learned = ["Znunu_high_training", "Wtaunu_high_training"]
    watched = ["Znunu_high", "Wtaunu_high"] if sample == "test" else []
    assert [target.name for target in first.made_from] == learned + watched


def test_the_number_of_workers_changes_no_recipe(tmp_path: Path) -> None:
    pairs = zip(
        stages_and_runs(tmp_path, workers=1), stages_and_runs(tmp_path, workers=7), strict=True
    )
    for (stage, one), (_, many) in pairs:
        fingerprints = [[t.fingerprint for t in stage.targets(run)] for run in (one, many)]
        assert fingerprints[0] == fingerprints[1]
