"""Yields by region from RDataFrame and keyed scores, against numpy on the same files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.config import CONFIGS, Config, PseudoData, load
from analysis.matrices import pseudo_data
from analysis.matrices.pseudo_data_stage import pseudo_data_targets
from analysis.three_lepton import anomaly
from analysis.three_lepton.anomaly_stage import anomaly_targets
from analysis.three_lepton.scored_events import ScoredEvents
from analysis.three_lepton.search_results import auc, quantiles
from analysis.three_lepton.tables import observations_table, search_table
from analysis.workflow.run import Run
from analysis.workflow.target import Target
from common.runtime.errors import InputError, ScoreError
from common.schema.matrices import Subset, read_events
from common.schema.scores import read_scores, write_scores
from selections import three_lepton
from tests.analysis.three_lepton_events import E1, E2, E3, M1, Event, columns_of, runs_in
from tests.conftest import WriteEvents, make_stage

SPLIT = {"training": 0.2, "validation": 0.1, "pseudo_data": 0.2}
QUANTILES = (0.5, 0.9)


def make_run(
    write_events: WriteEvents,
    folder: Path,
    config: Config,
    weight: str = "1. + rdfentry_ % 2",
    data: bool = False,
) -> Run:
    """A run with matrices and hand-made scores: the last of the event number's digits, and minus
    the number; with measured events and pseudo-data if so asked for."""
    kinds = [Event((E1, E2, M1)), Event((E1, E2, E3)), Event((E1, E2))]
    columns = columns_of([kinds[i % 3] for i in range(300)])
    path = write_events(n_events=300, weight=weight, **columns)
    search = {
        "rmm": {"split": SPLIT, "fakes": {"electron": 0, "muon": 0}},
        "background_quantiles": QUANTILES,
        "autoencoders": [{"variant": "a"}, {"variant": "b"}],
    }
    run = runs_in(folder, config)(anomaly=search, WZ=path, WR_N=path)
    names = [sample.name for sample in run.config.samples]
    if data:
        measured = run.config.samples[0].model_copy(update={"process": "measured", "data": True})
        samples = (*run.config.samples, measured)
        found = run.config.anomaly_search.model_copy(update={"pseudo_data": (PseudoData(),)})
        changed = {"samples": samples, "anomaly": found, "luminosity": 36.1}
        run = replace(run, config=run.config.model_copy(update=changed))
        names += ["measured", "pseudo_data"]
    make_stage("rmm", run)
    pseudo_data.run(run, pseudo_data_targets(run), lambda target: None)
    for name in names:
        identity = read_events(run.matrices(name), ["run_number", "event_number", "subset"])
        number = identity["event_number"].astype(np.float32)
        scores = {"dense+a": number % 10, "dense+b": -number}
        run.anomaly_scores(name).parent.mkdir(exist_ok=True)
        write_scores(run.anomaly_scores(name), identity, scores)
    return run


def evaluate(run: Run) -> list[Any]:
    made: list[Target] = []
    anomaly.run(run, anomaly_targets(run), made.append)
    assert len(made) == 1
    found: list[Any] = json.loads(run.table("anomaly").read_text())
    return found


def test_yields_are_those_of_numpy(
    write_events: WriteEvents, tmp_path: Path, tiny_config: Config
) -> None:
    run = make_run(write_events, tmp_path, tiny_config)
    first, second = evaluate(run)
    assert (first["autoencoder"], second["autoencoder"]) == ("dense+a", "dense+b")
    columns = ["event_number", "subset", "weight", "n_muons"]
    factor = 36.1 * 1000 * 2 / 100
    for one in (first, second):
        for region in one["regions"]:
            for name, share in (("WZ", 0.5), ("WR_N", 0.8)):
                events = read_events(run.matrices(name), columns)
                number = events["event_number"].astype(float)
                score = number % 10 if one is first else -number
                test = (events["subset"] == Subset.TEST) & (score >= region["threshold"])
                for n_muons, channel in enumerate(three_lepton.CHANNELS):
                    chosen = test & (events["n_muons"] == n_muons)
                    found = region["samples"][name][channel]
                    assert found["entries"] == chosen.sum()
                    wanted = events["weight"][chosen].sum() * factor / share
                    assert found["sumw"] == pytest.approx(wanted)
    (excess, _) = first["excesses"]
    total = sum(y["sumw"] for y in first["regions"][0]["samples"]["WZ"].values())
    assert excess["n_background"]["value"] == pytest.approx(total)
    assert 0 < excess["with_error"] < excess["significance"]


def test_counted_events_choose_no_edge(
    write_events: WriteEvents, tmp_path: Path, tiny_config: Config
) -> None:
    """The edges are quantiles of the events that watched the training: where those of the test have
    other scores the edges stay, and the share of the background below them is another."""
    run = make_run(write_events, tmp_path, tiny_config)
    edges = [region["threshold"] for region in evaluate(run)[0]["regions"]]
    events = read_events(
        run.matrices("WZ"), ["run_number", "event_number", "subset", "weight", "n_muons"]
    )
    watching = events["subset"] == Subset.VALIDATION
    score = events["event_number"].astype(float) % 10
    assert edges == quantiles(score[watching], events["weight"][watching], QUANTILES)
    moved = np.where(events["subset"] == Subset.TEST, 9, score).astype(np.float32)
    identity = {name: events[name] for name in ("run_number", "event_number", "subset")}
    write_scores(run.anomaly_scores("WZ"), identity, {"dense+a": moved, "dense+b": moved})
    first, _ = evaluate(run)
    assert [region["threshold"] for region in first["regions"]] == edges
    total = events["weight"][events["subset"] == Subset.TEST].sum() * 36.1 * 1000 * 2 / 100 / 0.5
    for region in first["regions"]:  # all of them lie above, not the share of the quantile
        above = sum(y["sumw"] for y in region["samples"]["WZ"].values())
        assert above == pytest.approx(total)


def test_the_signal_has_no_training_subset(
    write_events: WriteEvents, tmp_path: Path, tiny_config: Config
) -> None:
    run = make_run(write_events, tmp_path, tiny_config)
    subset = read_events(run.matrices("WR_N"), ["subset"])["subset"]
    assert set(np.unique(subset)) == {Subset.TEST, Subset.PSEUDO_DATA}


def test_a_missing_score_is_an_error(
    write_events: WriteEvents, tmp_path: Path, tiny_config: Config
) -> None:
    run = make_run(write_events, tmp_path, tiny_config)
    identity = read_events(run.matrices("WZ"), ["run_number", "event_number", "subset"])
    fewer = {name: values[1:] for name, values in identity.items()}
    scores = np.zeros(len(fewer["subset"]), np.float32)
    write_scores(run.anomaly_scores("WZ"), fewer, {"dense+a": scores, "dense+b": scores})
    with pytest.raises((InputError, ScoreError), match="anomaly_scores"):
        evaluate(run)


def test_no_background_has_no_significance(
    write_events: WriteEvents, tmp_path: Path, tiny_config: Config
) -> None:
    """Above a score where negative weights are the more: null in the JSON, a dash in the table."""
    run = make_run(write_events, tmp_path, tiny_config, weight="rdfentry_ % 10 == 9 ? 30. : -1.")
    (first, _) = evaluate(run)  # by the last digit, which is 0 for those of positive weight
    (excess,) = (e for e in first["excesses"] if e["quantile"] == 0.9)
    assert excess["n_background"]["value"] <= 0
    assert excess["significance"] is None
    assert "| - | - |" in run.table("anomaly").with_suffix(".md").read_text()


def test_measured_events_and_pseudo_data_are_observed(
    write_events: WriteEvents, tmp_path: Path, tiny_config: Config
) -> None:
    run = make_run(write_events, tmp_path, tiny_config, data=True)
    for one in evaluate(run):
        seen = {(o["observed"], o["quantile"]): o for o in one["observations"]}
        assert {name for name, _ in seen} == {"measured", "pseudo_data"}
        for region in one["regions"]:
            quantile, edge = region["quantile"], region["threshold"]
            for name in ("measured", "pseudo_data"):
                scores = read_scores(run.anomaly_scores(name), [one["autoencoder"]])
                above = int((scores[one["autoencoder"]] >= np.float32(edge)).sum())
                assert seen[name, quantile]["n_observed"] == above
            assert seen["measured", quantile]["mean_error"] == 0
            events = read_events(run.matrices("WZ"), ["event_number", "subset", "weight"])
            number = events["event_number"].astype(float)
            score = number % 10 if one["autoencoder"] == "dense+a" else -number
            drawn = (events["subset"] == Subset.PSEUDO_DATA) & (score >= edge)
            error = np.sqrt((events["weight"][drawn] ** 2).sum()) * 36.1e3 * 2 / 100 / 0.2
            assert seen["pseudo_data", quantile]["mean_error"] == pytest.approx(error)


def test_quantiles_are_of_weights() -> None:
    scores = np.array([1.0, 2.0, 3.0, 4.0])
    assert quantiles(scores, np.ones(4), (0.25, 0.5, 0.75)) == [2, 3, 4]
    assert quantiles(scores, np.array([7.0, 1.0, 1.0, 1.0]), (0.5, 0.7, 0.9)) == [2, 2, 4]
    # equal scores are above together
    assert quantiles(np.array([1.0, 2.0, 2.0, 2.0]), np.ones(4), (0.5,)) == [2]
    assert quantiles(np.array([1.0, 1.0, 1.0, 2.0]), np.ones(4), (0.5,)) == [2]
    with pytest.raises(InputError, match="generate more"):
        quantiles(scores, np.zeros(4), (0.5,))


def test_area_under_the_curve_of_weighted_events() -> None:
    rng = np.random.default_rng(1)
    background = ScoredEvents(np.ones(2000), {"net": rng.normal(0, 1, 2000)})
    signal = ScoredEvents(np.ones(2000), {"net": rng.normal(1, 1, 2000)})
    found = auc(signal, background, "net", 1)
    assert found.value == pytest.approx(0.760, abs=0.025)  # Phi(1 / sqrt 2)
    assert 0.004 < found.error < 0.012
    # half of the background, by weight, is at infinity: no event is above it
    far = ScoredEvents(
        np.concatenate([np.ones(2000), [2000.0]]),
        {"net": np.concatenate([background.scores["net"], [99.0]])},
    )
    assert auc(signal, far, "net", 1).value == pytest.approx(found.value / 2, rel=1e-6)


def test_empty_tables_say_what_to_add() -> None:
    config = load(CONFIGS / "anomaly_tiny.yaml")
    signals = search_table(config, []).text()
    assert "Empty: no signal sample: add one to 'samples'" in signals
    assert "AUC:" not in signals
    assert (
        "Empty: no observed events: add a sample of data"
        in observations_table(config, []).markdown()
    )
