"""Tables of the cut-flow: one per process, and one of the signal regions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from analysis.processes import IRREDUCIBLE
from analysis.rdf.yields import Expected
from analysis.yields import provenance_notes
from analysis.yields.cutflow_model import BINS, CutflowTable, ProcessCutflow
from common.tables import Table, percent, with_error
from selections import monojet36


def tables(table: CutflowTable) -> list[Table]:
    """Return the tables of all processes, and the table of the signal regions."""
    region = monojet36.SR.name
    return [
        *(
            _process_table(table, process, cutflow, data=data)
            for data in (False, True)
            for process, cutflow in table.processes(region, data=data).items()
        ),
        _region_table(table),
    ]


def _process_table(
    table: CutflowTable, process: str, cutflow: ProcessCutflow, *, data: bool
) -> Table:
    samples = {
        name: sample
        for name, sample in table.samples.items()
        if sample.process == process and sample.data == data
    }
    slices = [sample.boson_pt for sample in samples.values()]
    labels = {cut.name: cut.latex for cut in monojet36.SR.cuts}
    labels["all events"] = provenance_notes.all_events(slices)
    return Table(
        name="cutflow" if process == IRREDUCIBLE else f"cutflow_{process}",
        title=f"Cut-flow of {process}, " + ("data" if data else f"{table.luminosity:g} fb⁻¹"),
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
                    *_without_squares(table, process),
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


def _without_squares(table: CutflowTable, process: str) -> list[str]:
    """Return a sentence on the samples whose statistical errors are upper limits, if any."""
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


def _region_table(table: CutflowTable) -> Table:
    simulated = table.processes(monojet36.SR.name)
    cutflows = simulated | table.processes(monojet36.SR.name, data=True)
    near, counted = table.at_edge(), table.data_processes
    columns = ["region"]
    for process in cutflows:
        columns += [process, *(f"{process}, {network}" for network in table.networks)]
        columns += [f"{process}, at the edge"] * (process in near)
    rows = []
    for region in (met_bin.name for met_bin in BINS):
        row = [region]
        for process, cutflow in cutflows.items():
            for bins in (cutflow.bins, *(cutflow.networks[n] for n in table.networks)):
                y = bins[region]
                weighted = y.entries and process not in counted
                row.append(with_error(y.events, y.error) if weighted else f"{y.events:.12g}")
            if process in near:
                row.append(provenance_notes.edge_share(near[process], simulated[process], region))
        rows.append(row)
    return Table(
        name="cutflow_regions",
        title=f"Events in the signal regions, {table.luminosity:g} fb⁻¹, before and after each "
        "network",
        columns=columns,
        rows=rows,
        notes=(
            "Errors: statistical, of the efficiency in the simulation, and of the cross-sections, "
            "in quadrature.",
            *([provenance_notes.EDGE_NOTE] if near else []),
            *provenance_notes.all_gaps(table),
            *([f"Data, not normalised: {', '.join(counted)}."] if counted else []),
        ),
    )


def _short(error: float) -> str:
    return f"{error:.2g}" if error < 100 else f"{error:.0f}"
