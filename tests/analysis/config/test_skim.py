"""The section ``skim``: what it takes, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from analysis.config import Config, load
from common.runtime.errors import ConfigError

SELECTION = {
    "extends": "monojet36",
    "define": {"ht": "Sum(jet_pt)", "mt": "2 * ht"},
    "columns": {"trigger": "HLT_xe110"},
    "weights": ["weight", "1.5 * boson_pt"],
    "regions": {"soft": {"cuts": {"met": "met_no_muons < 200"}}},
    "blind": ["SR"],
}


def loaded(tmp_path: Path, skim: Any, *, data: bool = False) -> Config:
    path = tmp_path / "mine.yaml"
    sample = {
        "process": "measured" if data else "Znunu",
        "files": ["a.root"],
        "data": data,
        "columns": {"of_sample": "some_branch"},
    }
    sections = {"name": "mine", "samples": [sample], "selection": SELECTION, "skim": skim}
    path.write_text(yaml.safe_dump(sections, sort_keys=False))
    return load(path)


def test_columns_of_a_format_of_the_user_and_of_the_selection(tmp_path: Path) -> None:
    columns = ["met", "trigger", "of_sample", "mt"]
    config = loaded(tmp_path, {"region": "SR", "columns": columns})
    assert config.skim is not None
    assert (config.skim.format, config.skim.suffix) == ("rntuple", ".root")
    assert "skim" in config.studies
    selection = config.selection.resolved
    used = config.skim.expressions(selection, data=False)
    assert {*columns, "weight", "1.5 * boson_pt", "2 * ht", "Sum(jet_pt)"} <= {*used}
    assert {cut.expression for cut in selection.regions["SR"].cuts} <= {*used}
    assert "1.5 * boson_pt" not in config.skim.expressions(selection, data=True)
    assert Config.model_validate(config.model_dump()) == config


def test_one_column_of_all_events(tmp_path: Path) -> None:
    skim = loaded(tmp_path, {"columns": "met", "format": "parquet"}).skim
    assert skim is not None
    assert (skim.region, skim.columns, skim.suffix) == (None, ("met",), ".parquet")


@pytest.mark.parametrize(
    ("skim", "message"),
    [
        ({"columns": []}, "'skim.columns': "),
        ({"columns": ["mtt"]}, "'skim.columns': no column 'mtt' (did you mean 'mt'?): define it"),
        ({"columns": ["full_met"]}, "'skim.columns': 'full_met' is now called 'met'"),
        ({"columns": ["met", "met"]}, "'skim.columns': 'met' is listed twice"),
        ({"columns": ["met", "weight"]}, "'skim.columns': 'weight' is in each skim: remove it"),
        ({"columns": "met", "region": "SP"}, "'skim.region': unknown region 'SP' (did you mean 'S"),
        ({"columns": "met", "format": "root"}, "'skim.format': unknown name 'root'"),
        ({"columns": "met", "select": "SR"}, "unknown key 'skim.select'"),
    ],
)
def test_what_is_refused(tmp_path: Path, skim: Any, message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        loaded(tmp_path, skim)
    assert message in str(refused.value)


def test_hidden_data_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"'skim.region': 'selection.blind' hides data of 'meas"):
        loaded(tmp_path, {"region": "SR", "columns": "met"}, data=True)
    with pytest.raises(ConfigError, match=r"'skim.region': .* in some regions: choose another"):
        loaded(tmp_path, {"columns": "met"}, data=True)
    assert loaded(tmp_path, {"region": "soft", "columns": "met"}, data=True)
    assert loaded(tmp_path, {"region": "SR", "columns": "met"})
