"""The part of the helpers that instantiates RDataFrame, compiled once to a shared library.

cling compiles ``rdf/rdf_actions.cxx`` in every process for seconds; the C++ compiler, which cling needs
anyway, does so once. The library is kept beside the Python environment (or in the user's cache)
under a name made from the sources, ROOT and the compiler. Where it cannot be made, cling compiles
the same source.
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
SOURCE = DIRECTORY / "rdf" / "rdf_actions.cxx"
_OPTIONS: tuple[str, ...] = ("-O3", "-shared", "-fPIC", "-ffp-contract=off")
if platform.machine() == "x86_64":
    _OPTIONS += (
        "-march=x86-64-v2",
        "-mtune=haswell",
    )  # any such processor since 2009; changes no result


def compiled(root: Any) -> Path | None:
    """The library for these sources and this ROOT, compiled if it is not there yet.

    None where there is no compiler, no place to keep it, or ``MONOJET_HELPERS=jit`` asks for none.
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
            continue  # a read-only environment: the next place
        except subprocess.CalledProcessError as error:
            log.debug("%s: not compiled to a library:\n%s", SOURCE, error.stderr)
            return None
        return place / name
    return None


def _standard(root: Any) -> str:
    """The C++ standard of this ROOT, as in ``-std=c++17``."""
    return f"c++{int(root.gROOT.ProcessLine('__cplusplus;')) // 100 % 100}"


def _key(root: Any, compiler: str) -> str:
    found = hashlib.sha256()
    for path in sorted((*DIRECTORY.rglob("*.hxx"), SOURCE)):
        found.update(str(path.relative_to(DIRECTORY)).encode() + b"\0" + path.read_bytes())
    real = Path(compiler).resolve()
    include = root.TROOT.GetIncludeDir()
    for part in (root.__version__, include, real, real.stat().st_size, *_OPTIONS):
        found.update(f"\0{part}".encode())
    return found.hexdigest()[:16]


def _compile(root: Any, compiler: str, output: Path) -> None:
    log.info("compiling the C++ helpers, once for this environment (about 12 s)")
    include = str(root.TROOT.GetIncludeDir())
    command = [compiler, *_OPTIONS, f"-std={_standard(root)}", "-I", include, "-I", str(DIRECTORY)]
    subprocess.run(  # noqa: S603
        [*command, str(SOURCE), "-o", str(output)], check=True, capture_output=True, text=True
    )
