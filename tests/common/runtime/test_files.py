from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from common.runtime import files
from common.runtime.errors import OutputError


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


def test_a_run_drops_what_its_killed_workers_have_left(tmp_path: Path) -> None:
    code = (
        "import os, pathlib; from common.runtime import files\n"
        f"with files.written_by({files.WRITER!r}):\n"
        f"    with files.whole(pathlib.Path({str(tmp_path / 'x.root')!r})) as partial:\n"
        "        partial.touch(); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code], check=False)
    assert len(list(tmp_path.glob(".x.root.*.partial"))) == 1
    files.remove_partials(tmp_path, "y.root")
    assert len(list(tmp_path.iterdir())) == 1
    files.remove_partials(tmp_path, "x.root")
    assert list(tmp_path.iterdir()) == []


def test_what_others_write_is_kept_for_a_day(tmp_path: Path) -> None:
    """Others: on another machine, or in a container where this process has their number."""
    code = (
        "import os, pathlib; from common.runtime import files\n"
        f"with files.whole(pathlib.Path({str(tmp_path / 'x.root')!r})) as partial:\n"
        "    partial.touch(); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code], check=False)
    (other,) = tmp_path.iterdir()
    older = tmp_path / ".x.root.host.1234.partial"  # as they were named before
    older.touch()
    files.remove_partials(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([older, other])
    for path in (older, other):
        os.utime(path, (time.time() - 90_000,) * 2)
    files.remove_partials(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_lock_file_that_was_removed_keeps_nobody_out(tmp_path: Path) -> None:
    """Or one run would hold that file, and the next a new one, at the same time."""
    with files.locked(tmp_path):
        (tmp_path / ".lock").unlink()  # as its holder does in the end
        with files.locked(tmp_path), pytest.raises(OutputError, match="another run"):
            files.locked(tmp_path).__enter__()


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
