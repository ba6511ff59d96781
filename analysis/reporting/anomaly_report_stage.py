"""Stage ``anomaly_report``: one page with all results of the anomaly search."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.reporting.anomaly_plots_stage import anomaly_plots_targets
from analysis.workflow.run import Run
from analysis.workflow.stage import Stage
from analysis.workflow.target import Done, Target, shared
from training.autoencoder.left_out_stage import left_out_targets


@shared
def anomaly_report_targets(run: Run) -> list[Target]:
    """Return the report.

    Raises:
        ConfigError: the configuration has no anomaly search.
    """
    return [
        Target(
            "anomaly_report",
            "anomaly_report",
            run.output / "anomaly_report.html",
            (__name__,),
            settings=run.config.model_dump(mode="json", exclude={"batch"}),
            upstream=(*anomaly_plots_targets(run), *left_out_targets(run)),
        )
    ]


def _run(run: Run, targets: Sequence[Target], done: Done) -> None:
    from analysis.reporting.anomaly_report import run as write

    write(run, targets, done)


STAGE = Stage(
    name="anomaly_report",
    summary="report of the anomaly search",
    reads="tables, plots",
    writes="anomaly_report.{html,md}",
    targets=anomaly_report_targets,
    run=_run,
    study="anomaly",
)
