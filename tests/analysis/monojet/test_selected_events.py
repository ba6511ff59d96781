from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.config import Config
from analysis.monojet.selected_events import SelectedEvents, read_selected
from analysis.workflow.run import Run
from common.runtime.errors import InputError, ScoreError
from tests.analysis.scored_sample import write_sample


def events(score: Any, weight: Any = None) -> SelectedEvents:
    n = len(score)
    return SelectedEvents(
        np.ones(n) if weight is None else np.asarray(weight, float),
        np.full(n, 300.0),
        np.arange(n, dtype=np.uint64),
        np.zeros(n, np.uint8),
        np.zeros(n, np.uint16),
        ("mine",),
        {"net": np.asarray(score, float)},
    )


@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(-5, 5)), max_size=30),
    st.lists(st.floats(0, 1), min_size=1, max_size=5),
)
def test_passing_events_are_those_of_no_less_score(
    found: list[tuple[float, float]], thresholds: list[float]
) -> None:
    score, weight = (np.array([pair[i] for pair in found]) for i in (0, 1))
    scored = events(score, weight)
    for threshold, y in zip(thresholds, scored.passing("net", np.array(thresholds)), strict=True):
        chosen = score >= threshold
        assert y.entries == chosen.sum()
        assert y.sumw == pytest.approx(weight[chosen].sum(), abs=1e-9)
        assert y.sumw2 == pytest.approx((weight[chosen] ** 2).sum(), abs=1e-9)


@pytest.fixture
def run(tiny_config: Config, tmp_path: Path) -> Run:
    return Run(tiny_config, tmp_path)


def test_selected_events_of_all_samples(run: Run) -> None:
    write_sample(run, "a", [260.0, 300.0], [True, False], [0.25, 0.5])
    write_sample(run, "b", [1100.0], [True], [0.75])
    found = read_selected(run, {"a": 3.0, "b": 5.0}, "SR", ["net"])
    assert found.met.tolist() == [260, 1100]
    assert found.weight.tolist() == [6, 10]
    assert found.event_number.tolist() == [0, 0]
    assert found.scores["net"].tolist() == [0.25, 0.75]
    assert found.of_sample("b").met.tolist() == [1100]


def test_thresholds_keep_at_least_the_share() -> None:
    scored = events([0.1, 0.9, 0.5, 0.7], [1.0, 2.0, 1.0, -1.0])
    # from the highest 2, 1, 2 and 3 of 3: with the negative weight it is 2/3 at 0.9 already
    found = scored.thresholds("net", np.array([0.01, 2 / 3, 0.7, 1.0]))
    assert found.tolist() == [0.9, 0.9, 0.1, 0.1]
    assert events([]).thresholds("net", np.array([0.5])).tolist() == [np.inf]


def test_scores_of_other_events_are_refused(run: Run) -> None:
    write_sample(run, "a", [260.0, 300.0], [True, True], [0.25, 0.5])
    images = run.images("a").read_bytes()
    write_sample(run, "a", [260.0], [True], [0.25])
    run.images("a").write_bytes(images)
    with pytest.raises(ScoreError, match="its events are not those of"):
        read_selected(run, {"a": 1.0}, "SR", ["net"])


def test_a_damaged_image_file_is_named(run: Run) -> None:
    write_sample(run, "a", [260.0], [True], [0.25])
    run.images("a").write_bytes(b"no HDF5")
    with pytest.raises(InputError, match=r"a\.h5: damaged or incomplete"):
        read_selected(run, {"a": 1.0}, "SR", ["net"])
