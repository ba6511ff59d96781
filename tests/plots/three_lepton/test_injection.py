"""What is found in regions: points where they belong, bands, and what is missing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from analysis.three_lepton.search_model import Observation, SearchResult
from common.stats.measured import Measured
from plots.three_lepton.injection import injection
from tests.plots.drawn import draw, texts, xs, ys

pytestmark = pytest.mark.usefixtures("plain_axes")


def observation(observed: str, quantile: float, n: int, **others: Any) -> Observation:
    values: dict[str, Any] = {
        "observed": observed,
        "quantile": quantile,
        "n_observed": n,
        "n_background": Measured(10.0, 2.0),
        "mean_error": 0.0,
        "significance": (n - 10) / 10**0.5,
        "with_error": (n - 10) / 14**0.5,
    }
    return Observation(**(values | others))


def findings(autoencoder: str, *observations: Observation) -> SearchResult:
    return SearchResult(autoencoder, {}, [], [], list(observations))


OBSERVATIONS = [
    observation(observed, quantile, n)
    for quantile, without, with_signal in ((0.9, 9, 12), (0.99, 0, 40))
    for observed, n in (("pseudo_data", without), ("own_$x$", with_signal))
]
RESULTS = [findings(name, *OBSERVATIONS) for name in ("dense", "variational")]


def test_every_region_has_its_points() -> None:
    figure = injection(RESULTS, 3.0)
    draw(figure)
    upper, lower = np.reshape(np.array(figure.axes), (2, 2))
    assert [axes.get_title(loc="left") for axes in upper] == ["dense", "variational"]
    for axes in lower:
        assert [text.get_text() for text in axes.get_xticklabels()] == ["90 %", "99 %"]
        points = [line for line in axes.lines if line.get_linestyle() == "None"]
        for line, observed, key in zip(
            points,
            ("pseudo_data", "pseudo_data", "own_$x$", "own_$x$"),
            ("significance", "with_error") * 2,
            strict=True,
        ):
            wanted = [getattr(r, key) for r in OBSERVATIONS if r.observed == observed]
            assert ys(line) == wanted
            assert np.round(xs(line)).tolist() == [0, 1]
        bands = {(p.get_y(), p.get_y() + p.get_height()) for p in axes.patches}
        assert bands == {(-1, 1), (-2, 2)}
    counted = [ys(c[0]) for c in upper[0].containers if hasattr(c, "has_yerr")]
    assert counted == [[9], [12, 40]]  # none is no point on a logarithmic axis
    assert upper[0].get_yscale() == "log"
    assert texts(figure)[:2] == ["pseudo-data", r"own_\$x\$"]


@pytest.mark.parametrize(
    "results",
    [
        [],
        [findings("dense", observation("data", 0.5, 0, n_background=Measured(0.0, 0.0)))],
        [findings("dense", observation("data", 0.5, 3, significance=None, with_error=None))],
    ],
)
def test_nothing_found_is_drawn(results: list[SearchResult]) -> None:
    figure = injection(results)
    draw(figure)
    low, high = figure.axes[-1].get_ylim()
    assert low <= -3 < 3 <= high
