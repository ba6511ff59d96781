"""The search for anomalies: from scored events to regions, yields, significances and tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from analysis.datasets import background_samples
from analysis.matrices.rmm_file import VALIDATION
from analysis.three_lepton.findings import findings, quantiles
from analysis.three_lepton.tables import findings_table, observations_table, regions_table
from analysis.three_lepton.yields import (
    counts_of_pseudo_data,
    errors_of_means,
    expected_yields,
    joined,
    read_scored,
)
from analysis.workflow.run import Run
from analysis.workflow.target import Done, Target
from common.runtime import files


def run(run: Run, targets: Sequence[Target], done: Done) -> None:
    """Regions, yields, areas and significances of all autoencoders."""
    config = run.config
    names = [spec.name for spec in config.anomaly_search.autoencoders]
    events = {s.name: read_scored(run, s, names) for s in config.samples}
    background = joined([events[s.name] for s in background_samples(config)])
    choosing = joined([read_scored(run, s, names, VALIDATION) for s in background_samples(config)])
    edges = {
        name: quantiles(choosing.scores[name], choosing.weight, config.anomaly_search.quantiles)
        for name in names
    }
    yields = {s.name: expected_yields(run, s, edges) for s in config.samples}
    yields |= {
        p.name: counts_of_pseudo_data(run, p.name, edges) for p in config.anomaly_search.pseudo_data
    }
    errors = errors_of_means(run, edges) if config.anomaly_search.pseudo_data else {}
    found = [
        findings(
            config,
            name,
            edges[name],
            yields,
            events,
            background,
            {pseudo.name: errors[name] for pseudo in config.anomaly_search.pseudo_data},
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
