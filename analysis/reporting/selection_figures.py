"""Figures of the selection: cut-flows, histograms, and quantities of cuts, in each region."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

from analysis.reporting.figures import Captioned, Heading
from analysis.workflow.run import Run
from analysis.yields.cutflow_model import CutflowTable
from common.schema.templates import N_MINUS_ONE, Template, Templates
from plots.monojet.cutflow import cutflow, met_spectrum
from plots.selection.map import maps
from plots.selection.n_minus_one import CutPanel, n_minus_one
from plots.selection.spectra import stack
from selections import n_minus_one as cuts_of


def figures(run: Run, table: CutflowTable) -> Iterator[Captioned | Heading]:
    """Yield the figures of the selection of a run, not yet drawn."""
    templates = Templates.read(run.histograms)
    yield Heading("Cut-flows")
    for region in table.regions:
        yield _cutflow(run, table, region)
    for region in table.regions:
        yield Heading(f"Histograms of {region}")
        yield from _signal_bins(run, table, region)
        yield from _histograms(run, table, templates, region)
    yield Heading("Quantities of the cuts")
    for region in table.regions:
        yield from _n_minus_one(run, table, templates, region)


def _cutflow(run: Run, table: CutflowTable, region: str) -> Captioned:
    selected = ", and after all cuts and one network" if table.networks else ""
    measured = table.processes(region, data=True)
    data = " Data have the errors of counting." if measured else ""
    return (
        f"cutflow_{region}",
        partial(
            cutflow,
            table.processes(region),
            run.config.selection.resolved.regions[region],
            table.networks,
            table.luminosity,
            signals=run.config.signals,
            data=measured,
            hidden=bool(table.hidden_data(region)),
        ),
        f"Events after each cut of {region}{selected}. Errors of expected events are statistical, "
        "of the efficiency in the simulation, and of the cross-sections, in quadrature." + data,
    )


def _signal_bins(run: Run, table: CutflowTable, region: str) -> Iterator[Captioned]:
    """Yield the figure of the signal bins, unless a histogram shows the same quantity."""
    selection = run.config.selection.resolved
    other = selection.regions[region].binned_in
    quantity = other or selection.binning.axis.expression
    shown = [one.axes for one in selection.histograms_in(region)]
    if any(len(axes) == 1 and axes[0].expression == quantity for axes in shown):
        return
    everything = [table.processes(region, data=data) for data in (False, True)]
    if not any(one.bins["all"].entries for found in everything for one in found.values()):
        return
    yield (
        f"bins_{region}",
        partial(
            met_spectrum,
            table.processes(region),
            selection.binning,
            None,
            None,
            table.luminosity,
            signals=run.config.signals,
            data=table.processes(region, data=True),
            label=other,
            text=region,
        ),
        f"Events in the exclusive signal bins of {region}. The band is the error of the "
        "simulation, statistical and of the cross-sections.",
    )


def _histograms(
    run: Run, table: CutflowTable, templates: Templates, region: str
) -> Iterator[Captioned]:
    for histogram in run.config.selection.resolved.histograms_in(region):
        found = _filled(templates, region, histogram.name)
        if not found:
            continue
        labels = " and ".join(axis.label or axis.expression for axis in histogram.axes)
        flat = len(histogram.axes) == 1
        yield (
            f"{'stack' if flat else 'map'}_{region}_{histogram.name}",
            partial(
                stack if flat else maps,
                found,
                templates.luminosity,
                signals=run.config.signals,
                data=table.data_processes,
                hidden=bool(table.hidden_data(region)),
                text=region,
            ),
            f"{labels} in {region}, after all cuts."
            + _without_value(templates.by_process(region, histogram.name).values()),
        )


def _without_value(templates: Iterable[Template]) -> str:
    """Return a sentence on the values that are in no bin, if any."""
    n = sum(one.n_without_value for one in templates)
    return f" Values that are NaN are left out: {n} simulated or recorded entries." if n else ""


def _filled(templates: Templates, region: str, name: str) -> dict[str, Template]:
    """Return a histogram by process; empty if no process has events, which leaves no figure."""
    found = templates.by_process(region, name)
    return found if any(one.entries for one in found.values()) else {}


def _n_minus_one(
    run: Run, table: CutflowTable, templates: Templates, region: str
) -> Iterator[Captioned]:
    selection = run.config.selection.resolved
    labels = {cut.name: cut.latex for cut in selection.regions[region].cuts}
    panels = [
        CutPanel(labels[one.cut], found, [(limit.value, limit.above) for limit in one.thresholds])
        for one in cuts_of.n_minus_one(selection, selection.regions[region])
        if (found := _filled(templates, region, f"{N_MINUS_ONE}{one.name}"))
    ]
    if not panels:
        return
    without = cuts_of.without_quantity(selection.regions[region])
    left_out = f" Without {', '.join(without)}, which compare no quantity." if without else ""
    yield (
        f"n_minus_one_{region}",
        partial(
            n_minus_one,
            panels,
            templates.luminosity,
            signals=run.config.signals,
            data=table.data_processes,
            hidden=bool(table.hidden_data(region)),
            text=region,
        ),
        f"The quantity of each cut of {region}, for the events that pass all other cuts. The cut "
        f"rejects what is shaded.{left_out}",
    )
