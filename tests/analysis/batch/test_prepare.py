"""What a stage compiles before its jobs start is all that they need."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from analysis.batch.plan import Plan
from analysis.batch.submit import prepare
from analysis.workflow.registry import partitioned_stage
from analysis.workflow.run import Run
from cpp_helpers import library
from tests.conftest import WriteEvents


@pytest.mark.slow
@pytest.mark.parametrize("name", ["imaging", "cutflow"])
def test_jobs_find_what_is_compiled_when_they_are_submitted(
    name: str,
    write_events: WriteEvents,
    run_of: Callable[..., Run],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = run_of(Znunu=[write_events()])
    training = run.config.training.model_copy(update={"networks": ()})
    run = replace(run, config=run.config.model_copy(update={"training": training}))
    stage = partitioned_stage(name)
    plans = [Plan(stage, run, target) for target in stage.targets(run)]
    compiled: list[str] = []
    compile_text = library._compile

    def recorded(tools: Any, text: str, output: Path, *rest: Any, **named: Any) -> None:
        compiled.append(text)
        compile_text(tools, text, output, *rest, **named)

    monkeypatch.setattr(library, "_compile", recorded)
    # No earlier test has made it: the libraries of programs lie in a folder of their own.
    places = [tmp_path / "libraries"]
    helpers = library.helpers()
    monkeypatch.setattr(library, "helpers", lambda: helpers)
    monkeypatch.setattr(library, "_places", lambda: iter(places))
    prepare(stage, run, plans)
    assert compiled
    compiled.clear()
    (task, *_) = plans[0]
    assert stage.work().make_part(run, task, tmp_path / f"part{stage.work().suffix}") == 20
    assert not compiled
