"""Stage ``rmm``: rapidity-mass matrices of events with three leptons."""

from __future__ import annotations

from analysis.by_value import dump, reading, three_lepton_selection
from analysis.config import Sample
from analysis.simulation.sources import event_source
from analysis.workflow.run import Run
from analysis.workflow.stage import PartitionedStage, PartitionedWork
from analysis.workflow.target import Target, shared


@shared
def rmm_target(run: Run, sample: Sample) -> Target:
    """Return the rapidity-mass matrices of a sample.

    Raises:
        ConfigError: the configuration has no anomaly search.
    """
    config = run.config
    search = config.anomaly_search
    source = event_source(run, sample)
    return Target(
        "rmm",
        sample.name,
        run.matrices(sample.name),
        (__name__, *source.modules),
        settings={
            "rmm": dump(search.rmm),
            "selection": three_lepton_selection(search.rmm.objects),
            "invisible": config.invisible,
            "is_signal": sample.process in search.signals,
            "luminosity": config.luminosity,
            "sample": {
                **dump(sample, "cross_section", "sum_of_weights", "k_factor"),
                **reading(config, sample, ()),
            },
        },
        upstream=source.upstream,
        input_files=source.input_files,
    )


@shared
def rmm_targets(run: Run) -> list[Target]:
    """Return one file of matrices for each sample.

    Raises:
        ConfigError: the configuration has no anomaly search.
    """
    return [rmm_target(run, sample) for sample in run.config.samples]


def _work() -> PartitionedWork:
    from analysis.matrices.rmm import WORK

    return WORK


STAGE = PartitionedStage(
    name="rmm",
    summary="rapidity-mass matrices of events with three leptons, and their cut-flow",
    reads="samples",
    writes="rmm/<sample>.h5",
    targets=rmm_targets,
    work=_work,
    study="anomaly",
    after=("validate",),
    tables=("three_lepton",),
)
