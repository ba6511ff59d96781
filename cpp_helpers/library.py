"""C++ that is compiled once to shared libraries, which later processes load.

The helpers with a source file (``*.cxx``) are one library; each program of an event loop (see
`analysis.rdf.program`) is another. They are kept beside the Python environment or, if that is not
writable, in the user's cache or a private folder of the system's temporary one. The name of a
library is a hash of its sources, ROOT, the compiler, its options and the processor, so that one
made for others is never loaded. Processes that want the same library at once make it once.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import logging
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from common.runtime import files
from common.runtime.errors import OutputError
from cpp_helpers.toolchain import Toolchain, toolchain

log = logging.getLogger("monojet")

DIRECTORY = Path(__file__).parent
LARGEST_CACHE = 10**9
"""Bytes of libraries in a folder, above which those used least recently are removed."""

_LINKED = (
    *("Core", "RIO", "Tree", "TreePlayer", "ROOTNTuple", "ROOTDataFrame", "ROOTVecOps"),
    *("EG", "Hist", "Imt"),
)
_HELPERS = "helpers (a minute)"
_SUFFIXES = (".so", ".gch")


class CompilationError(Exception):
    """The compiler refuses the code; the text is what it says."""


def sources() -> list[str]:
    """Return the source files, relative to `DIRECTORY`."""
    return sorted(str(path.relative_to(DIRECTORY)) for path in DIRECTORY.rglob("*.cxx"))


def helpers() -> Path | None:
    """Return the library of the helpers; compile it if it is missing.

    Return None without a compiler or a place to keep it, or with ``MONOJET_HELPERS=jit``.
    """
    tools = _tools()
    if tools is None:
        return None
    text = "".join(f'#include "{source}"\n' for source in sources())
    # programs use libraries that the helpers themselves do not
    linked = ["-Wl,--no-as-needed", f"-L{tools.libraries}", f"-Wl,-rpath,{tools.libraries}"]
    linked += [f"-l{name}" for name in _LINKED if (tools.libraries / f"lib{name}.so").is_file()]
    name = f"libmonojet-{_key(tools, hash_of_code())}.so"
    try:
        return _made(name, lambda path: _compile(tools, text, path, ["-shared"], linked), _HELPERS)
    except CompilationError as error:
        log.debug("the C++ helpers were not compiled to a library:\n%s", error)
        return None


def program(text: str, options: Sequence[str] = ()) -> Path | None:
    """Return the library of a program; compile it if it is missing, with further options of the
    compiler.

    Return None without a compiler or a place to keep it, or with ``MONOJET_HELPERS=jit``.

    Raises:
        CompilationError: it does not compile.
    """
    tools = _tools()
    if tools is None:
        return None
    name = f"libmonojet-program-{_key(tools, hash_of_code(headers_only=True), text, *options)}.so"

    def make(path: Path) -> None:
        header = _precompiled(tools)
        first = [*(("-include", str(header)) if header else ()), "-shared"]
        first += [one for one in options if one.startswith("-I")]
        _compile(tools, text, path, first, [one for one in options if not one.startswith("-I")])

    return _made(name, make, "columns (some seconds)")


def problem_of(text: str) -> str | None:
    """Return what the compiler says about code that does not compile; empty if it does.

    Return None without a compiler or with ``MONOJET_HELPERS=jit``.
    """
    tools = _tools()
    if tools is None:
        return None
    header = _precompiled(tools)
    options = [*(("-include", str(header)) if header else ()), "-S"]
    with tempfile.TemporaryDirectory() as folder:
        try:
            _compile(tools, text, Path(folder) / "checked.s", options)
        except CompilationError as error:
            return str(error)
    return ""


COMMON_HEADER = "rdf/program.hxx"
"""What every program includes; it is compiled once, too."""


def _precompiled(tools: Toolchain) -> Path | None:
    """Return a header that includes that of all programs and lies beside its compiled form (for
    GCC); None if that cannot be made."""
    if "g++" not in tools.compiler.resolve().name:
        return None
    name = f"program-{_key(tools, hash_of_code(headers_only=True))}.hxx"

    def make(path: Path) -> None:
        header = path.with_name(name)
        files.write_text(header, f'#include "{COMMON_HEADER}"\n')
        _compile(tools, str(header), path, (), language="c++-header")

    try:
        made = _made(f"{name}.gch", make, "headers (some seconds)")
    except CompilationError as error:
        log.debug("the C++ headers were not compiled:\n%s", error)
        return None
    return made.with_suffix("") if made else None


def _tools() -> Toolchain | None:
    return None if os.environ.get("MONOJET_HELPERS") == "jit" else toolchain()


@functools.cache
def hash_of_code(*, headers_only: bool = False) -> str:
    """Return a hash of all helpers."""
    found = hashlib.sha256()
    others = () if headers_only else DIRECTORY.rglob("*.cxx")
    for path in sorted((*DIRECTORY.rglob("*.hxx"), *others)):
        found.update(str(path.relative_to(DIRECTORY)).encode() + b"\0" + path.read_bytes())
    return found.hexdigest()


def _key(tools: Toolchain, *texts: str) -> str:
    found = hashlib.sha256()
    for text in (*tools.facts(), *texts):
        found.update(f"{text}\0".encode())
    return found.hexdigest()[:16]


def _places() -> Iterator[Path]:
    yield from files.cache_folders()
    private = Path(tempfile.gettempdir()) / f"monojet-{os.getuid()}"
    with contextlib.suppress(OSError):
        private.mkdir(mode=0o700, exist_ok=True)
        about = private.lstat()
        if about.st_uid == os.getuid() and not about.st_mode & 0o077 and not private.is_symlink():
            yield private


def _made(name: str, make: Callable[[Path], None], what: str) -> Path | None:
    """Return a file of this name from one of the places, or made in the first that is writable;
    None if none is.

    Raises:
        CompilationError: it does not compile.
    """
    for place in _places():
        if (place / name).is_file():
            with contextlib.suppress(OSError):
                os.utime(place / name)  # the time of the last use
            return place / name
    for place in _places():
        try:
            with _lock(place, name):
                if not (place / name).is_file():
                    log.info("compiling, once, the C++ of the %s", what)
                    with files.whole(place / name) as partial:
                        make(partial)
                    _remove_oldest(place, name)
        except OutputError as error:
            log.debug("%s", error)
            continue  # a read-only environment, or a full disk: try the next place
        return place / name
    return None


@contextlib.contextmanager
def _lock(place: Path, name: str) -> Iterator[None]:
    """Let one process make a file; others wait. Where the file system has no locks, each makes it
    under a name of its own, and the last one stays."""
    path = place / f".{name}.lock"
    try:
        place.mkdir(parents=True, exist_ok=True)
        file = path.open("a")
    except OSError as error:
        raise OutputError(f"{path}: cannot write: {error.strerror}") from error
    with file:
        with contextlib.suppress(OSError):
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                log.info("another process compiles the same C++; waiting for it")
                fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)


def _remove_oldest(place: Path, kept: str) -> None:
    """Remove the libraries used least recently while all of a folder are too large."""
    found = []
    for path in place.iterdir():
        if path.suffix in _SUFFIXES and not path.name.startswith("."):
            with contextlib.suppress(OSError):
                about = path.stat()
                found.append((about.st_mtime, about.st_size, path))
    total = sum(size for _, size, _ in found)
    for _, size, path in sorted(found):
        if total <= LARGEST_CACHE:
            break
        if path.name != kept:
            with contextlib.suppress(OSError):
                path.unlink()
                total -= size


def _compile(
    tools: Toolchain,
    text: str,
    output: Path,
    options: Sequence[str],
    last: Sequence[str] = (),
    language: str = "c++",
) -> None:
    """Compile a text as one unit, so that ROOT's headers are parsed once; or, as GCC reads these
    from files only, a header by its path.

    Raises:
        CompilationError: it does not compile.
        OutputError: the disk is full.
    """
    command = [str(tools.compiler), *tools.options, f"-I{DIRECTORY}", "-fmax-errors=1"]
    command += ["-fdiagnostics-color=never", "-fno-diagnostics-show-caret", *options]
    from_text = language == "c++"
    command += ["-x", language, "-" if from_text else text, "-o", str(output), "-x", "none", *last]
    done = subprocess.run(  # noqa: S603
        command,
        input=text if from_text else "",
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | {"LC_ALL": "C"},
    )
    if done.returncode == 0 and output.is_file():
        return
    if "No space left on device" in done.stderr or "Disk quota exceeded" in done.stderr:
        raise OutputError(f"{output}: cannot write: the disk is full")
    raise CompilationError(done.stderr or f"{tools.compiler} failed ({done.returncode})")
