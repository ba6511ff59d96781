"""Numbers of the 2018 thesis beside those of a run, with errors and the difference in units of the
combined error."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from analysis.monojet.published import ThesisRates, ThesisResult, thesis
from analysis.monojet.ratio import im1_background, sensitivity_ratio
from analysis.monojet.sensitivity_model import (
    AS_PUBLISHED,
    IM1_SPLIT,
    OWN_THRESHOLD,
    RATE_DEFINITIONS,
    SensitivityRatio,
    read_sensitivity,
)
from analysis.processes import IRREDUCIBLE
from analysis.workflow.run import Run
from common.stats.measured import Averaged, Measured, measured_efficiency
from common.tables import Table, with_error
from training.classifier.evaluation_model import NetworkEvaluation, read_evaluation

# The two chosen networks of the thesis: the name here, and that in its tables.
CHOSEN = {"strides+cell": "cell_strides", "maxpool+rowcol": "rowcol_maxpool"}
THESIS_SETTINGS = {
    "crop_size": 60,
    "width": 1.0,
    "initializer": "thesis",
    "l2": 0.01,
    "coordinates": True,
    "learning_rate": 1e-4,
}
N_THESIS = {"high": 20_000, "others": 8_000}  # test events per process in the thesis


def against_the_thesis(run: Run) -> Table:
    """Return tables 2 to 4 and the sensitivity ratio of the thesis beside those of the run."""
    published = thesis().networks
    evaluation = read_evaluation(run.table("evaluation"))
    ratios = read_sensitivity(run.table("sensitivity"))
    specs = {spec.name: spec for spec in run.config.training.networks}
    rows: list[list[str]] = []
    others = []
    for ours, theirs in CHOSEN.items():
        if ours not in evaluation:
            continue
        settings = specs[ours].model_dump()
        changed = [f"{k} {settings[k]}" for k, v in THESIS_SETTINGS.items() if settings[k] != v]
        if changed:
            others.append(f"{ours} is not the thesis's network here: {', '.join(changed)}.")
        chosen = [r for r in ratios if r.network == ours and r.region == "IM1"]
        lines = (
            *_table_2(evaluation[ours], published[theirs]),
            *_table_3(evaluation[ours], published[theirs].table3),
            *_table_4(chosen, published[theirs].table4),
            *_ratio(chosen, published[theirs].sensitivity_ratio),
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
            "events begin at a boson pT of 280 GeV; our IM1 (table 4, the ratios) includes events "
            "generated below. The thesis quotes no errors: for its rates they are computed from "
            f"its numbers of events ({N_THESIS['high']} per process in the high slice, "
            f"{N_THESIS['others']} elsewhere); for other quantities only our error is used, the "
            "larger of statistics and the spread between trainings. A difference is shown where "
            "the thesis gives the number: for its sensitivity, the one as published.",
        ),
    )


Line = tuple[str, Measured | None, Measured]


def _total_error(value: Averaged) -> Measured:
    """Return a mean over folds with its total error."""
    return Measured(value.value, value.total)


def _table_2(result: NetworkEvaluation, published: ThesisResult) -> Iterator[Line]:
    row = published.best
    mean = sum(result.thresholds) / len(result.thresholds)
    yield (
        "best threshold (here the mean of the folds)",
        Measured(row.threshold, 0),
        Measured(mean, 0),
    )
    for what, value, own in (
        (
            "(precision + recall)/2, table 2",
            row.mean_precision_recall,
            result.mean_precision_recall,
        ),
        (
            "precision × recall, table 2",
            row.precision_times_recall,
            result.precision_times_recall,
        ),
    ):
        yield what, Measured(value, 0), _total_error(own)


def _table_3(result: NetworkEvaluation, published: Mapping[str, ThesisRates]) -> Iterator[Line]:
    for slice_, rates in published.items():
        n = N_THESIS["high" if slice_ == "high" else "others"]
        for process, value in _shares(rates):
            name = f"{process}_{slice_}"
            if name not in result.pass_rates:
                continue
            rate = _total_error(result.pass_rates[name])
            thesis = measured_efficiency(value, N_THESIS["others"] if process == "Wmunu" else n)
            if process == IRREDUCIBLE:
                yield f"{process} selected, {slice_} slice, table 3", thesis, rate
            else:
                own = Measured(1 - rate.value, rate.error)
                yield f"{process} rejected, {slice_} slice, table 3", thesis, own


def _shares(rates: ThesisRates) -> Iterator[tuple[str, float]]:
    """Yield the selected share of Znunu, then the rejected ones of the scaled backgrounds."""
    yield IRREDUCIBLE, rates.znunu_selected
    yield from rates.rejected.items()


def _table_4(ratios: Sequence[SensitivityRatio], published: ThesisRates) -> Iterator[Line]:
    for ratio in ratios:
        if ratio.rate_definition != AS_PUBLISHED:
            continue
        for process, value in _shares(published):
            rate = ratio.rates[process]
            if process == IRREDUCIBLE:
                yield f"{process} selected in IM1, table 4", Measured(value, 0), rate
            else:
                own = Measured(1 - rate.value, rate.error)
                yield f"{process} rejected in IM1, table 4", Measured(value, 0), own


def _ratio(ratios: Sequence[SensitivityRatio], published: float) -> Iterator[Line]:
    for ratio in ratios:
        # The thesis gives one number: as published, with Wtaunu and Wmunu rejected.
        given = ratio.rate_definition in (AS_PUBLISHED, AS_PUBLISHED + OWN_THRESHOLD)
        value = Measured(published, 0) if given else None
        own = Measured(ratio.ratio, ratio.error)
        yield f"sensitivity ratio in IM1, {ratio.rate_definition}", value, own


def _compared(thesis: Measured | None, own: Measured) -> tuple[str, str, str]:
    if thesis is None:
        return "-", str(own), "-"
    error = math.hypot(thesis.error, own.error)
    difference = f"{(own.value - thesis.value) / error:+.1f}" if error else ""
    return str(thesis), str(own), difference


# --- ATLAS's background, line by line ------------------------------------------------------


@dataclass(frozen=True)
class _Column:
    """A column of table 5: the background after a network and the gains in sensitivity."""

    title: str
    events: list[Measured]
    ratios: list[str]


_RATIOS = (
    *((definition, region) for region in ("IM1", "IM10") for definition in RATE_DEFINITIONS),
    (IM1_SPLIT, "IM10"),
    *((definition + OWN_THRESHOLD, "IM1") for definition in RATE_DEFINITIONS),
)
_NOT_GIVEN = ["-"] * len(_RATIOS)


def backgrounds(run: Run) -> Table:
    """Return table 5 of the thesis, the background in IM1 before and after networks, with columns
    of this run."""
    background = im1_background()
    ratios = read_sensitivity(run.table("sensitivity"))
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
        [f"sensitivity ratio in {region}, {definition}", *(c.ratios[i] for c in columns)]
        for i, (definition, region) in enumerate(_RATIOS)
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
    published = thesis().networks[theirs].table4
    rates = {IRREDUCIBLE: Measured(published.znunu_selected, 0)}
    rates |= {process: Measured(1 - share, 0) for process, share in published.rejected.items()}
    ratio, _ = sensitivity_ratio(rates, background)
    return _Column(f"thesis, {ours}", _after(rates, background), [f"{ratio:.3f}", *_NOT_GIVEN[1:]])


def _own_column(
    network: str, ratios: Sequence[SensitivityRatio], background: Mapping[str, float]
) -> _Column:
    found = {(r.rate_definition, r.region): r for r in ratios if r.network == network}
    rates = found[AS_PUBLISHED, "IM1"].rates
    written = [
        with_error(found[which].ratio, found[which].error) if which in found else "-"
        for which in _RATIOS
    ]
    return _Column(network, _after(rates, background), written)


def _shown(ratios: Sequence[SensitivityRatio]) -> list[str]:
    """Return the networks of the thesis and the best one, as far as they have a ratio in IM1."""
    in_im1 = {
        r.network: r.ratio for r in ratios if (r.rate_definition, r.region) == (AS_PUBLISHED, "IM1")
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
