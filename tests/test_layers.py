"""Continuous integration refuses an import that breaks a layer, or closes a circle."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

ROOMS = ("analysis", "common", "cpp_helpers", "plots", "selections", "training")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("tree")
    for room in ROOMS:
        shutil.copytree(
            REPOSITORY / room, copy / room, ignore=shutil.ignore_patterns("__pycache__")
        )
    shutil.copy(REPOSITORY / "pyproject.toml", copy)
    return copy


def lint(tree: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    return subprocess.run(
        command, cwd=tree, env={"PYTHONPATH": str(tree), "PATH": ""}, capture_output=True, text=True
    )


@pytest.mark.slow
def test_layers_are_kept(tree: Path) -> None:
    done = lint(tree)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "imported", "said"),
    [
        ("common/tables.py", "analysis.frames", "common.tables -> analysis.frames (l.{line})"),
        ("analysis/config/batch.py", "analysis.config.study", "analysis.config"),
        ("training/data/pools.py", "ROOT", "training.data.pools -> ROOT (l.{line})"),
    ],
)
def test_an_import_that_breaks_them_is_named(
    module: str, imported: str, said: str, tree: Path
) -> None:
    path = tree / module
    text = path.read_text()
    path.write_text(f"{text}\nimport {imported}\n")
    try:
        done = lint(tree)
    finally:
        path.write_text(text)
    assert done.returncode != 0
    assert said.format(line=len(text.splitlines()) + 2) in done.stdout
