"""Tables of the yields for the report: processes side by side, and the samples."""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from analysis.config import Config, Sample
from analysis.yields import cutflow_tables, provenance_notes
from analysis.yields.cutflow_model import CutflowTable
from common.tables import Table, with_error

TOTAL = cutflow_tables.TOTAL

BINS = "cutflow_regions"
"""Name of the table of the signal bins of the first region; other regions follow it."""


def tables(table: CutflowTable, config: Config) -> Iterator[Table]:
    """Yield the tables of the yields: all regions, acceptances, the cut-flow of each region, the
    signal bins of the first one."""
    made = {one.name: one for one in cutflow_tables.tables(table, config)}
    for name in ("yields", "acceptance"):
        if name in made:
            yield made[name]
    for region in table.regions:
        yield cutflow(table, config, region)
    if BINS in made:
        yield without_networks(made[BINS], list(table.networks))


def cutflow(table: CutflowTable, config: Config, region: str) -> Table:
    """Return the events of all processes after each cut of a region."""
    simulated, measured = table.processes(region), table.processes(region, data=True)
    signals = [name for name in simulated if config.process(name).signal]
    backgrounds = [name for name in simulated if name not in signals]
    steps = list(next(iter((simulated | measured).values())).steps)
    columns = {name: [simulated[name].steps[step] for step in steps] for name in backgrounds}
    if len(backgrounds) > 1:
        columns[TOTAL] = [
            functools.reduce(operator.add, of_step)
            for of_step in zip(*columns.values(), strict=True)
        ]
    for name in signals:
        columns[f"{name} (signal)"] = [simulated[name].steps[step] for step in steps]
    texts = {
        title: [with_error(y.events, y.error) if y.entries else "0" for y in column]
        for title, column in columns.items()
    }
    for name, found in measured.items():
        texts[f"{name} (data)"] = [f"{found.steps[step].events:.12g}" for step in steps]
    labels = {cut.name: cut.latex for cut in config.selection.resolved.regions[region].cuts}
    return Table(
        name=f"events_{region}",
        title=f"Cut-flow of {region}, {table.luminosity:g} fb⁻¹",
        columns=("cut", *texts),
        rows=[
            [labels.get(step, step), *(column[i] for column in texts.values())]
            for i, step in enumerate(steps)
        ],
        notes=_notes(table) if region == table.regions[0] else (),
    )


def _notes(table: CutflowTable) -> tuple[str, ...]:
    return (
        " ".join(
            (*provenance_notes.notes(table.samples.values()), *provenance_notes.all_gaps(table))
        ),
    )


def links(table: CutflowTable, config: Config) -> str:
    """Return links to the files of all yields and histograms, in Markdown."""
    names = [one.name for one in cutflow_tables.tables(table, config)]
    bins = [name for name in names if name.startswith(BINS)]
    of_first_region = names[: names.index(BINS)] if BINS in names else []
    return " ".join(
        (
            f"With the share of each cut: {_linked(of_first_region)}; the names of those of other "
            "regions end with the region."
            if of_first_region
            else "",
            f"Signal bins: {_linked(bins)}." if bins else "",
            "All numbers: [cutflow.json](tables/cutflow.json), [histograms.h5](histograms.h5), "
            "[histograms.root](histograms.root).",
        )
    ).strip()


def _linked(names: Iterable[str]) -> str:
    return ", ".join(f"[{name}](tables/{name}.md)" for name in names)


def without_networks(table: Table, networks: Sequence[str]) -> Table:
    """Return a table without the columns of networks, which its file has."""
    ends = tuple(f", {network}" for network in networks)
    kept = [i for i, title in enumerate(table.columns) if not ends or not title.endswith(ends)]
    if len(kept) == len(table.columns):
        return table
    return replace(
        table,
        title=table.title.replace(", before and after each network", ""),
        columns=[table.columns[i] for i in kept],
        rows=[[row[i] for i in kept] for row in table.rows],
    )


def n_events(table: CutflowTable) -> int:
    """Return the number of events that were read, simulated and recorded."""
    return sum(n for name in table.samples if (n := _entries(table, name)) is not None)


def _entries(table: CutflowTable, sample: str) -> int | None:
    """Return the number of events of a sample before any cut; None if they are hidden."""
    regions = [*table.samples[sample].regions.values()]
    return next(iter(regions[0].steps.values())).entries if regions else None


def samples(table: CutflowTable, config: Config) -> Table:
    """Return the table of the samples: role, origin, events, cross-section."""
    return Table(
        name="samples",
        title="Samples",
        columns=("sample", "role", "origin", "events", "cross-section [pb]", "k-factor"),
        rows=[
            _sample(table, config, one)
            for one in config.analysis_samples()
            if one.name in table.samples
        ],
    )


def _sample(table: CutflowTable, config: Config, sample: Sample) -> list[str]:
    found, entries = table.samples[sample.name], _entries(table, sample.name)
    sigma = "-"
    if found.cross_section is not None and not found.data:
        sigma = with_error(found.cross_section, found.cross_section_error or 0.0)
    return [
        sample.name,
        _role(config, sample.process, data=found.data),
        "generated" if found.origin == "generated" else "files",
        "hidden" if entries is None else f"{entries}",
        sigma,
        "-" if found.data else f"{sample.k_factor:g}",
    ]


def _role(config: Config, process: str, *, data: bool) -> str:
    if data:
        return "data"
    return "signal" if config.process(process).signal else "background"
