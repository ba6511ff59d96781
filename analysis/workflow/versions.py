"""Versions of the software that decides numbers."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import platform
import re
from importlib import metadata
from pathlib import Path

from analysis import __version__

_PACKAGES = ("pythia8mc", "pyhepmc", "fastjet", "numpy", "h5py", "keras", "tensorflow_cpu")


@functools.cache
def versions() -> dict[str, str]:
    """Return the versions of the software that decides numbers, by name."""
    found = {"monojet": __version__, "python": platform.python_version()}
    if root := _root_version():
        found["root"] = root
    for package in _PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found


def _root_version() -> str | None:
    """Return ROOT's version, as ``6.40.00``, from its headers, without importing it.

    The wheel's own version differs from ROOT's, and a view has none.
    """
    found = importlib.util.find_spec("ROOT")
    for folder in (found and found.submodule_search_locations) or ():
        for include in (Path(folder) / "include", Path(folder).parent.parent / "include"):
            with contextlib.suppress(OSError):
                text = (include / "ROOT" / "RVersion.hxx").read_text()
                numbers = re.findall(r"define ROOT_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)", text)
                if len(numbers) == 3:
                    return "{}.{:>02}.{:>02}".format(*numbers)
    return None
