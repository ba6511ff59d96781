from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from analysis.cutflow import BINS, Flow
from analysis.sensitivity import (
    IM1_SPLIT,
    REFERENCE,
    background_in,
    im1_background,
    largest_ratio,
    measure,
    pass_rate,
    sensitivity_ratio,
)
from analysis.yields import Yield
from common.measured import Measured

THESIS = json.loads((REFERENCE / "thesis_tables.json").read_text())


@pytest.mark.parametrize(
    ("network", "expected"), [("cell_strides", 1.1178), ("rowcol_maxpool", 1.1073)]
)
def test_ratio_from_the_tables_of_the_thesis(network: str, expected: float) -> None:
    """Tables 4 and 5 of Praderio 2018 give the 1.118 of its section 5.3."""
    znunu, wtaunu, wmunu = THESIS["table4"][network]
    rates = {
        "Znunu": Measured(znunu, 0),
        "Wtaunu": Measured(1 - wtaunu, 0),
        "Wmunu": Measured(1 - wmunu, 0),
    }
    ratio, error = sensitivity_ratio(rates, im1_background())
    assert ratio == pytest.approx(expected, abs=5e-5)
    assert error == 0


def test_largest_ratio_in_im1() -> None:
    background = im1_background()
    assert sum(background.values()) == pytest.approx(245466, abs=0.5)
    assert largest_ratio(background) == pytest.approx(math.sqrt(245466 / 174306), abs=1e-5)


def test_error_of_the_ratio_agrees_with_toys() -> None:
    rates = {
        "Znunu": Measured(0.9, 0.01),
        "Wtaunu": Measured(0.3, 0.02),
        "Wmunu": Measured(0.4, 0.05),
    }
    background = im1_background()
    _, error = sensitivity_ratio(rates, background)
    rng = np.random.default_rng(1)
    toys = [
        sensitivity_ratio(
            {p: Measured(rng.normal(r.value, r.error), 0) for p, r in rates.items()}, background
        )[0]
        for _ in range(4000)
    ]
    assert np.std(toys) == pytest.approx(error, rel=0.05)


def test_pass_rate_of_equal_weights_is_that_of_the_counts() -> None:
    rate = pass_rate(Yield(300, 600.0, 1200.0), Yield(1000, 2000.0, 4000.0))
    assert rate.value == pytest.approx(0.3)
    assert rate.error == pytest.approx(math.sqrt(0.3 * 0.7 / 1000), rel=0.01)


def test_unequal_weights_count_for_less() -> None:
    equal = pass_rate(Yield(50, 50.0, 50.0), Yield(100, 100.0, 100.0))
    unequal = pass_rate(Yield(50, 50.0, 200.0), Yield(100, 100.0, 400.0))
    assert unequal.error == pytest.approx(2 * equal.error, rel=0.1)


def flow(scale: float, passing: float) -> Flow[Yield]:
    bins = {b.name: Yield(100, scale / b.low, scale / b.low**2) for b in BINS}
    bins["all"] = Yield(1000, scale, scale)
    after = {
        k: Yield(int(y.raw * passing), y.sumw * passing, y.sumw2 * passing) for k, y in bins.items()
    }
    return Flow({"all events": bins["all"]}, bins, {"net": after})


def test_background_follows_the_simulated_spectra_from_im1() -> None:
    flows = {p: flow(100.0, 1.0) for p in ("Znunu", "Wtaunu")}
    background = background_in("IM5", flows)
    published = im1_background()
    for process, events in background.items():  # equal spectra: equal shares
        assert events / published[process] == pytest.approx(250 / 500)


def cutflow_file(passing: dict[str, float]) -> dict[str, Any]:
    import dataclasses

    return {
        "luminosity": 36.1,
        "networks": {"net": 0.5},
        "samples": {
            p: {
                "process": p,
                "normalisation": 2.0,
                "regions": {r: dataclasses.asdict(flow(10.0, x)) for r in ("SR", "SR_no_veto")},
            }
            for p, x in passing.items()
        },
    }


def test_every_region_with_events_has_both_versions() -> None:
    ratios = measure(cutflow_file({"Znunu": 1.0, "Wtaunu": 0.0, "Wmunu": 0.0}))
    assert len(ratios) == 2 * 10 + 9
    assert {r.version for r in ratios} == {"as published", "consistent", IM1_SPLIT}
    (largest,) = {r.largest for r in ratios if r.region == "IM1"}
    assert {r.largest for r in ratios if r.version == IM1_SPLIT} == {largest}
    for ratio in ratios:  # a perfect network reaches the largest value
        assert ratio.ratio == pytest.approx(ratio.largest)


def test_a_region_without_events_of_a_process_is_left_out() -> None:
    data = cutflow_file({"Znunu": 1.0, "Wtaunu": 0.5, "Wmunu": 0.5})
    empty = {"raw": 0, "sumw": 0.0, "sumw2": 0.0}
    data["samples"]["Wmunu"]["regions"]["SR"]["bins"]["IM10"] = empty
    regions = {(r.region, r.version) for r in measure(data)}
    assert ("IM10", "consistent") not in regions
    assert ("IM10", "as published") in regions
