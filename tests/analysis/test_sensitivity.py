from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.config import Config
from analysis.cutflow import BINS, Flow
from analysis.pipeline import Run
from analysis.scored import Scored, read_selected
from analysis.sensitivity import (
    IM1_SPLIT,
    OWN_THRESHOLD,
    REFERENCE,
    THRESHOLDS,
    VERSIONS,
    background_in,
    best_threshold,
    im1_background,
    largest_ratio,
    measure,
    measure_own,
    pass_rate,
    sensitivity_ratio,
)
from analysis.yields import Yield
from common.measured import Measured
from tests.analysis.scored_sample import write_sample

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


def scored(scores: dict[str, Any]) -> dict[str, Scored]:
    return {
        process: Scored(
            np.ones(len(score)),
            np.full(len(score), 300.0),
            np.arange(len(score), dtype=np.uint64),
            {"net": np.asarray(score, float)},
        )
        for process, score in scores.items()
    }


def test_best_threshold_gives_the_largest_ratio() -> None:
    rng = np.random.default_rng(1)
    events = scored({"Znunu": rng.beta(4, 2, 2000), "Wtaunu": rng.beta(2, 4, 2000)})
    background = im1_background()
    found = best_threshold("net", events, background)

    def ratio(threshold: float) -> float:
        rates = {
            p: Measured(float(np.mean(e.scores["net"] >= threshold)), 0) for p, e in events.items()
        }
        return sensitivity_ratio(rates, background)[0]

    assert 0 < found < 1
    assert ratio(found) == pytest.approx(max(ratio(t) for t in THRESHOLDS))


def test_a_network_of_noise_gains_nothing_by_its_own_threshold(
    tiny_config: Config, tmp_path: Path
) -> None:
    """By a threshold that is chosen and measured with the same events it would."""
    run = Run(tiny_config, tmp_path)
    data = cutflow_file({"Znunu": 1.0, "Wtaunu": 1.0, "Wmunu": 1.0})
    found, naive = [], []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        for process in data["samples"]:
            n = 60
            write_sample(run, process, np.full(n, 260.0), np.ones(n, bool), rng.random(n))
        ratios = [r for r in measure_own(run, data) if r.region == "IM1"]
        assert [r.version for r in ratios] == [v + OWN_THRESHOLD for v in VERSIONS]
        found.append(ratios[0].ratio)
        events = {p: read_selected(run, {p: 1.0}, "SR", ["net"]) for p in data["samples"]}
        threshold = best_threshold("net", events, im1_background())
        rates = {
            p: Measured(float(np.mean(e.scores["net"] >= threshold)), 0) for p, e in events.items()
        }
        naive.append(sensitivity_ratio(rates, im1_background())[0])
    assert np.mean(naive) > 1
    assert np.mean(found) <= 1


def test_no_own_threshold_without_a_process(tiny_config: Config, tmp_path: Path) -> None:
    data = cutflow_file({"Znunu": 1.0, "Wtaunu": 1.0})
    assert measure_own(Run(tiny_config, tmp_path), data) == []
