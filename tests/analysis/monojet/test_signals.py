"""Signals against Znunu: what is alike has a ratio of 1, what differs is told."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from analysis.monojet.signals import LEAST_EVENTS, bin_table, measure, table, why_empty
from analysis.processes import SIGNALS
from analysis.rdf.yields import Yield
from analysis.yields.cutflow_model import Cutflow, CutflowTable
from selections import monojet36
from tests.analysis.cutflow_samples import cutflow_sample
from training.classifier.evaluation_model import WorkingPoint

NAMES = [b.name for b in monojet36.EXCLUSIVE]


def cutflow(counts: Any, passing: Any, weight: float = 0.5) -> Cutflow:
    """A cut-flow with these entries in EM1 to EM10, before and after the network."""

    def bins(entries: Any) -> dict[str, Yield]:
        return {
            name: Yield(int(n), weight * n, weight**2 * n)
            for name, n in zip(NAMES, entries, strict=True)
        }

    return Cutflow({"all events": Yield(1, 1, 1)}, bins(counts), {"net": bins(passing)})


def cutflow_table(**cutflows: Cutflow) -> CutflowTable:
    return CutflowTable(
        36.1,
        {"net": WorkingPoint(0.9, (0.5,))},
        {
            process: cutflow_sample(process, dict.fromkeys(monojet36.REGIONS, one))
            for process, one in cutflows.items()
        },
    )


COUNTS = np.linspace(4000, 400, 10)


def test_a_signal_like_znunu_has_ratio_one_whatever_its_spectrum() -> None:
    rates = np.linspace(0.9, 0.5, 10)  # which fall with the missing momentum
    data = cutflow_table(
        Znunu=cutflow(COUNTS, COUNTS * rates),
        higgs=cutflow(COUNTS[::-1], COUNTS[::-1] * rates),  # harder: its mean rate is lower
    )
    for found in measure(data, SIGNALS):
        assert found.signal == "higgs"
        assert found.ratio is not None
        assert found.ratio.value == pytest.approx(1, abs=1e-3)
        assert found.chi2 < 0.1
        assert found.ndf == 10
    assert [found.rate_definition for found in measure(data, SIGNALS)] == [
        "as published",
        "consistent",
    ]


def test_signals_are_those_of_the_run_in_its_order() -> None:
    alike = dict.fromkeys(("Znunu", "higgs", "own", "Wmunu"), cutflow(COUNTS, COUNTS / 2))
    data = cutflow_table(**alike)
    found = measure(data, ("own", "not_there", "Znunu", "higgs"))
    assert [c.signal for c in found] == ["own", "higgs"] * 2
    assert measure(data, ()) == []
    assert "or one of your own with 'signal: true'" in why_empty(data, ())


def test_a_signal_that_passes_less_is_told() -> None:
    data = cutflow_table(
        Znunu=cutflow(COUNTS, COUNTS * 0.9), mediator=cutflow(COUNTS / 4, COUNTS / 4 * 0.8)
    )
    found = measure(data, SIGNALS)[0]
    assert found.ratio is not None
    assert found.ratio.value == pytest.approx(8 / 9, abs=0.002)
    n, n_z = COUNTS.sum() / 4, COUNTS.sum()
    error = 8 / 9 * math.hypot(math.sqrt(0.2 / 0.8 / n), math.sqrt(0.1 / 0.9 / n_z))
    assert found.ratio.error == pytest.approx(error, rel=0.05)
    first = found.bins[0]
    assert (first.entries, first.entries_znunu) == (1000, 4000)
    expected = -0.1 / math.hypot(math.sqrt(0.16 / 1000), math.sqrt(0.09 / 4000))
    assert first.difference == pytest.approx(expected, rel=0.01)
    assert found.chi2 == pytest.approx(sum(b.difference**2 for b in found.bins))
    assert found.chi2 > 50


def test_differences_of_equal_rates_are_of_unit_spread() -> None:
    """Toys: chi2 is about ndf where the errors are Gaussian."""
    rng = np.random.default_rng(1)
    counts = COUNTS.astype(int)
    found = []
    for _ in range(200):
        z, s = (rng.binomial(counts, 0.7) for _ in range(2))
        found.append(
            measure(cutflow_table(Znunu=cutflow(counts, z), graviton=cutflow(counts, s)), SIGNALS)[
                0
            ].chi2
        )
    assert np.mean(found) == pytest.approx(10, abs=1.0)


def test_bins_of_few_events_are_shown_but_do_not_count() -> None:
    few = np.array([0, 5, *[100] * 8])
    data = cutflow_table(Znunu=cutflow(COUNTS, COUNTS / 2), mediator=cutflow(few, few // 2))
    found = measure(data, SIGNALS)[0]
    assert [b.region for b in found.bins] == NAMES[1:]
    assert [b.counts for b in found.bins] == [False, *[True] * 8]
    assert found.ndf == 8
    assert LEAST_EVENTS > 5
    alone = cutflow_table(Znunu=cutflow(COUNTS, COUNTS / 2), mediator=cutflow(few // 20, few // 40))
    assert measure(alone, SIGNALS)[0].ndf == 0


@pytest.mark.parametrize("processes", [("Znunu", "Wmunu"), ("mediator",)])
def test_without_signal_or_znunu_there_is_nothing_to_compare(processes: tuple[str, ...]) -> None:
    found = measure(cutflow_table(**{p: cutflow(COUNTS, COUNTS / 2) for p in processes}), SIGNALS)
    assert found == []
    assert table(found).text()
    assert bin_table(found).latex()


def test_a_network_that_selects_no_znunu_has_no_ratio() -> None:
    found = measure(
        cutflow_table(Znunu=cutflow(COUNTS, 0 * COUNTS), mediator=cutflow(COUNTS, COUNTS / 2)),
        SIGNALS,
    )
    assert found[0].ratio is None
    assert table(found).rows[0][-1] == "-"


def test_an_empty_table_says_what_to_add() -> None:
    one = cutflow(COUNTS, COUNTS)
    nothing = cutflow(COUNTS * 0, COUNTS * 0)
    for data, expected in (
        (cutflow_table(Znunu=one), "no sample of a signal: add one of mediator"),
        (cutflow_table(higgs=one), "no sample of Znunu to compare with"),
        (replace(cutflow_table(Znunu=one, higgs=one), networks={}), "no network selects events"),
        (cutflow_table(Znunu=nothing, higgs=one), "no region has selected events of a signal"),
    ):
        assert measure(data, SIGNALS) == []
        for made in (table([], why_empty(data, SIGNALS)), bin_table([], why_empty(data, SIGNALS))):
            assert f"Empty: {expected}" in made.text()
