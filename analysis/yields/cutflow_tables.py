"""Tables of the yields: the cut-flow of each process, all yields, signal bins, acceptances.

Tables of the first region have short names, those of the others end with the name of the region.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterator, Mapping, Sequence

from analysis.config import Config
from analysis.processes import IRREDUCIBLE
from analysis.rdf.yields import Expected
from analysis.yields import provenance_notes
from analysis.yields.cutflow_model import CutflowTable, ProcessCutflow, SampleCutflow
from common.tables import Table, percent, with_error
from selections.cuts import Region
from selections.selection import Selection

TOTAL = "all backgrounds"

_ERRORS = (
    "Errors: statistical, of the efficiency in the simulation, and of the cross-sections, in "
    "quadrature."
)


def tables(table: CutflowTable, config: Config) -> list[Table]:
    """Return the tables of all regions."""
    selection = config.selection.resolved
    found = []
    for region in table.regions:
        place = "" if region == table.regions[0] else f"_{region}"
        for data in (False, True):
            for process, cutflow in table.processes(region, data=data).items():
                found.append(
                    _process_table(
                        table,
                        process,
                        cutflow,
                        selection.regions[region],
                        place,
                        data=data,
                        selection=selection,
                    )
                )
        found.append(_bin_table(table, region, place, selection))
    return [*found, _yields_table(table, config), *_acceptance_tables(table, config)]


# --- Cut-flows ------------------------------------------------------------------------------------


def _process_table(
    table: CutflowTable,
    process: str,
    cutflow: ProcessCutflow,
    region: Region,
    place: str,
    *,
    data: bool,
    selection: Selection,
) -> Table:
    samples = {
        name: sample
        for name, sample in table.samples.items()
        if sample.process == process and sample.data == data
    }
    slices = [sample.boson_pt for sample in samples.values()]
    labels = {cut.name: cut.latex for cut in region.cuts}
    labels["all events"] = provenance_notes.all_events(slices)
    title = f"Cut-flow of {process} in {region.name}, "
    return Table(
        name="cutflow" + ("" if process == IRREDUCIBLE else f"_{process}") + place,
        title=title + ("data" if data else f"{table.luminosity:g} fb⁻¹"),
        columns=(
            *("cut", "entries", "events", "statistical error", "of the cross-section"),
            *("step", "total"),
        ),
        rows=[*_rows(cutflow, labels, data=data)],
        notes=(
            " ".join(
                [
                    *provenance_notes.notes(samples.values()),
                    *provenance_notes.gaps(process, slices),
                    *_without_squares(table, process, factors=selection.has_factors and not data),
                    *(_left_out(table, selection) if data else ()),
                    *["A network's efficiency is relative to the events after all cuts."]
                    * bool(cutflow.networks),
                ]
            ),
        ),
    )


def _rows(cutflow: ProcessCutflow, labels: Mapping[str, str], *, data: bool) -> Iterator[list[str]]:
    """Yield a row for each cut, and for each network after all cuts."""
    first = previous = next(iter(cutflow.steps.values()))

    def row(label: str, y: Expected) -> list[str]:
        return [
            label,
            f"{y.entries}",
            f"{y.events:.12g}" if data else with_error(y.events, y.error),
            _short(y.statistical),
            _short(y.cross_section),
            percent(y.events, previous.events),
            percent(y.events, first.events),
        ]

    for name, y in cutflow.steps.items():
        yield row(labels.get(name, name), y)
        previous = y
    for network, bins in cutflow.networks.items():
        yield row(f"{network} (after all cuts)", bins["all"])


_FACTORS = (
    "Weights have further factors ('selection.weights'), and sums of weights before any cut do not "
    "include them: the statistical error is √Σw² of what passes, an upper limit."
)


def _without_squares(table: CutflowTable, process: str, *, factors: bool) -> list[str]:
    """Return a sentence on the samples whose statistical errors are upper limits, if any."""
    if factors:
        return [_FACTORS]
    names = [
        name
        for name, sample in table.samples.items()
        if sample.process == process
        and sample.sum_of_weights
        and sample.sum_of_weights_squared is None
    ]
    if not names:
        return []
    return [
        f"The squared weights of {', '.join(names)} before any cut are not known (the sum of "
        "weights is configured): the statistical error is √Σw² of what passes, an upper limit."
    ]


def _short(error: float) -> str:
    return f"{error:.2g}" if error < 100 else f"{error:.0f}"


# --- Signal bins ----------------------------------------------------------------------------------


def _bin_table(table: CutflowTable, region: str, place: str, selection: Selection) -> Table:
    simulated, measured = table.processes(region), table.processes(region, data=True)
    near = {} if place else table.at_edge()
    columns = ["bin"]
    for process in (*simulated, *measured):
        columns += [process, *(f"{process}, {network}" for network in table.networks)]
        columns += [f"{process}, at the edge"] * (process in near)
    rows = []
    binning = selection.binning
    for one in (*binning.inclusive, *binning.exclusive):
        row = [one.name]
        for process, cutflow in (simulated | measured).items():
            for bins in (cutflow.bins, *(cutflow.networks[n] for n in table.networks)):
                row.append(_cell(bins[one.name], data=process in measured))
            if process in near:
                row.append(provenance_notes.edge_share(near[process], simulated[process], one.name))
        rows.append(row)
    other = selection.regions[region].binned_in
    label = binning.axis.label or binning.axis.expression
    quantity = selection.labels.get(other, other) if other else label
    lows = ", ".join(f"{edge:g}" for edge in binning.edges)
    networks = ", before and after each network" if table.networks else ""
    return Table(
        name=f"cutflow_regions{place}",
        title=f"Events in the signal bins of {region}, {table.luminosity:g} fb⁻¹{networks}",
        columns=columns,
        rows=rows,
        notes=(
            f"Bins in {quantity}: {binning.inclusive_prefix} above, {binning.exclusive_prefix} "
            f"between the edges {lows}. {_ERRORS}",
            *([provenance_notes.EDGE_NOTE] if near else []),
            *provenance_notes.all_gaps(table),
            *_data_notes(table, region, selection),
        ),
    )


def _cell(y: Expected, *, data: bool) -> str:
    return f"{y.events:.12g}" if data or not y.entries else with_error(y.events, y.error)


def _left_out(table: CutflowTable, selection: Selection) -> list[str]:
    """Return a sentence on the events of data that all regions leave out, if any."""
    if not selection.blind or not table.data_processes:
        return []
    blind = ", ".join(selection.blind)
    return [f"Events of data in {blind} (blind) are left out of all regions and of all steps."]


def _data_notes(table: CutflowTable, region: str, selection: Selection) -> list[str]:
    """Return sentences on data: which are counted, which are hidden."""
    counted = list(table.processes(region, data=True))
    hidden = table.hidden_data(region)
    return [
        *([f"Data, not normalised: {', '.join(counted)}."] if counted else []),
        *([f"Hidden in {region} (blind): {', '.join(hidden)}."] if hidden else []),
        *_left_out(table, selection),
    ]


# --- All yields -----------------------------------------------------------------------------------


def _yields_table(table: CutflowTable, config: Config) -> Table:
    signals = set(config.signals)
    rows: list[list[str]] = []
    simulated = {region: table.processes(region) for region in table.regions}
    measured = {region: table.processes(region, data=True) for region in table.regions}
    names = list(dict.fromkeys(process for found in simulated.values() for process in found))
    backgrounds = [name for name in names if name not in signals]
    for name in backgrounds:
        rows.append([name, *(_cell(simulated[r][name].bins["all"], data=False) for r in simulated)])
    if len(backgrounds) > 1:
        totals = (
            functools.reduce(operator.add, (found[p].bins["all"] for p in backgrounds))
            for found in simulated.values()
        )
        rows.append([TOTAL, *(_cell(total, data=False) for total in totals)])
    for name in names:
        if name in signals:
            cells = (_cell(found[name].bins["all"], data=False) for found in simulated.values())
            rows.append([f"{name} (signal)", *cells])
    for name in table.data_processes:
        rows.append(
            [
                f"{name} (data)",
                *(
                    _cell(found[name].bins["all"], data=True) if name in found else "hidden"
                    for found in measured.values()
                ),
            ]
        )
    return Table(
        name="yields",
        title=f"Events in all regions, {table.luminosity:g} fb⁻¹",
        columns=("process", *table.regions),
        rows=rows,
        notes=(
            f"{_ERRORS} Processes without a sample are missing. Regions may overlap.",
            *([_FACTORS] if config.selection.resolved.has_factors else []),
            *(
                f"Hidden in {region} (blind): {', '.join(table.hidden_data(region))}."
                for region in table.regions
                if table.hidden_data(region)
            ),
            *_left_out(table, config.selection.resolved),
        ),
    )


# --- Acceptance times efficiency ------------------------------------------------------------------


def _acceptance_tables(table: CutflowTable, config: Config) -> list[Table]:
    """Return the table of acceptance times efficiency of the signals, if any."""
    found = {region: table.processes(region) for region in table.regions}
    first = found[table.regions[0]] if table.regions else {}
    signals = [name for name in config.signals if name in first]
    if not signals:
        return []
    return [
        Table(
            name="acceptance",
            title="Acceptance × efficiency of the signals (%)",
            columns=("signal", *table.regions),
            rows=[
                [name, *(acceptance(processes[name].samples) for processes in found.values())]
                for name in signals
            ],
            notes=(
                "Sum of weights that pass the region over that of all generated events, of all "
                "slices together. Errors are statistical. Events that were not generated, such as "
                "those below a slice, are not counted.",
                *([_FACTORS] if config.selection.resolved.has_factors else []),
            ),
        )
    ]


def acceptance(samples: Sequence[SampleCutflow]) -> str:
    """Return the share of a signal's cross-section that passes a region, in percent."""
    whole = sum(one.normalisation * (one.sum_of_weights or 0.0) for one in samples)
    if not whole:
        return "-"
    passing = functools.reduce(
        operator.add, (one.expected(one.unnormalised.bins["all"]) for one in samples)
    )
    return with_error(100 * passing.events / whole, 100 * passing.statistical / whole)
