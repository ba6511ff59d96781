"""Stage ``convert``: make files in the format of this program from HepMC files."""

from __future__ import annotations

from analysis.by_value import dump
from analysis.config import Sample
from analysis.inputs.paths import expand
from analysis.processes import PROCESSES
from analysis.workflow.run import Run
from analysis.workflow.stage import PartitionedStage, PartitionedWork
from analysis.workflow.target import Target, shared


@shared
def convert_target(run: Run, sample: Sample) -> Target:
    """Return the events of a sample of HepMC files."""
    config = run.config
    paths = tuple(expand(sample.files))
    process = PROCESSES.get(sample.process)
    return Target(
        "convert",
        sample.name,
        run.sample(sample.name),
        (__name__,),
        settings={
            "sample": dump(sample, "process", "slice", "hepmc_weight"),
            "boson": process.boson if process else 0,
            "invisible": config.invisible,
            "files": paths,  # their order numbers the events
            "generation": dump(config.generation, "stored_particle_min_pt", "file_format"),
        },
        input_files=paths,
    )


@shared
def convert_targets(run: Run) -> list[Target]:
    """Return one file for each sample of HepMC files."""
    return [convert_target(run, sample) for sample in run.config.samples if sample.converted]


def _work() -> PartitionedWork:
    from analysis.simulation.convert import WORK

    return WORK


STAGE = PartitionedStage(
    name="convert",
    summary="convert HepMC files to the format of this program",
    reads="HepMC files",
    writes="samples/<sample>.root",
    targets=convert_targets,
    work=_work,
    after=("validate",),
)
