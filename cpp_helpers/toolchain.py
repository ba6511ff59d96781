"""The C++ compiler of this machine and the ROOT that it compiles for; does not import ROOT."""

from __future__ import annotations

import functools
import os
import platform
import re
import shutil
import subprocess
from dataclasses import dataclass
from importlib import util
from pathlib import Path

_STANDARD = re.compile(r"-std=(?:gnu|c)\+\+(\w+)")


@dataclass(frozen=True)
class Toolchain:
    """A compiler, and the headers and libraries of ROOT."""

    compiler: Path
    include: Path
    libraries: Path
    standard: str
    """C++ standard of ROOT, as in ``c++17``."""

    @property
    def options(self) -> tuple[str, ...]:
        """Return the options for all of our code; ``MONOJET_CXXFLAGS`` gives further ones."""
        options = ["-O3", "-fPIC", "-ffp-contract=off", f"-std={self.standard}", "-pipe"]
        if platform.machine() == "x86_64":
            # any such processor since 2009; changes no result
            options += ["-march=x86-64-v2", "-mtune=haswell"]
        further = os.environ.get("MONOJET_CXXFLAGS", "").split()
        return (*options, *further, f"-I{self.include}")

    def facts(self) -> tuple[str, ...]:
        """Return what makes a library of another ROOT, compiler or processor unusable here."""
        real = self.compiler.resolve()
        core = self.libraries / "libCore.so"
        versions = (self.include / name for name in ("ROOT/RVersion.hxx", "RVersion.h"))
        version = "".join(path.read_text() for path in versions if path.is_file())
        sizes = (str(path.stat().st_size) for path in (real, core) if path.is_file())
        return (platform.machine(), str(real), str(self.libraries), version, *sizes, *self.options)


@functools.cache
def toolchain() -> Toolchain | None:
    """Return the compiler and ROOT; None without a compiler."""
    compiler = shutil.which(os.environ.get("CXX", "g++")) or shutil.which("c++")
    place = root_directories()
    if compiler is None or place is None:
        return None
    include, libraries = place
    described = include / "compiledata.h"
    found = _STANDARD.search(described.read_text()) if described.is_file() else None
    standard = f"c++{found[1]}" if found else "c++17"
    return Toolchain(Path(compiler), include, libraries, standard)


@functools.cache
def root_directories() -> tuple[Path, Path] | None:
    """Return the folders of ROOT's headers and libraries: of its wheel, or as ``root-config`` says;
    None if they are not found."""
    spec = util.find_spec("ROOT")
    if spec is not None and spec.origin is not None:
        package = Path(spec.origin).parent
        if (package / "include").is_dir() and (package / "lib").is_dir():
            return package / "include", package / "lib"
    config = shutil.which("root-config")
    if config is None:
        return None
    found = subprocess.run(  # noqa: S603
        [config, "--incdir", "--libdir"], capture_output=True, text=True, check=False
    ).stdout.split()
    return (Path(found[0]), Path(found[1])) if len(found) == 2 else None
