"""The helpers that instantiate RDataFrame, compiled once to a shared library.

cling needs seconds in every process to compile the source files (``*.cxx``). The C++ compiler,
which cling needs anyway, compiles them once. The library is kept beside the Python environment (or
in the user's cache); its name is a hash of the sources, ROOT and the compiler. If it cannot be
made, cling compiles the same sources.
"""

from __future__ import annotations

import hashlib
import logging
import os
import platform
import shutil
import subprocess
from pathlib import Path
from typing import Any

from common.runtime import files
from common.runtime.errors import OutputError

log = logging.getLogger("monojet")

DIRECTORY = Path(__file__).parent
_OPTIONS: tuple[str, ...] = ("-O3", "-shared", "-fPIC", "-ffp-contract=off")
if platform.machine() == "x86_64":
    _OPTIONS += (
        "-march=x86-64-v2",
        "-mtune=haswell",
    )  # any such processor since 2009; changes no result


def sources() -> list[str]:
    """Return the source files, relative to `DIRECTORY`; the header of each has the same stem."""
    return sorted(str(path.relative_to(DIRECTORY)) for path in DIRECTORY.rglob("*.cxx"))


def compiled(root: Any) -> Path | None:
    """Return the library for these sources and this ROOT; compile it if it is missing.

    Return None without a compiler or a place to keep the library, or with ``MONOJET_HELPERS=jit``.
    """
    compiler = shutil.which(os.environ.get("CXX", "g++")) or shutil.which("c++")
    if compiler is None or os.environ.get("MONOJET_HELPERS") == "jit":
        return None
    name = f"libmonojet-{_key(root, compiler)}.so"
    places = list(files.cache_folders())
    for place in places:
        if (place / name).is_file():
            return place / name
    for place in places:
        try:
            with files.whole(place / name) as partial:
                _compile(root, compiler, partial)
        except OutputError:
            continue  # a read-only environment: try the next place
        except subprocess.CalledProcessError as error:
            log.debug("the C++ helpers were not compiled to a library:\n%s", error.stderr)
            return None
        return place / name
    return None


def _standard(root: Any) -> str:
    """Return the C++ standard of this ROOT, as in ``-std=c++17``."""
    return f"c++{int(root.gROOT.ProcessLine('__cplusplus;')) // 100 % 100}"


def _key(root: Any, compiler: str) -> str:
    """Return a hash of the sources, ROOT and the compiler."""
    found = hashlib.sha256()
    for path in sorted((*DIRECTORY.rglob("*.hxx"), *DIRECTORY.rglob("*.cxx"))):
        found.update(str(path.relative_to(DIRECTORY)).encode() + b"\0" + path.read_bytes())
    real = Path(compiler).resolve()
    include = root.TROOT.GetIncludeDir()
    for fact in (root.__version__, include, real, real.stat().st_size, *_OPTIONS):
        found.update(f"\0{fact}".encode())
    return found.hexdigest()[:16]


def _compile(root: Any, compiler: str, output: Path) -> None:
    """Compile all sources as one unit, so that ROOT's headers are parsed once."""
    log.info("compiling the C++ helpers, once for this environment (about 12 s)")
    include = str(root.TROOT.GetIncludeDir())
    command = [compiler, *_OPTIONS, f"-std={_standard(root)}", "-I", include, "-I", str(DIRECTORY)]
    subprocess.run(  # noqa: S603
        [*command, "-x", "c++", "-", "-o", str(output)],
        input="".join(f'#include "{source}"\n' for source in sources()),
        check=True,
        capture_output=True,
        text=True,
    )
