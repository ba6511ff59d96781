"""Score files are keyed by run and event number."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from common.runtime.errors import InputError, ScoreError
from common.schema.scores import read_paired_scores, read_scores, write_scores


def test_scores_are_stored_by_key(tmp_path: Path) -> None:
    path = tmp_path / "scores.h5"
    identity: dict[str, Any] = {
        "run_number": np.array([1, 1], np.uint32),
        "event_number": np.array([5, 6], np.uint64),
        "fold": np.array([0, 1], np.uint8),
    }
    write_scores(path, identity, {"a+b": np.array([0.25, 0.5], np.float32)})
    found = read_scores(path, ["a+b"])
    assert found["event_number"].tolist() == [5, 6]
    assert found["a+b"].tolist() == [0.25, 0.5]
    with pytest.raises(InputError, match="not a whole score file"):
        read_scores(path, ["absent"])
    identity["event_number"][:] = 5
    with pytest.raises(InputError, match="event 5 of run 1 occurs twice"):
        write_scores(path, identity, {})


def events(run_numbers: list[int], event_numbers: list[int]) -> dict[str, Any]:
    return {
        "run_number": np.array(run_numbers, np.uint32),
        "event_number": np.array(event_numbers, np.uint64),
    }


@pytest.fixture
def scores(tmp_path: Path) -> Path:
    """Scores of four events, equal to 10 * run + event."""
    path = tmp_path / "scores.h5"
    values = np.array([11, 12, 21, 22], np.float32)
    write_scores(path, events([1, 1, 2, 2], [1, 2, 1, 2]), {"net": values, "other": -values})
    return path


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 1, 0, 2]])
def test_scores_are_paired_with_events_by_key(scores: Path, order: list[int]) -> None:
    columns = {key: values[order] for key, values in events([1, 1, 2, 2], [1, 2, 1, 2]).items()}
    found = read_paired_scores(columns, Path("events.h5"), scores, ["net", "other"], "scoring")
    expected = 10 * columns["run_number"] + columns["event_number"]
    assert list(found) == ["net", "other"]
    assert found["net"].tolist() == (-found["other"]).tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("run_numbers", "event_numbers"),
    [
        ([1, 1, 2], [1, 2, 1]),  # fewer
        ([1, 1, 2, 2, 3], [1, 2, 1, 2, 1]),  # more
        ([1, 1, 2, 3], [1, 2, 1, 2]),  # another run
        ([2, 1, 2, 1], [2, 1, 1, 1]),  # one event twice
    ],
)
def test_scores_of_other_events_are_refused(
    scores: Path, run_numbers: list[int], event_numbers: list[int]
) -> None:
    with pytest.raises(
        ScoreError,
        match=r"scores\.h5: its events are not those of events\.h5: make it with --stage s",
    ):
        read_paired_scores(
            events(run_numbers, event_numbers), Path("events.h5"), scores, ["net"], "scoring"
        )
