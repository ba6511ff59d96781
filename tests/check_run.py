"""Check the tables and files of a finished run: ``python tests/check_run.py <output>``.

Used after the end-to-end run of continuous integration. Numbers must be there, consistent with one
another and physically possible; none is compared with a stored value.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin  # noqa: F401

sys.path.insert(0, str(Path(__file__).parent.parent))

from analysis.processes import SIGNALS
from analysis.reporting import results

REGIONS = [f"IM{i}" for i in range(1, 11)]


def load(path: Path) -> Any:
    return json.loads(path.read_text())


def check_cutflow(output: Path) -> None:
    data = load(output / "tables" / "cutflow.json")
    assert data["samples"]
    for name, sample in data["samples"].items():
        assert sample["normalisation"] > 0
        for region in sample["regions"].values():
            entries = [step["entries"] for step in region["steps"].values()]
            assert entries == sorted(entries, reverse=True), f"{name}: a cut adds events: {entries}"
            assert entries[0] > 0
            bins = region["bins"]
            assert bins["IM1"]["entries"] == bins["all"]["entries"] == entries[-1]
            inclusive = [bins[r]["entries"] for r in REGIONS]
            assert inclusive == sorted(inclusive, reverse=True)
            assert sum(bins[f"EM{i}"]["entries"] for i in range(1, 11)) == bins["IM1"]["entries"]
            for network in region["networks"].values():
                assert all(network[k]["entries"] <= bins[k]["entries"] for k in bins)


def check_evaluation(output: Path) -> None:
    for network, result in load(output / "tables" / "evaluation.json").items():
        assert 0 < result["signal_efficiency"] <= 1
        assert all(0 <= threshold <= 1 for threshold in result["thresholds"])
        assert len(result["folds"]) == len(result["thresholds"])
        for fold in result["folds"]:
            assert 0 <= fold["auc"]["value"] <= 1
        recalls = [row["recall"] for row in result["scan"]]
        assert recalls[0] == 1
        assert recalls == sorted(recalls, reverse=True), network
        assert 0 <= result["auc"]["value"] <= 1
        assert result["auc"]["error"] > 0 or not result["trained"]  # all scores of a fold alike


def check_sensitivity(output: Path) -> None:
    ratios = load(output / "tables" / "sensitivity.json")
    assert ratios
    for ratio in ratios:
        assert 0 <= ratio["ratio"] <= ratio["largest"] + 1e-9
        assert math.isfinite(ratio["error"])
        parts = (ratio["statistical"], ratio["cross_section"], ratio["spread"] or 0)
        assert max(parts) - 1e-12 <= ratio["error"] <= math.hypot(*parts) + 1e-12
        above_im1 = ratio["region"] != "IM1" and "split of IM1" not in ratio["rate_definition"]
        assert (ratio["largest_error"] > 0) == above_im1


def check_signals(output: Path) -> None:
    processes = {s["process"] for s in load(output / "tables" / "cutflow.json")["samples"].values()}
    comparisons = load(output / "tables" / "signals.json")
    assert {comparison["signal"] for comparison in comparisons} == processes & set(SIGNALS)
    for comparison in comparisons:
        assert comparison["chi2"] >= 0
        assert comparison["ndf"] <= len(comparison["bins"]) <= 10
        for found in comparison["bins"]:
            assert 0 <= found["signal"]["value"] <= 1
            assert found["signal"]["error"] > 0
            assert math.isfinite(found["difference"])


def check_images_and_scores(output: Path) -> None:
    for path in sorted((output / "images").glob("*.h5")):
        with h5py.File(path) as images, h5py.File(output / "scores" / path.name) as scores:
            n_events = len(images["events/event_number"])
            offsets = images["cells/offsets"][:]
            assert len(offsets) == n_events + 1
            assert offsets[-1] == len(images["cells/row"]) == len(images["cells/values"])
            assert (images["cells/row"][:] < 100).all()
            assert (images["cells/column"][:] < 126).all()
            keys = [set(f["event_number"][:].tolist()) for f in (images["events"], scores)]
            assert keys[0] == keys[1]
            assert len(keys[0]) == n_events
            for network in scores["score"].values():
                assert (network[:] >= 0).all()
                assert (network[:] <= 1).all()


def check_figures(output: Path) -> None:
    figures = load(output / "plots" / "figures.json")
    assert figures
    for figure in figures:
        for name in figure["files"]:
            assert (output / "plots" / name).stat().st_size > 1000, name


def check_report(output: Path) -> None:
    page = (output / "report.html").read_text()
    figures = load(output / "plots" / "figures.json")
    assert page.count('src="data:image/png;base64,') == len(figures)
    assert "plots/" not in page
    assert (output / "report.md").stat().st_size > 1000


def check_results(output: Path) -> None:
    found = results.read(output / "results.json")
    evaluated = load(output / "tables" / "evaluation.json")
    assert [network.name for network in found.networks] == list(evaluated)
    for network in found.networks:
        assert network.evaluation.auc.value == evaluated[network.name]["auc"]["value"]
        assert network.training.parameters > 0
        assert network.training.flops_an_event
        assert network.training.events_per_second
        assert results.SIGNAL_EFFICIENCY in network.evaluation.background_rejected_fraction
        assert network.sensitivity


def check_tables_and_leftovers(output: Path) -> None:
    for name in ("images", "cutflow", "evaluation", "sensitivity", "signals"):
        for suffix in ("md", "tex", "txt"):
            assert (output / "tables" / f"{name}.{suffix}").stat().st_size > 100
    leftovers = [path for path in output.rglob(".*") if path.is_file()]
    assert not leftovers, leftovers


def main(output: Path) -> None:
    for check in (
        check_cutflow,
        check_evaluation,
        check_sensitivity,
        check_signals,
        check_images_and_scores,
        check_figures,
        check_report,
        check_results,
        check_tables_and_leftovers,
    ):
        check(output)
        print(f"{check.__name__}: good")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
