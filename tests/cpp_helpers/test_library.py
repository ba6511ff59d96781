"""The compiled helpers: made once, and never needed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cpp_helpers import declare, library
from tests.conftest import REPOSITORY


def test_the_library_is_there_after_the_helpers_were_declared(root: Any) -> None:
    declare()
    first = library.compiled(root)
    assert first is not None, "the helpers could not be compiled on this machine"
    written = first.stat().st_mtime_ns
    assert library.compiled(root) == first
    assert first.stat().st_mtime_ns == written


def test_a_compiler_that_fails_is_no_error(root: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "false")
    assert library.compiled(root) is None


def test_jit_can_be_asked_for(root: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONOJET_HELPERS", "jit")
    assert library.compiled(root) is None


def test_a_read_only_environment_leaves_the_cache_of_the_user(
    root: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "prefix").write_text("not a directory")
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "prefix"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    # a compiler that compiles nothing but succeeds is enough here
    fake = tmp_path / "g++"
    fake.write_text('#!/bin/sh\nwhile [ "$1" != -o ]; do shift; done\n: > "$2"\n')
    fake.chmod(0o755)
    monkeypatch.setenv("CXX", str(fake))
    found = library.compiled(root)
    assert found is not None
    assert found.parent == tmp_path / "cache" / "monojet"
    assert found.is_file()


def test_another_source_is_another_library(
    root: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    key = library._key(root, sys.executable)
    for path in library.DIRECTORY.rglob("*.?xx"):
        copy = tmp_path / path.relative_to(library.DIRECTORY)
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(path.read_bytes())
    monkeypatch.setattr(library, "DIRECTORY", tmp_path)
    assert library._key(root, sys.executable) == key
    with (tmp_path / "imaging" / "grid.hxx").open("a") as header:
        header.write("// changed\n")
    changed = library._key(root, sys.executable)
    assert changed != key
    (tmp_path / "rdf" / "another.cxx").touch()
    assert library._key(root, sys.executable) not in (key, changed)


def test_each_source_has_a_header(root: Any) -> None:
    assert library.sources()
    for source in library.sources():
        assert (library.DIRECTORY / source).with_suffix(".hxx").is_file(), source


@pytest.mark.slow
def test_without_the_library_the_images_are_the_same(tmp_path: Path, write_events: Any) -> None:
    path = write_events(n_events=200)
    command = [sys.executable, str(REPOSITORY / "run_analysis.py"), "--stage", "imaging"]
    command += ["--input", str(path), "--process", "Znunu", "--workers", "1", "-q"]
    found = []
    for helpers in ("jit", "library"):
        output = tmp_path / helpers
        subprocess.run(
            [*command, "--output", str(output)],
            check=True,
            capture_output=True,
            env=os.environ | {"MONOJET_HELPERS": helpers},
        )
        found.append((output / "images" / "Znunu.h5").read_bytes())
    assert found[0] == found[1]
