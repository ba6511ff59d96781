"""The stage that selects events with three leptons and writes their matrices: whole, by files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from analysis.config import Config, Rmm
from analysis.inputs.sample_info import SampleInfo
from analysis.matrices import rmm
from analysis.matrices.rmm_names import names
from analysis.matrices.three_lepton_cutflow import cutflow_table
from analysis.workflow.run import Run
from common.runtime.errors import ConfigError, InputError, NormalisationError
from common.schema.matrices import Subset, frame, read_events
from common.tables import with_error
from selections import three_lepton
from tests.analysis.three_lepton_events import (
    E1,
    E2,
    EVENTS,
    M1,
    Event,
    Jet,
    RunWith,
    column,
    columns_of,
    runs_in,
)
from tests.conftest import WriteEvents, make_stage


@pytest.fixture
def run_with(tmp_path: Path, tiny_config: Config) -> RunWith:
    return runs_in(tmp_path, tiny_config)


@pytest.fixture
def events_file(write_events: WriteEvents) -> Path:
    columns = columns_of([event for event, _ in EVENTS.values()])
    return write_events(n_events=len(EVENTS), weight="rdfentry_ == 0 ? -2. : 1.", **columns)


def test_events_channels_and_cut_flow(run_with: RunWith, events_file: Path) -> None:
    run = run_with(WZ=events_file)
    make_stage("rmm", run)
    path = run.matrices("WZ")
    found = read_events(path, ["event_number", "n_muons", "weight", "met", "n_jets", "n_b_jets"])
    channels = {
        list(EVENTS)[int(number) - 1]: three_lepton.CHANNELS[int(n)]
        for number, n in zip(found["event_number"], found["n_muons"], strict=True)
    }
    expected = {n: c for n, (_, c) in EVENTS.items() if c in three_lepton.CHANNELS}
    assert channels == expected
    assert found["weight"].tolist() == [-2, *(1 for _ in expected)][:-1]

    outcomes = [outcome for _, outcome in EVENTS.values()]
    with h5py.File(path) as file:
        flow = json.loads(file.attrs["cutflow"])
        factor = 36.1 * 1000 * 2 / 100
        assert file.attrs["normalisation"] == pytest.approx(factor)
        assert list(file.attrs["names"]) == list(
            names(list(run.config.anomaly_search.rmm.objects.items()))
        )
        matrices = file["features"][:]
    assert matrices.shape == (len(expected), 23 * 23)
    assert np.isfinite(matrices).all()
    left = len(EVENTS)
    for step in ("all events", *(cut.name for cut in three_lepton.SR.cuts)):
        left -= outcomes.count(step)
        assert flow[step]["entries"] == left
        assert flow[step]["sumw"] == pytest.approx(factor * (left - 3))
    for channel in three_lepton.CHANNELS:
        assert flow[channel]["entries"] == outcomes.count(channel)


def test_all_events_have_the_error_of_the_cross_section_alone(
    run_with: RunWith, events_file: Path
) -> None:
    run = run_with(WZ=events_file)
    make_stage("rmm", run)
    path, n = run.matrices("WZ"), len(EVENTS)
    info = SampleInfo(
        *("WZ", "WZ"),
        cross_section=2.0,
        cross_section_error=0.1,
        sum_of_weights=n - 3.0,  # one weight is -2
        sum_of_weights_squared=n + 3.0,
    )
    with h5py.File(path, "a") as file:
        file.attrs["sample_info"] = info.to_json()
    (row,) = cutflow_table(run).rows
    events = 36.1 * 1000 * 2 / 100 * (n - 3)
    assert row[1] == with_error(events, 0.05 * events)
    assert float(row[-2].split(" ± ")[1]) > 0  # a channel's is that of its efficiency, too


def test_matrices_are_those_of_the_selected_objects(run_with: RunWith, events_file: Path) -> None:
    run = run_with(WZ=events_file)
    make_stage("rmm", run)
    table = frame(run.matrices("WZ")).set_index("event_number")
    event = table.loc[list(EVENTS).index("eemu") + 1]
    assert event["rmm_et_electron1"] == pytest.approx(60 / 13000, rel=1e-5)
    assert event["rmm_et_muon1"] == pytest.approx(50 / 13000, rel=1e-4)
    assert event["rmm_det_electron2"] == pytest.approx(20 / 100, rel=1e-4)
    pair = np.sqrt(2 * 60 * 40 * (np.cosh(1.0) - np.cos(1.0)))
    assert event["rmm_m_electron1_electron2"] * 13000 == pytest.approx(pair, rel=1e-4)
    assert event["mass_z"] == pytest.approx(pair, rel=1e-4)
    assert event["rmm_det_electron3"] == event["rmm_et_bjet1"] == 0
    # a muon is invisible in the canonical missing momentum, and here it is not
    full = 100 * np.exp(-2j) - 50 * np.exp(-1j)
    assert event["met"] == pytest.approx(abs(full), rel=1e-4)
    assert event["rmm_met"] == pytest.approx(abs(full) / 13000, rel=1e-4)
    alone = table.loc[list(EVENTS).index("no missing momentum") + 1]
    assert alone["rmm_met"] == 0
    assert table.loc[list(EVENTS).index("no jet") + 1]["rmm_et_jet1"] == 0


JETS = tuple(Jet(90.0 - 10 * i, -1.5 + 0.4 * i, 2.0 + 0.1 * i) for i in range(7))
LEPTONS = (E1, M1, E2)
ALIKE: dict[str, tuple[Event, Event]] = {
    "in any order": (Event(LEPTONS, JETS), Event(LEPTONS[::-1], JETS[::-1])),
    "beyond the slots": (Event(LEPTONS, JETS), Event(LEPTONS, JETS[:6])),
    "a mass below 0": (
        Event(LEPTONS, (replace(JETS[0], mass=-3.0), JETS[1])),
        Event(LEPTONS, (replace(JETS[0], mass=0.0), JETS[1])),
    ),
}


def test_events_of_the_same_matrix(run_with: RunWith, write_events: WriteEvents) -> None:
    pairs = [event for pair in ALIKE.values() for event in pair]
    run = run_with(WZ=write_events(n_events=len(pairs), **columns_of(pairs)))
    make_stage("rmm", run)
    table = frame(run.matrices("WZ"))
    matrices = table.filter(like="rmm_").to_numpy()
    assert matrices.shape == (len(pairs), 23 * 23)
    assert np.isfinite(matrices).all()
    for name, one, other in zip(ALIKE, matrices[::2], matrices[1::2], strict=True):
        np.testing.assert_array_equal(one, other, err_msg=name)
    assert table["n_jets"].tolist() == [7, 7, 7, 6, 2, 2]
    assert table["rmm_et_jet1"].iloc[0] == pytest.approx(90 / 13000, rel=1e-2)
    assert (table["rmm_det_jet6"].iloc[:4] > 0).all()
    massless = table["rmm_et_jet1"].iloc[-1]
    assert massless == pytest.approx(90 / 13000, rel=1e-6)


def test_b_jets_are_a_type_of_their_own(run_with: RunWith, write_events: WriteEvents) -> None:
    jets = (Jet(90, b_tag=1), Jet(60, 1.0), Jet(30, 2.0, b_tag=1))
    path = write_events(n_events=1, **columns_of([Event((E1, E2, M1), jets)]))
    run = run_with(WZ=path)
    make_stage("rmm", run)
    event = frame(run.matrices("WZ")).iloc[0]
    assert (event["n_jets"], event["n_b_jets"]) == (3, 2)
    assert event["rmm_et_bjet1"] == pytest.approx(event["rmm_et_jet1"] * 1.5, rel=0.02)
    assert event["rmm_det_bjet2"] == pytest.approx((90 - 30) / 120, rel=0.02)


def test_photons_and_taus_are_no_leptons_or_jets(
    run_with: RunWith, write_events: WriteEvents
) -> None:
    leptons = (E1, E2, M1)
    # the second photon lies on a lepton, the fourth is too soft, the fifth too far forward
    photons = {
        "pt": (70, 60, 50, 15, 40),
        "eta": (1.0, 0.6, -2.0, -1.0, 2.4),
        "phi": (2.5, 0.1, -2.5, 2.0, 1.0),
    }
    taus = {"pt": (45, 35), "eta": (-1.5, 0.1), "phi": (2.8, -1.1), "mass": (1.2, 1.2)}
    jets = (
        Jet(75, 1.3, 2.5),  # is the first photon
        Jet(60, -2.0, -2.95),  # just not the third
        Jet(50, -1.4, 2.8, b_tag=1),  # is the first tau
        Jet(40, -1.5, 2.5),  # is not
        Jet(30, -1.0, 2.0),  # is a photon that is too soft
    )
    columns = columns_of([Event(leptons, jets)])
    for name, parts in (("photon", photons), ("tau", taus)):
        columns |= {f"{name}_{part}": column("float", [x]) for part, x in parts.items()}
    path = write_events(n_events=1, **columns)
    found = {}
    for name, more in (("plain", {}), ("both", {"tau": 2, "photon": 3}), ("tau", {"tau": 2})):
        objects = {"jet": 6, "bjet": 2, "electron": 2, "muon": 2} | more
        run = run_with(WZ=path, anomaly={"rmm": {"objects": objects}})
        make_stage("rmm", run)
        found[name] = frame(run.matrices("WZ")).iloc[0]
    counts = {name: (event["n_jets"], event["n_b_jets"]) for name, event in found.items()}
    assert counts == {"plain": (5, 1), "both": (3, 0), "tau": (4, 0)}
    both = found["both"]
    assert both["rmm_et_photon1"] * 13000 == pytest.approx(70, rel=1e-4)
    assert both["rmm_det_photon2"] == pytest.approx(20 / 120, rel=1e-4)
    assert both["rmm_hl_photon3"] == 0
    assert both["rmm_et_tau1"] * 13000 == pytest.approx(45, rel=1e-2)
    assert both["rmm_det_tau2"] == both["rmm_et_bjet1"] == both["rmm_hl_jet4"] == 0
    assert both["rmm_et_jet1"] * 13000 == pytest.approx(60, rel=1e-2)
    assert both["mass_3l"] == found["plain"]["mass_3l"]


def test_columns_of_photons_are_needed_where_they_are_asked_for() -> None:
    assert not any(name.startswith(("photon", "tau")) for name in rmm.needs(Rmm()).columns)
    needed = rmm.needs(Rmm(objects={"jet": 2, "photon": 1})).columns
    assert {"photon_pt", "photon_eta", "photon_phi"} <= needed
    assert not any(name.startswith("tau") for name in needed)


def test_jets_are_taken_for_leptons_in_simulation_alone(
    run_with: RunWith, write_events: WriteEvents
) -> None:
    path = write_events(n_events=40, **columns_of([Event((E1, E2))] * 40))
    fakes = {"rmm": {"fakes": {"electron": 3e-4, "muon": 1e-4}}}
    run = run_with(Zjets=path, anomaly=fakes)
    make_stage("rmm", run)
    found = read_events(run.matrices("Zjets"), ["weight", "has_fake", "n_jets", "n_muons"])
    assert found["weight"] == pytest.approx([4e-4] * 40)
    assert found["has_fake"].all()
    assert not found["n_jets"].any()
    assert 0 < found["n_muons"].sum() < 25
    data = run_with(measured=path, anomaly=fakes, sample={"data": True})
    make_stage("rmm", data)
    assert not len(read_events(data.matrices("measured"), ["weight"])["weight"])


def test_parts_are_drawn_by_event(run_with: RunWith, write_events: WriteEvents) -> None:
    path = write_events(n_events=400, **columns_of([Event((E1, E2, M1))] * 400))
    split = {"training": 0.4, "validation": 0.1, "pseudo_data": 0.2}
    search = {"rmm": {"split": split}}
    run = run_with(WZ=path, WR_N=path, anomaly=search)
    make_stage("rmm", run)
    subset, signal = (read_events(run.matrices(n), ["subset"])["subset"] for n in ("WZ", "WR_N"))
    shares = np.bincount(subset, minlength=4) / len(subset)
    assert shares == pytest.approx([0.4, 0.1, 0.3, 0.2], abs=0.08)
    np.testing.assert_array_equal(subset == Subset.PSEUDO_DATA, signal == Subset.PSEUDO_DATA)
    assert set(np.unique(signal)) == {Subset.TEST, Subset.PSEUDO_DATA}
    assert {Subset.TRAINING, Subset.VALIDATION} < set(np.unique(subset))
    data = run_with(measured=path, anomaly=search, sample={"data": True})
    make_stage("rmm", data)
    assert set(read_events(data.matrices("measured"), ["subset"])["subset"]) == {Subset.TEST}


def test_tasks_make_the_same_file_as_one(run_with: RunWith, write_events: WriteEvents) -> None:
    path = write_events(n_events=len(EVENTS), **columns_of([e for e, _ in EVENTS.values()]))
    whole = run_with(WZ=path)
    make_stage("rmm", whole)
    expected = frame(whole.matrices("WZ"))
    config = whole.config.model_copy(
        update={"batch": whole.config.batch.model_copy(update={"task_size": 5})}
    )
    cut = replace(whole, config=config, output=whole.output.with_name("cut"))
    make_stage("rmm", cut)
    assert len(expected)
    np.testing.assert_array_equal(frame(cut.matrices("WZ")), expected)
    flows = [h5py.File(r.matrices("WZ"))["/"].attrs["cutflow"] for r in (whole, cut)]
    assert flows[0] == flows[1]


def test_a_missing_column_is_named(run_with: RunWith, write_events: WriteEvents) -> None:
    columns: dict[str, str | None] = {**columns_of([Event((E1, E2, M1))])}
    columns["electron_d0_significance"] = None
    run = run_with(WZ=write_events(n_events=1, **columns))
    with pytest.raises(InputError, match=r"events\.root: no column 'electron_d0_significance'"):
        make_stage("rmm", run)
    assert not run.matrices("WZ").exists()


@pytest.mark.parametrize("flavour", ["electron", "muon"])
@pytest.mark.parametrize("quality", ["z0_sin_theta", "d0_significance", "isolated"])
def test_all_qualities_of_leptons_are_needed(flavour: str, quality: str) -> None:
    assert f"{flavour}_{quality}" in rmm.needs(Rmm()).columns
    assert "electron_tight" in rmm.needs(Rmm()).columns


def test_no_normalisation(run_with: RunWith, events_file: Path) -> None:
    run = run_with(WZ=events_file, sample={"cross_section": None})
    with pytest.raises(NormalisationError, match="sample 'WZ' has no cross_section"):
        make_stage("rmm", run)
    assert not run.matrices("WZ").exists()


def test_a_configuration_without_the_search(tiny_config: Config, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="requires 'anomaly'"):
        make_stage("rmm", Run(tiny_config, tmp_path))
