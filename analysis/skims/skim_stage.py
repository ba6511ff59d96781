"""Stage ``skim``: chosen columns of the events of a region, one file per sample."""

from __future__ import annotations

from analysis.by_value import dump, reading, regions_of, weights
from analysis.config import Sample, Skim
from analysis.simulation.sources import event_source
from analysis.workflow.run import Run
from analysis.workflow.stage import PartitionedStage, PartitionedWork
from analysis.workflow.target import Target, shared
from common.runtime.errors import ConfigError
from selections.selection import Correction


@shared
def skim_target(run: Run, sample: Sample) -> Target:
    """Return the skim of a sample.

    Raises:
        ConfigError: the configuration has no skim.
    """
    config = run.config
    skim, selection = _settings(run), config.selection.resolved
    expressions = skim.expressions(selection, data=sample.data)
    factors = () if sample.data else selection.weights
    source = event_source(run, sample)
    return Target(
        "skim",
        sample.name,
        run.skim(sample.name, skim.suffix),
        (__name__, *source.modules),
        settings={
            "skim": dump(skim),
            "selection": regions_of(selection, [skim.region] if skim.region else [], expressions),
            "weights": weights(selection, sample),
            "luminosity": config.luminosity,
            "invisible": config.invisible,
            "sample": {
                **dump(sample, "cross_section", "sum_of_weights", "k_factor"),
                **reading(config, sample, expressions),
            },
        },
        upstream=source.upstream,
        input_files=(
            *source.input_files,
            *(one.file for one in factors if isinstance(one, Correction)),
        ),
    )


@shared
def skim_targets(run: Run) -> list[Target]:
    """Return one file for each sample.

    Raises:
        ConfigError: the configuration has no skim.
    """
    return [skim_target(run, sample) for sample in run.config.samples]


def _settings(run: Run) -> Skim:
    if run.config.skim is None:
        raise ConfigError("this stage requires 'skim' in the configuration")
    return run.config.skim


def _work() -> PartitionedWork:
    from analysis.skims.skim import WORK

    return WORK


STAGE = PartitionedStage(
    name="skim",
    summary="chosen columns of the events of a region, as RNTuple, TTree or Parquet",
    reads="samples",
    writes="skims/<sample>.{root,parquet}",
    targets=skim_targets,
    work=_work,
    study="skim",
    after=("validate",),
)
