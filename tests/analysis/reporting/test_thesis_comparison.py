"""Numbers of the thesis stand beside those of a run."""

from __future__ import annotations

import json

from analysis.config import Config
from analysis.reporting import thesis_comparison
from analysis.workflow.run import Run
from common.tables import with_error


def rows(run: Run) -> dict[str, list[str]]:
    return {row[1]: list(row[2:]) for row in thesis_comparison.against_the_thesis(run).rows}


def test_numbers_stand_beside_those_of_the_thesis(finished: Run) -> None:
    found = rows(finished)
    # table 2 at 0.40, where precision x recall is largest; the thesis gives no error
    assert found["(precision + recall)/2, table 2"] == ["0.85", "0.870 ± 0.010", "+2.0"]
    assert found["best threshold (here the mean of the folds)"] == ["0.4", "0.5", ""]
    # table 3: 0.833 of 8000; 1 - 0.2 with the error of both
    assert found["Wmunu rejected, high slice, table 3"] == [
        "0.8330 ± 0.0042",
        "0.800 ± 0.010",
        "-3.0",
    ]
    assert found["Znunu selected, low slice, table 3"][1:] == ["0.900 ± 0.010", "-3.9"]
    assert found["Wtaunu rejected in IM1, table 4"] == ["0.777", "0.750 ± 0.010", "-2.7"]
    assert found["sensitivity ratio in IM1, as published"] == ["1.118", "1.100 ± 0.010", "-1.8"]
    # the thesis gives no ratio after the whole selection
    assert found["sensitivity ratio in IM1, consistent"] == ["-", "1.050 ± 0.010", "-"]
    assert len(found) == 3 + 9 + 3 + 2


def test_a_network_that_is_not_the_thesiss_is_told(finished: Run) -> None:
    assert "is not the thesis's network" not in " ".join(
        thesis_comparison.against_the_thesis(finished).notes
    )
    data = finished.config.model_dump()
    (network,) = data["training"]["networks"]
    changes = {"width": 0.125, "crop_size": 30, "initializer": "he"}
    data["training"]["networks"] = [network | changes]
    run = Run(Config.model_validate(data), finished.output)
    note = thesis_comparison.against_the_thesis(run).notes[0]
    assert note == (
        "strides+cell is not the thesis's network here: crop_size 30, width 0.125, initializer he."
    )


def test_samples_that_the_run_has_not_are_left_out(finished: Run) -> None:
    path = finished.table("evaluation")
    data = json.loads(path.read_text())
    del data["strides+cell"]["pass_rates"]["Wmunu_low"]
    path.write_text(json.dumps(data))
    assert len(rows(finished)) == 16
    path.write_text(json.dumps({"pfn+none": data["strides+cell"]}))
    assert rows(finished) == {}


def test_the_background_is_given_line_by_line(finished: Run) -> None:
    """Table 5, scaled by the rates of table 4, and by ours (all 0.25)."""
    made = thesis_comparison.backgrounds(finished)
    assert made.columns == (
        "process",
        "ATLAS, IM1",
        "thesis, strides+cell",
        "thesis, maxpool+rowcol",
        "strides+cell",
    )
    lines = {row[0]: list(row[1:]) for row in made.rows}
    assert lines["Wenu"] == ["20600"] * 4
    assert lines["Zee"] == ["0.11"] * 4
    assert lines["Znunu"] == ["137800", "132839", "132701", "34400 ± 1400"]
    assert lines["Wtaunu"] == ["50300", "11217", "13581", "12580 ± 500"]
    assert lines["Wmunu"][1] == "2003"
    assert lines["all"][:2] == ["245466", "182565"]
    error = 0.01 * (137800**2 + 50300**2 + 20860**2) ** 0.5
    own = 245466 - 0.75 * (137800 + 50300 + 20860)
    assert lines["all"][3] == with_error(own, error)
    assert lines["sensitivity ratio in IM1, as published"] == [
        "-",
        "1.118",
        "1.107",
        "1.100 ± 0.010",
    ]
    assert lines["sensitivity ratio in IM1, consistent"] == ["-", "-", "-", "1.050 ± 0.010"]
    assert lines["sensitivity ratio in IM10, as published"][3] == "1.020 ± 0.010"
    assert lines["sensitivity ratio in IM10, consistent"][3] == "-"
