"""Stage ``left_out``: train the first autoencoder without each process or channel."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from analysis.sample_roles import autoencoder_note, background_samples
from analysis.workflow.run import Run
from analysis.workflow.stage import Stage
from analysis.workflow.target import Done, Target, shared
from selections import three_lepton
from training.autoencoder.autoencoders_stage import autoencoder_targets

log = logging.getLogger("monojet")


@shared
def left_out_targets(run: Run) -> list[Target]:
    """Return one table for the first autoencoder, if anything is to be left out.

    Raises:
        ConfigError: the configuration has no anomaly search.
    """
    config = run.config
    if not config.anomaly_search.leave_one_out:
        return []
    return [
        Target(
            "left_out",
            "left_out",
            run.table("left_out"),
            (__name__,),
            settings={
                "leave_one_out": list(config.anomaly_search.leave_one_out),
                "samples": {s.name: s.process for s in background_samples(config)},
                "channels": list(three_lepton.CHANNELS),
                "seed": config.seed,
            },
            upstream=(autoencoder_targets(run)[0],),
        )
    ]


def _run(run: Run, targets: Sequence[Target], done: Done) -> None:
    from training.autoencoder.left_out import run as train_without

    log.info("%s", autoencoder_note(run.config))
    train_without(run, targets, done)


STAGE = Stage(
    name="left_out",
    summary="train the first autoencoder without each process or channel, and test it on these",
    reads="rmm, models",
    writes="tables/left_out",
    targets=left_out_targets,
    run=_run,
    study="anomaly",
    tables=("left_out",),
)
