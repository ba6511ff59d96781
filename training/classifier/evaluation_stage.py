"""Stage ``evaluation``: judge the networks on events that they did not learn from."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from analysis.by_value import dump
from analysis.sample_roles import evaluation_notes, evaluation_samples, threshold_samples
from analysis.workflow.run import Run
from analysis.workflow.stage import Stage
from analysis.workflow.target import Done, Target, shared
from training.classifier.scoring_stage import scoring_targets

log = logging.getLogger("monojet")


@shared
def evaluation_targets(run: Run) -> list[Target]:
    """Return the target of the evaluation of all networks.

    Raises:
        ConfigError: a process that judges a network has no sample.
    """
    config, networks = run.config, run.config.training.networks
    return [
        Target(
            "evaluation",
            "networks",
            run.table("evaluation"),
            (__name__,),
            settings={
                "evaluation": dump(config.evaluation),
                "samples": {n.name: evaluation_samples(config, n) for n in networks},
                "choosing": {n.name: threshold_samples(config, n) for n in networks},
                "seed": config.seed,
            },
            upstream=tuple(scoring_targets(run)),
        )
    ]


def _run(run: Run, targets: Sequence[Target], done: Done) -> None:
    from training.classifier.evaluation import run as evaluate

    for line in evaluation_notes(run.config, run.config.training.networks):
        log.info("%s", line)
    evaluate(run, targets, done)


STAGE = Stage(
    name="evaluation",
    summary="scan thresholds, ROC curves, errors",
    reads="scores",
    writes="tables/evaluation",
    targets=evaluation_targets,
    run=_run,
    study="training",
    tables=("evaluation",),
)
