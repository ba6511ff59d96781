"""Stage ``scoring``: score every event with a network that was not trained on it."""

from __future__ import annotations

from analysis.images.imaging_stage import image_target
from analysis.workflow.run import Run
from analysis.workflow.stage import PartitionedStage, PartitionedWork
from analysis.workflow.target import Target, shared
from training.classifier.training_stage import networks_of_another_run, training_targets


@shared
def scoring_targets(run: Run) -> list[Target]:
    """Return one score file per sample of the analysis.

    Raises:
        ConfigError: the networks of another run are missing, or have another configuration.
    """
    taken = networks_of_another_run(run) if run.config.training.models else None
    networks = () if taken else tuple(training_targets(run))
    return [
        Target(
            "scoring",
            sample.name,
            run.scores(sample.name),
            (__name__,),
            settings=taken,
            upstream=(image_target(run, sample), *networks),
        )
        for sample in run.config.analysis_samples()
    ]


def _work() -> PartitionedWork:
    from training.classifier.score import WORK

    return WORK


STAGE = PartitionedStage(
    name="scoring",
    summary="score every event with a network not trained on it",
    reads="images, models",
    writes="scores/<sample>.h5",
    targets=scoring_targets,
    work=_work,
    uses_all_cores=True,
    study="scoring",
)
