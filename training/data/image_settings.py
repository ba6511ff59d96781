"""The settings that the images of a run must have been filled with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.workflow.run import Run


def image_settings(run: Run) -> dict[str, Any]:
    """Return the values of `common.schema.images.SETTINGS` in the configuration of a run."""
    imaging = run.config.imaging
    return {
        "particle_threshold_GeV": imaging.particle_threshold,
        "jet_threshold_GeV": imaging.jet_threshold,
        "region": imaging.region or "",
        "detector": imaging.detector_json,
        "folds": run.config.folds,
    }
