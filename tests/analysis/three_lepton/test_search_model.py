"""The table ``anomaly`` is written and read by the same classes."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

from analysis.rdf.yields import Yield
from analysis.three_lepton.search_model import (
    ExpectedSignificance,
    Observation,
    RegionYields,
    SearchResult,
    read_search_results,
)
from common.runtime import files
from common.runtime.errors import InputError
from common.stats.measured import Measured

FINDINGS = SearchResult(
    "dense",
    {"WR_N": Measured(0.9, 0.01)},
    [RegionYields(0.5, -1.25, {"WZ": {"eee": Yield(3, 1.5, 0.75)}})],
    [ExpectedSignificance("WR_N", 0.5, Measured(2.0, 0.1), Measured(0.0, 0.0), None, None)],
    [Observation("data", 0.5, 4, Measured(1.5, 0.9), 0.0, 1.7, 1.2)],
)


def test_findings_are_read_as_written(tmp_path: Path) -> None:
    path = tmp_path / "anomaly.json"
    files.write_json(path, [asdict(FINDINGS)])
    assert read_search_results(path) == [FINDINGS]


def test_a_damaged_table_is_named(tmp_path: Path) -> None:
    path = tmp_path / "anomaly.json"
    data = asdict(FINDINGS)
    del data["regions"][0]["threshold"]
    files.write_json(path, [data])
    with pytest.raises(InputError, match=r"anomaly\.json: .*threshold.* --stage anomaly"):
        read_search_results(path)
