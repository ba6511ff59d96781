"""Table ``three_lepton``: the cut-flow of events with three leptons, from matrix files."""

from __future__ import annotations

import json
from pathlib import Path

from analysis.inputs.sample_info import SampleInfo
from analysis.rdf.yields import Expected, Yield, expected
from analysis.workflow.run import Run
from common.schema.matrices import MatrixFile
from common.tables import Table, with_error
from selections import three_lepton


def cutflow_table(run: Run) -> Table:
    """Return expected events after each cut and in each channel, of all samples with a file.

    Raises:
        InputError: a matrix file is damaged.
    """
    flows: dict[str, dict[str, Expected]] = {}
    data = []
    for sample in run.config.samples:
        path = run.matrices(sample.name)
        if path.exists():
            flows[sample.name] = _expected(path)
            data += [sample.name] * sample.data
    steps = ("all events", *(c.name for c in three_lepton.SR.cuts), *three_lepton.CHANNELS)
    return Table(
        name="three_lepton",
        title=f"Events with three leptons, {run.config.luminosity:g} fb⁻¹",
        columns=("sample", *steps, "entries"),
        rows=[
            [
                name,
                *(with_error(flow[s].events, flow[s].error) for s in steps),
                f"{flow[three_lepton.SR.cuts[-1].name].entries}",
            ]
            for name, flow in flows.items()
        ],
        notes=(
            "Events after successive cuts; channels, by flavour, after all cuts. Fake leptons have "
            "their weight from the first cut on. Errors are the statistical error of the "
            "efficiency and the error of the cross-section in quadrature; for all events the "
            "latter alone." + (f" Data, not normalised: {', '.join(data)}." if data else ""),
        ),
    )


def _expected(path: Path) -> dict[str, Expected]:
    """Return expected events after each cut, from the attributes of a matrix file."""
    with MatrixFile(path) as file:
        flow = json.loads(file.attribute("cutflow"))
        info = SampleInfo.from_json(file.attribute("sample_info"))
        factor = file.normalisation
    relative = (info.cross_section_error or 0.0) / (info.cross_section or 1.0)
    sums = (info.sum_of_weights, info.sum_of_weights_squared, relative)
    return {
        name: expected(Yield(**y).scaled(1 / factor), factor, *sums) for name, y in flow.items()
    }
