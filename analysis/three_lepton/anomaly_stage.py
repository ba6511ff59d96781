"""Stage ``anomaly``: yields and significances of events with high anomaly scores."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.by_value import dump, three_lepton_selection
from analysis.simulation.sources import event_source
from analysis.workflow.run import Run
from analysis.workflow.stage import Stage
from analysis.workflow.target import Done, Target, shared
from training.autoencoder.anomaly_scoring_stage import anomaly_scoring_targets


@shared
def anomaly_targets(run: Run) -> list[Target]:
    """Return one table of all autoencoders.

    Raises:
        ConfigError: the configuration has no anomaly search.
    """
    config = run.config
    search = config.anomaly_search
    sources = [event_source(run, sample) for sample in config.samples]
    return [
        Target(
            "anomaly",
            "anomaly",
            run.table("anomaly"),
            (__name__, *dict.fromkeys(m for source in sources for m in source.modules)),
            settings={
                "search": dump(search, "signals", "background_quantiles", "background_systematic"),
                "selection": three_lepton_selection(search.rmm.objects),
                "seed": config.seed,
            },
            upstream=tuple(anomaly_scoring_targets(run)),
        )
    ]


def _run(run: Run, targets: Sequence[Target], done: Done) -> None:
    from analysis.three_lepton.anomaly import run as search

    search(run, targets, done)


STAGE = Stage(
    name="anomaly",
    summary="yields and significances of events with high anomaly scores",
    reads="samples, rmm, anomaly_scores",
    writes="tables/anomaly",
    targets=anomaly_targets,
    run=_run,
    study="anomaly",
    after=("validate",),
    tables=("anomaly", "anomaly_observed"),
)
