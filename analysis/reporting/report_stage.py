"""Stage ``report``: one page with all results of a run."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.reporting.plots_stage import of_networks, plots_targets
from analysis.workflow.run import Run
from analysis.workflow.stage import Stage
from analysis.workflow.target import Done, Target, shared
from analysis.yields.cutflow_stage import cutflow_targets


@shared
def report_targets(run: Run) -> list[Target]:
    """Return the target of the report."""
    config = run.config
    return [
        Target(
            "report",
            "report",
            run.output / "report.html",
            (__name__,),
            settings=config.model_dump(mode="json", exclude={"batch"}),  # which it shows
            upstream=(
                *plots_targets(run),
                *cutflow_targets(run),
                *(of_networks(run) if "training" in config.studies else ()),
            ),
            extra_outputs=(run.output / "results.json",),
        )
    ]


def _run(run: Run, targets: Sequence[Target], done: Done) -> None:
    from analysis.reporting.monojet_report import run as write

    write(run, targets, done)


STAGE = Stage(
    name="report",
    summary="one page with all results",
    reads="tables, plots",
    writes="report.{html,md}, results.json",
    targets=report_targets,
    run=_run,
    study="selection",
)
