"""The library that finds the jets of measured particles, for images filled with a detector."""

from __future__ import annotations

import functools

from cpp_helpers import declare_detector, library, load_root, packages

_TEXT = """#include "imaging/detector_jets.hxx"
extern "C" monojet::JetFinder find_jets;
monojet::JetFinder find_jets = &monojet::image_jets;
"""


@functools.cache
def jet_finder() -> str:
    """Return the path of the library or, without a compiler, the address of the function, as a
    text."""
    made = library.program(_TEXT, packages.options_for(_TEXT))
    if made is not None:
        return str(made)
    declare_detector()
    return str(load_root().gInterpreter.ProcessLine("(Long_t)&monojet::image_jets;"))
