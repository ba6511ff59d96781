"""An output folder made by an older version of this program."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path
from typing import Any

import pytest

from analysis.batch.plan import read_plan
from analysis.cli.main import main
from analysis.config import load
from analysis.workflow.run import Run
from analysis.workflow.target import LAYOUT, OLDER
from common.runtime.errors import BatchError
from tests.conftest import TINY, make_events
from training.classifier.training_stage import training_targets

RENAMED = {"input_files": "external", "upstream": "made_from", "outputs": "files"}
OLD_PART = "Znunu.0123456789abcdef0123.h5"


def age_manifest(path: Path) -> None:
    """Change a manifest to that of an older version: without layout, with other keys."""
    record = json.loads(path.read_text())
    del record["layout"]
    old = {RENAMED.get(key, key): value for key, value in record.items()}
    path.write_text(json.dumps(old | {"fingerprint": "0" * 64}))


def age_record(path: Path) -> None:
    """Change run.json to that of an older version, with keys of settings that were renamed."""
    record = json.loads(path.read_text())
    imaging = record["settings"]["imaging"]
    imaging["select"] = imaging.pop("region")
    path.write_text(json.dumps(record))


@pytest.fixture(scope="module")
def folder(root: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A configuration, and in ``run`` the outputs of a finished imaging."""
    folder = tmp_path_factory.mktemp("older")
    events = make_events(root, folder / "events.root", n_events=50)
    data = {
        "name": "c",
        "samples": [{"process": "Znunu", "files": [str(events)]}],
        "training": {"networks": [{"network": "strides"}]},
    }
    (folder / "c.yaml").write_text(json.dumps(data))  # which is YAML, too
    assert main([*options(folder, folder / "run"), "-q"]) == 0
    return folder


def options(folder: Path, output: Path) -> list[str]:
    config = str(folder / "c.yaml")
    return ["--config", config, "--stage", "imaging", "--workers", "1", "--output", str(output)]


@pytest.fixture
def older(folder: Path, tmp_path: Path) -> Path:
    """The outputs, a part and a plan as an older version left them."""
    output = tmp_path / "run"
    shutil.copytree(folder / "run", output)
    for path in output.rglob("*.manifest.json"):
        age_manifest(path)
    age_record(output / "run.json")
    part = output / "parts" / "imaging" / OLD_PART
    part.parent.mkdir(parents=True)
    part.write_bytes(b"a part with other attributes")
    plan = output / "submit" / "imaging" / "plan.jsonl"
    plan.parent.mkdir(parents=True)
    head = {"code": {}, "targets": {"0": "1"}, "task_size": 10}
    task = {"range": {"sample": "Znunu", "file": "a.root"}, "identity": "0", "recipe": "0"}
    plan.write_text(f"{json.dumps(head)}\n{json.dumps(task)}\n")
    return output


@pytest.fixture
def arguments(folder: Path, older: Path) -> list[str]:
    return options(folder, older)


def test_its_outputs_are_remade_and_nothing_is_mixed(
    older: Path, arguments: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    images = older / "images" / "Znunu.h5"
    expected = images.read_bytes()
    images.write_bytes(b"with other attributes")
    caplog.set_level(logging.INFO, "monojet")
    assert main(arguments) == 0
    assert f"imaging: Znunu ({OLDER})" in caplog.messages
    assert any("ignoring 1 existing parts" in message for message in caplog.messages)
    assert images.read_bytes() == expected
    assert not (older / "parts").exists()
    for path in older.rglob("*.manifest.json"):
        assert json.loads(path.read_text())["layout"] == LAYOUT
    assert "region" in json.loads((older / "run.json").read_text())["settings"]["imaging"]
    caplog.clear()
    assert main(arguments) == 0
    assert "imaging: up to date" in caplog.messages


@pytest.mark.parametrize("option", ["--list", "--dry-run"])
def test_it_is_named_before_anything_runs(
    option: str, older: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, option]) == 0
    assert OLDER in capsys.readouterr().out
    assert (older / "parts" / "imaging" / OLD_PART).exists()


def test_its_parts_are_not_merged(
    older: Path, arguments: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    assert main([*arguments, "--gather"]) == 2
    (error,) = (record.message for record in caplog.records if record.levelno == logging.ERROR)
    assert f"{OLD_PART}: foreign part" in error
    assert (older / "parts" / "imaging" / OLD_PART).exists()


def test_its_plan_is_to_be_submitted_again(
    older: Path, arguments: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    plan = older / "submit" / "imaging" / "plan.jsonl"
    with pytest.raises(BatchError, match=f"plan.jsonl: {OLDER}: submit again"):
        read_plan(plan)
    assert main([*arguments, "--shard", "0/1", "--plan", str(plan)]) == 2
    assert f"{plan}: {OLDER}: submit again" in caplog.text


def test_another_run_is_refused_all_the_same(
    older: Path, arguments: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    record = json.loads((older / "run.json").read_text())
    (older / "run.json").write_text(json.dumps(record | {"file": "other.yaml"}))
    assert main(arguments) == 2
    assert f"{older}: holds another run (other.yaml), not this one (c.yaml)" in caplog.text


def test_its_networks_are_refused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = Run(load(TINY), tmp_path / "older")
    for target in training_targets(run):
        target.output.parent.mkdir(parents=True)
        target.output.write_text("{}")
        target.write_manifest(1.0)
        age_manifest(target.manifest)
    arguments = ["--config", str(TINY), "--input", str(tmp_path / "a.root"), "--process", "Znunu"]
    arguments += ["--models", str(run.output), "--output", str(tmp_path / "new")]
    assert main([*arguments, "--stage", "scoring"]) == 2
    (error,) = (record.message for record in caplog.records if record.levelno == logging.ERROR)
    assert "an older version of this program trained this network: train it again" in error
    assert not (tmp_path / "new").exists()
