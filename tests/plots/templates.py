"""Made-up histograms of a region."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from common.schema.templates import Template, weighted
from plots import style

MET = f"{style.MET} [GeV]"
EDGES = (250.0, 300.0, 400.0, 600.0)
UNIFORM = (-2.0, -1.0, 0.0, 1.0, 2.0)


def template(
    process: str,
    values: Sequence[float],
    edges: Sequence[float] = EDGES,
    label: str = MET,
    variances: Sequence[float] | None = None,
) -> Template:
    """A histogram of one quantity, with underflow and overflow; the variance is half the value."""
    spread = np.abs(np.asarray(values, np.float64)) / 2 if variances is None else variances
    return Template("SR", process, "x", "", weighted([edges], [label], values, spread), 10)


def falling(process: str, first: float, **options: Sequence[float] | str) -> Template:
    """Events that fall by 5 from bin to bin, with overflow."""
    return template(process, [0.0, first, first / 5, first / 25, first / 125], **options)  # type: ignore[arg-type]


def by_process(*templates: Template) -> dict[str, Template]:
    return {one.process: one for one in templates}
