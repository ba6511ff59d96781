"""Further C++ packages that expressions may use: where their headers and libraries are."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import util
from pathlib import Path


@dataclass(frozen=True)
class Package:
    """A package, the helpers that need it, and our header that includes it."""

    name: str
    functions: tuple[str, ...]
    header: str
    include: Path | None
    library: Path | None


@functools.cache
def _known() -> tuple[Package, ...]:
    return (
        _package("fastjet", ("cluster_jets", "image_jets"), "imaging/detector_jets.hxx", "lib64"),
        _package("correctionlib", ("correction_of",), "rdf/corrections.hxx", "lib"),
    )


def _package(name: str, functions: tuple[str, ...], header: str, folder: str) -> Package:
    spec = util.find_spec(name)
    place = Path(spec.origin).parent if spec is not None and spec.origin is not None else None
    if place is None or not (place / "include").is_dir():  # an LCG view has them on its own paths
        return Package(name, functions, header, None, None)
    library = next((place / folder).glob(f"lib{name}.*"))
    return Package(name, functions, header, place / "include", library)


def used_by(text: str) -> list[Package]:
    """Return the packages that C++ code uses."""
    return [one for one in _known() if any(f"monojet::{name}" in text for name in one.functions)]


def includes_for(text: str) -> list[str]:
    """Return the lines that include what C++ code needs in addition to the helpers."""
    return [f'#include "{package.header}"' for package in used_by(text)]


def options_for(text: str) -> Sequence[str]:
    """Return the compiler's options for C++ code."""
    found = []
    for package in used_by(text):
        if package.include is not None and package.library is not None:
            found += [f"-I{package.include}", str(package.library)]
            found.append(f"-Wl,-rpath,{package.library.parent}")
        else:
            found.append(f"-l{package.name}")
    return found
