"""The stages, in the order of the data: the names of their modules."""

from __future__ import annotations

import functools
from importlib import import_module

from analysis.workflow.stage import AnyStage, PartitionedStage

MODULES = (
    "analysis.inputs.validate_stage",
    "analysis.simulation.generate_stage",
    "analysis.simulation.convert_stage",
    "analysis.images.imaging_stage",
    "training.classifier.training_stage",
    "training.classifier.scoring_stage",
    "training.classifier.evaluation_stage",
    "analysis.yields.cutflow_stage",
    "analysis.skims.skim_stage",
    "analysis.monojet.sensitivity_stage",
    "analysis.monojet.signals_stage",
    "analysis.matrices.rmm_stage",
    "training.autoencoder.autoencoders_stage",
    "training.autoencoder.left_out_stage",
    "analysis.matrices.pseudo_data_stage",
    "training.autoencoder.anomaly_scoring_stage",
    "analysis.three_lepton.anomaly_stage",
    "analysis.three_lepton.inspection_stage",
    "training.autoencoder.denoising_stage",
    "analysis.reporting.anomaly_plots_stage",
    "analysis.reporting.anomaly_report_stage",
    "analysis.reporting.plots_stage",
    "analysis.reporting.report_stage",
)


@functools.cache
def stages() -> tuple[AnyStage, ...]:
    """Return all stages, in the order of the data."""
    found: list[AnyStage] = [import_module(module).STAGE for module in MODULES]
    return tuple(found)


def stage_named(name: str) -> AnyStage:
    """Return the stage of that name.

    Raises:
        KeyError: no stage has it.
    """
    return {stage.name: stage for stage in stages()}[name]


def partitioned_stage(name: str) -> PartitionedStage:
    """Return the stage of that name, which works in parts."""
    stage = stage_named(name)
    assert isinstance(stage, PartitionedStage), f"{name} works as a whole"
    return stage
