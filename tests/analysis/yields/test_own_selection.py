"""A user's regions, columns, weights and histograms, against numbers of numpy."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import uproot

from analysis.batch.driver import carry_out
from analysis.batch.engines import Engines
from analysis.config import Config
from analysis.frames import frames
from analysis.images.imaging_stage import imaging_targets
from analysis.workflow.registry import partitioned_stage
from analysis.workflow.run import Run
from analysis.yields.cutflow_model import CutflowTable
from analysis.yields.cutflow_stage import cutflow_targets
from common.runtime.errors import BatchError, ConfigError, InputError
from common.schema.templates import Templates
from tests.conftest import WriteEvents, make_stage
from tests.frames import Opened, n_runs

N = 40
SELECTION: dict[str, Any] = {
    "extends": "monojet36",
    "columns": {"sf": "1 + 0.01 * number"},
    "define": {
        "ratio": "met_no_muons / sqrt(ht)",
        "mt": "transverse_mass(muon_pt[0], muon_phi[0], met, met_phi)",
    },
    "weights": ["weight", "sf"],
    "use": ["SR", "tight", "CR1mu"],
    "regions": {
        "tight": {"extends": "SR", "add": {"ratio": "ratio > 20"}},
        "CR1mu": {
            "extends": "SR",
            "replace": {"muon_veto": "n_muons == 1"},
            "add": {"mt": "30 < mt && mt < 400"},
        },
    },
    "histograms": {
        "met": {"variable": "met_no_muons", "bins": [250, 300, 500, 600]},
        "leading_jet_pt": None,
        "leading_jet_eta": None,
        "n_jets": None,
        "all_jets": {"variable": "jet_pt", "bins": {"number": 5, "low": 0, "high": 500}},
        "mt": {"bins": [0, 100, 1000]},
        "plane": {
            "variable": "met_no_muons",
            "bins": [250, 400, 1000],
            "y": {"variable": "ratio", "bins": [0, 20, 40]},
            "regions": ["SR"],
        },
    },
}
"""MET is 200, 210, … 590; each second event has a muon."""


@pytest.fixture
def path(write_events: WriteEvents) -> Path:
    muon = "rdfentry_ % 2 ? ROOT::RVecF{{{0}}} : ROOT::RVecF{{}}"
    return write_events(
        n_events=N,
        weight="0.1 * (rdfentry_ % 7) - 0.1",
        met_no_muons="float(200. + 10 * rdfentry_)",
        muon_pt=muon.format("50.f"),
        muon_eta=muon.format("-1.9f"),
        muon_phi=muon.format("1.f + 0.1f * rdfentry_"),
        muon_charge="rdfentry_ % 2 ? ROOT::RVecI{1} : ROOT::RVecI{}",
        met="float(180. + 10 * rdfentry_)",
        met_phi="-2.f",
        number="double(rdfentry_)",
    )


RunOf = Callable[..., Run]


@pytest.fixture
def run_with(path: Path, tmp_path: Path) -> RunOf:
    """A run of a selection on the events, as simulation and as data."""

    def make(selection: Any = SELECTION, data: bool = False, **sections: Any) -> Run:
        samples: list[dict[str, Any]] = [
            {
                "process": "Znunu",
                "dataset": name,
                "files": [str(path)],
                "cross_section": 2.0,
                "sum_of_weights": 100.0,
            }
            for name in ("a", "b")
        ]
        if data:
            samples.append({"process": "measured", "data": True, "files": [str(path)]})
        settings = {"name": "own", "samples": samples, "selection": selection, **sections}
        return Run(Config.model_validate(settings), tmp_path / "run")

    return make


@pytest.fixture
def events(path: Path) -> dict[str, Any]:
    """The columns of the events, with those of the selection computed by numpy."""
    with uproot.open(path) as file:
        found = dict(file["events"].arrays(library="ak").to_list()[0])
        arrays = file["events"].arrays()
    muon = np.array([len(one) for one in arrays["muon_pt"]])
    met = np.asarray(arrays["met_no_muons"], np.float64)
    jet = np.array([[float(x) for x in one] for one in arrays["jet_pt"]])
    dphi = np.array([one[0] if len(one) else np.nan for one in arrays["muon_phi"]]) + 2.0
    mt = np.sqrt(2 * 50 * np.asarray(arrays["met"], np.float64) * (1 - np.cos(dphi)))
    with np.errstate(invalid="ignore"):
        sr_but_muons = (met > 250) & (jet[:, 0] > 250)
        assert found
        ratio = met / np.sqrt(jet.sum(axis=1))
        return {
            "met": met,
            "mt": mt,
            "jet": jet,
            "ratio": ratio,
            "weight": np.asarray(arrays["weight"]) * (1 + 0.01 * np.arange(N)),
            "SR": sr_but_muons & (muon == 0),
            "tight": sr_but_muons & (muon == 0) & (ratio > 20),
            "CR1mu": sr_but_muons & (muon == 1) & (mt > 30) & (mt < 400),
            "without_muon_veto": sr_but_muons,
            "without_mt": sr_but_muons & (muon == 1),
            "n_muons": muon,
        }


FACTOR = 36.1 * 1000 * 2.0 / 100.0
Floats = npt.NDArray[np.float64]


def made(run: Run) -> tuple[CutflowTable, Templates]:
    make_stage("cutflow", run)
    return CutflowTable.read(run.table("cutflow")), Templates.read(run.histograms)


def test_yields_are_those_of_numpy(run_with: RunOf, events: dict[str, Any]) -> None:
    table, _ = made(run_with())
    for region in ("SR", "tight", "CR1mu"):
        found = table.samples["Znunu_a"].regions[region].bins["all"]
        chosen = events["weight"][events[region]]
        assert found.entries == events[region].sum() > 2
        assert found.sumw == pytest.approx(chosen.sum())
        assert found.sumw2 == pytest.approx((chosen**2).sum())
        both = table.processes(region)["Znunu"].bins["all"]
        assert both.events == pytest.approx(2 * FACTOR * chosen.sum())


def check(found: Any, values: Floats, weights: Floats, edges: list[float]) -> None:
    """Compare a histogram of both datasets with one of numpy, with its flow."""
    all_edges = [-np.inf, *edges, np.inf]
    for got, of in ((found.values, weights), (found.variances, FACTOR * weights**2)):
        expected = np.histogram(values, all_edges, weights=of)[0]
        assert got == pytest.approx(2 * FACTOR * expected, abs=1e-9)


def test_histograms_are_those_of_numpy(run_with: RunOf, events: dict[str, Any]) -> None:
    _, templates = made(run_with())
    weight = events["weight"]
    for region in ("SR", "tight", "CR1mu"):
        chosen = events[region]
        found = templates.by_process(region, "met")["Znunu"]
        check(found, events["met"][chosen], weight[chosen], [250, 300, 500, 600])
        found = templates.by_process(region, "all_jets")["Znunu"]
        jets, n = events["jet"][chosen], events["jet"].shape[1]
        check(found, jets.ravel(), np.repeat(weight[chosen], n), [0, 100, 200, 300, 400, 500])
        assert found.entries == 2 * jets.size
    chosen = events["CR1mu"]
    check(
        templates.by_process("CR1mu", "mt")["Znunu"],
        events["mt"][chosen],
        weight[chosen],
        [0, 100, 1000],
    )
    without = templates.by_process("SR", "mt")["Znunu"]
    assert without.n_without_value == 2 * events["SR"].sum()
    assert without.entries == 0
    chosen = events["SR"]
    plane = templates.by_process("SR", "plane")["Znunu"]
    edges = [[-np.inf, 250, 400, 1000, np.inf], [-np.inf, 0, 20, 40, np.inf]]
    expected = np.histogram2d(
        events["met"][chosen], events["ratio"][chosen], edges, weights=weight[chosen]
    )[0]
    assert plane.values == pytest.approx(2 * FACTOR * expected, abs=1e-9)
    assert "plane" not in templates.names("tight")


def test_a_cut_is_left_out_of_its_own_distribution(run_with: RunOf, events: dict[str, Any]) -> None:
    _, templates = made(run_with())
    chosen = events["without_muon_veto"]
    found = templates.by_process("SR", "n_minus_one/muon_veto")["Znunu"]
    check(
        found,
        events["n_muons"][chosen].astype(float),
        events["weight"][chosen],
        [float(edge) for edge in found.edges[0]],
    )
    chosen = events["without_mt"]
    found = templates.by_process("CR1mu", "n_minus_one/mt")["Znunu"]
    check(found, events["mt"][chosen], events["weight"][chosen], list(found.edges[0]))


def test_errors_with_further_factors_are_upper_limits_and_said_to_be(
    run_with: RunOf, events: dict[str, Any]
) -> None:
    """Also of factors above 1, with which more weight may pass than was generated."""
    run = run_with({**SELECTION, "weights": ["1.5"]})
    table, _ = made(run)
    found = table.processes("SR")["Znunu"]
    n = 2 * events["SR"].sum()
    assert found.bins["all"].events == pytest.approx(1.5 * FACTOR * n)
    assert found.bins["all"].statistical == pytest.approx(1.5 * FACTOR * n**0.5)
    for name in ("cutflow", "yields"):
        text = run.table(name).with_suffix(".txt").read_text()
        assert "the statistical error is √Σw² of what passes, an upper limit" in text


def test_one_event_loop_a_sample(run_with: RunOf, opened_loops: list[Opened]) -> None:
    made(run_with())
    assert n_runs(opened_loops) == [1, 1]


def test_tasks_change_no_byte(run_with: RunOf) -> None:
    """Weights of both signs, of which float sums depend on the order."""
    whole = run_with()
    made(whole)
    kept = {p: p.read_bytes() for p in (whole.histograms, whole.histograms.with_suffix(".root"))}
    batch = {"task_size": 7}
    made(replace(run_with(batch=batch), output=whole.output.with_name("parts")))
    for file, content in kept.items():
        assert (whole.output.with_name("parts") / file.name).read_bytes() == content


def test_a_region_may_have_a_cut_of_its_name(run_with: RunOf) -> None:
    regions = {"mt": {"extends": "SR", "add": {"mt": "n_jets == 2"}}}
    run = run_with({**SELECTION, "regions": regions, "use": ["mt", "SR"], "histograms": {}})
    made(run)
    with uproot.open(run.histograms.with_suffix(".root")) as file:
        assert file["mt/Znunu/n_minus_one/mt"].values().sum() > 0


def test_root_reads_the_histograms(run_with: RunOf) -> None:
    run = run_with()
    _, templates = made(run)
    with uproot.open(run.histograms.with_suffix(".root")) as file:
        found = file["SR/Znunu/met"]
        one = templates.by_process("SR", "met")["Znunu"]
        assert found.values(flow=True) == pytest.approx(one.values)
        assert found.variances(flow=True) == pytest.approx(one.variances)


def test_data_are_not_weighted_and_hidden_where_blind(
    run_with: RunOf, events: dict[str, Any], path: Path
) -> None:
    run = run_with({**SELECTION, "blind": "SR"}, data=True)
    table, templates = made(run)
    measured = table.samples["measured"]
    assert list(measured.regions) == ["CR1mu"]
    outside = N - events["SR"].sum()  # events of SR are in no step of any region
    assert measured.regions["CR1mu"].steps["all events"].entries == outside
    assert measured.regions["CR1mu"].steps["leading_jet"].entries == events["without_mt"].sum()
    with uproot.open(path) as file:
        own = np.asarray(file["events"].arrays()["weight"])
    assert measured.regions["CR1mu"].bins["all"].sumw == pytest.approx(own[events["CR1mu"]].sum())
    assert "measured" not in templates.by_process("SR", "met")
    assert "measured" not in templates.by_process("SR", "n_minus_one/met")
    assert "measured" in templates.by_process("CR1mu", "met")
    text = run.table("yields").with_suffix(".txt").read_text()
    assert "Hidden in SR (blind): measured" in text
    assert "Events of data in SR (blind) are left out of all regions" in text
    counted = table.processes("CR1mu", data=True)["measured"].bins["all"]
    own_weights = own[events["CR1mu"]]
    assert counted.statistical == pytest.approx((own_weights**2).sum() ** 0.5)
    assert not list(run.output.glob("tables/cutflow_measured.json"))


def test_blind_events_are_in_no_frame_and_no_skim(run_with: RunOf, events: dict[str, Any]) -> None:
    """Also of a region that has them by another cut than those of the blind one."""
    loose = {"loose": {"cuts": {"met": "met_no_muons > 150"}}}
    selection = {**SELECTION, "histograms": {}, "blind": "SR", "regions": loose, "use": ["loose"]}
    skim = {"region": "loose", "columns": ["met_no_muons"], "format": "ttree"}
    run = run_with(selection, data=True, skim=skim)
    outside = N - events["SR"].sum()
    found = {name: df.Count().GetValue() for name, df in frames(run, "loose").items()}
    assert found == {"Znunu_a": N, "Znunu_b": N, "measured": outside}
    with pytest.raises(ConfigError, match="data of 'measured' are hidden: name a region"):
        frames(run)
    make_stage("skim", run)
    with uproot.open(run.skim("measured", ".root")) as file:
        assert file["events"].num_entries == outside


def test_corrections_are_factors(run_with: RunOf, events: dict[str, Any], tmp_path: Path) -> None:
    """Each jet above 100 GeV counts 1.1, each below 0.9; a muon that is missing, 1."""
    binned = {
        "nodetype": "binning",
        "input": "pt",
        "edges": [0.0, 100.0, 10000.0],
        "content": [0.9, 1.1],
        "flow": "error",
    }
    correction = {
        "name": "sf",
        "version": 1,
        "inputs": [{"name": "pt", "type": "real"}, {"name": "syst", "type": "string"}],
        "output": {"name": "weight", "type": "real"},
        "data": {
            "nodetype": "category",
            "input": "syst",
            "content": [{"key": "nominal", "value": binned}],
        },
    }
    file = tmp_path / "sf.json"
    file.write_text(json.dumps({"schema_version": 2, "corrections": [correction]}))
    factors = ["weight", "sf"] + [
        {"file": str(file), "name": "sf", "inputs": [one, "nominal"]}
        for one in ("jet_pt", "muon_pt[0]")
    ]
    table, _ = made(run_with({**SELECTION, "weights": factors}))
    jets = np.where(events["jet"] > 100, 1.1, 0.9).prod(axis=1)
    muon = np.where(events["n_muons"] > 0, 0.9, 1.0)
    for region in ("SR", "CR1mu"):
        found = table.samples["Znunu_a"].regions[region].bins["all"].sumw
        expected = (events["weight"] * jets * muon)[events[region]].sum()
        assert found == pytest.approx(expected)
    (target,) = cutflow_targets(run_with({**SELECTION, "weights": factors}))
    assert str(file) in target.input_files


# --- What is remade ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "remade"),
    [
        ({"regions": {**SELECTION["regions"], "more": {"extends": "tight"}}, "use": None}, False),
        ({"histograms": {"ht": {"bins": [0, 1000]}}}, False),
        ({"blind": "SR"}, False),
        ({"define": {**SELECTION["define"], "further": "ht / 2"}}, False),
        ({"regions": {**SELECTION["regions"], "SR": {"extends": "SR", "remove": ["met"]}}}, True),
        ({"weights": ["weight"]}, True),
    ],
)
def test_images_are_remade_only_for_what_they_use(
    run_with: RunOf, changes: dict[str, Any], remade: bool
) -> None:
    def fingerprints(selection: dict[str, Any], targets: Any) -> list[str]:
        selection = {key: value for key, value in selection.items() if value is not None}
        return [target.fingerprint for target in targets(run_with(selection))]

    assert (
        fingerprints(SELECTION, imaging_targets)
        != fingerprints({**SELECTION, **changes}, imaging_targets)
    ) == remade
    if changes.keys() != {"define"}:
        assert fingerprints(SELECTION, cutflow_targets) != fingerprints(
            {**SELECTION, **changes}, cutflow_targets
        )


# --- Bad input -----------------------------------------------------------------------------------


def failed(run: Run) -> str:
    """Return the message of a cut-flow that fails."""
    stage = partitioned_stage("cutflow")
    with pytest.raises((BatchError, ConfigError, InputError)) as error, Engines(run) as engines:
        carry_out(engines, stage, run, stage.targets(run), lambda target: None)
    return str(error.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"define": {**SELECTION["define"], "bad": "undeclared_function(met)"}, "use": ["A"]},
            "'selection.define.bad': 'undeclared_function(met)' does not compile: "
            "'undeclared_function' was not declared in this scope",
        ),
        (
            {"regions": {"A": {"extends": "SR", "add": {"x": "met >> 2"}}}, "use": ["A"]},
            "'selection.regions.A.add.x': 'met >> 2' does not compile: invalid operands",
        ),
        (
            {"weights": ["weight", "1 / (met_no_muons - 300)"]},
            "'selection.weights.1 (1 / (met_no_muons - 300))': the factor is not finite",
        ),
        (
            {"columns": {"sf": "not_there * 2"}},
            "no column 'sf', which selection.weights.1 needs: 'sf' = 'not_there * 2' cannot be "
            "made: the file has no column 'not_there'",
        ),
    ],
)
def test_mistakes_that_show_with_the_events_name_their_key(
    run_with: RunOf, changes: dict[str, Any], message: str
) -> None:
    selection = {**SELECTION, "histograms": {}, **changes}
    if selection["use"] == ["A"]:
        extended = {"A": {"extends": "SR", "add": {"x": "bad > 1"}}}
        selection["regions"] = changes.get("regions", extended)
    found = failed(run_with(selection))
    assert message in found
