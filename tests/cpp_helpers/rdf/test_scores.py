"""Scores are found by key; a missing and a doubled key are errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest


def _fill(table: Any, entries: list[tuple[int, int, float]]) -> None:
    run, event, score = zip(*entries, strict=True)
    table.fill(
        np.array(run, np.uint32), np.array(event, np.uint64), np.array(score, np.float32), len(run)
    )


@pytest.fixture
def table(helpers: Any) -> Any:
    made = helpers.ScoreTable()
    _fill(made, [(1, 2, 0.25), (2, 1, 0.5), (2**32 - 1, 2**64 - 1, 0.75), (0, 0, 1.0)])
    return made


@pytest.mark.parametrize(
    ("run", "event", "score"),
    [(1, 2, 0.25), (2, 1, 0.5), (2**32 - 1, 2**64 - 1, 0.75), (0, 0, 1.0)],
)
def test_score_is_that_of_the_run_and_event(table: Any, run: int, event: int, score: float) -> None:
    assert table.at(run, event) == score


@pytest.mark.parametrize(("run", "event"), [(1, 1), (2, 2), (0, 2), (3, 0)])
def test_missing_score_is_an_error_that_names_the_event(table: Any, run: int, event: int) -> None:
    with pytest.raises(Exception, match=f"no score for run {run}, event {event}"):
        table.at(run, event)


def test_two_scores_of_one_event_are_an_error_that_names_it(helpers: Any) -> None:
    with pytest.raises(Exception, match="two scores for run 7, event 8"):
        _fill(helpers.ScoreTable(), [(7, 8, 0.1), (7, 9, 0.1), (7, 8, 0.1)])


def test_filling_again_forgets_the_scores_before(table: Any) -> None:
    _fill(table, [(5, 5, 0.125)])
    assert table.at(5, 5) == 0.125
    with pytest.raises(Exception, match="no score"):
        table.at(1, 2)


def test_many_scores_come_back_in_any_order(helpers: Any) -> None:
    rng = np.random.default_rng(1)
    run, event = np.divmod(rng.permutation(4000), 40)
    scores = rng.random(4000)
    table = helpers.ScoreTable()
    entries = list(zip(run.tolist(), event.tolist(), scores.tolist(), strict=True))
    _fill(table, entries)
    assert all(table.at(r, e) == np.float32(s) for r, e, s in reversed(entries))


def test_tables_of_networks_are_apart(helpers: Any) -> None:
    networks = (9000, 9001)  # of no other test
    for network in networks:
        _fill(helpers.score_table(network), [(1, 1, 0.25 * (network - 9000))])
    assert [helpers.score(network, 1, 1) for network in networks] == [0, 0.25]
    with pytest.raises(Exception, match="no score for run 1, event 2"):
        helpers.score(9000, 1, 2)
