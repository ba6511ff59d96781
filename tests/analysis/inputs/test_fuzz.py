"""Damaged files end in an error of one line, or in numbers of all events."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.fuzz_inputs import FAILURES
from tests.conftest import REPOSITORY


@pytest.mark.slow
@pytest.mark.parametrize("name", ["native", "delphes"])
def test_damaged_files(name: str, tmp_path: Path) -> None:
    command = ["-m", "benchmarks.fuzz_inputs", "--limit", "30", "--files", "22", "--format"]
    output = tmp_path / "found.json"
    subprocess.run([sys.executable, *command, name, "--output", output], cwd=REPOSITORY, check=True)
    results = [outcome["result"] for outcome in json.loads(output.read_text())]
    assert len(results) == 22
    assert not {*FAILURES, "damage failed"} & set(results)
    assert {"error", "changed"} <= set(results)
