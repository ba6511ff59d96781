"""Stage ``report``: one page with all results of the monojet study."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.reporting.plots_stage import plots_targets
from analysis.reporting.results import kept
from analysis.workflow.run import Run
from analysis.workflow.stage import Stage
from analysis.workflow.target import Done, Target, shared
from training.classifier.training_stage import training_targets


@shared
def report_targets(run: Run) -> list[Target]:
    """Return the target of the report."""
    return [
        Target(
            "report",
            "report",
            run.output / "report.html",
            (__name__,),
            upstream=(*plots_targets(run), *training_targets(run)),
            input_files=tuple(str(path) for path in kept()),
            extra_outputs=(run.output / "results.json",),
        )
    ]


def _run(run: Run, targets: Sequence[Target], done: Done) -> None:
    from analysis.reporting.monojet_report import run as write

    write(run, targets, done)


STAGE = Stage(
    name="report",
    summary="one page with all results, beside those of the thesis",
    reads="tables, plots",
    writes="report.{html,md}, results.json",
    targets=report_targets,
    run=_run,
    study="training",
)
