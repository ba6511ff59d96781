"""Write the histograms of a run with ROOT, `histograms.root`, for programs that fit them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from analysis.yields.tlatex import tlatex
from common.runtime import files
from common.schema.templates import Template, Templates
from cpp_helpers import load_root

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
    root = load_root()
    file = root.TMemFile(f"{_NAME}?reproducible={_NAME}", "RECREATE")
    attached = root.TH1.AddDirectoryStatus()
    root.TH1.AddDirectory(False)  # a new histogram would replace a folder of its name
    try:
        _write_folder(file, [(one.path.split("/"), one) for one in templates.templates])
        file.Write()
        content = np.empty(file.GetEND(), np.uint8)
        file.CopyTo(content, len(content))
        content[_HEADER:_FIRST_RECORD] = 0  # which ROOT leaves as the memory was
    finally:
        root.TH1.AddDirectory(attached)
        file.Close()
    files.require_space(path, len(content))
    with files.whole(path) as partial:
        partial.write_bytes(content.tobytes())


def _write_folder(folder: Any, found: Sequence[tuple[list[str], Template]]) -> None:
    """Write histograms, with their paths within a folder, in the order of these."""
    below: dict[str, list[tuple[list[str], Template]]] = {}
    for (first, *rest), template in sorted(found, key=lambda one: one[0]):
        below.setdefault(first, []).append((rest, template))
    for (name, inner), valid in zip(below.items(), _valid(below), strict=True):
        if inner[0][0]:
            _write_folder(folder.mkdir(valid, name), inner)
        else:
            ((_, template),) = inner
            folder.WriteObject(_histogram(valid, template), valid)


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


def _histogram(name: str, template: Template) -> Any:
    """Return a template as a histogram of ROOT that belongs to no folder."""
    root = load_root()
    bins = [part for edges in template.edges for part in (len(edges) - 1, edges)]
    kind = {1: root.TH1D, 2: root.TH2D}[len(template.edges)]
    histogram = kind(name, tlatex(template.title) or template.name, *bins)
    histogram.Sumw2()
    # ROOT counts the bins along the first axis fastest
    for array, wanted in (
        (histogram.GetArray(), template.values),
        (histogram.GetSumw2().GetArray(), template.variances),
    ):
        np.frombuffer(array, np.float64, wanted.size)[:] = wanted.ravel(order="F")
    axes = histogram.GetXaxis(), histogram.GetYaxis()
    for axis, label in zip(axes[: len(template.labels)], template.labels, strict=True):
        axis.SetTitle(tlatex(label))
    histogram.ResetStats()  # from the content of the bins
    histogram.SetEntries(template.entries)
    return histogram
