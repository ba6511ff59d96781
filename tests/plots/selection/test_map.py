"""Maps show all events of two quantities."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib.collections import PolyQuadMesh, QuadMesh
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from common.schema.templates import Template, weighted
from plots import style
from plots.selection.map import maps
from tests.plots.drawn import draw, panels
from tests.plots.templates import EDGES, MET, by_process

pytestmark = pytest.mark.usefixtures("plain_axes")

ETA = (-2.0, 0.0, 2.0)
ROLES: dict[str, Any] = {"signals": ["mediator", "higgs"], "data": ["data"]}
INNER = np.array([[4.0, 3.0], [2.0, 1.0], [1.0, 0.5]])


def template(process: str, inner: np.ndarray, beyond: float = 0.0) -> Template:
    """With as many events in each cell beyond the axes."""
    values = np.full((5, 4), beyond)
    values[1:-1, 1:-1] = inner
    histogram = weighted([EDGES, ETA], [MET, r"$\eta$"], values, np.abs(values))
    return Template("SR", process, "xy", "", histogram, 1)


def cells(figure: Figure) -> dict[str, np.ndarray]:
    """Events by title of the panel, as (quantity of the abscissa, other); 0 where it is white."""
    found = {}
    for axes in panels(figure):
        (mesh,) = (one for one in axes.collections if isinstance(one, QuadMesh))
        shown: np.ndarray = np.nan_to_num(np.ma.filled(np.ma.asarray(mesh.get_array()), 0))
        found[axes.get_title(loc="left")] = shown.T
    return found


def test_the_sum_of_backgrounds_data_and_the_largest_signal_are_shown() -> None:
    found = by_process(
        template("Znunu", INNER),
        template("Wenu", 2 * INNER),
        template("mediator", INNER / 100),
        template("higgs", INNER / 10),
        template("data", 5 * INNER),
    )
    figure = maps(found, 36.1, text="SR", **ROLES)
    draw(figure)
    shown = cells(figure)
    assert list(shown) == ["backgrounds", "data", style.process("higgs").label]
    for values, wanted in zip(shown.values(), (3 * INNER, 5 * INNER, INNER / 10), strict=True):
        assert values == pytest.approx(wanted)
    first, second, _ = (axes.collections[0] for axes in panels(figure))
    assert first.get_clim() == second.get_clim() == (0, 20)
    axes = panels(figure)[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == (MET, r"$\eta$")
    assert (axes.get_xlim(), axes.get_ylim()) == ((250, 600), (-2, 2))
    assert figure.get_suptitle().endswith("SR")


def test_outer_cells_hold_all_beyond() -> None:
    figure = maps(by_process(template("Znunu", 0 * INNER, beyond=1.0)), 36.1)
    (values,) = cells(figure).values()
    assert values.tolist() == [[3, 3], [1, 1], [3, 3]]
    assert "outer bins: with all events beyond" in figure.get_suptitle()


def test_hidden_data_are_not_shown() -> None:
    found = by_process(template("Znunu", INNER), template("data", INNER))
    figure = maps(found, 36.1, hidden=True, **ROLES)
    assert list(cells(figure)) == ["backgrounds"]
    assert figure.get_suptitle().endswith("data hidden")


def test_scales_are_logarithmic_beyond_two_decades() -> None:
    wide = INNER * [[1e9, 1]]
    (axes,) = panels(maps(by_process(template("Znunu", wide)), 36.1))
    norm = axes.collections[0].norm
    assert isinstance(norm, LogNorm)
    assert norm.vmin == pytest.approx(4e3)
    assert norm.vmax == 4e9


def test_negative_cells_are_hatched_and_empty_ones_white() -> None:
    inner = INNER.copy()
    inner[0, 0], inner[1, 1] = -1, 0
    figure = maps(by_process(template("Znunu", inner)), 36.1)
    draw(figure)
    (values,) = cells(figure).values()
    assert values[0, 0] == values[1, 1] == 0
    (axes,) = panels(figure)
    (hatched,) = (one for one in axes.collections if isinstance(one, PolyQuadMesh))
    assert hatched.get_hatch()
    assert np.ma.asarray(hatched.get_array()).compressed().tolist() == [-1]


def test_no_events_are_drawn() -> None:
    draw(maps(by_process(template("Znunu", 0 * INNER)), 36.1))
    draw(maps(by_process(template("data", INNER)), 36.1, hidden=True, **ROLES))
