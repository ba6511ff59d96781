from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from analysis.config import Config
from analysis.cutflow import Flow, by_process, read_flow, scaled, tables
from analysis.pipeline import Run
from analysis.stages import cutflow_targets
from analysis.yields import Yield
from common import files
from common.errors import BatchError, ConfigError, NormalisationError
from tests.conftest import WriteEvents, make_stage

RunOf = Callable[..., Run]
NETWORKS = ("particle_flow+none", "maxpool+rowcol")


def write_scores(run: Run, sample: str, events: list[int], scores: list[float]) -> None:
    path = run.scores(sample)
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file.attrs["schema"] = 1
        file["run_number"] = np.full(len(events), 7, np.uint32)
        file["event_number"] = np.array(events, np.uint64)
        for network in NETWORKS:
            file[f"score/{network}"] = np.array(scores, np.float32)


@pytest.fixture
def run(write_events: WriteEvents, run_of: RunOf) -> Run:
    """Ten events of weight 2: MET 200, 300, ..., 1100; the last has an electron."""
    electron = "rdfentry_ == 9 ? ROOT::RVecF{{{0}}} : ROOT::RVecF{{}}"
    path = write_events(
        n_events=10,
        weight="2.0",
        met="float(200. + 100 * rdfentry_)",
        electron_pt=electron.format("30.f"),
        electron_eta=electron.format("-1.9f"),
        electron_phi=electron.format("1.f"),
        electron_charge="rdfentry_ == 9 ? ROOT::RVecI{1} : ROOT::RVecI{}",
    )
    made = run_of(Znunu=[path], Wtaunu=[write_events("other.root", n_events=1)])
    write_scores(made, "Wtaunu", [1], [0.0])
    thresholds = {name: {"best_threshold": 0.5} for name in NETWORKS}
    files.write_json(made.table("evaluation"), thresholds)
    # in another order than the events: scores are joined by key
    write_scores(made, "Znunu", list(range(10, 0, -1)), [i % 2 for i in range(10, 0, -1)])
    return made


def make(run: Run) -> dict[str, Any]:
    import json

    make_stage("cutflow", run)
    found: dict[str, Any] = json.loads(run.table("cutflow").read_text())
    return found


def test_each_cut_counts_what_is_left(run: Run) -> None:
    data = make(run)
    sample = data["samples"]["Znunu"]
    flow = read_flow(sample["regions"]["SR"])
    assert {k: y.raw for k, y in flow.steps.items()} == {
        "all events": 10,
        "met": 9,
        "leading_jet": 9,
        "n_jets": 9,
        "delta_phi": 9,
        "electron_veto": 8,
        "muon_veto": 8,
    }
    assert flow.steps["met"] == Yield(9, 18.0, 36.0)
    assert flow.bins["IM1"].raw == 8
    assert flow.bins["IM5"].raw == 5  # MET 600 ... 1000
    assert flow.bins["EM4"].raw == 1  # 500: the upper edge belongs to the bin
    assert flow.bins["EM5"].raw == 1
    assert sum(flow.bins[f"EM{i}"].raw for i in range(1, 11)) == flow.bins["IM1"].raw
    assert sample["normalisation"] == pytest.approx(36.1 * 1000 * 2.0 / 100.0)
    no_veto = read_flow(sample["regions"]["SR_no_veto"])
    assert no_veto.bins["IM1"].raw == 9


def test_scores_are_joined_by_key(run: Run) -> None:
    """Events 3, 5, 7, 9 of the selected 2 ... 9 have score 1."""
    flow = read_flow(make(run)["samples"]["Znunu"]["regions"]["SR"])
    for network in NETWORKS:
        assert flow.networks[network]["IM1"].raw == 4
        assert flow.networks[network]["IM10"].raw == 0  # event 9 has MET 1000, not above


def test_a_missing_score_is_an_error(run: Run) -> None:
    write_scores(run, "Znunu", list(range(2, 12)), [1.0] * 10)
    with pytest.raises(BatchError, match="no score for run 7, event 1"):
        make(run)
    write_scores(run, "Znunu", list(range(1, 10)), [1.0] * 9)
    with pytest.raises(BatchError, match="no score for run 7, event 10"):
        make(run)


def selecting(run: Run, region: str) -> Run:
    imaging = run.config.imaging.model_copy(update={"select": region})
    return dataclasses.replace(run, config=run.config.model_copy(update={"imaging": imaging}))


def test_events_without_images_need_no_scores(run: Run) -> None:
    write_scores(run, "Znunu", list(range(2, 11)), [1.0] * 9)
    flow = read_flow(
        make(selecting(run, "SR_no_veto"))["samples"]["Znunu"]["regions"]["SR_no_veto"]
    )
    assert flow.networks[NETWORKS[0]]["IM1"].raw == 9


def test_a_selection_that_a_region_needs_more_than_is_refused(run: Run) -> None:
    with pytest.raises(ConfigError, match="'select: SR' leaves out events of region SR_no_veto"):
        cutflow_targets(selecting(run, "SR"))


def test_a_double_score_is_an_error(run: Run) -> None:
    write_scores(run, "Znunu", [1, 1, *range(3, 11)], [1.0] * 10)
    with pytest.raises(BatchError, match="two scores for run 7, event 1"):
        make(run)


def test_a_weight_that_is_not_finite_is_an_error(run: Run, write_events: WriteEvents) -> None:
    write_events("other.root", n_events=1, weight="double(NAN)")
    with pytest.raises(BatchError, match=r"other.root: column 'weight': not finite, .*events: 1"):
        make(run)
    assert not run.table("cutflow").exists()


@pytest.mark.parametrize("key", ["cross_section", "sum_of_weights"])
def test_an_unknown_normalisation_stops_before_the_loop(run: Run, key: str) -> None:
    first, *others = run.config.samples
    samples = (first.model_copy(update={key: None}), *others)
    bare = dataclasses.replace(run, config=run.config.model_copy(update={"samples": samples}))
    with pytest.raises(NormalisationError, match=f"'Znunu' has no {key}"):
        make(bare)
    assert not run.table("cutflow").exists()


def test_a_sample_is_one_event_loop(run: Run, opened_frames: list[Any]) -> None:
    make(run)
    assert [frame.GetNRuns() for frame in opened_frames] == [1, 1]


def flow(n: int) -> Flow[Yield]:
    y = Yield(n, 2.0 * n, 4.0 * n)
    return Flow({"all events": y}, {"all": y}, {"net": {"all": y}})


def test_flows_add_and_scale() -> None:
    both = flow(3) + scaled(flow(4), 0.5)
    assert both.steps["all events"] == Yield(7, 10.0, 16.0)
    assert both.networks["net"]["all"] == Yield(7, 10.0, 16.0)
    assert Yield(1, 3.0, 9.0).error == 3.0


def test_slices_of_a_process_add(run: Run) -> None:
    data = make(run)
    data["samples"]["again"] = data["samples"]["Znunu"]
    once = read_flow(data["samples"]["Znunu"]["regions"]["SR"]).steps["met"]
    factor = data["samples"]["Znunu"]["normalisation"]
    twice = by_process(data, "SR")["Znunu"].steps["met"]
    assert twice.raw == 18
    assert twice.sumw == pytest.approx(2 * factor * once.sumw)


def test_tables_name_every_cut(run: Run, tmp_path: Path) -> None:
    text = tables(make(run))[0].markdown()
    for fragment in ("250", "at most four jets", "no muon", "particle\\_flow".replace("\\", "")):
        assert fragment in text
    assert (run.output / "tables" / "cutflow.tex").exists()


def test_without_networks_neither_images_nor_scores_are_needed(
    write_events: WriteEvents, run_of: RunOf
) -> None:
    path = write_events(n_events=10, weight="2.0", met="float(200. + 100 * rdfentry_)")
    made = run_of(mine=[path])
    config = made.config.model_dump() | {"training": {}}
    made = dataclasses.replace(made, config=Config.model_validate(config))
    (sample,) = make(made)["samples"].values()
    assert sample["regions"]["SR"]["steps"]["all events"]["raw"] == 10
    assert sample["regions"]["SR"]["steps"]["met"]["raw"] == 9
    text = made.table("cutflow_mine").with_suffix(".txt").read_text()
    assert "Cut-flow of mine" in text
    assert "network" not in text
