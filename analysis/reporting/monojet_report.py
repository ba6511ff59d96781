"""The report of a run: one page, in Markdown and as self-contained HTML.

It begins with the numbers of the 2018 thesis beside those of the run, each with its error and the
difference in units of both errors; then come the tables that a run shows, all figures, the sizes of
the samples, the configuration and the versions of what made the numbers.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from analysis.monojet.published import thesis
from analysis.monojet.sensitivity import (
    IM1_SPLIT,
    IRREDUCIBLE,
    OWN_THRESHOLD,
    REJECTED,
    VERSIONS,
    im1_background,
    sensitivity_ratio,
)
from analysis.reporting import page, results
from analysis.workflow.run import Run
from analysis.workflow.target import Done, Target
from common.runtime import files
from common.stats.measured import Averaged, Measured, measured_efficiency
from common.tables import Table, with_error

# The thesis's two chosen networks: our name, and the thesis's in its tables.
CHOSEN = {"strides+cell": "cell_strides", "maxpool+rowcol": "rowcol_maxpool"}
AS_PUBLISHED = {
    "size": 60,
    "width": 1.0,
    "initial": "thesis",
    "l2": 0.01,
    "coordinates": True,
    "learning_rate": 1e-4,
}
N_THESIS = {"high": 20_000, "others": 8_000}  # events a process of its test samples

# Columns of its table 2 that belong to a network.
_FIRST = {"rowcol_maxpool": 1, "cell_strides": 5}


def run(run: Run, targets: Sequence[Target], done: Done) -> None:
    """Write the report of a finished run, and its results as a file for other programs."""
    (target,) = targets
    (written,) = target.extra_outputs
    own = results.of_run(run)
    files.write_text(written, own.model_dump_json(by_alias=True, indent=1) + "\n")
    page.write(run, target, sections(run))
    done(target)


def sections(run: Run) -> Iterator[str]:
    """The parts of the report, in Markdown."""
    config = run.config
    yield f"# {config.name}"
    yield (
        "Dark matter in events with a jet and missing transverse momentum: networks on images of "
        "simulated events, and what they add to the ATLAS selection. Notes under the tables say "
        "which errors are given."
    )
    yield "## The thesis and this run"
    comparison = against_the_thesis(run)
    if comparison.rows:
        yield comparison.markdown()
    else:
        yield (
            "None of the thesis's two chosen networks (cell + strides, row-col + max-pool) was "
            "trained in this run."
        )
    yield backgrounds(run).markdown()
    yield "## Networks"
    yield cost(run).markdown()
    yield page.table(run, "evaluation")
    for spec in config.training.networks:
        if spec.multiclass:
            yield page.table(run, f"classes_{spec.name}")
    if others := _others(run):
        yield "## All networks"
        for table in results.tables([results.of_run(run), *others]):
            yield table.markdown()
    yield "## Selection"
    yield page.table(run, "cutflow")
    for process in dict.fromkeys(s.process for s in config.analysis_samples() if s.data):
        yield page.table(run, f"cutflow_{process}")
    yield "## Sensitivity"
    yield page.table(run, "sensitivity")
    yield "## Signals"
    yield page.table(run, "signals")
    yield from page.figures(run.plots / "figures.json")
    yield "## Samples"
    yield page.table(run, "images")
    yield from page.origin(run)


def _others(run: Run) -> list[results.Results]:
    """The results kept in the repository, but for those of this very run."""
    own = run.config.model_dump(mode="json", exclude={"batch"})
    return [r for r in map(results.read, results.kept()) if r.configuration != own]


# --- The thesis ---------------------------------------------------------------------------


def against_the_thesis(run: Run) -> Table:
    """The numbers of tables 2 to 4 and the sensitivity ratio, of the thesis and of this run."""
    published = thesis()
    results = json.loads(run.table("evaluation").read_text())
    ratios = json.loads(run.table("sensitivity").read_text())
    specs = {spec.name: spec for spec in run.config.training.networks}
    rows: list[list[str]] = []
    others = []
    for ours, theirs in CHOSEN.items():
        if ours not in results:
            continue
        settings = specs[ours].model_dump()
        changed = [f"{k} {settings[k]}" for k, v in AS_PUBLISHED.items() if settings[k] != v]
        if changed:
            others.append(f"{ours} is not the thesis's network here: {', '.join(changed)}.")
        chosen = [r for r in ratios if r["network"] == ours and r["region"] == "IM1"]
        lines = (
            *_table_2(results[ours], published, theirs),
            *_table_3(run, results[ours], published["table3"][theirs]),
            *_table_4(chosen, published["table4"][theirs]),
            *_ratio(chosen, published["sensitivity_ratio"], theirs),
        )
        rows += [[ours, what, *_compared(thesis, own)] for what, thesis, own in lines]
    return Table(
        name="thesis",
        title="Tables 2 to 4 of the thesis, and its sensitivity ratio",
        columns=("network", "quantity", "thesis", "this run", "difference in errors"),
        rows=rows,
        notes=(
            *others,
            "The thesis had other generators, inputs and, as given below, sizes of samples. Its "
            "events begin at a boson pT of 280 GeV; IM1 (table 4, the ratios) here holds what is "
            "simulated below, too. It "
            "gives no errors: those of its rates are taken from the numbers of its events "
            f"({N_THESIS['high']} a process in the high slice, {N_THESIS['others']} elsewhere); "
            "of other numbers the error is ours alone: the larger of statistics and the spread "
            "between trainings. A difference is shown where the thesis gives the number: of its "
            "sensitivity, that as published.",
        ),
    )


Line = tuple[str, Measured | None, Measured]


def _measured(data: Mapping[str, Any]) -> Measured:
    """A value with its error of all kinds."""
    value = Averaged(data["value"], data["error"], data.get("spread"))
    return Measured(value.value, value.total)


def _table_2(result: Mapping[str, Any], published: Mapping[str, Any], name: str) -> Iterator[Line]:
    best = published["best_threshold"][name]
    (row,) = (row for row in published["table2"] if row[0] == best)
    _, _, average, product = row[_FIRST[name] : _FIRST[name] + 4]
    mean = sum(result["thresholds"]) / len(result["thresholds"])
    yield "best threshold (here the mean of the folds)", Measured(best, 0), Measured(mean, 0)
    for what, value, key in (
        ("(precision + recall)/2, table 2", average, "mean_precision_recall"),
        ("precision × recall, table 2", product, "precision_times_recall"),
    ):
        yield what, Measured(value, 0), _measured(result[key])


def _table_3(
    run: Run, result: Mapping[str, Any], published: Mapping[str, Sequence[float]]
) -> Iterator[Line]:
    rates = result["pass_rates"]
    for slice_, values in published.items():
        n = N_THESIS["high" if slice_ == "high" else "others"]
        for process, value in zip(("Znunu", "Wtaunu", "Wmunu"), values, strict=True):
            name = f"{process}_{slice_}"
            if name not in rates:
                continue
            rate, size = _measured(rates[name]), N_THESIS["others"] if process == "Wmunu" else n
            thesis = measured_efficiency(value, size)
            if process == "Znunu":
                yield f"Znunu selected, {slice_} slice, table 3", thesis, rate
            else:
                own = Measured(1 - rate.value, rate.error)
                yield f"{process} rejected, {slice_} slice, table 3", thesis, own


def _table_4(ratios: Sequence[Mapping[str, Any]], published: Sequence[float]) -> Iterator[Line]:
    for ratio in ratios:
        if ratio["version"] != "as published":
            continue
        for process, value in zip(("Znunu", "Wtaunu", "Wmunu"), published, strict=True):
            rate = _measured(ratio["rates"][process])
            if process == "Znunu":
                yield "Znunu selected in IM1, table 4", Measured(value, 0), rate
            else:
                own = Measured(1 - rate.value, rate.error)
                yield f"{process} rejected in IM1, table 4", Measured(value, 0), own


def _ratio(
    ratios: Sequence[Mapping[str, Any]], published: Mapping[str, float], name: str
) -> Iterator[Line]:
    for ratio in ratios:
        # The thesis gives one number alone: as published, with Wtaunu and Wmunu rejected.
        given = ratio["version"] in ("as published", "as published" + OWN_THRESHOLD)
        value = Measured(published[f"{name}_recomputed"], 0) if given else None
        own = Measured(ratio["ratio"], ratio["error"])
        yield f"sensitivity ratio in IM1, {ratio['version']}", value, own


def _compared(thesis: Measured | None, own: Measured) -> tuple[str, str, str]:
    if thesis is None:
        return "-", str(own), "-"
    error = math.hypot(thesis.error, own.error)
    difference = f"{(own.value - thesis.value) / error:+.1f}" if error else ""
    return str(thesis), str(own), difference


# --- ATLAS's background, line by line ------------------------------------------------------


@dataclass(frozen=True)
class _Column:
    """The background after a network, in the order of table 5, and the gains in sensitivity."""

    title: str
    events: list[Measured]
    ratios: list[str]


_RATIOS = (
    *((version, region) for region in ("IM1", "IM10") for version in VERSIONS),
    (IM1_SPLIT, "IM10"),
    *((version + OWN_THRESHOLD, "IM1") for version in VERSIONS),
)
_NOT_GIVEN = ["-"] * len(_RATIOS)


def backgrounds(run: Run) -> Table:
    """Table 5 of the thesis: the background in IM1 before and after its networks and ours."""
    background = im1_background()
    ratios = json.loads(run.table("sensitivity").read_text())
    columns = [
        _Column("ATLAS, IM1", [Measured(n, 0) for n in background.values()], _NOT_GIVEN),
        *(_thesis_column(ours, theirs, background) for ours, theirs in CHOSEN.items()),
        *(_own_column(name, ratios, background) for name in _shown(ratios)),
    ]
    rows = [
        [process, *(_events(column.events[i]) for column in columns)]
        for i, process in enumerate(background)
    ]
    rows.append(["all", *(_events(_total(column.events)) for column in columns)])
    rows += [
        [f"sensitivity ratio in {region}, {version}", *(column.ratios[i] for column in columns)]
        for i, (version, region) in enumerate(_RATIOS)
    ]
    return Table(
        name="backgrounds",
        title="Table 5 of the thesis: ATLAS's background of 36.1 fb⁻¹ in IM1, before and after "
        "networks",
        columns=("process", *(column.title for column in columns)),
        rows=rows,
        notes=(
            "Events are scaled by pass rates from before the lepton veto, as published; errors are "
            "those of the rates. Processes but Znunu, Wtaunu and Wmunu are not scaled, as in the "
            "thesis, which gives no ratio after the whole selection, nor above 1 TeV (IM10). The "
            "thesis's rates come without errors. Of this run: the thesis's networks, and the one "
            "with the largest ratio.",
        ),
    )


def _thesis_column(ours: str, theirs: str, background: Mapping[str, float]) -> _Column:
    published = thesis()
    kept, *rejected = published["table4"][theirs]
    rates = {IRREDUCIBLE: Measured(kept, 0)}
    rates |= {p: Measured(1 - share, 0) for p, share in zip(REJECTED, rejected, strict=True)}
    ratio, _ = sensitivity_ratio(rates, background)
    return _Column(f"thesis, {ours}", _after(rates, background), [f"{ratio:.3f}", *_NOT_GIVEN[1:]])


def _own_column(
    network: str, ratios: Sequence[Mapping[str, Any]], background: Mapping[str, float]
) -> _Column:
    found = {(r["version"], r["region"]): r for r in ratios if r["network"] == network}
    rates = {p: _measured(r) for p, r in found["as published", "IM1"]["rates"].items()}
    written = [
        with_error(found[which]["ratio"], found[which]["error"]) if which in found else "-"
        for which in _RATIOS
    ]
    return _Column(network, _after(rates, background), written)


def _shown(ratios: Sequence[Mapping[str, Any]]) -> list[str]:
    """The thesis's networks, and the best, that have a ratio in IM1."""
    in_im1 = {
        r["network"]: r["ratio"]
        for r in ratios
        if (r["version"], r["region"]) == ("as published", "IM1")
    }
    best = [max(in_im1, key=lambda network: in_im1[network])] if in_im1 else []
    return [*dict.fromkeys([name for name in CHOSEN if name in in_im1] + best)]


def _after(rates: Mapping[str, Measured], background: Mapping[str, float]) -> list[Measured]:
    unchanged = Measured(1, 0)
    scale = {process: rates.get(process, unchanged) for process in background}
    return [Measured(n * scale[p].value, n * scale[p].error) for p, n in background.items()]


def _total(events: Sequence[Measured]) -> Measured:
    return Measured(sum(e.value for e in events), math.hypot(*(e.error for e in events)))


def _events(events: Measured) -> str:
    if events.error:
        return str(events)
    return f"{events.value:.0f}" if events.value >= 1 else f"{events.value:g}"


# --- What the networks cost ---------------------------------------------------------------


def cost(run: Run) -> Table:
    """Size and cost of the networks, and how they were trained."""
    rows = []
    for network in run.config.training.networks:
        found = results.training(run, network.name)
        flops, speed = found.flops_an_event, found.events_per_second
        rows.append(
            [
                network.name,
                f"{found.parameters}",
                "-" if flops is None else f"{flops / 1e6:.4g}",
                f"{found.events}",
                f"{found.steps}",
                f"{found.epochs:.1f}",
                f"{found.seconds:.0f}",
                "-" if speed is None else f"{speed:.0f}",
                found.backend,
            ]
        )
    return Table(
        name="cost",
        title="Size and training of the networks",
        columns=(
            "network",
            "parameters",
            "MFLOP an event",
            "training events",
            "steps",
            "epochs",
            "seconds",
            "events scored a second",
            "backend",
        ),
        rows=rows,
        notes=(
            "Of a network with several folds, the mean of a fold. Operations are those of the "
            "forward pass; the speed is that of scoring at the end of the training, with the "
            "reading of images.",
        ),
    )
