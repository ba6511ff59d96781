"""C++ helpers, declared to cling once per process.

The headers use one namespace, ``monojet``. Most hold pure functions of columns; those with a source
file (``*.cxx``) beside them work on data frames and come from a compiled library, if it can be
made. ``objects/jets.hxx`` and ``imaging/detector_jets.hxx`` need FastJet, whose wheel contains
headers and library (an LCG view has both on its own paths), and are declared when needed.
"""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Iterable
from importlib import util
from multiprocessing import parent_process
from pathlib import Path
from typing import Any

from common.runtime.child import PARENT
from cpp_helpers import packages
from cpp_helpers.library import DIRECTORY, helpers, sources

log = logging.getLogger("monojet")

# Seconds for XRootD's client, which by default waits up to half an hour for a lost server.
_XROOTD = {
    "XRD_CONNECTIONWINDOW": "10",
    "XRD_CONNECTIONRETRY": "1",
    "XRD_STREAMERRORWINDOW": "0",
    "XRD_STREAMTIMEOUT": "60",
    "XRD_REQUESTTIMEOUT": "120",
    "XRD_TIMEOUTRESOLUTION": "1",
}

HEADERS = (
    "runtime/messages.hxx",
    "rdf/convert.hxx",
    "objects/random.hxx",
    "objects/truth.hxx",
    "objects/decay_record.hxx",
    "objects/candidates.hxx",
    "objects/atlas.hxx",
    "objects/cms.hxx",
    "objects/leptons.hxx",
    "objects/functions.hxx",
    "three_lepton/three_lepton.hxx",
    "three_lepton/rmm.hxx",
    "rdf/scores.hxx",
    "rdf/event_summary.hxx",
    "rdf/flat_particles.hxx",
    "rdf/same_length.hxx",
)


def prepare_environment() -> None:
    """Set the options of cling and XRootD's client, which act only if set before ROOT starts,
    unless the environment sets them."""
    os.environ.setdefault("EXTRA_CLING_ARGS", "-O2")
    for name, value in _XROOTD.items():
        os.environ.setdefault(name, value)


@functools.cache
def load_root() -> Any:
    """Import ROOT without its messages, signal handlers and graphics.

    Event loops do not need it: see `cpp_helpers.calls`.
    """
    import warnings

    prepare_environment()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"(?s).*alpha stage", category=UserWarning)
        import ROOT

        ROOT.PyConfig.IgnoreCommandLineOptions = True
        ROOT.PyConfig.DisableRootLogon = True
        ROOT.gROOT.SetBatch(True)
        ROOT.gErrorIgnoreLevel = ROOT.kWarning
    return ROOT


@functools.cache
def declare() -> Any:
    """Declare the helpers that need ROOT only; return the ``monojet`` namespace."""
    root = load_root()
    root.gInterpreter.AddIncludePath(str(DIRECTORY))
    library = helpers()
    if library is None:
        _declare(*HEADERS, *sources())
    else:
        _load(str(library))
        headers = (source.removesuffix(".cxx") + ".hxx" for source in sources())
        _declare(*HEADERS, *(header for header in headers if (DIRECTORY / header).is_file()))
    root.monojet.watch_messages()
    if not log.isEnabledFor(logging.DEBUG):  # else ROOT prints a stack trace
        root.monojet.watch_crashes(PARENT in os.environ or bool(parent_process()))
    return root.monojet


@functools.cache
def declare_jets() -> Any:
    """Declare the helpers and FastJet's jets; return the ``monojet`` namespace."""
    root = load_root()
    declare()
    spec = util.find_spec("fastjet")
    library = "libfastjet"
    if spec is not None and spec.origin is not None:
        package = Path(spec.origin).parent
        if (package / "include").is_dir():
            root.gInterpreter.AddIncludePath(str(package / "include"))
            library = str(package / "lib64" / "libfastjet.so")
    _load(library)
    _declare("objects/jets.hxx")
    return root.monojet


def declare_for(expressions: Iterable[str]) -> None:
    """Declare what expressions need in addition to the helpers, where cling compiles them."""
    for package in packages.used_by("\n".join(expressions)):
        declare_corrections() if package.name == "correctionlib" else declare_jets()


@functools.cache
def declare_corrections() -> Any:
    """Declare the corrections of correctionlib; return the ``monojet`` namespace."""
    import correctionlib

    root = load_root()
    declare()
    package = Path(correctionlib.__file__).parent
    root.gInterpreter.AddIncludePath(str(package / "include"))
    _load(str(next((package / "lib").glob("libcorrectionlib.*"))))
    _declare("rdf/corrections.hxx")
    return root.monojet


@functools.cache
def declare_detector() -> Any:
    """Declare the jets and the detector of images; return the ``monojet`` namespace."""
    declare_jets()
    _declare("imaging/detector_jets.hxx")
    return load_root().monojet


def _load(library: str) -> None:
    if load_root().gSystem.Load(library) < 0:
        raise RuntimeError(f"cannot load {library}")


def _declare(*headers: str) -> None:
    code = "\n".join(f'#include "{header}"' for header in headers)
    if not load_root().gInterpreter.Declare(code):
        raise RuntimeError(f"cling could not compile {', '.join(headers)}")
