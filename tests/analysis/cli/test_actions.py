"""What a run says of its configuration."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import Any

import pytest

from analysis.cli.actions import _run_stages
from analysis.cli.configure import Request
from analysis.config import Config
from analysis.workflow.run import Run
from analysis.workflow.run_folder import Origin


def test_a_run_names_processes_that_nothing_is_known_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    unknown: dict[str, Any] = {"process": "abc", "files": ["a.root"]}
    samples = [unknown | {"dataset": "a"}, unknown | {"dataset": "b"}]
    samples.append({"process": "own", "signal": True, "files": ["b.root"]})
    run = Run(Config.model_validate({"name": "my", "samples": samples}), tmp_path)
    options = argparse.Namespace(force=False)
    with caplog.at_level(logging.INFO, "monojet"):
        _run_stages(Request(options, run, Origin("my.yaml", {}), ()), [])
    assert caplog.messages == [
        "process 'abc' is not known: it counts as a background; set 'signal: true' if it is one"
    ]
