"""Bins, factors and scales of stacks; errors of counts."""

from __future__ import annotations

import math

import numpy as np
import pytest
from matplotlib.figure import Figure

from plots.stack import (
    Bins,
    Content,
    Histogram,
    draw,
    events_per_width,
    fill,
    garwood,
    labelled_bins,
    plain_bins,
    scale,
    times,
    together,
    unit_of,
    visible_factors,
)
from tests.plots.drawn import steps

BINS = plain_bins((0, 1, 2), "$x$", "events")


def histogram(*sums: float) -> Histogram:
    return Histogram(np.array(sums), np.array([abs(one) for one in sums]))


def test_poisson_intervals_are_those_of_garwood() -> None:
    """By their definition: at either end what was counted, or less likely, has half of the rest."""
    tail = math.erfc(1 / math.sqrt(2)) / 2

    def up_to(n: int, mean: float) -> float:
        return sum(math.exp(-mean) * mean**k / math.factorial(k) for k in range(n + 1))

    for n in (0, 1, 4, 30):
        below, above = (float(x) for x in garwood(np.array(float(n))))
        assert up_to(n, n + above) == pytest.approx(tail)
        assert n == below == 0 or 1 - up_to(n - 1, n - below) == pytest.approx(tail)


def test_histograms_add() -> None:
    first = fill(np.array([0.5, 3.0]), np.array([1.0, 2.0]), (0, 1, 2))
    both = first + fill(np.array([-1.0]), np.array([-0.5]), (0, 1, 2))
    assert (both.sums.tolist(), both.squares.tolist()) == ([0.5, 2.0], [1.25, 4.0])
    assert (first.below, first.above, both.below, both.above) == (False, True, True, True)


def test_sets_of_data_are_one() -> None:
    one, other = histogram(1, 2), histogram(3, 4)
    assert together({"run_2": one}, 2) == {"run_2": one}
    assert together({}, 2) == {}
    (both,) = together({"a": one, "b": other}, 2).values()
    assert both.sums.tolist() == [4, 6]


def test_bins_of_different_widths_are_divided_by_them() -> None:
    met = labelled_bins((250, 300, 400), "$p$ [GeV]")
    assert (met.events, met.divisor.tolist(), met.log) == ("events / GeV", [50, 100], False)
    assert labelled_bins((0, 1, 3), "score").events == "events / unit"
    eta = labelled_bins((0, 0.4, 0.8), r"$\eta$")
    assert (eta.events, eta.divisor.tolist()) == ("events / 0.4", [1, 1])
    assert labelled_bins((0, 25, 50), "$p$ [GeV]").events == "events / 25 GeV"
    assert labelled_bins((1, 10, 100), "$p$ [GeV]").log
    assert events_per_width(1, "") == "events"
    assert [unit_of(text) for text in ("$m$ [GeV]", "x[0]", "jet_pt[0] + 1", "")] == [
        "GeV",
        "0",
        "",
        "",
    ]


@pytest.mark.parametrize(("factor", "text"), [(1, ""), (20, " × 20"), (1e6, r" × $10^{6}$")])
def test_a_factor_is_written_shortly(factor: float, text: str) -> None:
    assert times(factor) == text


def test_signals_are_scaled_to_be_seen() -> None:
    background = {"b": histogram(80, 100)}

    def factor(signal: Histogram) -> float:
        return visible_factors(Content(background, {"s": signal}), BINS)["s"]

    assert factor(histogram(20, 1)) == 1
    assert factor(histogram(0.02, 0.01)) == 1000
    assert factor(histogram(0, 0)) == 1
    assert visible_factors(Content({}, {"s": histogram(1e-9, 0)}), BINS) == {"s": 1}
    wide = Content({"b": histogram(1e6, 1)}, {"s": histogram(0.5, 0)})
    assert visible_factors(wide, BINS) == {"s": 100}  # to a quarter of 6 decades


def limits(content: Content, bins: Bins = BINS) -> tuple[str, float, float]:
    axes = Figure().subplots()
    draw(axes, bins, content)
    scale(axes, bins, [content])
    return axes.get_yscale(), *axes.get_ylim()


def test_the_axis_is_logarithmic_beyond_two_decades() -> None:
    kind, low, high = limits(Content({"b": histogram(1, 90)}))
    assert (kind, low) == ("linear", 0)
    assert high > 90 + math.sqrt(90)
    kind, low, high = limits(Content({"b": histogram(1, 110)}))
    assert kind == "log"
    assert 0 < low < 1 < 110 < high


def test_the_axis_shows_all_that_is_negative() -> None:
    first, second = histogram(-4, 1), histogram(2, 1)
    kind, low, high = limits(Content({"a": first, "b": second}))
    assert kind == "linear"
    assert low < -4  # where the stack turns
    assert high > 2 + math.sqrt(2)
    axes = Figure().subplots()
    draw(axes, BINS, Content({"a": first, "b": second}))
    band = steps(axes)["statistical error"]
    assert band.values == pytest.approx([-2 + math.sqrt(6), 2 + math.sqrt(2)])
    assert band.baseline == pytest.approx([-2 - math.sqrt(6), 2 - math.sqrt(2)])


def test_errors_of_counts_are_those_of_the_counts_before_the_division() -> None:
    bins = labelled_bins((0, 10, 30), "$p$ [GeV]")
    axes = Figure().subplots()
    draw(axes, bins, Content({}, observed={"data": histogram(4, 9)}))
    (container,) = axes.containers
    (segments,) = container[2]  # type: ignore[index]
    below, above = garwood(np.array([4.0, 9.0]))
    widths = np.array([10, 20])
    found = np.array(segments.get_segments())[:, :, 1]
    assert found[:, 0] == pytest.approx((np.array([4, 9]) - below) / widths)
    assert found[:, 1] == pytest.approx((np.array([4, 9]) + above) / widths)
