"""What is compiled once: the helpers and programs, kept in a folder, and never needed."""

from __future__ import annotations

import ctypes
import dataclasses
import os
import platform
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cpp_helpers import declare, library
from cpp_helpers.toolchain import Toolchain, toolchain
from tests.conftest import REPOSITORY

TEXT = "int answer() { return 42; }\n"

OUTPUT = 'while [ "$1" != -o ]; do shift; done\n'
SUCCEEDS = OUTPUT + ': > "$2"\n'  # a compiler that compiles nothing
FULL = "echo 'as: No space left on device' >&2; exit 1\n"

Compiler = Callable[[str], Path]


@pytest.fixture
def compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Compiler]:
    """Makes a shell script the compiler, and new folders the places for what it makes."""
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "prefix"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()

    def make(script: str) -> Path:
        path = tmp_path / "g++"
        path.write_text(f"#!/bin/sh\n{script}")
        path.chmod(0o755)
        monkeypatch.setenv("CXX", str(path))
        toolchain.cache_clear()
        return path

    yield make
    toolchain.cache_clear()


def tools() -> Toolchain:
    found = toolchain()
    assert found is not None, "no compiler on this machine"
    return found


# --- The helpers ---------------------------------------------------------------------------------


def test_the_library_is_there_after_the_helpers_were_declared() -> None:
    declare()
    first = library.helpers()
    assert first is not None, "the helpers could not be compiled on this machine"
    written = first.stat().st_ino
    assert library.helpers() == first
    assert first.stat().st_ino == written


def test_the_library_has_all_functions_that_python_calls() -> None:
    used = {
        name
        for folder in ("analysis", "cpp_helpers")
        for path in (REPOSITORY / folder).rglob("*.py")
        for name in re.findall(r'\bcalls\.(?:call|text|make)\(\s*"(\w+)"', path.read_text())
    }
    loaded = ctypes.CDLL(str(library.helpers()))
    assert {"run", "open_range", "book_yields"} < used
    assert not [name for name in used if not hasattr(loaded, f"monojet_{name}")]


def test_another_source_is_another_library(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def hashes() -> tuple[str, str]:
        library.hash_of_code.cache_clear()
        return library.hash_of_code(), library.hash_of_code(headers_only=True)

    before = hashes()
    for path in library.DIRECTORY.rglob("*.?xx"):
        copy = tmp_path / path.relative_to(library.DIRECTORY)
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(path.read_bytes())
    monkeypatch.setattr(library, "DIRECTORY", tmp_path)
    assert hashes() == before
    (tmp_path / "rdf" / "another.cxx").touch()
    with_source = hashes()
    assert with_source[0] != before[0]
    assert with_source[1] == before[1]  # programs use headers alone
    with (tmp_path / "imaging" / "grid.hxx").open("a") as header:
        header.write("// changed\n")
    assert not {*hashes()} & {*with_source}
    monkeypatch.undo()
    assert hashes() == before


# --- Compilers -----------------------------------------------------------------------------------


def test_a_compiler_that_fails_is_no_error(compiler: Compiler) -> None:
    compiler("exit 1\n")
    assert library.helpers() is None
    with pytest.raises(library.CompilationError, match=r"g\+\+ failed \(1\)"):
        library.program(TEXT)


def test_no_compiler_is_no_error(compiler: Compiler, monkeypatch: pytest.MonkeyPatch) -> None:
    compiler(SUCCEEDS).unlink()
    monkeypatch.setenv("PATH", "")
    assert toolchain() is None
    assert library.helpers() is None
    assert library.program(TEXT) is None


def test_jit_can_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONOJET_HELPERS", "jit")
    assert library.helpers() is None
    assert library.program(TEXT) is None


def test_what_does_not_compile_is_an_error_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setattr(library, "_precompiled", lambda _: None)  # it takes seconds
    with pytest.raises(library.CompilationError, match="error: .*nonsense"):
        library.program("int answer() { return nonsense; }\n")
    assert not [*(tmp_path / "lib" / "monojet").iterdir()]


def test_a_program_is_compiled_once_and_can_be_called(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setattr(library, "_precompiled", lambda _: None)
    text = f'extern "C" {TEXT}'
    found = library.program(text)
    assert found is not None
    assert found.parent == tmp_path / "lib" / "monojet"
    assert ctypes.CDLL(str(found)).answer() == 42
    written = found.stat().st_ino
    assert library.program(text) == found
    assert found.stat().st_ino == written
    monkeypatch.setattr(library, "_compile", lambda *_: pytest.fail("compiled again"))
    assert library.program(text) == found


# --- Names ---------------------------------------------------------------------------------------


def test_the_name_is_of_text_and_options(compiler: Compiler) -> None:
    compiler(SUCCEEDS)
    made = [
        library.program(*arguments)
        for arguments in ((TEXT,), (f"{TEXT} ",), (TEXT, ["-lm"]), (TEXT, ["-lm"]))
    ]
    assert len({*made}) == 3
    assert made[2] == made[3]


def test_another_root_compiler_or_processor_has_another_name(
    compiler: Compiler, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "ROOT").mkdir()
    (tmp_path / "ROOT" / "RVersion.hxx").write_text("6.40")
    (tmp_path / "libCore.so").write_text("core")
    path = compiler(SUCCEEDS)
    first = Toolchain(path, tmp_path, tmp_path, "c++17")
    keys = [library._key(first)]

    def changed() -> None:
        assert library._key(first) not in keys
        keys.append(library._key(first))

    (tmp_path / "ROOT" / "RVersion.hxx").write_text("6.42")
    changed()
    (tmp_path / "libCore.so").write_text("another core")
    changed()
    compiler(f"{SUCCEEDS}# another\n")
    changed()
    monkeypatch.setattr(platform, "machine", lambda: "another")
    changed()
    for change in (
        {"standard": "c++20"},
        {"compiler": tmp_path / "clang++"},
        {"libraries": tmp_path / "ROOT"},
    ):
        assert library._key(dataclasses.replace(first, **change)) not in keys
    assert library._key(first) == keys[-1]


def test_facts_are_those_of_this_root(root: Any) -> None:
    found = tools()
    assert found.include == Path(str(root.TROOT.GetIncludeDir())).resolve()
    assert found.libraries == Path(str(root.TROOT.GetSharedLibDir())).resolve()
    standard = int(root.gROOT.ProcessLine("__cplusplus;")) // 100 % 100
    assert found.standard == f"c++{standard}"


# --- Places --------------------------------------------------------------------------------------


def test_a_read_only_environment_leaves_the_cache_of_the_user(
    compiler: Compiler, tmp_path: Path
) -> None:
    (tmp_path / "prefix").write_text("not a directory")
    compiler(SUCCEEDS)
    for found in (library.helpers(), library.program(TEXT)):
        assert found is not None
        assert found.parent == tmp_path / "cache" / "monojet"
        assert found.is_file()


def test_without_a_cache_a_private_temporary_folder_is_left(
    compiler: Compiler, tmp_path: Path
) -> None:
    for name in ("prefix", "cache"):
        (tmp_path / name).write_text("not a directory")
    compiler(SUCCEEDS)
    found = library.program(TEXT)
    assert found is not None
    private = found.parent
    assert private == tmp_path / "temporary" / f"monojet-{os.getuid()}"
    assert private.stat().st_mode & 0o777 == 0o700
    private.chmod(0o777)  # others could put a library of theirs there
    assert library.program(TEXT) is None


def test_a_full_disk_is_no_error_and_leaves_nothing(compiler: Compiler, tmp_path: Path) -> None:
    compiler(f'case "$*" in *prefix*) {FULL.strip()};; esac\n{SUCCEEDS}')
    found = library.program(TEXT)
    assert found is not None
    assert found.parent == tmp_path / "cache" / "monojet"
    compiler(FULL)
    assert library.helpers() is None
    assert library.program(TEXT) is None
    kept = {path for path in tmp_path.rglob("*") if "monojet-" in path.name and path.is_file()}
    assert kept == {found}


def test_two_processes_compile_the_same_program_once(compiler: Compiler, tmp_path: Path) -> None:
    log = tmp_path / "log"
    compiler(f'{OUTPUT}echo "$2" >> {log}\nsleep 1\n: > "$2"\n')
    code = f"""
import sys
sys.prefix = {str(tmp_path / "prefix")!r}
from cpp_helpers import library
print(library.program({TEXT!r}))
"""
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    found = {one.communicate()[0].strip() for one in started}
    assert [one.returncode for one in started] == [0, 0]
    (path,) = found
    assert Path(path).is_file()
    made = [Path(line).name for line in log.read_text().split()]
    assert len([name for name in made if name.startswith(".libmonojet-program-")]) == 1
    assert not [*Path(path).parent.glob(".*.lock")]


def test_those_used_least_recently_are_removed_from_a_large_folder(
    compiler: Compiler, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    compiler(f'{OUTPUT}head -c 1000 /dev/zero > "$2"\n')
    monkeypatch.setattr(library, "_precompiled", lambda _: None)
    monkeypatch.setattr(library, "LARGEST_CACHE", 3000)
    made = [library.program(f"int i = {i};") for i in range(3)]
    paths = [path for path in made if path is not None]
    assert len(paths) == 3
    other = paths[0].with_name("sources.json")
    other.write_text(" " * 5000)
    for age, path in zip((300, 200, 100), paths, strict=True):
        now = path.stat().st_mtime
        os.utime(path, (now - age, now - age))
    assert library.program("int i = 0;") == paths[0]  # used again: no longer the oldest
    newest = library.program("int i = 3;")
    assert newest is not None
    assert {*paths[0].parent.iterdir()} == {paths[0], paths[2], newest, other}


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
