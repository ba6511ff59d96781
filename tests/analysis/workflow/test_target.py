from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from analysis.workflow import source_code
from analysis.workflow.target import OLDER, Target


def target(tmp_path: Path, **changes: Any) -> Target:
    base = Target("stage", "name", tmp_path / "out.txt", ("selections.cuts",), settings={"a": 1})
    return dataclasses.replace(base, **changes)


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
    given = tmp_path / "input"
    given.write_text("x")
    base = target(tmp_path)
    upstream = target(tmp_path, name="upstream")
    different = [
        target(tmp_path, settings={"a": 2}),
        target(tmp_path, modules=("common.tasks",)),
        target(tmp_path, upstream=(upstream,)),
        target(tmp_path, upstream=(target(tmp_path, name="upstream", settings=3),)),
        target(tmp_path, input_files=(str(given),)),
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
    monkeypatch.setattr(source_code, "REPOSITORY", tmp_path)
    source_code.forget()
    (tmp_path / "code.py").write_text("pass")
    files = [tmp_path / "first", tmp_path / "second"]
    for file in files:
        file.write_text("x")
    settings = {"imaging": {"threshold": 20.0, "region": None}, "seed": 7, "sizes": [1, 2]}
    upstream = target(tmp_path, name="upstream", modules=())
    base = target(
        tmp_path,
        settings=settings,
        input_files=(str(files[0]),),
        upstream=(upstream,),
        modules=("code",),
    )

    def reason(**changes: Any) -> str:
        return dataclasses.replace(base, **changes).reason()

    assert base.reason() == "missing"
    make(base)
    assert base.reason() == "--force"
    assert reason(settings=settings | {"seed": 8}) == "seed: 7 → 8"
    assert (
        reason(settings=settings | {"imaging": {"threshold": 30.0, "region": "SR"}})
        == 'imaging.threshold: 20.0 → 30.0; imaging.region: null → "SR"'
    )
    assert reason(settings=settings | {"sizes": (1, 3)}) == "sizes[1]: 2 → 3"
    assert reason(settings=settings | {"other": {}}) == "other added"
    without = {key: value for key, value in settings.items() if key != "seed"}
    assert reason(settings=without) == "seed removed"
    assert reason(input_files=(str(files[1]),)) == f"{files[0]} removed; {files[1]} added"
    other = dataclasses.replace(upstream, settings=3)
    assert reason(upstream=(other,)) == "stage upstream changed"
    many = {str(n): n for n in range(9)}
    assert reason(settings=settings | many).endswith("; 5 more")
    files[0].write_text("longer")
    assert reason() == f"{files[0]} changed"
    files[0].write_text("x")
    (tmp_path / "code.py").write_text("return")
    source_code.forget()
    assert "code.py changed" in reason()
    base.output.write_text("of another size")
    make(dataclasses.replace(base))
    base.output.write_text("again")
    assert reason() == "its files have changed"
    source_code.forget()


def test_an_output_of_an_older_version_is_stale_and_says_so(tmp_path: Path) -> None:
    one = target(tmp_path)
    make(one)
    record = json.loads(one.manifest.read_text())
    old = {
        **{key: record[key] for key in ("stage", "name", "settings", "outputs")},
        "fingerprint": "other",
        "made_from": {},
        "external": {},
        "code": record["code"],
    }
    one.manifest.write_text(json.dumps(old))
    assert one.state() == "stale"
    assert one.reason() == OLDER
    one.manifest.unlink()
    assert one.reason() == "its manifest is missing or damaged"
