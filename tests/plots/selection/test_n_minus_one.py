"""Each cut has a panel with its quantity, its thresholds and what it rejects."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.markers import CARETLEFTBASE, CARETRIGHTBASE
from matplotlib.patches import Rectangle

from plots import style
from plots.selection.n_minus_one import CutPanel, n_minus_one
from tests.plots.drawn import draw, panels, steps, texts, xs
from tests.plots.templates import UNIFORM, by_process, falling, template

pytestmark = pytest.mark.usefixtures("plain_axes")

MET_CUT = r"$E_\mathrm{T}^\mathrm{miss} > 300$ GeV"
MET = by_process(
    falling("Znunu", 500.0), falling("Wenu", 50.0), falling("mediator", 0.1), falling("data", 500.0)
)
ETA = by_process(
    *(
        template(process, [0, 1, first, first, 1, 2], UNIFORM, r"$\eta$")
        for process, first in (("Znunu", 50), ("Wenu", 70), ("mediator", 1), ("data", 115))
    )
)
ROLES: dict[str, Any] = {"signals": ["mediator"], "data": ["data"]}


def shaded(axes: Axes) -> list[tuple[float, float]]:
    found = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    return [(patch.get_x(), patch.get_x() + patch.get_width()) for patch in found]


def lines(axes: Axes) -> list[float]:
    return [xs(line)[0] for line in axes.lines if line.get_linestyle() == "--"]


def arrows(axes: Axes) -> list[Any]:
    found = (line.get_marker() for line in axes.lines)
    return [marker for marker in found if marker in (CARETLEFTBASE, CARETRIGHTBASE)]


def test_each_cut_shows_its_quantity_and_what_it_rejects() -> None:
    cuts = [
        CutPanel(MET_CUT, MET, [(300.0, True)]),
        CutPanel(r"$|\eta| < 1.5$", ETA, [(-1.5, True), (1.5, False)]),
        CutPanel("central", ETA, [(0.0, None)]),
        CutPanel("none", ETA),
    ]
    figure = n_minus_one(cuts, 36.1, text="SR", **ROLES)
    draw(figure)
    met, eta, equal, none = panels(figure)
    assert (lines(met), shaded(met), arrows(met)) == ([300], [(250, 300)], [CARETRIGHTBASE])
    assert (lines(eta), shaded(eta)) == ([-1.5, 1.5], [(-2, -1.5), (1.5, 2)])
    assert arrows(eta) == [CARETRIGHTBASE, CARETLEFTBASE]
    assert (lines(equal), shaded(equal), arrows(equal)) == ([0], [], [])
    assert (lines(none), shaded(none)) == ([], [])
    assert [axes.get_title(loc="left") for axes in (met, equal)] == [MET_CUT, "central"]
    assert [axes.get_xlabel() for axes in (met, eta)] == [f"{style.MET} [GeV]", r"$\eta$"]
    assert [axes.get_ylabel() for axes in (met, eta)] == ["events / GeV", "events"]
    total = np.array([550, 110, 22 + 4.4]) / (50, 100, 200)
    assert steps(met)[style.process("Znunu").label].values == pytest.approx(total)
    assert steps(eta)[style.process("Wenu").label].values.tolist() == [2, 120, 120, 4 + 2]
    assert "last bin: with all events above" in figure.legends[0].get_title().get_text()
    assert figure.get_suptitle().endswith("SR")


def test_a_signal_has_one_factor_and_the_legend_names_all_once() -> None:
    figure = n_minus_one([CutPanel("a", MET), CutPanel("b", ETA)], 36.1, **ROLES)
    (label,) = (text for text in texts(figure) if style.process("mediator").label in text)
    assert all(label in steps(axes) for axes in panels(figure))
    assert len(texts(figure)) == len({*texts(figure)}) == 5


def test_thresholds_beyond_the_axis_shade_all_or_nothing() -> None:
    cuts = [CutPanel("a", ETA, [(5.0, True)]), CutPanel("b", ETA, [(5.0, False)])]
    everything, nothing = panels(n_minus_one(cuts, 36.1, **ROLES))
    assert (lines(everything), shaded(everything)) == ([], [(-2, 2)])
    assert (lines(nothing), shaded(nothing)) == ([], [(2, 2)])


def test_hidden_data_are_not_drawn() -> None:
    figure = n_minus_one([CutPanel("a", MET)], 36.1, hidden=True, **ROLES)
    assert "data" not in texts(figure)
    assert not figure.axes[0].containers
    assert figure.get_suptitle().endswith("data hidden")


@pytest.mark.parametrize(("number", "columns"), [(1, 1), (4, 2), (5, 3), (13, 4)])
def test_panels_stay_readable(number: int, columns: int) -> None:
    label = "a cut with a text that is far too long for the title of one panel in the figure"
    figure = n_minus_one([CutPanel(label, ETA, [(1.0, False)])] * number, 36.1, **ROLES)
    draw(figure)
    found = panels(figure)
    assert len(found) == number
    assert len({round(axes.get_position().x0, 3) for axes in found}) == columns
    for axes in found:
        extent = axes.get_window_extent()
        assert extent.width > 2.4 * figure.dpi
        assert extent.height > 1.6 * figure.dpi


def test_no_events_are_drawn() -> None:
    empty = by_process(template("Znunu", [0] * 5), template("data", [0] * 5))
    draw(n_minus_one([CutPanel("a", empty, [(300.0, True)])], 36.1, **ROLES))
