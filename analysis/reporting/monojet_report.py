"""The report of a run: one page, in Markdown and as self-contained HTML.

The first screen has what was run, the numbers that matter and the main figures. Sections follow:
selection, yields and, for trained networks, these, their gain in sensitivity and how they select
signals; then all figures, the samples, the configuration and the software versions. Sections
without content are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from analysis.monojet.sensitivity_model import read_sensitivity
from analysis.reporting import (
    network_tables,
    page,
    results,
    selection_page,
    thesis_comparison,
    yield_tables,
)
from analysis.reporting.key_numbers import best_network, key_numbers
from analysis.workflow.run import Run
from analysis.workflow.target import Done, Target
from analysis.yields.cutflow_model import CutflowTable
from common.runtime import files
from training.classifier.evaluation_model import read_evaluation

MAIN_FIGURES = 2


def run(run: Run, targets: Sequence[Target], done: Done) -> None:
    """Write the report of a finished run, and its results in machine-readable form."""
    (target,) = targets
    (written,) = target.extra_outputs
    own = results.of_run(run)
    files.write_text(written, own.model_dump_json(by_alias=True, indent=1) + "\n")
    table = CutflowTable.read(run.table("cutflow"))
    shown = main_figures(run)
    page.write(run, target, sections(run, table, shown), head(run, table, shown))
    done(target)


# --- First screen ---------------------------------------------------------------------------------


def head(run: Run, table: CutflowTable, shown: Sequence[page.Listed]) -> page.Head:
    """Return the first screen."""
    return page.Head(
        title=run.config.name,
        lead=_lead(run),
        facts={name: text for name, text in _facts(run, table) if text},
        tiles=key_numbers(run, table),
        figures=shown,
    )


def _lead(run: Run) -> str:
    title = run.config.selection.resolved.title
    what = f"{title[:1].upper()}{title[1:]}"
    networks = "; networks on images of events, and what they add to the selection"
    return f"{what}{networks * bool(run.config.training.networks)}."


def _facts(run: Run, table: CutflowTable) -> Iterator[tuple[str, str]]:
    """Yield what was run: names and texts, which may be empty."""
    config = run.config
    selection = config.selection.resolved
    known = config.processes
    measured = set(table.data_processes)
    simulated = [name for name in known if name not in measured]
    of_analysis = config.analysis_samples()
    n_training = len(config.samples) - len(of_analysis)
    events = yield_tables.n_events(table)
    yield "configuration", f"`{config.name}`, seed {config.seed}"
    yield (
        "samples",
        f"{len(of_analysis)} samples of {len({s.process for s in of_analysis})} processes, "
        f"{events:,} events" + (f"; {n_training} for training alone" if n_training else ""),
    )
    yield "backgrounds", ", ".join(name for name in simulated if not known[name].signal)
    yield "signals", ", ".join(name for name in simulated if known[name].signal)
    yield "data", ", ".join(table.data_processes)
    yield "luminosity", f"{table.luminosity:g} fb⁻¹"
    yield "selection", f"`{selection.name}`; regions {', '.join(selection.used)}"
    names = ", ".join(spec.name for spec in config.training.networks)
    trained = config.training.models
    yield "networks", f"{names}, trained by the run {trained}" if trained and names else names
    skipped = len(table.skipped_files)
    yield "skipped", f"{skipped} files that cannot be read: see cutflow.json" if skipped else ""


def main_figures(run: Run) -> list[page.Listed]:
    """Return the figures of the first screen: of the best network or, without, of the selection."""
    listed = {one.name: one for one in page.listed(run.plots / "figures.json")}
    wanted = [name for name in _wanted(run) if name in listed] or list(listed)
    return [listed[name] for name in wanted[:MAIN_FIGURES]]


def _wanted(run: Run) -> Iterator[str]:
    """Yield the names of figures, the most important ones first."""
    selection = run.config.selection.resolved
    if "training" in run.config.studies:
        yield "roc"
        yield f"sensitivity_{best_network(read_evaluation(run.table('evaluation')))}"
    first = selection.used[0]
    for histogram in selection.histograms_in(first):
        yield f"stack_{first}_{histogram.name}"
        break
    yield f"cutflow_{first}"


# --- Sections -------------------------------------------------------------------------------------


def sections(run: Run, table: CutflowTable, shown: Sequence[page.Listed]) -> Iterator[str]:
    """Yield the sections of the report, in Markdown; some figures are shown above them."""
    config = run.config
    yield "## Selection"
    yield selection_page.describe(selection_page.counted(config.selection.resolved))
    yield "## Yields"
    for made in yield_tables.tables(table, config):
        yield made.markdown()
    yield yield_tables.links(table, config)
    if "training" in config.studies:
        yield from _of_networks(run, table)
    yield from page.figures(run.plots / "figures.json", but=[one.name for one in shown])
    yield "## Samples"
    yield yield_tables.samples(table, config).markdown()
    if config.training.networks:
        yield page.table(run, "images")
    yield from page.origin(run)


def _of_networks(run: Run, table: CutflowTable) -> Iterator[str]:
    """Yield the sections of trained networks."""
    config = run.config
    yield "## Networks"
    yield network_tables.cost(run).markdown()
    yield page.table(run, "evaluation")
    for spec in config.training.networks:
        if spec.multiclass:
            yield page.table(run, f"classes_{spec.name}")
    yield "## Sensitivity"
    ratios = read_sensitivity(run.table("sensitivity"))
    if ratios:
        bins = (one.name for one in config.selection.resolved.binning.inclusive)
        yield network_tables.gains(ratios, bins, table.luminosity).markdown()
        yield _files(run, "All signal bins, thresholds and shares of the errors:", ("sensitivity",))
    else:
        yield page.note(run, "sensitivity")
    yield "## Signals"
    yield page.table(run, "signals")
    yield _files(run, "By signal bin:", ("signals_bins",))
    comparison = thesis_comparison.against_the_thesis(run)
    if comparison.rows:
        yield "## The thesis and this run"
        yield comparison.markdown()
        yield thesis_comparison.backgrounds(run).markdown()


def _files(run: Run, what: str, names: Sequence[str]) -> str:
    """Return a line with links to files of tables."""
    found = [
        path
        for name in names
        for path in (run.table(name).with_suffix(".md"), run.table(name))
        if path.exists()
    ]
    links = ", ".join(f"[{one}]({one})" for one in (f"tables/{path.name}" for path in found))
    return f"{what} {links}." if links else ""
