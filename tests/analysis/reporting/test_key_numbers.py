"""The numbers of the first screen follow from what a run has."""

from __future__ import annotations

import math
from typing import Any

import pytest

from analysis.reporting.key_numbers import of_selection
from common.tables import with_error
from tests.analysis.reporting.made_up import config, cutflow_table

# Both backgrounds: 400 + 200 events, each worth two; the cross-sections have errors of 10 %.
BACKGROUND = 1200.0
ERROR = math.hypot(math.hypot(2 * 20, 2 * math.sqrt(200)), math.hypot(80, 40))


def tiles(*processes: str, **selection: Any) -> list[tuple[str, str]]:
    made = config({"extends": "monojet36", "use": ["SR", "CR2mu"], **selection}, processes)
    return [(tile.name, tile.value) for tile in of_selection(cutflow_table(made), made)]


def test_data_are_compared_with_the_background() -> None:
    found = tiles("Znunu", "Wtaunu", "measured")
    ratio = 1000 / BACKGROUND
    error = ratio * math.hypot(1 / math.sqrt(1000), ERROR / BACKGROUND)
    assert found[:3] == [
        ("background in SR", with_error(BACKGROUND, ERROR)),
        ("observed in SR", "1000"),
        ("data over background in SR", with_error(ratio, error)),
    ]


def test_hidden_data_are_not_shown() -> None:
    found = tiles("Znunu", "Wtaunu", "measured", blind=["SR"])
    assert found[0] == ("background in SR", with_error(BACKGROUND, ERROR))
    assert [name for name, _ in found[1:3]] == [
        "observed in CR2mu",
        "data over background in CR2mu",
    ]


def test_without_data_a_signal_and_its_significance_are_shown() -> None:
    found = tiles("Znunu", "Wtaunu", "model")
    value = 200 / math.sqrt(BACKGROUND + ERROR**2)
    assert found[1] == ("model in SR", with_error(200, math.hypot(20, 20)))
    name, text = found[2]
    assert name == "best significance: model in SR"
    assert float(text.split(" ± ")[0]) == pytest.approx(value, abs=0.01)
    assert float(text.split(" ± ")[1]) == pytest.approx(value * math.hypot(0.1, 0.1), rel=0.05)


def test_a_significance_needs_simulated_background() -> None:
    found = dict(tiles("model"))
    assert found == {}


def test_background_alone_has_its_share_and_its_simulated_events() -> None:
    found = tiles("Znunu", "Wtaunu")
    assert found == [
        ("background in SR", with_error(BACKGROUND, ERROR)),
        ("of the background passes SR", "1.56 %"),  # 1 / 2^6
        ("simulated events in SR", "600"),
    ]


def test_data_alone_are_counted_in_each_region() -> None:
    assert tiles("measured") == [("observed in SR", "1000"), ("observed in CR2mu", "1000")]
    assert tiles("measured", blind=["SR", "CR2mu"]) == []
