"""The search for anomalies: from scored events to regions, yields, significances and tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from analysis.anomaly_findings import findings, quantiles
from analysis.anomaly_tables import findings_table, observations_table, regions_table
from analysis.anomaly_yields import (
    counts_of_pseudo_data,
    errors_of_means,
    expected_yields,
    joined,
    read_scored,
)
from analysis.pipeline import Done, Run, Target
from analysis.rmm_file import VALIDATION
from common import files


def run(run: Run, targets: Sequence[Target], done: Done) -> None:
    """Regions, yields, areas and significances of all autoencoders."""
    config = run.config
    names = [spec.name for spec in config.search.autoencoders]
    events = {s.name: read_scored(run, s, names) for s in config.samples}
    background = joined([events[s.name] for s in config.normal_samples()])
    choosing = joined([read_scored(run, s, names, VALIDATION) for s in config.normal_samples()])
    edges = {
        name: quantiles(choosing.scores[name], choosing.weight, config.search.quantiles)
        for name in names
    }
    yields = {s.name: expected_yields(run, s, edges) for s in config.samples}
    yields |= {p.name: counts_of_pseudo_data(run, p.name, edges) for p in config.search.pseudo_data}
    errors = errors_of_means(run, edges) if config.search.pseudo_data else {}
    found = [
        findings(
            config,
            name,
            edges[name],
            yields,
            events,
            background,
            {pseudo.name: errors[name] for pseudo in config.search.pseudo_data},
        )
        for name in names
    ]
    (target,) = targets
    tables = [findings_table(config, found), regions_table(config, found)]
    if any(one.observations for one in found):
        tables.append(observations_table(config, found))
    for table in tables:
        table.write_beside(target.output.with_name(f"{table.name}.json"))
    files.write_json(target.output, [asdict(one) for one in found])
    done(target)
