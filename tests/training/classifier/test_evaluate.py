"""Thresholds, precision and recall, the area under the curve, errors; and table 2 of the thesis."""

from __future__ import annotations

import functools
from dataclasses import asdict, astuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.monojet.published import thesis
from common.runtime import files
from common.runtime.errors import InputError
from common.stats.measured import measured_efficiency
from common.stats.roc import Curve, Scored
from tests.reference import auc
from training.classifier.evaluate import (
    Classes,
    choose,
    evaluate,
    row_of,
    threshold_row,
)
from training.classifier.evaluation_model import (
    NetworkEvaluation,
    WorkingPoint,
    read_evaluation,
    read_working_points,
)

THESIS = thesis()

# 4 signal and 8 background events
SIGNAL = np.array([0.9, 0.8, 0.6, 0.2], np.float32)
BACKGROUND = np.array([0.7, 0.5, 0.4, 0.3, 0.2, 0.1, 0.1, 0.0], np.float32)


def scored(score: Any, weight: Any = None) -> Scored:
    weight = np.ones(len(score)) if weight is None else np.asarray(weight, float)
    return Scored(np.asarray(score), weight)


def classes(signal: Any, background: Any) -> Classes:
    return scored(signal), scored(background)


def random_classes(seed: int, scale: float = 1.0, a: float = 4, n: int = 300) -> Classes:
    rng = np.random.default_rng(seed)
    return classes(
        (scale * rng.beta(a, 2, n)).astype(np.float32),
        (scale * rng.beta(2, 4, n + 200)).astype(np.float32),
    )


def judged_alone(choosing: Classes, judging: Classes, bootstrap: int = 2) -> NetworkEvaluation:
    return evaluate("net", [choosing], [judging], {}, thresholds=21, bootstrap=bootstrap, seed=1)


@functools.cache
def two_folds(seed: int = 1, bootstrap: int = 50) -> NetworkEvaluation:
    """Networks of which one scores ten times lower, and is worse."""
    choosing = [random_classes(1), random_classes(2, 0.1, 3)]
    judging = [random_classes(3), random_classes(4, 0.1, 3)]
    samples = {name: [fold[kind] for fold in judging] for kind, name in enumerate("ZW")}
    return evaluate(
        "net", choosing, judging, samples, thresholds=21, bootstrap=bootstrap, seed=seed
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
    row = threshold_row([classes(SIGNAL, BACKGROUND)], threshold)
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
    row = threshold_row([classes([1.0, 0.5], [1.0])], 1.0)
    assert (row.precision, row.recall) == (1, 0)


def test_thresholds_are_uniform_with_both_ends() -> None:
    thresholds = [row.threshold for row in two_folds().scan]
    assert thresholds == pytest.approx([i / 20 for i in range(21)])
    assert thresholds == pytest.approx(
        [row.threshold for row in THESIS.networks["cell_strides"].table2]
    )


# --- Where a network cuts -----------------------------------------------------------------------


def test_the_efficiency_chosen_has_the_largest_product_of_precision_and_recall() -> None:
    # keeping all signal passes one of three: P x R = 3/4; without the last event it is 2/3
    efficiency, thresholds = choose([classes([0.9, 0.8, 0.55], [0.57, 0.45, 0.1])])
    assert efficiency == 1
    assert thresholds == pytest.approx([0.55])


def test_judged_events_choose_nothing() -> None:
    """Wherever they lie, the threshold stays that of the others."""
    choosing = classes(SIGNAL, BACKGROUND)
    found = [judged_alone(choosing, random_classes(seed)).thresholds for seed in range(3)]
    assert found[0] == found[1] == found[2] == choose([choosing])[1]


def test_a_threshold_chosen_by_the_judged_events_is_too_good() -> None:
    own, apart = [], []
    for seed in range(60):
        choosing, judging = random_classes(seed, n=60), random_classes(100 + seed, n=60)
        own.append(judged_alone(judging, judging).precision_times_recall.value)
        apart.append(judged_alone(choosing, judging).precision_times_recall.value)
    assert np.mean(own) > np.mean(apart) + 0.005


def test_folds_are_cut_at_one_efficiency_of_the_signal() -> None:
    found = two_folds()
    assert found.thresholds[1] < 0.15 < found.thresholds[0]
    for fold in found.folds:
        assert fold.recall.value == pytest.approx(found.signal_efficiency, abs=0.06)
    # one threshold for both, as once, selects nothing of the second
    assert max(row.precision_times_recall for row in found.scan) < 0.9 * (
        found.precision_times_recall.value
    )


# --- Means over folds ---------------------------------------------------------------------------


def test_values_are_means_over_folds_with_statistical_error_and_spread() -> None:
    found = two_folds()
    first, second = found.folds
    for name in ("mean_precision_recall", "precision_times_recall", "accuracy", "auc", "recall"):
        mean, values = getattr(found, name), [getattr(f, name) for f in (first, second)]
        assert mean.value == pytest.approx((values[0].value + values[1].value) / 2)
        assert mean.error == pytest.approx(np.hypot(values[0].error, values[1].error) / 2)
        assert mean.spread == pytest.approx(abs(values[0].value - values[1].value) / 2)
    judging = [random_classes(3), random_classes(4, 0.1, 3)]
    for fold, judged in zip(found.folds, judging, strict=True):
        assert fold.auc.value == pytest.approx(auc(judged[0].score, judged[1].score))
    pooled = [np.concatenate([fold[kind].score for fold in judging]) for kind in (0, 1)]
    assert abs(auc(*pooled) - found.auc.value) > 0.05  # scores of two networks in one curve


def test_the_curve_is_the_mean_at_equal_efficiency() -> None:
    found = two_folds()
    signal, background = (
        np.array(getattr(found.roc, f"{x}_efficiency")) for x in ("signal", "background")
    )
    assert (signal[0], background[0]) == (1, 1)
    assert (np.diff(signal) <= 0).all()
    assert (np.diff(background) <= 0).all()
    area = 1 + np.trapezoid(background, signal)
    assert area == pytest.approx(found.auc.value, abs=0.01)


def test_one_network_has_no_spread() -> None:
    found = judged_alone(random_classes(1), random_classes(2))
    assert found.auc.spread is None
    assert len(found.folds) == len(found.thresholds) == 1


def test_a_fold_without_judged_events_is_left_out() -> None:
    nothing = classes([], [])
    choosing = [random_classes(1), random_classes(2)]
    options: dict[str, Any] = {"thresholds": 21, "bootstrap": 2, "seed": 1}
    found = evaluate("net", choosing, [random_classes(3), nothing], {}, **options)
    assert len(found.folds) == 1
    assert len(found.thresholds) == 2
    with pytest.raises(InputError, match="net: no fold has signal and background"):
        evaluate("net", choosing, [nothing, nothing], {}, **options)


def test_pass_rates_are_shares_at_the_thresholds_of_the_folds() -> None:
    found = two_folds()
    judging = [random_classes(3), random_classes(4, 0.1, 3)]
    for kind, name in enumerate("ZW"):
        parts = [fold[kind].score for fold in judging]
        cuts = found.thresholds
        passing = sum(int((p >= t).sum()) for p, t in zip(parts, cuts, strict=True))
        n = sum(map(len, parts))
        rate = found.pass_rates[name]
        counted = measured_efficiency(passing / n, n)
        assert (rate.value, rate.error) == pytest.approx((counted.value, counted.error))


@pytest.mark.parametrize("score", ["noise", "constant"])
def test_a_network_that_is_as_good_as_chance_is_called_untrained(score: str) -> None:
    def same(seed: int) -> Classes:
        rng = np.random.default_rng(seed)
        if score == "constant":
            return classes(np.full(200, 0.55), np.full(200, 0.55))
        return classes(rng.random(200), rng.random(200))

    found = evaluate(
        "net", [same(1), same(2)], [same(3), same(4)], {}, thresholds=21, bootstrap=50, seed=1
    )
    assert not found.trained
    assert found.auc.value == pytest.approx(0.5, abs=0.05)
    assert found.mean_precision_recall.value == pytest.approx(0.75, abs=0.01)
    assert two_folds().trained


def test_evaluation_is_read_as_it_was_written(tmp_path: Path) -> None:
    found = two_folds()
    path = tmp_path / "evaluation.json"
    files.write_json(path, {"net": asdict(found)})
    assert read_evaluation(path) == {"net": found}
    point = WorkingPoint(found.signal_efficiency, tuple(found.thresholds))
    assert read_working_points(path) == {"net": point}


# --- Curves -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("efficiency", "rejected"), [(0.5, 1), (0.75, 7 / 8), (0.95, 3 / 8)])
def test_background_at_keeps_at_least_the_share_of_signal(
    efficiency: float, rejected: float
) -> None:
    curve = Curve(*classes(SIGNAL, BACKGROUND))
    assert 1 - curve.background_at(np.array([efficiency]))[0] == rejected


def test_rejected_fractions_have_errors_from_counting() -> None:
    evaluation = judged_alone(random_classes(1), random_classes(2), bootstrap=200)
    found = evaluation.background_rejected_fraction
    assert list(found) == ["0.5", "0.9", "0.919", "0.95"]
    values = [rejected.value for rejected in found.values()]
    assert values == sorted(values, reverse=True)
    for rejected in found.values():  # at least those of counting the background
        assert rejected.error > 0.8 * (rejected.value * (1 - rejected.value) / 500) ** 0.5


def _counted(signal: Scored, background: Scored) -> float:
    """The weighted share of pairs that are in the right order, ties half."""
    right = np.sign(signal.score[:, None] - background.score[None]) / 2 + 0.5
    total = signal.weight.sum() * background.weight.sum()
    return float(signal.weight @ right @ background.weight / total)


@pytest.mark.parametrize("digits", [7, 1])
@pytest.mark.parametrize("negative", [0.0, 0.2])
def test_area_is_the_share_of_pairs_in_the_right_order(digits: int, negative: float) -> None:
    rng = np.random.default_rng(1)
    signal, background = (
        scored(
            one.score.round(digits),
            np.where(rng.random(len(one.score)) < negative, -1.0, 1.0) * rng.uniform(0.5, 2),
        )
        for one in random_classes(1)
    )
    found = Curve(signal, background).area()
    assert found == pytest.approx(_counted(signal, background))
    if not negative:
        assert found == pytest.approx(auc(signal.score, background.score))


@pytest.mark.parametrize(("shift", "area"), [(1, 1), (-1, 0), (0, 0.5)])
def test_area_of_separate_reversed_and_equal_scores(shift: int, area: float) -> None:
    scores = np.linspace(0, 0.5, 20)
    assert Curve(*classes(scores + shift, scores)).area() == pytest.approx(area)


# --- Weights ------------------------------------------------------------------------------------


def test_weights_of_one_size_change_nothing() -> None:
    plain, half = (
        [(scored(s.score, np.full(len(s.score), w)), b) for s, b in (random_classes(1),)]
        for w in (1.0, 0.25)
    )
    found = [
        evaluate("net", one, one, {}, thresholds=21, bootstrap=10, seed=1) for one in (plain, half)
    ]
    assert found[0].thresholds == found[1].thresholds
    assert found[0].auc.value == pytest.approx(found[1].auc.value, rel=1e-12)
    assert found[0].auc.error == pytest.approx(found[1].auc.error, rel=1e-9)


def test_negative_weights_cancel_what_they_are_to_cancel() -> None:
    """Pairs of weights 1 and -1 added anywhere leave efficiencies as they are."""
    signal, background = random_classes(1)
    extra = np.repeat(np.array([0.1, 0.5, 0.9], np.float32), 2)
    more = scored(
        np.append(background.score, extra), np.append(background.weight, [1, -1, 1, -1, 1, -1])
    )
    one, other = (
        judged_alone((signal, background), (signal, background)),
        judged_alone((signal, more), (signal, more)),
    )
    assert one.thresholds == other.thresholds
    assert one.auc.value == pytest.approx(other.auc.value)
    assert one.accuracy.value == pytest.approx(other.accuracy.value)


# --- The errors ---------------------------------------------------------------------------------


def test_bootstrap_errors_are_reproducible_by_their_seed() -> None:
    first, other = two_folds(seed=3), two_folds(seed=4)
    again = two_folds.__wrapped__(seed=3)
    assert first == again
    assert first.auc.value == other.auc.value
    assert first.auc.error != other.auc.error


def test_bootstrap_error_of_the_accuracy_is_the_binomial_one() -> None:
    choosing, judging = random_classes(1), random_classes(2)
    samples = {"Z": [judging[0]], "W": [judging[1]]}
    found = evaluate("net", [choosing], [judging], samples, thresholds=21, bootstrap=200, seed=1)
    rates = {name: rate.error for name, rate in found.pass_rates.items()}
    expected = 0.5 * (rates["Z"] ** 2 + rates["W"] ** 2) ** 0.5
    assert found.accuracy.error == pytest.approx(expected, rel=0.25)


def test_precision_is_one_where_nothing_is_selected() -> None:
    assert row_of(1.0, 0.0, 0.0).precision == 1


# --- Table 2 of the thesis ----------------------------------------------------------------------

ROWS = [
    (network, *astuple(row))
    for network in ("rowcol_maxpool", "cell_strides")
    for row in THESIS.networks[network].table2
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
    assert max(products, key=products.__getitem__) == THESIS.networks[network].best_threshold
