"""Entries of cut-flow tables, with as little as a test needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from analysis.yields.cutflow_model import Cutflow, CutflowSample


def cutflow_sample(
    process: str, regions: Mapping[str, Cutflow], normalisation: float = 2.0, **changes: Any
) -> CutflowSample:
    """A simulated sample without cross-section and sum of weights, but for the changes."""
    sample = CutflowSample(
        process=process,
        slice=None,
        data=False,
        cross_section=None,
        cross_section_error=None,
        sum_of_weights=None,
        sum_of_weights_squared=None,
        normalisation=normalisation,
        origin="files",
        boson_pt=None,
        at_edge=None,
        regions=dict(regions),
    )
    return replace(sample, **changes)
