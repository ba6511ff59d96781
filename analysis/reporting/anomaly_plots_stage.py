"""Stage ``anomaly_plots``: all figures of the anomaly search."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.reporting import workers
from analysis.three_lepton.anomaly_stage import anomaly_targets
from analysis.three_lepton.inspection_stage import inspection_targets
from analysis.workflow.run import Run
from analysis.workflow.stage import Stage
from analysis.workflow.target import Done, Target, shared
from training.autoencoder.denoising_stage import denoising_targets


@shared
def anomaly_plots_targets(run: Run) -> list[Target]:
    """Return one list of all figures.

    Raises:
        ConfigError: the configuration has no anomaly search.
    """
    return [
        Target(
            "anomaly_plots",
            "anomaly_figures",
            run.plots / "anomaly_figures.json",
            (__name__,),
            upstream=(
                *anomaly_targets(run),
                *inspection_targets(run),
                *denoising_targets(run),
            ),
        )
    ]


def _run(run: Run, targets: Sequence[Target], done: Done) -> None:
    workers.prepare("analysis.reporting.anomaly_figures")
    from analysis.reporting.anomaly_figures import run as draw

    draw(run, targets, done)


STAGE = Stage(
    name="anomaly_plots",
    summary="all figures of the search for anomalies",
    reads="rmm, tables, inspection",
    writes="plots/*.{png,pdf}",
    targets=anomaly_plots_targets,
    run=_run,
    study="anomaly",
)
