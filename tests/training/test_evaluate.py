"""Thresholds, precision and recall, the area under the curve, errors; and table 2 of the thesis."""

from __future__ import annotations

import functools
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from common.measured import measured_efficiency
from training.evaluate import Evaluation, auc, evaluate, rejection_at, threshold_row

THESIS = json.loads(
    (Path(__file__).parents[2] / "analysis" / "reference" / "thesis_tables.json").read_text()
)

# 4 signal and 8 background events
SIGNAL = np.array([0.9, 0.8, 0.6, 0.2], np.float32)
BACKGROUND = np.array([0.7, 0.5, 0.4, 0.3, 0.2, 0.1, 0.1, 0.0], np.float32)


def _random_scores(seed: int = 1) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    rng = np.random.default_rng(seed)
    return rng.beta(4, 2, 300).astype(np.float32), rng.beta(2, 4, 500).astype(np.float32)


@functools.cache
def _evaluate(seed: int = 1, bootstrap: int = 50) -> Evaluation:
    signal, background = _random_scores()
    samples = {"Z": signal, "W": background}
    return evaluate(
        "net", signal, background, samples, thresholds=21, bootstrap=bootstrap, seed=seed
    )


# --- One threshold ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("threshold", "signal_share", "background_share"),
    [
        (0.0, 1, 1),
        (0.05, 1, 7 / 8),
        (0.2, 1, 5 / 8),  # a score at the threshold is selected
        (0.45, 3 / 4, 2 / 8),
        (0.65, 2 / 4, 1 / 8),
        (0.85, 1 / 4, 0),
        (0.95, 0, 0),
        (1.0, 0, 0),
    ],
)
def test_precision_and_recall_are_those_of_equal_shares_of_both_classes(
    threshold: float, signal_share: float, background_share: float
) -> None:
    row = threshold_row(SIGNAL, BACKGROUND, threshold)
    selected = signal_share + background_share
    precision = signal_share / selected if selected else 1
    assert row.threshold == threshold
    assert row.recall == pytest.approx(signal_share)
    assert row.precision == pytest.approx(precision)
    assert row.mean_precision_recall == pytest.approx((precision + signal_share) / 2)
    assert row.precision_times_recall == pytest.approx(precision * signal_share)
    assert row.accuracy == pytest.approx((signal_share + 1 - background_share) / 2)


def test_nothing_is_selected_at_a_threshold_of_one() -> None:
    """As in the last row of the thesis's table, even for a score of 1."""
    row = threshold_row(np.array([1.0, 0.5]), np.array([1.0]), 1.0)
    assert (row.precision, row.recall) == (1, 0)


# --- The scan and what follows ------------------------------------------------------------------


def test_thresholds_are_uniform_with_both_ends() -> None:
    thresholds = [row.threshold for row in _evaluate().scan]
    assert thresholds == pytest.approx([i / 20 for i in range(21)])
    assert thresholds == pytest.approx([row[0] for row in THESIS["table2"]])


def test_best_threshold_has_the_largest_product_of_precision_and_recall() -> None:
    signal, background = np.array([0.9, 0.8, 0.55]), np.array([0.52, 0.45, 0.1])
    found = evaluate("net", signal, background, {}, thresholds=11, bootstrap=2, seed=1)
    # at 0.5 P x R is 3/4; at 0.6, with all background and one signal event gone, 2/3
    assert found.best_threshold == pytest.approx(0.5)
    assert found.precision_times_recall.value == pytest.approx(3 / 4)
    assert found.mean_precision_recall.value == pytest.approx(7 / 8)
    assert found.accuracy.value == pytest.approx(5 / 6)
    assert (found.n_signal, found.n_background) == (3, 3)


def test_values_are_those_of_the_best_row() -> None:
    found = _evaluate()
    best = max(found.scan, key=lambda row: row.precision_times_recall)
    assert found.best_threshold == best.threshold
    assert found.precision_times_recall.value == best.precision_times_recall
    assert found.mean_precision_recall.value == best.mean_precision_recall
    assert found.accuracy.value == best.accuracy


@pytest.mark.parametrize(("efficiency", "rejected"), [(0.5, 7 / 8), (0.9, 3 / 8), (0.95, 3 / 8)])
def test_rejection_keeps_at_least_the_share_of_signal(efficiency: float, rejected: float) -> None:
    assert rejection_at(efficiency, SIGNAL, BACKGROUND) == rejected


def test_rejections_have_errors_from_counting() -> None:
    found = _evaluate(bootstrap=200).rejection
    assert list(found) == ["0.5", "0.9", "0.919", "0.95"]
    values = [rejection.value for rejection in found.values()]
    assert values == sorted(values, reverse=True)
    for rejection in found.values():  # at least those of counting the background
        assert rejection.error > 0.8 * (rejection.value * (1 - rejection.value) / 500) ** 0.5


def test_pass_rates_are_shares_at_the_best_threshold_with_errors_from_counting() -> None:
    found = _evaluate()
    for name, scores in zip(("Z", "W"), _random_scores(), strict=True):
        rate = sum(score >= found.best_threshold for score in scores.tolist()) / len(scores)
        assert found.pass_rates[name] == measured_efficiency(rate, len(scores))


def test_evaluation_is_plain_data() -> None:
    found = _evaluate()
    assert json.loads(json.dumps(found.to_json())) == asdict(found)


# --- The area under the curve -------------------------------------------------------------------


def _counted(signal: npt.NDArray[Any], background: npt.NDArray[Any]) -> float:
    """The share of pairs that are in the right order, ties half."""
    right = [1.0 if s > b else 0.5 if s == b else 0.0 for s in signal for b in background]
    return sum(right) / len(right)


@pytest.mark.parametrize("digits", [7, 1])
def test_area_is_the_share_of_pairs_in_the_right_order(digits: int) -> None:
    signal, background = (scores.round(digits) for scores in _random_scores())
    assert auc(signal, background) == pytest.approx(_counted(signal, background))


@pytest.mark.parametrize(("shift", "area"), [(1, 1), (-1, 0), (0, 0.5)])
def test_area_of_separate_reversed_and_equal_scores(shift: int, area: float) -> None:
    scores = np.linspace(0, 0.5, 20)
    assert auc(scores + shift, scores) == pytest.approx(area)


def test_curve_holds_the_area_and_falls_from_all_to_almost_none() -> None:
    found = _evaluate()
    signal, background = (np.array(found.roc[f"{x}_efficiency"]) for x in ("signal", "background"))
    assert (signal[0], background[0]) == (1, 1)
    assert max(signal[-1], background[-1]) < 0.01
    assert (np.diff(signal) <= 0).all()
    assert (np.diff(background) <= 0).all()
    area = -np.trapezoid(signal, background)
    assert area == pytest.approx(found.auc.value, abs=0.005)


# --- The errors ---------------------------------------------------------------------------------


def test_bootstrap_errors_are_reproducible_by_their_seed() -> None:
    first, other = _evaluate(seed=3), _evaluate(seed=4)
    again = _evaluate.__wrapped__(seed=3)
    assert first == again
    assert first.auc.value == other.auc.value
    assert first.auc.error != other.auc.error


def test_bootstrap_error_of_the_accuracy_is_the_binomial_one() -> None:
    found = _evaluate(bootstrap=200)
    rates = {name: rate.error for name, rate in found.pass_rates.items()}
    expected = 0.5 * (rates["Z"] ** 2 + rates["W"] ** 2) ** 0.5
    assert found.accuracy.error == pytest.approx(expected, rel=0.25)


# --- Table 2 of the thesis ----------------------------------------------------------------------

ROWS = [
    (network, row[0], *row[first : first + 4])
    for network, first in (("rowcol_maxpool", 1), ("cell_strides", 5))
    for row in THESIS["table2"]
]
MISPRINTED = ("cell_strides", 0.55)  # its precision, 0.714, must be 0.814
ROUNDING = 0.0005 + 1e-9


def _is_consistent(precision: float, recall: float, mean: float, product: float) -> bool:
    """Whether the printed mean and product follow from P and R, all of three digits."""
    return abs((precision + recall) / 2 - mean) <= 2 * ROUNDING and abs(
        precision * recall - product
    ) <= ROUNDING * (1 + precision + recall)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]}-{row[1]}")
def test_printed_accuracy_and_average_precision_follow_from_precision_and_recall(
    row: tuple[Any, ...],
) -> None:
    """Accuracy is (P + R) / 2 and "mean average precision" P x R in every row but one."""
    assert _is_consistent(*row[2:]) is (row[:2] != MISPRINTED)


def test_the_misprinted_row_follows_from_a_precision_of_0_814_but_for_its_accuracy() -> None:
    """The accuracy was computed from the misprint: with 0.814 it would be 0.840, not 0.790."""
    (row,) = (row for row in ROWS if row[:2] == MISPRINTED)
    _, _, precision, recall, mean, product = row
    assert product / recall == pytest.approx(0.814, abs=0.001)
    assert mean == pytest.approx((precision + recall) / 2, abs=ROUNDING)


@pytest.mark.parametrize("network", ["rowcol_maxpool", "cell_strides"])
def test_best_thresholds_of_the_thesis_have_its_largest_products(network: str) -> None:
    products = {row[1]: row[5] for row in ROWS if row[0] == network}
    assert max(products, key=products.__getitem__) == THESIS["best_threshold"][network]
