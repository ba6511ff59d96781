"""Stage ``generate``: simulate collisions."""

from __future__ import annotations

import dataclasses

from analysis.by_value import dump
from analysis.config import Sample
from analysis.processes import PROCESSES
from analysis.workflow.run import Run
from analysis.workflow.stage import PartitionedStage, PartitionedWork
from analysis.workflow.target import Target, shared


@shared
def generate_target(run: Run, sample: Sample) -> Target:
    """Return the events of a generated sample."""
    config = run.config
    slices = config.generation.slices
    return Target(
        "generate",
        sample.name,
        run.sample(sample.name),
        (__name__,),
        settings={
            "seed": config.seed,
            "invisible": config.invisible,
            "sample": dump(sample, "process", "slice", "events"),
            "process": dataclasses.asdict(PROCESSES[sample.process]),
            "slice": None if sample.slice is None else dump(slices[sample.slice]),
            "generation": dump(
                config.generation, "block_size", "stored_particle_min_pt", "file_format"
            ),
        },
    )


@shared
def generate_targets(run: Run) -> list[Target]:
    """Return one file for each generated sample."""
    return [generate_target(run, sample) for sample in run.config.samples if sample.generated]


def _work() -> PartitionedWork:
    from analysis.simulation.generate import WORK

    return WORK


STAGE = PartitionedStage(
    name="generate",
    summary="simulate collisions with Pythia 8 and cluster jets with FastJet",
    reads="configuration",
    writes="samples/<sample>.root",
    targets=generate_targets,
    work=_work,
    long_tasks=True,
)
