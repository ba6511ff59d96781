"""Write the histograms of a run with ROOT, `histograms.root`, for programs that fit them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from analysis.yields.tlatex import tlatex
from common.runtime import files
from common.schema.templates import Template, Templates
from cpp_helpers import calls
from cpp_helpers.calls import Handle

_HEADER, _FIRST_RECORD = 63, 100  # bytes: end of the header, and where ROOT's records begin
_NAME = "histograms.root"  # stored in the file, whatever its path is


def write_root(path: Path, templates: Templates) -> None:
    """Write all histograms as TH1D and TH2D, ``<region>/<process>/<name>``; equal content gives
    equal bytes.

    The errors of the bins are roots of the variances. In names, every character but letters, digits
    and ``_`` becomes ``_``; names in a folder that are then equal get a number. The title of a
    folder is its original name, as is that of a histogram without title.

    Raises:
        OutputError: the directory is full or not writable.
    """
    file = calls.make("histogram_file", _NAME)
    _write_folder(file, [], [(one.path.split("/"), one) for one in templates.templates])
    content = file.array("content").copy()
    content[_HEADER:_FIRST_RECORD] = 0  # which ROOT leaves as the memory was
    files.require_space(path, len(content))
    with files.whole(path) as partial:
        partial.write_bytes(content.tobytes())


def _write_folder(
    file: Handle, folders: list[tuple[str, str]], found: Sequence[tuple[list[str], Template]]
) -> None:
    """Write histograms, with their paths within a folder, in the order of these. ``folders`` holds
    the names and titles of that folder and those around it."""
    below: dict[str, list[tuple[list[str], Template]]] = {}
    for (first, *rest), template in sorted(found, key=lambda one: one[0]):
        below.setdefault(first, []).append((rest, template))
    for (name, inner), valid in zip(below.items(), _valid(below), strict=True):
        if inner[0][0]:
            _write_folder(file, [*folders, (valid, name)], inner)
        else:
            ((_, template),) = inner
            _write(file, folders, valid, template)


def _valid(names: Iterable[str]) -> list[str]:
    """Return different names of letters, digits and ``_``, not beginning with a digit."""
    found: list[str] = []
    for name in names:
        valid = re.sub(r"^(?=\d|$)", "_", re.sub(r"\W", "_", name, flags=re.ASCII))
        candidate, number = valid, 2
        while candidate in found:
            candidate, number = f"{valid}_{number}", number + 1
        found.append(candidate)
    return found


def _write(file: Handle, folders: list[tuple[str, str]], name: str, template: Template) -> None:
    """Write a template as a histogram of ROOT."""
    edges = [np.array(one, np.float64) for one in template.edges]
    calls.call(
        "write_histogram",
        file,
        [one for one, _ in folders],
        [title for _, title in folders],
        name,
        tlatex(template.title) or template.name,
        [tlatex(label) for label in template.labels],
        *(edges if len(edges) == 2 else (*edges, np.empty(0))),
        # ROOT counts the bins along the first axis fastest
        np.ascontiguousarray(template.values.ravel(order="F"), np.float64),
        np.ascontiguousarray(template.variances.ravel(order="F"), np.float64),
        float(template.entries),
    )
