"""Damaged files end in an error of one line, or in numbers of all events."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

FAILURES = {"other exception", "silent zero", "fewer events", "hang", "damage failed"}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["native", "delphes"])
def test_damaged_files(name: str, tmp_path: Path) -> None:
    command = ["-m", "benchmarks.fuzz_inputs", "--limit", "30", "--files", "22", "--format"]
    output = tmp_path / "found.json"
    subprocess.run([sys.executable, *command, name, "--output", output], cwd=REPOSITORY, check=True)
    results = [outcome["result"] for outcome in json.loads(output.read_text())]
    assert len(results) == 22
    assert not FAILURES & set(results)
    assert {"error", "changed"} <= set(results)
