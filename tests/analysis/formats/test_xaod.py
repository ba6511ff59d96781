"""ATLAS derivations: what is read is what is in the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot

from analysis.formats.columns import CANONICAL, plain_type
from analysis.formats.format import Layout
from analysis.inputs import reader
from analysis.inputs.root_file import RootFile
from analysis.inputs.sample_info import SampleInfo
from common.runtime.errors import InputError
from cpp_helpers import load_root
from cpp_helpers.calls import CppError
from tests.analysis.xaod_events import (
    EVENT,
    SUMS,
    add_whole_sums,
    physlite,
    truth1,
    truth3,
    vectors,
    write,
)
from tests.conftest import shared_file
from tests.frames import open_frame

EXOT15 = "daod_exot15_mc_10events.root"
PHYSLITE_TREE = "daod_physlite_22_ttbar_100events.root"
PHYSLITE_NTUPLE = "daod_physlite_rntuple_100events.root"


def taken(file: reader.File, *names: str) -> dict[str, Any]:
    """Some columns of a file, in one event loop; the types of all are checked."""
    df = load_root().RDF.AsRNode(open_frame(file, 0, file.n_events))
    for name in CANONICAL.keys() & file.columns.keys():
        assert plain_type(str(df.GetColumnType(name))) == CANONICAL[name], name
    handles = {name: df.Take[CANONICAL[name]](name) for name in names}
    return {
        name: ak.Array([list(x) for x in h.GetValue()] if "RVec" in CANONICAL[name] else list(h))
        for name, h in handles.items()
    }


def of_dataset(number: str, n_events: int) -> SampleInfo:
    """What a file says of itself that has no bookkeeping, and is of no known cross-section."""
    return SampleInfo("", "", dataset=number, n_events=n_events)


def close(found: Any, expected: Any) -> None:
    assert ak.to_list(ak.num(found)) == ak.to_list(ak.num(expected))
    assert ak.count(found)
    np.testing.assert_allclose(
        ak.to_numpy(ak.flatten(found)), ak.to_numpy(ak.flatten(expected)), rtol=2e-6, atol=2e-6
    )


def each(found: dict[str, Any], **expected: Any) -> None:
    """The first event has these numbers."""
    for name, values in expected.items():
        np.testing.assert_allclose(ak.to_numpy(found[name][0]), values, rtol=1e-5, err_msg=name)


def test_particles_jets_and_missing_momentum_of_a_derivation() -> None:
    path = shared_file(EXOT15)
    file = reader.inspect(str(path))
    assert (file.format.name, file.n_events, file.info) == ("daod", 10, of_dataset("311423", 10))
    found = taken(file, "particle_pt", "particle_pdg_id", "jet_pt", "jet_n_tracks", "met")
    tree = uproot.open(path)["CollectionTree"]
    names = {key.split("/")[-1]: key for key in tree.keys()}  # noqa: SIM118

    def read(name: str) -> Any:
        return tree[names[name]].array()

    px, py, pz, pdg_id, status, barcode = (
        read(f"TruthParticlesAuxDyn.{x}") for x in ("px", "py", "pz", "pdgId", "status", "barcode")
    )
    pt = np.hypot(px, py)
    stable = (status == 1) & (barcode < 200000) & (abs(pz) < pt * np.sinh(4.9))
    close(found["particle_pt"], pt[stable] / 1000)
    close(found["particle_pdg_id"], pdg_id[stable])
    close(found["jet_pt"], read("AntiKt4TruthJetsAux.pt") / 1000)
    neutrino = (abs(pdg_id) == 12) | (abs(pdg_id) == 14) | (abs(pdg_id) == 16)
    seen = stable & ~neutrino
    met = np.hypot(ak.sum(px[seen], axis=1), ak.sum(py[seen], axis=1)) / 1000
    np.testing.assert_allclose(found["met"], met, rtol=1e-4, atol=1e-3)
    leading = found["jet_n_tracks"][:, 0]
    assert ak.min(leading) > 0


@pytest.mark.parametrize("name", [PHYSLITE_TREE, PHYSLITE_NTUPLE])
def test_reconstructed_objects_and_missing_momentum(name: str) -> None:
    path = shared_file(name)
    file = reader.inspect(str(path))
    assert (file.format.name, file.n_events) == ("physlite", 100)
    found = taken(file, "jet_pt", "met", "electron_z0_sin_theta", "weight", "jet_b_tag")

    ntuple = name == PHYSLITE_NTUPLE
    events = uproot.open(path)["EventData" if ntuple else "CollectionTree"]
    names = {key.split("/")[-1]: key for key in events.keys()}  # noqa: SIM118

    def read(column: str) -> Any:
        one = column.replace(".", ":") if ntuple else names[column]
        return events.arrays([one])[one] if ntuple else events[one].array()

    kept = read("AnalysisJetsAuxDyn.NNJvtPass") == 1
    close(found["jet_pt"], read("AnalysisJetsAuxDyn.pt")[kept] / 1000)
    label = read("AnalysisJetsAuxDyn.HadronConeExclTruthLabelID")[kept]
    central = (found["jet_pt"] > 20) & (abs(read("AnalysisJetsAuxDyn.eta")[kept]) < 2.5)
    assert 0.65 < ak.mean(found["jet_b_tag"][central & (label == 5)]) < 0.8
    assert ak.mean(found["jet_b_tag"][central & (label == 0)]) < 0.02

    close_to_vertex = abs(ak.flatten(found["electron_z0_sin_theta"])) < 0.5
    assert ak.mean(close_to_vertex) > 0.75  # the others are not of the hard collision

    place = read("MET_TruthAuxDyn.name")[0].to_list().index("NonInt")
    x, y = (read(f"MET_TruthAuxDyn.mp{axis}")[:, place] / 1000 for axis in "xy")
    truth = ak.to_numpy(np.hypot(x, y))
    assert np.corrcoef(found["met"], truth)[0, 1] > 0.6
    assert np.mean(abs(found["met"] - truth)) < 30

    assert file.info is not None
    if not ntuple:
        assert file.info.cross_section == pytest.approx(452.3, abs=0.1)  # of the dataset's number
    weights = ak.to_numpy(found["weight"])
    assert file.info.sum_of_weights == pytest.approx(weights.sum())
    assert file.info.sum_of_weights_squared == pytest.approx((weights**2).sum())


def test_the_lists_of_generated_leptons_of_a_real_file() -> None:
    file = reader.inspect(str(shared_file(PHYSLITE_NTUPLE)), Layout("daod"))
    assert {"electron_pt", "jet_pt", "tau_pt", "met_no_muons"} <= file.columns.keys()
    assert "particle_pt" not in file.columns
    path = shared_file(PHYSLITE_NTUPLE)
    read = uproot.open(path)["EventData"].arrays(filter_name="AntiKt4TruthDressedWZJetsAux:.pt")
    (jets,) = read.fields
    close(taken(file, "jet_pt")["jet_pt"], read[jets].pt / 1000)


def test_a_file_with_all_particles(tmp_path: Path) -> None:
    file = reader.inspect(str(write(tmp_path / "a.root", CollectionTree=truth1())))
    assert (file.format.name, file.n_events, file.info) == ("daod", 2, of_dataset("364700", 2))
    names = ("particle_pt", "particle_charge", "jet_pt", "jet_width", "jet_n_tracks", "muon_pt")
    found = taken(file, *names, "met_no_muons", "met", "run_number", "event_number", "weight")
    assert found["run_number"].to_list() == [364700] * 2
    assert found["event_number"].to_list() == [5000000000, 5000000001]
    assert found["weight"].to_list() == [-2, 3]
    each(
        found,
        particle_pt=[50, np.hypot(10, 10), 40, np.hypot(20, 10)],
        particle_charge=[1, 0, -1, 0],
        jet_pt=[60],
        jet_width=[np.hypot(np.arcsinh(0.2) - 0.2, 0.1)],
        jet_n_tracks=[1],
        muon_pt=[40],
        met_no_muons=np.hypot(60, 10),
        met=np.hypot(20, 10),
    )


def test_particles_without_barcodes_are_told_by_their_status(tmp_path: Path) -> None:
    columns = truth1()
    del columns["TruthParticlesAux.barcode"]
    columns["TruthParticlesAux.status"] = "std::vector<int>{1, 1, 1, 1, 20001, 62}"
    file = reader.inspect(str(write(tmp_path / "a.root", CollectionTree=columns)))
    assert ak.num(taken(file, "particle_pt")["particle_pt"]).to_list() == [4, 4]


def test_a_file_of_lists(tmp_path: Path) -> None:
    file = reader.inspect(str(write(tmp_path / "a.root", CollectionTree=truth3(), MetaData=SUMS)))
    assert "particle_pt" not in file.columns
    assert "jet_width" not in file.columns
    names = ("jet_pt", "jet_b_tag", "electron_pt", "electron_charge", "muon_pt", "muon_eta")
    more = ("muon_charge", "photon_pt", "tau_pt", "tau_mass", "tau_charge", "met_no_muons", "met")
    each(
        taken(file, *names, *more),
        jet_pt=[70, 30],
        jet_b_tag=[1, 0],
        electron_pt=[25],
        electron_charge=[-1],
        muon_pt=[40],
        muon_eta=[np.arcsinh(0.75)],
        muon_charge=[1],
        photon_pt=[12],
        tau_pt=[20],
        tau_mass=[0.8],
        tau_charge=[-1],
        met=30,
        met_no_muons=50,
    )
    assert file.info is not None
    assert file.info.sum_of_weights == 201  # two entries, each of the last cycle alone
    assert file.info.sum_of_weights_squared == 2000


def test_what_hadrons_decay_to_is_left_out(tmp_path: Path) -> None:
    columns = truth3()
    del columns["MET_TruthAuxDyn.name"]
    for kind, two in (("Muon", "6u"), ("Photon", "14u")):
        name = f"Truth{kind}sAuxDyn"
        columns |= vectors(f"{name}.", px="{20e3f, 50e3f}", py="{0.f, 1.f}", pz="{0.f, 2.f}")
        columns |= vectors(f"{name}.", pdgId="{22, 22}" if kind == "Photon" else "{13, 13}")
        columns[f"{name}.classifierParticleType"] = f"std::vector<unsigned int>{{{two}, 7u}}"
        columns[f"{name}.classifierParticleOrigin"] = "std::vector<unsigned int>{12u, 26u}"
    columns |= vectors(
        "TruthMuonsAuxDyn.",
        pt_dressed="{20e3f, 50e3f}",
        eta_dressed="{0.f, 0.f}",
        phi_dressed="{0.f, 0.f}",
    )
    file = reader.inspect(str(write(tmp_path / "a.root", CollectionTree=columns)))
    each(taken(file, "muon_pt", "photon_pt"), muon_pt=[20], photon_pt=[20])


def test_without_identification_jets_of_pile_up_are_kept_with_a_warning(tmp_path: Path) -> None:
    columns = physlite()
    del columns["AnalysisJetsAuxDyn.NNJvtPass"]
    file = reader.inspect(str(write(tmp_path / "a.root", CollectionTree=columns)))
    assert "pile-up jets are kept" in file.columns["jet_kept"].warning
    each(taken(file, "jet_pt"), jet_pt=[100, 40, 30])
    columns |= vectors("AnalysisJetsAuxDyn.", Jvt="{0.f, 0.6f, 0.4f}")
    file = reader.inspect(str(write(tmp_path / "b.root", CollectionTree=columns)))
    each(taken(file, "jet_pt"), jet_pt=[100, 40])


def test_a_file_of_reconstructed_objects(tmp_path: Path) -> None:
    file = reader.inspect(str(write(tmp_path / "a.root", CollectionTree=physlite())))
    assert (file.format.name, file.info) == ("physlite", of_dataset("364700", 2))
    assert file.format.reconstructed
    names = ("jet_pt", "jet_b_tag", "electron_pt", "electron_z0_sin_theta")
    more = ("electron_d0_significance", "muon_pt", "photon_pt", "tau_pt", "met_no_muons", "met")
    found = taken(file, *names, *more)
    jet, electron, muon = 100, 38 * np.exp(1.01j), 20 * np.exp(-1j)
    tracks = 4 * np.exp(2j)  # of the jet of pile-up; that of the electron counts as one alone
    seen = jet + electron + muon + tracks - (-1 + 2j)
    each(
        found,
        jet_pt=[100, 40],
        jet_b_tag=[1, 0],
        electron_pt=[38],
        electron_z0_sin_theta=[0.1 / np.cosh(1.01)],
        electron_d0_significance=[4],
        muon_pt=[20],
        photon_pt=[36],
        tau_pt=[40],
        met=abs(seen),
        met_no_muons=abs(seen - muon),
    )


def test_measured_events_have_no_weights(tmp_path: Path) -> None:
    columns = physlite()
    for name in ("mcEventWeights", "mcChannelNumber"):
        del columns[f"EventInfoAuxDyn.{name}"]
    path = str(write(tmp_path / "a.root", CollectionTree=columns))
    found = taken(reader.inspect(path, data=True), "weight", "run_number")
    assert found["weight"].to_list() == [1, 1]
    assert found["run_number"].to_list() == [300000] * 2
    with pytest.raises(
        InputError,
        match=r"lacks column 'EventInfoAuxDyn\.mcEventWeights' of the format 'physlite', which",
    ):
        reader.require_columns(reader.inspect(path), reader.Needs(frozenset({"weight"}), "it"))


def test_an_event_without_weights_stops_the_loop(tmp_path: Path) -> None:
    empty = truth3() | {"EventInfoAuxDyn.mcEventWeights": "std::vector<float>{}"}
    path = str(write(tmp_path / "a.root", CollectionTree=empty))
    with pytest.raises(Exception, match="an event has no mcEventWeights: set 'data: true'"):
        taken(reader.inspect(path), "weight")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"inputStream": '{"StreamEVGEN", "StreamEVGEN", "StreamEVGEN", "StreamEVGEN"}'}, 8.0),
        ({"name": '{"Kernel", "Kernel", "Kernel", "Kernel"}'}, None),
        ({"name": None}, None),
    ],
)
def test_bookkeeping_of_another_kind(
    tmp_path: Path, changes: dict[str, str | None], expected: float | None
) -> None:
    sums = SUMS | {
        f"CutBookkeepersAux.{name}": text and f"std::vector<std::string>{text}"
        for name, text in changes.items()
    }
    kept = {name: text for name, text in sums.items() if text}
    info = reader.inspect(str(write(tmp_path / "a.root", CollectionTree=EVENT, MetaData=kept))).info
    assert (info and info.sum_of_weights) == expected


def test_bookkeeping_in_a_branch_that_is_not_split(tmp_path: Path) -> None:
    path = write(tmp_path / "a.root", CollectionTree=EVENT)
    add_whole_sums(path)
    info = reader.inspect(str(path)).info
    assert info is not None
    assert (info.sum_of_weights, info.sum_of_weights_squared) == (100, 1000)


@pytest.mark.parametrize("name", [PHYSLITE_TREE, PHYSLITE_NTUPLE])
def test_uproot_reads_the_same_bookkeeping(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """For layouts that the decoder does not know."""
    path = str(shared_file(name))
    decoded = reader.inspect(path).info

    def unknown(*_: Any) -> None:
        raise CppError("unknown layout")

    monkeypatch.setattr(RootFile, "stored_values", unknown)
    assert reader.inspect(path).info == decoded
    assert decoded is not None
    assert decoded.sum_of_weights is not None
