"""Stage ``imaging``: fill images of events."""

from __future__ import annotations

from analysis.by_value import dump, reading, regions_of, weights
from analysis.config import Sample
from analysis.sample_roles import image_expressions, image_regions
from analysis.simulation.sources import event_source
from analysis.workflow.run import Run
from analysis.workflow.stage import PartitionedStage, PartitionedWork
from analysis.workflow.target import Target, shared
from selections.selection import Correction


@shared
def image_target(run: Run, sample: Sample) -> Target:
    """Return the images of a sample."""
    config = run.config
    selection = config.selection.resolved
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
            "selection": regions_of(selection, image_regions(config), image_expressions(config)),
            "quantities": dict(selection.quantities),
            "weights": weights(selection, sample),
            "seed": config.seed,
            "invisible": config.invisible,
            "folds": config.folds,
            "sample": {
                **dump(sample, "cross_section", "sum_of_weights"),
                **reading(config, sample, image_expressions(config)),
            },
        },
        upstream=source.upstream,
        input_files=(
            *source.input_files,
            *(one.file for one in selection.weights if isinstance(one, Correction)),
        ),
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
