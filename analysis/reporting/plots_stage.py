"""Stage ``plots``: all figures of the selection and, if networks are trained, of these."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from analysis.by_value import counted, labels
from analysis.images.imaging_stage import imaging_targets
from analysis.monojet.sensitivity_stage import sensitivity_targets
from analysis.monojet.signals_stage import signals_targets
from analysis.reporting import workers
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
    selection = run.config.selection.resolved
    return [
        Target(
            "plots",
            "figures",
            run.plots / "figures.json",
            (__name__,),
            settings={
                "selection": counted(selection),
                "labels": labels(selection),
                "processes": {name: asdict(one) for name, one in run.config.processes.items()},
            },
            upstream=(
                *cutflow_targets(run),
                *(of_networks(run) if "training" in run.config.studies else ()),
            ),
        )
    ]


def of_networks(run: Run) -> tuple[Target, ...]:
    """Return the targets that the figures of trained networks are made from."""
    return (
        *imaging_targets(run),
        *training_targets(run),
        *scoring_targets(run),
        *evaluation_targets(run),
        *sensitivity_targets(run),
        *signals_targets(run),
    )


def _run(run: Run, targets: Sequence[Target], done: Done) -> None:
    workers.prepare("analysis.reporting.monojet_figures")
    from analysis.reporting.monojet_figures import run as draw

    draw(run, targets, done)


STAGE = Stage(
    name="plots",
    summary="all figures",
    reads="tables, histograms, images",
    writes="plots/*.{png,pdf}",
    targets=plots_targets,
    run=_run,
    study="selection",
)
