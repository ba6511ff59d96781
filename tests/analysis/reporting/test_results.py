"""Results of runs are read, refused by name where they are none, and make one table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from analysis.reporting import results
from common.runtime.errors import InputError
from training.classifier.evaluate import EFFICIENCIES

MEASURED = {"value": 0.9, "error": 0.01}


def content(**changes: Any) -> dict[str, Any]:
    """What a file of results holds."""
    network = {
        "name": "strides+cell",
        "settings": {"network": "strides"},
        "training": {
            "parameters": 4684738,
            "flops_an_event": 1.8e9,
            "events": 126000,
            "validation_events": 14000,
            "steps": 20000,
            "epochs": 5.0,
            "seconds": 100.0,
            "events_per_second": None,
            "device": "some GPU",
            "backend": "jax",
        },
        "evaluation": {
            "signal_events": 100,
            "background_events": 100,
            "best_threshold": 0.4,
            "mean_precision_recall": {"value": 0.85, "error": 0.02},
            "precision_times_recall": MEASURED,
            "accuracy": MEASURED,
            "auc": {"value": 0.93, "error": 0.03},
            "background_rejected_fraction": {"0.919": {"value": 0.75, "error": 0.04}},
            "pass_rates": {"Znunu_high": MEASURED},
        },
        "sensitivity": [
            {
                "rate_definition": "as published",
                "region": "IM1",
                "ratio": {"value": 1.11, "error": 0.05},
                "largest": 1.19,
            }
        ],
    }
    return {
        "schema": 1,
        "run": "thesis",
        "seed": 1,
        "learned_events": 140_000,
        "configuration": {},
        "versions": {"numpy": "2"},
        "device": {"processor": "some CPU", "cores": 2, "gpu": None},
        "networks": [network],
    } | changes


def write(path: Path, data: Any) -> Path:
    path.write_text(json.dumps(data))
    return path


def test_a_line_a_network(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", content())
    networks, gains = results.tables([results.read(path)])
    assert networks.rows == [
        [
            "thesis (before)",
            "full",
            "strides+cell",
            "4684738",
            "1800",
            "126000, 20000, some GPU",
            "0.03",
            "-",
            "0.850 ± 0.020",
            "0.930 ± 0.030",
            "0.750 ± 0.040",
        ]
    ]
    assert gains.rows == [["thesis (before)", "strides+cell", "1.110 ± 0.050", *"------"]]


def test_results_of_folds_show_statistics_and_spread(tmp_path: Path) -> None:
    data = content(schema=2)
    evaluation = data["networks"][0]["evaluation"]
    del evaluation["best_threshold"]
    evaluation |= {"thresholds": [0.4, 0.5], "signal_efficiency": 0.93, "trained": True}
    evaluation["auc"] = {"value": 0.7175, "error": 0.0063, "spread": 0.0485}
    networks, _ = results.tables([results.read(write(tmp_path / "a.json", data))])
    assert networks.rows[0][0] == "thesis"
    assert networks.rows[0][9] == "0.7175 ± 0.0063 ± 0.0485"
    assert "before" not in networks.notes[0]


def test_files_with_the_keys_of_older_versions_are_read(tmp_path: Path) -> None:
    older = content()
    (network,) = older["networks"]
    evaluation, (ratio,) = network["evaluation"], network["sensitivity"]
    evaluation["rejection"] = evaluation.pop("background_rejected_fraction")
    ratio["version"] = ratio.pop("rate_definition")
    paths = [write(tmp_path / f"{n}.json", d) for n, d in (("a", content()), ("b", older))]
    new, old = map(results.read, paths)
    assert new == old
    assert "rejection" not in old.model_dump_json()


@pytest.mark.parametrize(
    ("events", "size"), [(140_000, "full"), (14_000, "tenth"), (600, "600 events"), (None, "-")]
)
def test_sizes_are_next_to_the_thesis(events: int | None, size: str, tmp_path: Path) -> None:
    assert results.read(write(tmp_path / "a.json", content(learned_events=events))).size == size


def test_the_rejected_fraction_shown_is_one_that_is_measured() -> None:
    assert results.SIGNAL_EFFICIENCY in [f"{efficiency:g}" for efficiency in EFFICIENCIES]


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (b"", "Invalid JSON"),
        (b'{"schema": 1', "Invalid JSON"),
        (b"[1, 2]", "Input should be an object"),
        (b'{"name": "a manifest"}', "'schema'|'run'"),
        (json.dumps(content(schema=3)).encode(), "'schema'"),
        (json.dumps(content(networks=[{}])).encode(), "'networks.0.name'"),
        (b"\xff\xfe", "not text"),
        (None, "No such file"),
    ],
)
def test_what_is_no_file_of_results_is_named(
    tmp_path: Path, text: bytes | None, cause: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "damaged.json"
    if text is not None:
        path.write_bytes(text)
    with pytest.raises(InputError, match=rf"damaged\.json: .*({cause})") as raised:
        results.read(path)
    assert "\n" not in str(raised.value)
    assert results.main([str(path)]) == 2
    assert capsys.readouterr().err == f"ERROR {raised.value}\n"


def test_the_command_writes_markdown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [str(write(tmp_path / f"{n}.json", content(run=n))) for n in ("one", "two")]
    assert results.main([*paths, "--output", str(tmp_path / "results.md")]) == 0
    text = (tmp_path / "results.md").read_text()
    assert text.startswith("# Results\n\n**All networks**")
    assert "| one (before) | full |" in text
    assert "| two (before) | full |" in text
    assert results.main(paths) == 0
    assert capsys.readouterr().out == text


def test_without_files_the_kept_results_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert results.main([]) == 0
    text = capsys.readouterr().out
    assert results.kept()
    for path in results.kept():
        found = results.read(path)
        assert found.networks
        assert f"| {found.title} |" in text
