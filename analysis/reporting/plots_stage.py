"""Stage ``plots``: all figures of the monojet study."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.by_value import monojet_selection
from analysis.images.imaging_stage import imaging_targets
from analysis.monojet.sensitivity_stage import sensitivity_targets
from analysis.monojet.signals_stage import signals_targets
from analysis.processes import SIGNALS
from analysis.workflow.run import Run
from analysis.workflow.stage import Stage
from analysis.workflow.target import Done, Target, shared
from analysis.yields.cutflow_stage import cutflow_targets
from training.classifier.evaluation_stage import evaluation_targets
from training.classifier.scoring_stage import scoring_targets
from training.classifier.training_stage import training_targets


@shared
def plots_targets(run: Run) -> list[Target]:
    """Return the target of the list of all figures."""
    return [
        Target(
            "plots",
            "figures",
            run.plots / "figures.json",
            (__name__,),
            settings={"selection": monojet_selection(), "signals": list(SIGNALS)},
            upstream=(
                *imaging_targets(run),
                *training_targets(run),
                *scoring_targets(run),
                *evaluation_targets(run),
                *cutflow_targets(run),
                *sensitivity_targets(run),
                *signals_targets(run),
            ),
        )
    ]


def _run(run: Run, targets: Sequence[Target], done: Done) -> None:
    from analysis.reporting.monojet_figures import run as draw

    draw(run, targets, done)


STAGE = Stage(
    name="plots",
    summary="all figures",
    reads="images, scores, tables",
    writes="plots/*.{png,pdf}",
    targets=plots_targets,
    run=_run,
    study="training",
)
