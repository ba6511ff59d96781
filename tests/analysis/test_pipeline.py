from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from analysis import pipeline
from analysis.config import CONFIGS, Config, Sample, load
from analysis.pipeline import Done, Run, Stage, Target
from analysis.stages import STAGES, training_targets
from tests.conftest import REPOSITORY


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


def test_what_has_changed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "ROOT_DIRECTORY", tmp_path)
    (tmp_path / "code.py").write_text("pass")
    files = [tmp_path / "first", tmp_path / "second"]
    for file in files:
        file.write_text("x")
    settings = {"imaging": {"threshold": 20.0, "select": None}, "seed": 7, "sizes": [1, 2]}
    upstream = target(tmp_path, name="upstream", code=())
    base = target(
        tmp_path,
        settings=settings,
        external=(str(files[0]),),
        made_from=(upstream,),
        code=("*.py",),
    )

    def reason(**changes: object) -> str:
        return dataclasses.replace(base, **changes).reason()  # type: ignore[arg-type]

    assert base.reason() == "not there yet"
    make(base)
    assert base.reason() == "--force"
    assert reason(settings=settings | {"seed": 8}) == "seed: 7 → 8"
    assert (
        reason(settings=settings | {"imaging": {"threshold": 30.0, "select": "SR"}})
        == 'imaging.threshold: 20.0 → 30.0; imaging.select: null → "SR"'
    )
    assert reason(settings=settings | {"sizes": (1, 3)}) == "sizes[1]: 2 → 3"
    assert reason(settings=settings | {"other": {}}) == "with other"
    without = {key: value for key, value in settings.items() if key != "seed"}
    assert reason(settings=without) == "without seed"
    assert reason(external=(str(files[1]),)) == f"without {files[0]}; with {files[1]}"
    other = dataclasses.replace(upstream, settings=3)
    assert reason(made_from=(other,)) == "stage upstream is another"
    many = {str(n): n for n in range(9)}
    assert reason(settings=settings | many).endswith("; 5 more")
    files[0].write_text("longer")
    assert reason() == f"{files[0]} changed"
    files[0].write_text("x")
    (tmp_path / "code.py").write_text("return")
    pipeline.hash_of_code.cache_clear()
    pipeline._hash_of_source.cache_clear()
    assert "code.py changed" in reason()
    base.output.write_text("of another size")
    make(dataclasses.replace(base))
    base.output.write_text("again")
    assert reason() == "its files are not those that were made"


def test_a_record_of_before_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    one = target(tmp_path)
    one.output.write_text("made")
    old = {"fingerprint": "other", "settings": {"a": 1}, "made_from": [], "external": []}
    one.manifest.write_text(json.dumps(old))
    assert one.reason() == "changed: its record does not say how"
    one.manifest.write_text(json.dumps(old | {"settings": {"a": 2}}))
    assert one.reason() == "a: 2 → 1"
    one.manifest.unlink()
    assert one.reason() == "no record of how it was made"


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


def test_what_escapes_reaches_every_target(tmp_path: Path) -> None:
    """Also of a stage that reads the user's files, by its own settings."""
    for stage, run in stages_and_runs(tmp_path):
        samples = tuple(
            Sample(process=s.process, slice=s.slice, role=s.role, files=(f"{s.name}.root",))
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


def test_root_goes_by_its_own_version_without_being_imported(root: Any) -> None:
    code = (
        "import sys\nfrom analysis.pipeline import versions\nprint(versions()['root'])\n"
        "assert 'ROOT' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == root.gROOT.GetVersion()
