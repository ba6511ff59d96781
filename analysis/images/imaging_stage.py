"""Stage ``imaging``: fill images of events."""

from __future__ import annotations

from analysis.by_value import dump, monojet_regions
from analysis.config import Sample
from analysis.sample_roles import image_regions
from analysis.simulation.sources import event_source
from analysis.workflow.run import Run
from analysis.workflow.stage import PartitionedStage, PartitionedWork
from analysis.workflow.target import Target, shared
from selections import monojet36


@shared
def image_target(run: Run, sample: Sample) -> Target:
    """Return the images of a sample."""
    config = run.config
    source = event_source(run, sample)
    return Target(
        "imaging",
        sample.name,
        run.images(sample.name),
        (__name__, *source.modules),
        settings={
            "imaging": dump(
                config.imaging, "particle_threshold", "jet_threshold", "region", "detector"
            ),
            "selection": monojet_regions(image_regions(config), monojet36.QUANTITIES.values()),
            "seed": config.seed,
            "invisible": config.invisible,
            "folds": config.folds,
            "sample": dump(
                sample, "cross_section", "sum_of_weights", "format", "columns", "tree", "data"
            ),
        },
        upstream=source.upstream,
        input_files=source.input_files,
    )


@shared
def imaging_targets(run: Run) -> list[Target]:
    """Return one HDF5 file for each sample."""
    return [image_target(run, sample) for sample in run.config.samples]


def _work() -> PartitionedWork:
    from analysis.images.imaging import WORK

    return WORK


STAGE = PartitionedStage(
    name="imaging",
    summary="fill eta x phi images and their compressions",
    reads="samples",
    writes="images/<sample>.h5",
    targets=imaging_targets,
    work=_work,
    after=("validate",),
    tables=("images",),
)
