"""What networks cost, and what the best of them gain in a few signal bins."""

from __future__ import annotations

import json
from itertools import product

import pytest

from analysis.monojet.sensitivity_model import (
    AS_PUBLISHED,
    CONSISTENT,
    OWN_THRESHOLD,
    SensitivityRatio,
)
from analysis.reporting.network_tables import NETWORKS, cost, gains, spread
from analysis.workflow.run import Run
from common.runtime.errors import InputError

BINS = [f"IM{i}" for i in range(1, 11)]


def ratio(network: str, definition: str, region: str, value: float) -> SensitivityRatio:
    return SensitivityRatio(
        network=network,
        rate_definition=definition,
        region=region,
        ratio=value,
        error=0.01,
        statistical=0.01,
        cross_section=0.0,
        spread=None,
        largest=1.187,
        largest_error=0.0 if region == "IM1" else 0.02,
        rates={},
        entries={},
        signal_efficiencies=(0.9,),
        thresholds=((0.5,),),
    )


def ratios(*networks: tuple[str, float]) -> list[SensitivityRatio]:
    definitions = (AS_PUBLISHED, CONSISTENT, AS_PUBLISHED + OWN_THRESHOLD)
    return [
        ratio(name, definition, region, value)
        for (name, value), definition, region in product(networks, definitions, BINS)
    ]


def test_a_row_a_definition_and_a_column_a_few_bins() -> None:
    found = ratios(("pfn+none", 1.1), ("strides+cell", 1.05))
    missing = (AS_PUBLISHED, "IM7")
    table = gains([r for r in found if (r.rate_definition, r.region) != missing], BINS, 36.1)
    assert table.columns == ("network", "pass rates", "IM1", "IM4", "IM7", "IM10")
    published = ["1.100 ± 0.010", "1.100 ± 0.010", "-", "1.100 ± 0.010"]
    assert table.rows[0] == ["pfn+none", AS_PUBLISHED, *published]
    assert [row[:2] for row in table.rows[1:]] == [
        ["pfn+none", CONSISTENT],
        ["strides+cell", AS_PUBLISHED],
        ["strides+cell", CONSISTENT],
        ["a perfect network", ""],
    ]
    assert table.rows[-1][2:4] == ["1.187", "1.187 ± 0.020"]
    assert "left out" not in table.notes[0]


def test_a_kind_of_network_has_twelve_rows_at_most() -> None:
    names = [(f"pfn+none+{i}", 1.0 + 0.01 * i) for i in range(9)] + [("vgg+cell", 0.5)]
    table = gains(ratios(*names), BINS, 36.1)
    listed = list(dict.fromkeys(row[0] for row in table.rows))
    assert listed == [*(f"pfn+none+{i}" for i in range(3, 9)), "vgg+cell", "a perfect network"]
    of_kind = [row for row in table.rows if row[0].startswith("pfn")]
    assert len(of_kind) == 2 * NETWORKS == 12
    assert "3 networks of smaller gain are left out" in table.notes[0]


@pytest.mark.parametrize(
    ("n", "chosen"), [(10, [0, 3, 6, 9]), (13, [0, 4, 8, 12]), (3, [0, 1, 2]), (0, [])]
)
def test_bins_are_spread_from_the_first_to_the_last(n: int, chosen: list[int]) -> None:
    assert spread([f"{i}" for i in range(n)], 4) == [f"{i}" for i in chosen]


def test_cost_is_the_mean_of_the_folds(finished: Run) -> None:
    (row,) = cost(finished).rows
    assert row == ["strides+cell", "4684738", "-", "200", "7", "1.5", "3", "50", "jax"]
    path = finished.model("strides+cell") / "training.json"
    record = json.loads(path.read_text())
    for number, fold in enumerate(record["folds"]):
        fold |= {"flops_an_event": 1.79e9, "events_per_second": 100 * (1 + number)}
    path.write_text(json.dumps(record))
    (row,) = cost(finished).rows
    assert (row[2], row[7]) == ("1790", "150")


@pytest.mark.parametrize("content", ["{", '{"folds": []}'])
def test_a_damaged_training_record_is_one_line_with_the_remedy(finished: Run, content: str) -> None:
    path = finished.model("strides+cell") / "training.json"
    path.write_text(content)
    with pytest.raises(InputError) as error:
        cost(finished)
    message = str(error.value)
    assert message.startswith(f"{path}: cannot read: ")
    assert message.endswith(": make it with --stage training --force")
    assert "\n" not in message
