"""A run of a selection without networks, in round numbers, and small pictures."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from analysis.config import Config
from analysis.rdf.yields import Yield
from analysis.workflow.run import Run
from analysis.yields.cutflow_model import Cutflow, CutflowTable
from common.runtime import files
from common.schema.templates import N_MINUS_ONE, Template, Templates, weighted
from selections.cuts import Region
from selections.n_minus_one import n_minus_one
from tests.analysis.cutflow_samples import cutflow_sample

ENTRIES = {
    "Znunu": 400,
    "Wtaunu": 200,
    "model": 100,
    "measured": 1000,
    "Wmunu": 50,
    "mediator": 20,
}
"""Events of each process after all cuts; each cut before these halves them."""

SAMPLES: list[dict[str, Any]] = [
    {"process": "Znunu", "files": ["z.root"], "k_factor": 1.2},
    {"process": "Wtaunu", "files": ["w.root"]},
    {"process": "model", "files": ["m.root"], "signal": True, "label": "my model"},
    {"process": "measured", "files": ["d.root"], "data": True},
]


def png(width: int, height: int) -> bytes:
    """A white PNG picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checked = kind + data
        return struct.pack(">I", len(data)) + checked + struct.pack(">I", zlib.crc32(checked))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = (b"\0" + b"\xff" * width) * height
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def config(selection: Mapping[str, Any], processes: tuple[str, ...] = ()) -> Config:
    """A configuration of some of the processes, or of all."""
    chosen = [one for one in SAMPLES if not processes or one["process"] in processes]
    return Config.model_validate({"name": "made_up", "selection": selection, "samples": chosen})


def make_run(folder: Path, made: Config) -> Run:
    """A run whose cut-flow and histograms are made up: weights are 1, each is worth two simulated
    events, and a tenth of the events pass each signal bin."""
    run = Run(made, folder)
    table = cutflow_table(made)
    table.write(run.table("cutflow"))
    templates(made).write(run.histograms)
    return run


def cutflow_table(made: Config) -> CutflowTable:
    """The cut-flow of all samples of a configuration."""
    selection = made.selection.resolved
    samples = {}
    for sample in made.samples:
        shown = [r for r in selection.used if not (sample.data and selection.hidden(r))]
        samples[sample.name] = cutflow_sample(
            sample.process,
            {r: _cutflow(sample.process, selection.regions[r], made) for r in shown},
            1.0 if sample.data else 2.0,
            data=sample.data,
            origin="measured" if sample.data else "files",
            cross_section=None if sample.data else 3.0,
            cross_section_error=None if sample.data else 0.3,
        )
    return CutflowTable(made.luminosity, {}, samples)


def _cutflow(process: str, region: Region, made: Config) -> Cutflow:
    def counted(n: int) -> Yield:
        return Yield(n, float(n), float(n))

    passing = ENTRIES[process]
    names = ["all events", *(cut.name for cut in region.cuts)]
    steps = {name: counted(passing * 2 ** (len(region.cuts) - i)) for i, name in enumerate(names)}
    binning = made.selection.resolved.binning
    bins = {one.name: counted(passing // 10) for one in (*binning.inclusive, *binning.exclusive)}
    return Cutflow(steps, {"all": counted(passing), **bins})


def templates(made: Config) -> Templates:
    """Histograms of all used regions: all processes, but data where they are hidden."""
    selection = made.selection.resolved
    found = []
    for region in selection.used:
        named = {
            one.name: [(axis.edges, axis.label) for axis in one.axes]
            for one in selection.histograms_in(region)
        } | {
            f"{N_MINUS_ONE}{one.name}": [(one.axis.edges, one.axis.label)]
            for one in n_minus_one(selection, selection.regions[region])
        }
        for sample in made.samples:
            if sample.data and selection.hidden(region):
                continue
            for name, axes in named.items():
                edges, labels = zip(*axes, strict=True)
                content = np.full([len(one) + 1 for one in edges], float(ENTRIES[sample.process]))
                histogram = weighted(edges, labels, content, content)
                found.append(Template(region, sample.process, name, "", histogram, content.size))
    return Templates(made.luminosity, tuple(found))


def list_figures(run: Run, figures: Mapping[str, tuple[str, str]]) -> None:
    """Write the list of some figures, with captions and headings, and their pictures."""
    listed = [
        {"name": name, "files": [f"{name}.pdf", f"{name}.png"], "caption": caption, "heading": head}
        for name, (caption, head) in figures.items()
    ]
    files.write_json(run.plots / "figures.json", listed)
    for name in figures:
        (run.plots / f"{name}.png").write_bytes(png(30, 20))
