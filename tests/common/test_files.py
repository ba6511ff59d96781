from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from common import files
from common.errors import OutputError


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"

    def write_half() -> None:
        with files.whole(path) as partial:
            partial.write_text("half")
            assert not path.exists()
            raise ValueError("half way")

    with pytest.raises(ValueError, match="half way"):
        write_half()
    assert list(tmp_path.iterdir()) == []
    with files.whole(path) as partial:
        partial.write_text("whole")
    assert path.read_text() == "whole"
    assert list(tmp_path.iterdir()) == [path]


def test_leftovers_of_killed_processes_are_dropped(tmp_path: Path) -> None:
    (tmp_path / "x.root").touch()
    code = (
        "import os, sys, pathlib; from common import files\n"
        f"with files.whole(pathlib.Path({str(tmp_path / 'x.root')!r})) as partial:\n"
        "    partial.touch(); print(partial, flush=True); sys.stdin.read(); os._exit(9)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        partial = Path(process.stdout.readline().strip())
        elsewhere = partial.with_name(f".x.root.another-host.{process.pid}.partial")
        elsewhere.touch()
        files.remove_partials(tmp_path)
        assert partial.exists()  # of a process that lives
        process.communicate("")
    files.remove_partials(tmp_path)
    assert sorted(tmp_path.iterdir()) == [elsewhere, tmp_path / "x.root"]


def test_an_unwritable_place_is_named(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        files.write_text(blocker / "below", "text")
    with pytest.raises(OutputError, match="choose another --output"):
        files.require_writable(blocker / "below")


def test_json_refuses_what_is_not_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        files.write_json(tmp_path / "x.json", {"a": float("nan")})
    assert list(tmp_path.iterdir()) == []
