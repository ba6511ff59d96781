"""Normalise the histograms of all samples and write them by process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from analysis.rdf.histograms import ExactHistogram
from analysis.workflow.run import Run
from analysis.yields.cutflow_model import CutflowTable
from analysis.yields.cutflow_part import ExactRegion
from analysis.yields.histogram_files import write_root
from common.runtime.errors import InputError
from common.schema.templates import N_MINUS_ONE, Template, Templates, weighted
from selections.cuts import Axis
from selections.n_minus_one import n_minus_one
from selections.selection import Selection


def write_templates(
    run: Run, table: CutflowTable, regions: Mapping[str, Mapping[str, ExactRegion]]
) -> None:
    """Write the histograms of all regions and processes, for Python and for ROOT.

    ``regions`` holds the sums of all samples, by sample and region.

    Raises:
        InputError: a sum is beyond the largest double.
    """
    found = Templates(
        table.luminosity, tuple(_templates(table, run.config.selection.resolved, regions))
    )
    found.write(run.histograms)
    write_root(run.histograms.with_suffix(".root"), found)


def _templates(
    table: CutflowTable, selection: Selection, regions: Mapping[str, Mapping[str, ExactRegion]]
) -> Iterator[Template]:
    processes: dict[str, list[str]] = {}
    for name, sample in table.samples.items():
        processes.setdefault(sample.process, []).append(name)
    for region in table.regions:
        for histogram, axes in _axes(selection, region).items():
            for process, samples in processes.items():
                of_samples = {
                    name: regions[name][region].histograms[histogram]
                    for name in samples
                    if region in regions[name]
                }
                if of_samples:
                    yield _template(table, region, process, histogram, axes, of_samples)


def _axes(selection: Selection, region: str) -> dict[str, tuple[Axis, ...]]:
    """Return the axes of the histograms of a region."""
    found = {one.name: one.axes for one in selection.histograms_in(region)}
    for one in n_minus_one(selection, selection.regions[region]):
        found[N_MINUS_ONE + one.name] = (one.axis,)
    return found


def _template(
    table: CutflowTable,
    region: str,
    process: str,
    name: str,
    axes: tuple[Axis, ...],
    of_samples: Mapping[str, ExactHistogram],
) -> Template:
    """Return the sum of a histogram over the samples of a process, normalised."""
    shape = tuple(len(axis.edges) + 1 for axis in axes)
    values, variances = np.zeros(shape), np.zeros(shape)
    for sample, exact in of_samples.items():
        try:
            found = exact.rounded()
        except InputError as error:
            raise InputError(f"{sample}: {error}") from error
        factor = table.samples[sample].normalisation
        values += factor * found.sumw.reshape(shape)
        variances += factor**2 * found.sumw2.reshape(shape)
    return Template(
        region=region,
        process=process,
        name=name,
        title="",
        histogram=weighted(
            [axis.edges for axis in axes],
            [axis.label or axis.expression for axis in axes],
            values,
            variances,
        ),
        entries=sum(int(one.entries.sum()) for one in of_samples.values()),
        n_without_value=sum(one.n_without_value for one in of_samples.values()),
    )
