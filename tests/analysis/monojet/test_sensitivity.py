from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.config import Config
from analysis.monojet.pass_rates import pass_rate, region_share, share_of
from analysis.monojet.published import thesis
from analysis.monojet.ratio import (
    background_in,
    im1_background,
    largest_ratio,
    propagate,
    ratio_of,
    sensitivity_ratio,
)
from analysis.monojet.selected_events import SelectedEvents
from analysis.monojet.sensitivity import (
    EFFICIENCIES,
    best_point,
    measure,
    measure_own,
    read_all,
    why_empty,
)
from analysis.monojet.sensitivity_model import (
    IM1_SPLIT,
    OWN_THRESHOLD,
    RATE_DEFINITIONS,
    WITH_WENU,
)
from analysis.monojet.sensitivity_tables import table
from analysis.rdf.yields import Yield
from analysis.workflow.run import Run
from analysis.yields.cutflow_model import (
    Cutflow,
    CutflowTable,
    ProcessCutflow,
    SampleCutflow,
)
from common.stats.measured import Measured
from selections import monojet36
from tests.analysis.cutflow_samples import cutflow_sample
from tests.analysis.scored_sample import write_sample
from training.classifier.evaluation_model import WorkingPoint

THESIS = thesis()


@pytest.mark.parametrize(
    ("network", "expected"), [("cell_strides", 1.1178), ("rowcol_maxpool", 1.1073)]
)
def test_ratio_from_the_tables_of_the_thesis(network: str, expected: float) -> None:
    """Tables 4 and 5 of Praderio 2018 give the 1.118 of its section 5.3."""
    table_4 = THESIS.networks[network].table4
    rates = {
        "Znunu": Measured(table_4.znunu_selected, 0),
        "Wtaunu": Measured(1 - table_4.wtaunu_rejected, 0),
        "Wmunu": Measured(1 - table_4.wmunu_rejected, 0),
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


def cutflow(scale: float, passing: float) -> Cutflow:
    bins = {
        b.name: Yield(100, scale / b.low, scale / b.low**2)
        for b in (*monojet36.INCLUSIVE, *monojet36.EXCLUSIVE)
    }
    bins["all"] = Yield(1000, scale, scale)
    after = {
        k: Yield(int(y.entries * passing), y.sumw * passing, y.sumw2 * passing)
        for k, y in bins.items()
    }
    return Cutflow({"all events": bins["all"]}, bins, {"net": after})


def sample(cutflow: Cutflow, name: str = "one", error: float = 0.0) -> SampleCutflow:
    return SampleCutflow(name, cutflow, 1.0, None, None, error)


def test_background_follows_the_simulated_spectra_from_im1() -> None:
    shares = {
        p: region_share(ProcessCutflow((sample(cutflow(100.0, 1.0)),)), "IM5")
        for p in ("Znunu", "Wtaunu")
    }
    background = background_in({p: share.measured.value for p, share in shares.items()})
    published = im1_background()
    for process, events in background.items():  # equal spectra: equal shares
        assert events / published[process] == pytest.approx(250 / 500)
    assert background_in({}) == published


# --- Errors, by toys ------------------------------------------------------------------------------

N_IM1 = {"Znunu": 400, "Wtaunu": 300, "Wmunu": 200}
SHARE = {"Znunu": 0.20, "Wtaunu": 0.12, "Wmunu": 0.10}
RATE = {"Znunu": 0.92, "Wtaunu": 0.35, "Wmunu": 0.4}


def toy(rng: np.random.Generator, process: str, name: str, error: float = 0.0) -> SampleCutflow:
    """A sample of two kinds of weights, some negative: IM4 as a part of IM1, and what passes."""
    n = rng.poisson(4 * N_IM1[process])
    weight = np.where(rng.random(n) < 0.05, -1.0, 1.0) * rng.choice([0.5, 1.5], n)
    inside, passing = rng.random(n) < SHARE[process], rng.random(n) < RATE[process]

    def y(chosen: Any) -> Yield:
        return Yield(int(chosen.sum()), weight[chosen].sum(), (weight[chosen] ** 2).sum())

    everything = np.ones(n, bool)
    bins = {"IM1": y(everything), "IM4": y(inside)}
    return sample(Cutflow({}, bins, {"net": {"IM4": y(inside & passing)}}), name, error)


def test_pulls_of_ratio_and_of_largest_are_of_unit_spread() -> None:
    """The make-up's error, of parts of IM1, and that of the rates, of the same events."""
    rng = np.random.default_rng(11)
    truth = ratio_of(RATE, background_in(SHARE))
    best = largest_ratio(background_in(SHARE))
    pulls, of_largest, rates_alone = [], [], []
    for _ in range(500):
        samples = {p: ProcessCutflow((toy(rng, p, p),)) for p in RATE}
        rates = {
            p: share_of(
                s,
                lambda f: f.unnormalised.networks["net"]["IM4"],
                lambda f: f.unnormalised.bins["IM4"],
            )
            for p, s in samples.items()
        }
        shares = {p: region_share(s, "IM4") for p, s in samples.items()}
        found = propagate(lambda r, q: ratio_of(r, background_in(q)), rates, shares)
        pulls.append((found.value - truth) / found.statistical)
        largest = propagate(lambda _, q: largest_ratio(background_in(q)), {}, shares)
        of_largest.append((largest.value - best) / largest.statistical)
        background = background_in({p: q.measured.value for p, q in shares.items()})
        value, error = sensitivity_ratio({p: r.measured for p, r in rates.items()}, background)
        rates_alone.append((value - truth) / error)
        assert found.cross_section == 0
    assert np.std(pulls) == pytest.approx(1, abs=0.1)
    assert np.std(of_largest) == pytest.approx(1, abs=0.1)
    assert np.std(rates_alone) > 1.1  # what was stated before


def test_cross_sections_move_rates_and_shares_of_a_process_together() -> None:
    """Against moving the cross-sections themselves."""
    rng = np.random.default_rng(5)
    made = {p: [toy(rng, p, f"{p}_{i}", 0.05) for i in (1, 2)] for p in RATE}
    for p in RATE:  # slices of different rates and shares
        of_second = made[p][1].unnormalised
        of_second.networks["net"]["IM4"] = of_second.networks["net"]["IM4"].scaled(0.5)
        of_second.bins["IM4"] = of_second.bins["IM4"].scaled(1.5)

    def inputs(factors: dict[str, float]) -> tuple[Any, Any]:
        moved = {
            p: ProcessCutflow(
                tuple(replace(s, normalisation=factors.get(s.name, 1.0)) for s in both)
            )
            for p, both in made.items()
        }
        rates = {
            p: share_of(
                s,
                lambda f: f.normalised.networks["net"]["IM4"],
                lambda f: f.normalised.bins["IM4"],
            )
            for p, s in moved.items()
        }
        return rates, {p: region_share(s, "IM4") for p, s in moved.items()}

    def ratio(rates: Any, shares: Any) -> float:
        return ratio_of(rates, background_in(shares))

    found = propagate(ratio, *inputs({}))
    toys = []
    names = [s.name for both in made.values() for s in both]
    for _ in range(1500):
        factors = dict(zip(names, rng.normal(1, 0.05, len(names)), strict=True))
        rates, shares = inputs(factors)
        toys.append(
            ratio(
                {p: r.measured.value for p, r in rates.items()},
                {p: q.measured.value for p, q in shares.items()},
            )
        )
    assert found.cross_section > 0
    assert np.std(toys) == pytest.approx(found.cross_section, rel=0.08)


# --- Ratios of a cut-flow table -------------------------------------------------------------------


def cutflow_table(passing: dict[str, float], folds: int = 1) -> CutflowTable:
    return CutflowTable(
        36.1,
        {"net": WorkingPoint(0.9, (0.5,) * folds)},
        {
            p: cutflow_sample(p, {r: cutflow(10.0, x) for r in ("SR", "SR_no_veto")})
            for p, x in passing.items()
        },
    )


def test_every_region_with_events_has_both_versions() -> None:
    ratios = measure(cutflow_table({"Znunu": 1.0, "Wtaunu": 0.0, "Wmunu": 0.0}))
    assert len(ratios) == 2 * 10 + 9
    assert {r.rate_definition for r in ratios} == {"as published", "consistent", IM1_SPLIT}
    (largest,) = {r.largest for r in ratios if r.region == "IM1"}
    assert {r.largest for r in ratios if r.rate_definition == IM1_SPLIT} == {largest}
    for ratio in ratios:  # a perfect network reaches the largest value
        assert ratio.ratio == pytest.approx(ratio.largest)
        made_up = ratio.region != "IM1" and ratio.rate_definition != IM1_SPLIT
        assert (ratio.largest_error > 0) == made_up
        assert ratio.spread is None


def test_wenu_is_rejected_in_a_variant_beside_the_thesis() -> None:
    perfect = {"Znunu": 1.0, "Wtaunu": 0.0, "Wmunu": 0.0, "Wenu": 0.0}
    ratios = measure(cutflow_table(perfect))
    of_im1 = {r.rate_definition: r for r in ratios if r.region == "IM1"}
    assert list(of_im1) == [
        "as published",
        "as published" + WITH_WENU,
        "consistent",
        "consistent" + WITH_WENU,
    ]
    background = im1_background()
    for version, ratio in of_im1.items():
        rejected = ("Wtaunu", "Wmunu", "Wenu") if WITH_WENU in version else ("Wtaunu", "Wmunu")
        left = sum(n for p, n in background.items() if p not in rejected)
        assert ratio.largest == pytest.approx(math.sqrt(sum(background.values()) / left))
        assert ratio.ratio == pytest.approx(ratio.largest)
    assert of_im1["consistent"].largest == pytest.approx(1.1867, abs=1e-4)
    assert table(ratios, 36.1).text().count(WITH_WENU) == 2 * 10 + 9


def test_a_region_without_events_of_a_process_is_left_out() -> None:
    data = cutflow_table({"Znunu": 1.0, "Wtaunu": 0.5, "Wmunu": 0.5})
    data.samples["Wmunu"].regions["SR"].bins["IM10"] = Yield()
    regions = {(r.region, r.rate_definition) for r in measure(data)}
    assert ("IM10", "consistent") not in regions
    assert ("IM10", "as published") in regions


def scored(scores: dict[str, Any], fold: Any = None) -> dict[str, SelectedEvents]:
    return {
        process: SelectedEvents(
            np.ones(len(score)),
            np.full(len(score), 300.0),
            np.arange(len(score), dtype=np.uint64),
            np.zeros(len(score), np.uint8) if fold is None else np.asarray(fold, np.uint8),
            np.zeros(len(score), np.uint16),
            (process,),
            {"net": np.asarray(score, float)},
        )
        for process, score in scores.items()
    }


def test_the_spread_is_that_of_the_ratios_of_single_folds() -> None:
    """Fold 0 rejects all of W, fold 1 nothing."""
    data = cutflow_table({"Znunu": 1.0, "Wtaunu": 0.5, "Wmunu": 0.5}, folds=2)
    fold = np.arange(40) % 2
    events = scored({"Znunu": np.ones(40), "Wtaunu": fold, "Wmunu": fold}, fold)
    ratios = measure(data, dict.fromkeys(RATE_DEFINITIONS.values(), events))
    (found,) = (r for r in ratios if (r.region, r.rate_definition) == ("IM1", "consistent"))
    assert found.spread == pytest.approx((found.largest - 1) / 2)  # s / sqrt(2)
    assert found.error == pytest.approx(max(found.statistical, found.spread or 0.0))


def test_best_point_gives_the_largest_ratio() -> None:
    rng = np.random.default_rng(1)
    events = scored({"Znunu": rng.beta(4, 2, 2000), "Wtaunu": rng.beta(2, 4, 2000)})
    background = im1_background()
    found = best_point("net", events, background, 1)

    def ratio(threshold: float) -> float:
        rates = {p: float(np.mean(e.scores["net"] >= threshold)) for p, e in events.items()}
        return ratio_of(rates, background)

    thresholds = np.quantile(events["Znunu"].scores["net"], 1 - EFFICIENCIES, method="lower")
    assert 0 < found.thresholds[0] < 1
    assert ratio(found.thresholds[0]) == pytest.approx(max(map(ratio, thresholds)), rel=1e-3)


def test_folds_of_other_scales_are_cut_at_one_efficiency() -> None:
    """The scores of one network are a tenth of the other's: one threshold would lose its fold."""
    rng = np.random.default_rng(1)
    fold = np.arange(4000) % 2
    scale = np.where(fold == 1, 0.1, 1.0)
    events = scored(
        {"Znunu": scale * rng.beta(4, 2, 4000), "Wtaunu": scale * rng.beta(2, 4, 4000)}, fold
    )
    point = best_point("net", events, im1_background(), 2)
    assert point.thresholds[1] == pytest.approx(point.thresholds[0] / 10, rel=0.1)
    signal = events["Znunu"]
    for i, threshold in enumerate(point.thresholds):
        kept = np.mean(signal.scores["net"][fold == i] >= threshold)
        assert kept == pytest.approx(point.signal_efficiency, abs=0.001)


def test_a_network_of_noise_gains_nothing_by_its_own_threshold(
    tiny_config: Config, tmp_path: Path
) -> None:
    """By a threshold that is chosen and measured with the same events it would."""
    run = Run(tiny_config, tmp_path)
    data = cutflow_table({"Znunu": 1.0, "Wtaunu": 1.0, "Wmunu": 1.0}, folds=2)
    found, naive = [], []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        for process in data.samples:
            n = 60
            fold = np.arange(n) // 2 % 2
            write_sample(run, process, np.full(n, 260.0), np.ones(n, bool), rng.random(n), fold)
        selected = read_all(run, data)
        ratios = [r for r in measure_own(data, selected) if r.region == "IM1"]
        assert [r.rate_definition for r in ratios] == [v + OWN_THRESHOLD for v in RATE_DEFINITIONS]
        assert [len(t) for t in ratios[0].thresholds] == [2, 2]
        assert ratios[0].spread is not None
        found.append(ratios[0].ratio)
        events = selected["SR"]
        point = best_point("net", events, im1_background(), 2)
        cut = np.array(point.thresholds)
        rates = {p: float(np.mean(e.scores["net"] >= cut[e.fold])) for p, e in events.items()}
        naive.append(ratio_of(rates, im1_background()))
    assert np.mean(naive) > 1
    assert np.mean(found) <= 1


def test_no_own_threshold_without_a_process(tiny_config: Config, tmp_path: Path) -> None:
    data = cutflow_table({"Znunu": 1.0, "Wtaunu": 1.0})
    assert measure_own(data, read_all(Run(tiny_config, tmp_path), data)) == []


def test_an_empty_table_says_which_sample_is_missing() -> None:
    data = cutflow_table({"Znunu": 1.0, "Wtaunu": 1.0})
    assert measure(data) == []
    text = table([], 36.1, why_empty(data)).markdown()
    assert "*Empty: no sample of Wmunu, and the ratio takes the pass rates of Znunu" in text
    data = replace(cutflow_table({"Znunu": 1.0, "Wtaunu": 1.0, "Wmunu": 1.0}), networks={})
    assert "no network selects events" in why_empty(data)
