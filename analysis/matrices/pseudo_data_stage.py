"""Stage ``pseudo_data``: draw pseudo-data from the simulation."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.by_value import dump
from analysis.matrices.rmm_stage import rmm_target
from analysis.sample_roles import background_samples, signal_samples
from analysis.workflow.run import Run
from analysis.workflow.stage import Stage
from analysis.workflow.target import Done, Target, shared


@shared
def pseudo_data_targets(run: Run) -> list[Target]:
    """Return one file of matrices for each set of pseudo-data.

    Raises:
        ConfigError: the configuration has no anomaly search.
    """
    config = run.config
    return [
        Target(
            "pseudo_data",
            pseudo.name,
            run.matrices(pseudo.name),
            (__name__,),
            settings={"pseudo_data": dump(pseudo), "seed": config.seed},
            upstream=tuple(
                rmm_target(run, sample)
                for sample in (*background_samples(config), *signal_samples(config))
            ),
        )
        for pseudo in config.anomaly_search.pseudo_data
    ]


def _run(run: Run, targets: Sequence[Target], done: Done) -> None:
    from analysis.matrices.pseudo_data import run as draw

    draw(run, targets, done)


STAGE = Stage(
    name="pseudo_data",
    summary="draw pseudo-data from the simulation, with and without signals",
    reads="rmm",
    writes="rmm/pseudo_data*.h5",
    targets=pseudo_data_targets,
    run=_run,
    study="anomaly",
)
