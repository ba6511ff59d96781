"""Spectra show the histograms they are given, with nothing lost at the ends."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes

from common.schema.templates import Template
from plots import style
from plots.selection.spectra import stack
from tests.plots.drawn import draw, panels, steps, texts, xs, ys
from tests.plots.templates import EDGES, UNIFORM, by_process, falling, template

pytestmark = pytest.mark.usefixtures("plain_axes")

WIDTHS = np.diff(EDGES)
ZNUNU = template("Znunu", [0, 600, 500, 100, 20])
WENU = template("Wenu", [3, 60, 50, 10, 0])
SIGNAL = template("mediator", [0, 1, 2, 4, 4])
DATA = template("data", [0, 650, 540, 130, 5], variances=[0, 650, 540, 130, 5])
MEDIATOR = style.process("mediator").label


def points(axes: Axes) -> tuple[list[float], list[float]]:
    (container,) = axes.containers
    return xs(container[0]), ys(container[0])  # type: ignore[index]


def test_backgrounds_are_stacked_per_gev_and_end_bins_hold_all_beyond() -> None:
    found = by_process(ZNUNU, WENU, SIGNAL, DATA)
    figure = stack(found, 36.1, signals=["mediator"], data=["data"], text="SR")
    draw(figure)
    upper, lower = panels(figure)
    drawn = steps(upper)
    small = np.array([63, 50, 10]) / WIDTHS
    total = small + np.array([600, 500, 120]) / WIDTHS
    assert drawn[style.process("Wenu").label].values == pytest.approx(small)
    assert drawn[style.process("Znunu").label].baseline == pytest.approx(small)
    assert drawn[style.process("Znunu").label].values == pytest.approx(total)
    error = np.sqrt(np.array([663, 550, 130]) / 2) / WIDTHS
    assert drawn["statistical error"].values == pytest.approx(total + error)
    assert points(upper)[0] == [275, 350, 500]
    assert points(upper)[1] == pytest.approx([13, 5.4, 0.675])
    assert points(lower)[1] == pytest.approx([650 / 663, 540 / 550, 135 / 130])
    assert drawn[f"{MEDIATOR} × 100"].values == pytest.approx(np.array([100, 200, 800]) / WIDTHS)
    assert (upper.get_ylabel(), lower.get_xlabel()) == ("events / GeV", f"{style.MET} [GeV]")
    note = "first bin: with all events below; last bin: with all events above"
    assert figure.legends[0].get_title().get_text() == note
    assert texts(figure) == [
        "data",
        style.process("Znunu").label,
        style.process("Wenu").label,
        "statistical error",
        f"{MEDIATOR} × 100",
    ]
    assert figure.get_suptitle().endswith("36.1 fb$^{-1}$, SR")
    assert "simulation" not in figure.get_suptitle()


def test_bins_of_one_width_are_not_divided() -> None:
    figure = stack(by_process(template("Znunu", [0, 1, 2, 3, 4, 0], UNIFORM, r"$\eta$")), 36.1)
    (axes,) = panels(figure)
    assert steps(axes)[style.process("Znunu").label].values.tolist() == [1, 2, 3, 4]
    assert axes.get_ylabel() == "events"
    assert axes.get_yscale() == "linear"
    assert figure.legends[0].get_title().get_text() == ""


def test_hidden_data_are_not_drawn_and_the_figure_says_so() -> None:
    figure = stack(by_process(ZNUNU, DATA), 36.1, data=["data"], hidden=True, text="SR")
    (axes,) = panels(figure)
    assert not axes.containers
    assert "data" not in texts(figure)
    assert figure.get_suptitle().endswith("SR, data hidden")
    assert "simulation" in figure.get_suptitle()
    assert steps(axes)[style.process("Znunu").label].values == pytest.approx(
        np.array([600, 500, 120]) / WIDTHS
    )


def test_data_of_several_processes_are_added() -> None:
    halves = [
        template(f"run_{i}", DATA.values.tolist(), variances=DATA.variances.tolist())
        for i in range(2)
    ]
    upper, _ = panels(stack(by_process(ZNUNU, *halves), 36.1, data=["run_0", "run_1"]))
    assert points(upper)[1] == pytest.approx([26, 10.8, 1.35])


def test_factors_may_be_given() -> None:
    found = by_process(ZNUNU, SIGNAL)
    figure = stack(found, 36.1, signals=["mediator"], factors={"mediator": 25.0})
    assert f"{MEDIATOR} × 25" in texts(figure)
    assert MEDIATOR in texts(stack(found, 36.1, signals=["mediator"], factors={}))


EMPTY = template("Znunu", [0] * 5)
NEGATIVE = template("Wenu", [-1, 3, -5, 2, 0])
MANY = [falling(f"process_{i}", 10.0 ** (5 - i)) for i in range(12)]
LONG = "Sum(jet_pt[jet_pt>30&&abs(jet_eta)<2.8])/max(met_no_muons,1.f)+sum_of_much_more_than_fits"


@pytest.mark.parametrize(
    "found",
    [
        [ZNUNU],
        [EMPTY],
        [EMPTY, SIGNAL, template("data", [0] * 5)],
        [NEGATIVE, EMPTY, DATA],
        [DATA],
        [SIGNAL],
        MANY,
        [template("Znunu", [0, 1e9, 1, 1e-9, 0]), SIGNAL],
        [template("Znunu", [0, 5, 1], (0, 1), LONG)],
        [template("Znunu", [0, 5, 1, 1, 0], (1, 10, 100, 1000), "$m$ [GeV]")],
    ],
)
def test_all_are_drawn_within_the_figure(found: list[Template]) -> None:
    figure = stack(by_process(*found), 36.1, signals=["mediator"], data=["data"], text="SR")
    draw(figure)
    low, high = figure.axes[0].get_ylim()
    assert low < high
    for axes in panels(figure):
        extent = axes.get_tightbbox()
        assert extent is not None
        assert 0 <= extent.x0 < extent.x1 <= figure.get_figwidth() * figure.dpi


def test_equal_figures_give_equal_bytes(tmp_path: Path) -> None:
    written = [
        [
            path.read_bytes()
            for path in style.save(stack(by_process(ZNUNU, WENU), 36.1), tmp_path / name)
        ]
        for name in ("one", "other")
    ]
    assert written[0] == written[1]
