"""ATLAS open data: what is read is what is in the file, and the selection runs on it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import awkward as ak
import h5py
import numpy as np
import pytest
import uproot
import yaml

from analysis.config import Config, FileSample, Rmm
from analysis.formats.columns import CANONICAL, plain_type
from analysis.formats.format import Layout
from analysis.formats.mini import B_TAG_THRESHOLD, WEIGHT_FACTORS
from analysis.inputs import reader
from analysis.inputs.cluster_ranges import info_of
from analysis.inputs.sample_info import combine, configured
from analysis.matrices import rmm
from common.runtime.errors import InputError, NormalisationError
from common.schema.matrices import frame
from cpp_helpers import load_root
from selections import three_lepton
from tests.analysis.mini_events import columns_of, real_file, write_mini
from tests.analysis.three_lepton_events import E1, E2, E3, EVENTS, M1, Event, Jet, RunWith, runs_in
from tests.analysis.three_lepton_events import columns_of as native_columns_of
from tests.conftest import REPOSITORY, WriteEvents, make_stage
from tests.frames import open_frame

THREE = [event for event, _ in EVENTS.values()]
JETS = [Event((E1, M1), (Jet(90, b_tag=1, mass=12), Jet(40, 2.0, -1.0, b_tag=0)))]
CHANNELS = [channel for _, channel in EVENTS.values() if channel in three_lepton.CHANNELS]
UNKNOWN = {"cross_section": None, "sum_of_weights": None}


@pytest.fixture
def run_with(tmp_path: Path, tiny_config: Config) -> RunWith:
    return runs_in(tmp_path, tiny_config)


@pytest.fixture(params=["hand-made", "real"])
def mini(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == "real":
        return real_file()
    events = [*THREE, *JETS]
    return write_mini(tmp_path / "mini.root", len(events), columns_of(events, simulated=False))


def taken(file: reader.File) -> dict[str, Any]:
    """All canonical columns of a file, in one event loop."""
    df = load_all(file)
    handles = {name: df.Take[CANONICAL[name]](name) for name in file.columns}
    return {
        name: ak.Array([list(x) for x in h.GetValue()] if "RVec" in CANONICAL[name] else list(h))
        for name, h in handles.items()
    }


def load_all(file: reader.File) -> Any:
    return load_root().RDF.AsRNode(open_frame(file, 0, file.n_events))


def close(found: Any, expected: Any) -> None:
    assert len(found) == len(expected)
    if found.ndim > 1:
        assert ak.to_list(ak.num(found)) == ak.to_list(ak.num(expected))
        found, expected = ak.flatten(found), ak.flatten(expected)
    np.testing.assert_allclose(ak.to_numpy(found), ak.to_numpy(expected), rtol=2e-6, atol=1e-6)


def test_columns_are_those_of_the_file_in_gev(mini: Path) -> None:
    file = reader.inspect(str(mini), data=True)
    assert file.format.name == "mini"
    found, read = taken(file), uproot.open(mini)["mini"].arrays()
    assert len(read) == file.n_events == len(found["met_no_muons"])
    for flavour, number in (("electron", 11), ("muon", 13)):
        mask = read.lep_type == number
        assert ak.any(mask)
        close(found[f"{flavour}_pt"], read.lep_pt[mask] / 1000)
        for part in ("eta", "phi", "charge"):
            close(found[f"{flavour}_{part}"], read[f"lep_{part}"][mask])
        theta = 2 * np.arctan(np.exp(-read.lep_eta))
        close(found[f"{flavour}_z0_sin_theta"], (read.lep_z0 * np.sin(theta))[mask])
        close(found[f"{flavour}_d0_significance"], read.lep_tracksigd0pvunbiased[mask])
        close(found[f"{flavour}_tight"], ak.values_astype(read.lep_isTightID[mask], int))
        loose = (read.lep_ptcone30 < 0.15 * read.lep_pt) & (read.lep_etcone20 < 0.15 * read.lep_pt)
        close(found[f"{flavour}_isolated"], ak.values_astype(loose[mask], int))
    for kind in ("jet", "tau", "photon"):
        close(found[f"{kind}_pt"], read[f"{kind}_pt"] / 1000)
        close(found[f"{kind}_eta"], read[f"{kind}_eta"])
        close(found[f"{kind}_phi"], read[f"{kind}_phi"])
    close(found["jet_b_tag"], ak.values_astype(read.jet_MV2c10 > B_TAG_THRESHOLD, int))
    momentum = read.jet_pt * np.cosh(read.jet_eta)
    energy = 1000 * np.hypot(found["jet_mass"], momentum / 1000)
    np.testing.assert_allclose(
        ak.to_numpy(ak.flatten(energy)), ak.to_numpy(ak.flatten(read.jet_E)), rtol=1e-5
    )
    assert ak.all(found["jet_n_tracks"] == 3)
    close(found["run_number"], read.runNumber)
    wide = ak.to_numpy(read.eventNumber).astype(np.int64) % 2**32
    assert found["event_number"].to_list() == wide.tolist()
    assert set(found["weight"].to_list()) == {1.0}


def test_missing_momentum_with_muons_is_the_files_and_without_has_them_added(mini: Path) -> None:
    df = load_all(reader.inspect(str(mini), data=True))
    found = {}
    for name in ("met_no_muons", "met"):
        pt, phi = (np.array(list(df.Take["float"](x))) for x in (name, f"{name}_phi"))
        found[name] = pt * np.exp(1j * phi)
    read = uproot.open(mini)["mini"].arrays()
    expected = ak.to_numpy(read.met_et / 1000 * np.exp(1j * read.met_phi.to_numpy()))
    np.testing.assert_allclose(found["met"], expected, atol=2e-4)
    muons = read.lep_type == 13
    added = ak.sum((read.lep_pt / 1000 * np.exp(1j * read.lep_phi))[muons], axis=1)
    np.testing.assert_allclose(found["met_no_muons"], expected + ak.to_numpy(added), atol=2e-3)


def test_columns_have_the_canonical_types(mini: Path) -> None:
    file = reader.inspect(str(mini), data=True)
    df = load_all(file)
    assert list(file.columns) == list(file.format.groups[0].columns)
    for name in file.columns:
        assert plain_type(str(df.GetColumnType(name))) == CANONICAL[name], name


def test_the_column_called_sig_is_the_significance_of_d0() -> None:
    """Were it the error, tracks would be measured to a millimetre and not a tenth of one."""
    read = uproot.open(real_file())["mini"].arrays(filter_name="lep_track*")
    value = ak.to_numpy(ak.flatten(read.lep_tracksigd0pvunbiased))
    error = np.abs(ak.to_numpy(ak.flatten(read.lep_trackd0pvunbiased))) / value
    assert (value > 0).all()
    assert 0.004 < error.min() < np.median(error) < 0.02 < error.max() < 0.1  # mm
    assert value.max() > 100


@pytest.mark.slow
def test_events_come_out_as_from_our_own_files(
    run_with: RunWith, tmp_path: Path, write_events: WriteEvents
) -> None:
    weight = {"mcWeight": "rdfentry_ == 0 ? -4.f : 2.f", "scaleFactor_PILEUP": "0.5f"}
    mini = write_mini(tmp_path / "mini.root", len(THREE), columns_of(THREE) | weight)
    native = write_events(
        n_events=len(THREE), weight="rdfentry_ == 0 ? -2. : 1.", **native_columns_of(THREE)
    )
    ours = run_with(WZ=native)
    make_stage("rmm", ours)
    theirs = run_with(Zjets=mini, sample=UNKNOWN)
    make_stage("rmm", theirs)
    paths = ours.matrices("WZ"), theirs.matrices("Zjets")
    expected, found = map(frame, paths)
    for table in (expected, found):
        table.loc[table["met"] < 1e-3, "met_phi"] = 0  # it has no direction
    assert len(found) == len(CHANNELS)
    np.testing.assert_array_equal(found["event_number"], expected["event_number"])
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    flows = []
    for path in paths:
        with h5py.File(path) as file:
            flows.append(json.loads(file.attrs["cutflow"]))
            assert file.attrs["normalisation"] == pytest.approx(36.1 * 1000 * 2 / 100)
    assert flows[0] == flows[1]


def test_the_cut_flow_of_four_leptons(run_with: RunWith) -> None:
    """All 39 events have four, and three at most where one is soft or far from the vertex; no jet
    is near them. The numbers by awkward arrays of what is in the file."""
    run = run_with(measured=real_file(), sample=UNKNOWN | {"data": True})
    make_stage("rmm", run)
    path = run.matrices("measured")
    with h5py.File(path) as file:
        flow = json.loads(file.attrs["cutflow"])

    read = uproot.open(real_file())["mini"].arrays()
    electron = read.lep_type == 11
    baseline = (
        (read.lep_pt > 10e3)
        & (abs(read.lep_z0 / np.cosh(read.lep_eta)) <= 0.5)
        & (abs(read.lep_eta) <= ak.where(electron, 2.47, 2.7))
    )
    signal = (
        baseline
        & (read.lep_ptcone30 < 0.15 * read.lep_pt)
        & (read.lep_etcone20 < 0.15 * read.lep_pt)
        & (read.lep_tracksigd0pvunbiased <= ak.where(electron, 5, 3))
        & (read.lep_isTightID | ~electron)
    )
    hard = signal & (read.lep_pt > 20e3)
    n_baseline, n_signal, n_hard = (ak.sum(mask, axis=1) for mask in (baseline, signal, hard))
    passed = n_baseline == 3
    assert flow["all events"]["entries"] == flow["all events"]["sumw"] == 39
    assert flow["baseline"]["entries"] == ak.sum(passed) < 39
    passed = passed & (n_signal == 3)
    assert flow["signal"]["entries"] == ak.sum(passed)
    passed = passed & (n_hard >= 2)
    assert flow["hard"]["entries"] == ak.sum(passed)
    found = frame(path)
    numbers = ak.to_numpy(read.eventNumber[passed]).astype(np.int64) % 2**32
    np.testing.assert_array_equal(found["event_number"], numbers)
    np.testing.assert_allclose(found["met"], read.met_et[passed] / 1000, rtol=1e-4)


def test_data_may_lack_weights_and_simulation_may_not(tmp_path: Path) -> None:
    columns = {k: v for k, v in columns_of(THREE).items() if k not in WEIGHT_FACTORS}
    path = str(write_mini(tmp_path / "mini.root", len(THREE), columns))
    data = reader.inspect(path, data=True)
    assert set(taken(data)["weight"].to_list()) == {1.0}
    assert data.info is None
    with pytest.raises(
        InputError,
        match=r"no column 'weight', .* lacks column 'mcWeight' of the format 'mini', which on",
    ):
        reader.require_columns(
            reader.inspect(path), reader.Needs(frozenset({"weight"}), "the selection")
        )


def test_a_weight_is_the_product_of_its_factors(tmp_path: Path) -> None:
    factors = {name: f"{1 + i / 10}f" for i, name in enumerate(WEIGHT_FACTORS)}
    path = write_mini(tmp_path / "mini.root", 1, columns_of(THREE[:1]) | factors)
    (found,) = taken(reader.inspect(str(path)))["weight"]
    assert found == pytest.approx(np.prod([1 + i / 10 for i in range(len(WEIGHT_FACTORS))]))


def test_event_numbers_beyond_the_sign_are_kept(tmp_path: Path) -> None:
    columns = columns_of(THREE[:1]) | {"eventNumber": "-1784018790", "channelNumber": "0"}
    found = taken(reader.inspect(str(write_mini(tmp_path / "mini.root", 1, columns))))
    assert found["event_number"].to_list() == [2**32 - 1784018790]
    assert found["run_number"].to_list() == [284500]


def test_files_of_a_sample_state_the_sum_of_all(
    run_with: RunWith, tmp_path: Path, tiny_config: Config
) -> None:
    columns = columns_of(THREE[:1])
    other = columns | {"XSection": "3.f"}
    paths = [
        write_mini(tmp_path / f"{i}.root", 1, chosen)
        for i, chosen in enumerate((columns, columns, other))
    ]
    run = run_with(WZ=paths[0])
    first, second, third = (info_of(run, "WZ", reader.inspect(str(path))) for path in paths)
    assert (first.name, first.process, first.n_events) == ("WZ", "WZ", 1)
    both = combine([first, second])
    assert (both.n_events, both.cross_section, both.sum_of_weights) == (2, 2.0, 100.0)
    mixed = combine([first, third])
    assert (mixed.cross_section, mixed.sum_of_weights) == (None, None)
    sample = FileSample(process="WZ", files=("x",), cross_section=5.0, sum_of_weights=10.0)
    assert configured(mixed, sample).cross_section == 5.0
    run = run_with(WZ=tmp_path / "[02].root", sample=UNKNOWN)
    with pytest.raises(NormalisationError, match="'WZ' has no cross_section .* or disagree"):
        make_stage("rmm", run)


def test_what_the_format_cannot_give_stops_a_stage(run_with: RunWith, tmp_path: Path) -> None:
    path = write_mini(tmp_path / "mini.root", 1, columns_of(THREE[:1]))
    line = r"mini\.root: no column 'jet_width', which imaging needs: the format 'mini' cannot give"
    with pytest.raises(InputError, match=rf"{line} it \(nor particle_charge, particle_energy"):
        make_stage("imaging", run_with(WZ=path))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lep_pt": "std::string{}"}, "'lep_pt' is string, not .*<float> as in"),
        ({"lep_type": None}, "'mini' has no column 'lep_type', which identifies the format 'mini'"),
    ],
)
def test_a_bad_file_is_named(changes: dict[str, str | None], message: str, tmp_path: Path) -> None:
    columns = columns_of([Event((E1, E2, E3))]) | changes
    path = write_mini(tmp_path / "bad.root", 1, {k: v for k, v in columns.items() if v})
    with pytest.raises(InputError, match=rf"bad\.root: .*{message}"):
        reader.require_columns(reader.inspect(str(path)), rmm.needs(Rmm()))


def test_a_named_format_is_the_only_one_tried(tmp_path: Path, write_events: WriteEvents) -> None:
    assert reader.inspect(str(write_events()), Layout("native")).n_events == 20
    with pytest.raises(InputError, match="no tree or ntuple 'mini' "):
        reader.inspect(str(write_events()), Layout("mini"))


@pytest.mark.slow
def test_measured_events_beside_simulated_ones(tmp_path: Path, write_events: WriteEvents) -> None:
    """The command line on a configuration with both."""
    data = write_mini(tmp_path / "data.root", len(THREE), columns_of(THREE, simulated=False))
    simulated = write_events(n_events=len(THREE), **native_columns_of(THREE))
    config = {
        "name": "both",
        "samples": [
            {"process": "measured", "files": [str(data)], "data": True, "format": "mini"},
            {
                "process": "WZ",
                "files": [str(simulated)],
                "cross_section": 1.0,
                "sum_of_weights": len(THREE),
            },
        ],
        "anomaly": {},
    }
    (tmp_path / "both.yaml").write_text(yaml.safe_dump(config))
    done = subprocess.run(
        [
            *(
                sys.executable,
                str(REPOSITORY / "run_analysis.py"),
                "--stage",
                "rmm",
                "--workers",
                "1",
            ),
            *("--config", str(tmp_path / "both.yaml"), "--output", str(tmp_path / "run")),
        ],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    found = frame(tmp_path / "run" / "rmm" / "measured.h5")
    assert len(found) == len(CHANNELS)
    assert (found["weight"] == 1).all()
    assert "measured" in done.stdout
