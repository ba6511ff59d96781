"""The search for anomalies: from scored events to regions, yields, significances and tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from analysis.sample_roles import background_samples
from analysis.three_lepton.scored_events import (
    counts_of_pseudo_data,
    mean_errors,
    merged,
    read_scored,
)
from analysis.three_lepton.search_results import SearchEvents, findings, quantiles
from analysis.three_lepton.tables import observations_table, regions_table, search_table
from analysis.three_lepton.yields import expected_yields
from analysis.workflow.run import Run
from analysis.workflow.target import Done, Target
from common.runtime import files
from common.schema.matrices import Subset


def run(run: Run, targets: Sequence[Target], done: Done) -> None:
    """Compute and write regions, yields, AUCs and significances of all autoencoders."""
    config, search = run.config, run.config.anomaly_search
    events = _search_events(run)
    found = [findings(config, spec.name, events) for spec in search.autoencoders]
    (target,) = targets
    tables = [search_table(config, found), regions_table(config, found)]
    if any(one.observations for one in found):
        tables.append(observations_table(config, found))
    for table in tables:
        table.write_beside(target.output.with_name(f"{table.name}.json"))
    files.write_json(target.output, [asdict(one) for one in found])
    done(target)


def _search_events(run: Run) -> SearchEvents:
    """Read all scored events, choose the thresholds of regions, and count events between them."""
    config, search = run.config, run.config.anomaly_search
    names = [spec.name for spec in search.autoencoders]
    backgrounds = background_samples(config)
    events = {s.name: read_scored(run, s, names) for s in config.samples}
    validation = merged([read_scored(run, s, names, Subset.VALIDATION) for s in backgrounds])
    thresholds = {
        name: quantiles(validation.scores[name], validation.weight, search.background_quantiles)
        for name in names
    }
    yields = {s.name: expected_yields(run, s, thresholds) for s in config.samples}
    yields |= {p.name: counts_of_pseudo_data(run, p.name, thresholds) for p in search.pseudo_data}
    return SearchEvents(
        thresholds,
        yields,
        events,
        merged([events[s.name] for s in backgrounds]),
        mean_errors(run, thresholds) if search.pseudo_data else {},
    )
