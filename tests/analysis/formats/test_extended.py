"""Columns that a configuration adds to those of any format, or overrides."""

from __future__ import annotations

import pickle
import re
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot
import yaml

from analysis.formats.columns import CANONICAL, own, plain_type
from analysis.formats.extended import column_words, possible_branches
from analysis.formats.format import Layout
from analysis.inputs import reader
from analysis.rdf.regions import define_summary
from common.runtime.errors import InputError
from cpp_helpers import load_root
from selections.cuts import Cut, Definition, Region
from tests.analysis import mini_events, xaod_events
from tests.analysis.formats.test_delphes import EVENTS as DELPHES
from tests.analysis.formats.test_delphes import SEEN, TOWERS, write_delphes
from tests.analysis.inputs.flat_files import COLUMNS, flat, write_tree
from tests.analysis.three_lepton_events import Event, Jet
from tests.conftest import REPOSITORY, WriteEvents, shared_file
from tests.frames import apply_cut, define, open_frame

Extra = dict[str, str]


def inspected(path: Path, extra: Extra, data: bool = False, **layout: Any) -> reader.File:
    return reader.inspect(str(path), Layout(**layout, extra=tuple(extra.items())), data)


def opened(path: Path, extra: Extra, data: bool = False, **layout: Any) -> Any:
    file = inspected(path, extra, data, **layout)
    return open_frame(file, 0, file.n_events)


def values(df: Any, *expressions: str) -> list[Any]:
    """The values of expressions of columns, in one event loop."""
    names = [f"value_{i}" for i in range(len(expressions))]
    df = define(df, map(Definition, names, expressions))
    df = load_root().RDF.AsRNode(df)
    kinds = [str(df.GetColumnType(own(name))) for name in names]
    handles = [df.Take[kind](own(name)) for name, kind in zip(names, kinds, strict=True)]
    return [
        [list(x) for x in handle.GetValue()] if "RVec" in kind else list(handle.GetValue())
        for kind, handle in zip(kinds, handles, strict=True)
    ]


def kind_of(df: Any, name: str) -> str:
    return plain_type(str(load_root().RDF.AsRNode(df).GetColumnType(own(name))))


def reason(file: reader.File, name: str) -> str:
    """Why a column that is needed is missing."""
    with pytest.raises(InputError) as error:
        reader.require_columns(file, reader.Needs(frozenset({name}), "this"))
    message = str(error.value)
    assert "\n" not in message
    start = f"{file.path}: no column '{name}', which this needs: "
    assert message.startswith(start)
    return message.removeprefix(start)


@pytest.fixture
def mini(tmp_path: Path) -> Path:
    """Two events of ATLAS open data, with jets of MV2c10 = 0.9, 0.7 and 0.7."""
    events = [Event((), (Jet(60, b_tag=1), Jet(40))), Event((), (Jet(50),))]
    columns = mini_events.columns_of(events) | {
        "trigE": "rdfentry_ == 1",
        "scaleFactor_NEW": "0.5f",
    }
    return mini_events.write_mini(tmp_path / "mini.root", 2, columns)


# --- Overridden columns --------------------------------------------------------------------------


def test_a_working_point_is_changed(mini: Path) -> None:
    tags = [
        values(opened(mini, extra), "jet_b_tag")[0]
        for extra in ({}, {"jet_b_tag": "jet_MV2c10 > 0.65"})
    ]
    assert tags == [[[1, 0], [0]], [[1, 1], [1]]]
    assert (
        kind_of(opened(mini, {"jet_b_tag": "jet_MV2c10 > 0.65"}), "jet_b_tag")
        == (CANONICAL["jet_b_tag"])
    )


def test_a_weight_is_multiplied_for_simulation_alone(mini: Path) -> None:
    extra = {"weight": "is_data ? weight : weight * scaleFactor_NEW"}
    assert values(opened(mini, extra), "weight") == [[0.5, 0.5]]
    assert values(opened(mini, extra, data=True), "weight") == [[1, 1]]


@pytest.mark.parametrize("file_format", ["rntuple", "ttree"])
def test_a_column_is_scaled(write_events: WriteEvents, file_format: str) -> None:
    """The name of a column in its own expression is the value of the format."""
    path = write_events(file_format=file_format, n_events=3)
    df = opened(path, {"jet_pt": "1.01f * jet_pt", "leading": "jet_pt[0]"})
    scaled, stored, leading, eta = values(df, "jet_pt", "jet_pt / 1.01f", "leading", "jet_eta")
    assert kind_of(df, "jet_pt") == CANONICAL["jet_pt"]
    np.testing.assert_allclose(stored, [[300, 40], [310, 40], [320, 40]], rtol=1e-6)
    assert [one[0] for one in scaled] == leading
    np.testing.assert_allclose(eta, [[0.31, -1.21]] * 3, rtol=1e-6)


def test_columns_made_from_an_overridden_one_follow(tmp_path: Path) -> None:
    """By energy flow the muons are taken off, so that twice their momentum is."""
    path = write_delphes(tmp_path / "d.root")
    shifted = "jet_phi + 0.05f"
    df = opened(path, {"muon_pt": "2 * muon_pt", "jet_phi": shifted})
    found, width = values(df, "met_no_muons", "jet_width")
    np.testing.assert_allclose(found[0], abs(-TOWERS + SEEN), rtol=1e-5)
    pion = abs(1.0 + 0.05 - np.arctan2(40, 30))
    np.testing.assert_allclose(width[0], [pion, 0], rtol=1e-4)


def test_an_extra_column_uses_the_columns_as_those_above_it_leave_them(mini: Path) -> None:
    """The mass of a jet of the file is that of its energy and momentum."""
    extra = {
        "hard": "jet_pt > 45",
        "mass_before": "jet_mass",
        "jet_pt": "jet_pt * (1 + 0.1f * hard) + 0 * jet_mass",
        "mass_after": "jet_mass",
        "hard_after": "jet_pt > 65",
        "jet_eta": "jet_eta - jet_mass / 1000",
    }
    df = opened(mini, extra)
    names = ("hard", "jet_pt", "hard_after", "mass_before", "mass_after", "jet_mass", "jet_eta")
    hard, pt, after, mass_before, mass_after, mass, eta = values(df, *names)
    assert hard == [[1, 0], [1]]
    np.testing.assert_allclose(pt[0], [66, 40], rtol=1e-5)
    np.testing.assert_allclose(pt[1], [55], rtol=1e-5)
    assert after == [[1, 0], [0]]
    np.testing.assert_allclose(mass_before[0], [5, 5], rtol=1e-2)
    assert mass_after[0][1] == mass_before[0][1]
    assert mass_after[0][0] == 0  # an energy below the momentum
    np.testing.assert_allclose(eta[0], [-1.0, -1.005], atol=1e-4)  # of the mass above it
    np.testing.assert_allclose(mass[0][0], 0, atol=1e-6)
    assert mass[0][1] != mass_after[0][1]  # which follows both


def test_a_column_that_the_format_lacks_is_the_branch_of_its_name(tmp_path: Path) -> None:
    columns = mini_events.columns_of([Event(())]) | {"jet_width": "std::vector<double>{0.2}"}
    path = mini_events.write_mini(tmp_path / "mini.root", 1, columns)
    file = inspected(path, {"jet_width": "jet_width / 2"})
    assert "jet_width" in file.columns
    df = open_frame(file, 0, 1)
    assert kind_of(df, "jet_width") == CANONICAL["jet_width"]
    np.testing.assert_allclose(values(df, "jet_width")[0], [[0.1]], rtol=1e-6)
    assert "cannot give 'jet_width'" in reason(
        inspected(_without(path, "jet_width"), {"jet_width": "jet_width / 2"}), "jet_width"
    )


def _without(path: Path, name: str) -> Path:
    """The same events of ``mini`` without a branch."""
    columns = {k: v for k, v in mini_events.columns_of([Event(())]).items() if k != name}
    return mini_events.write_mini(path.with_name(f"without_{name}.root"), 1, columns)


def test_a_column_that_is_added_makes_those_possible_that_need_it(tmp_path: Path) -> None:
    """Delphes without particles has no leptons if it has none of its own."""
    kept = {k: v for k, v in DELPHES.items() if not k.startswith(("Particle", "Muon"))}
    path = write_delphes(tmp_path / "d.root", kept)
    assert "met_no_muons" not in inspected(path, {}).columns
    none = {"muon_pt": "ROOT::RVecF{}", "muon_phi": "ROOT::RVecF{}"}
    met, no_muons = values(opened(path, none), "met", "met_no_muons")
    np.testing.assert_allclose(no_muons, [abs(-TOWERS - SEEN), 100], rtol=1e-5)
    np.testing.assert_allclose(met, no_muons, rtol=1e-5)


def test_overridden_vectors_of_objects_must_have_one_length(write_events: WriteEvents) -> None:
    path = write_events(n_events=3)
    extra = {"jet_eta": "jet_eta[jet_pt > 50]", "hard": "jet_pt[jet_pt > 50]"}
    df = opened(path, extra)
    assert values(df, "hard.size()") == [[1, 1, 1]]  # those of other names may have any
    with pytest.raises(Exception, match=r"1 entries in column 'jet_eta' and 2 in 'jet_pt'"):
        values(df, "jet_eta")


# --- Names in expressions ------------------------------------------------------------------------


def test_branches_have_the_names_of_the_file(tmp_path: Path) -> None:
    df = opened(
        write_delphes(tmp_path / "d.root"),
        {
            "tags": "Jet.BTag & 2u",
            "same": "Jet_BTag & 2u",  # as the expressions of the format call it
            "n": "Jet.BTag.size() > 0 ? Jet.PT.size():Jet.BTag.size()",
            "tau_like": "tau_tagged",  # which the format makes
        },
    )
    found = values(df, "tags", "same", "n", "tau_like")
    assert found == [[[2, 2], []], [[2, 2], []], [2, 0], [[0, 1], []]]
    assert kind_of(df, "tags") == "ROOT::VecOps::RVec<unsigned int>"  # its own type
    assert kind_of(df, "n") == "unsigned long long"


def test_a_branch_that_a_derivation_has_besides(tmp_path: Path) -> None:
    name = "EventInfoAuxDyn.actualInteractionsPerCrossing"
    columns = xaod_events.truth3() | {name: "30.5f + rdfentry_"}
    path = xaod_events.write(tmp_path / "d.root", CollectionTree=columns)
    file = inspected(path, {"pile_up": f"{name} + 0.f", "scaled": "pile_up / 2"})
    assert file.format.name == "daod"
    df = open_frame(file, 0, 2)
    assert values(df, "pile_up", "scaled") == [[30.5, 31.5], [15.25, 15.75]]


def test_fields_of_an_ntuple_with_a_colon(tmp_path: Path) -> None:
    path = tmp_path / "n.root"
    with uproot.recreate(path) as file:
        file["EventData"] = {
            "EventInfoAuxDyn:runNumber": np.array([7, 7], np.uint32),
            "EventInfoAuxDyn:eventNumber": np.array([1, 2], np.uint64),
            "EventInfoAuxDyn:mcEventWeights": ak.values_astype(ak.Array([[2.0], [3.0]]), "f4"),
            "AnalysisJetsAuxDyn:pt": ak.values_astype(ak.Array([[50e3, 20e3], []]), "f4"),
            "AnalysisJetsAuxDyn:eta": ak.values_astype(ak.Array([[1.0, 2.0], []]), "f4"),
        }
    found = inspected(
        path,
        {
            "calibrated": "AnalysisJetsAuxDyn:pt / 1000",
            "either": "weight > 2.5 ? AnalysisJetsAuxDyn:pt:AnalysisJetsAuxDyn:eta",
            "lost": "AnalysisJetsAuxDyn:phi",
        },
    )
    assert reason(found, "lost").endswith("no column 'AnalysisJetsAuxDyn:phi' (did you mean "
                                          "'AnalysisJetsAuxDyn:pt'?)")  # fmt: skip
    df = open_frame(found, 0, 2)
    assert values(df, "calibrated", "either") == [[[50, 20], []], [[1, 2], []]]


def test_a_real_ntuple() -> None:
    path = shared_file("daod_physlite_rntuple_100events.root")
    extra = {"raw": "AnalysisJetsAuxDyn:pt", "mu": "EventInfoAuxDyn:actualInteractionsPerCrossing"}
    df = opened(path, extra)
    read = uproot.open(path)["EventData"].arrays([extra["raw"], extra["mu"]])
    raw, mu = values(df, "raw", "mu")
    assert raw == read[extra["raw"]].to_list()
    assert mu == read[extra["mu"]].to_list()


@pytest.mark.parametrize("ntuple", [True, False])
def test_a_free_name_may_be_that_of_a_branch(tmp_path: Path, ntuple: bool) -> None:
    """As in ``shared/cases/column_name_taken``."""
    further = {"n_jets": np.arange(5, dtype=np.int32), "trigger": np.arange(5, dtype=np.int32)}
    path = flat(tmp_path / "flat.root", ntuple=ntuple, further=further)
    extra = {"trigger": "trigger > 2", "n_jets": "-n_jets", "both": "trigger ? n_jets : 0"}
    df = opened(path, extra, columns=tuple(COLUMNS.items()))
    assert values(df, "trigger", "n_jets", "both") == [
        [False, False, False, True, True],
        [0, -1, -2, -3, -4],
        [0, 0, 0, -3, -4],
    ]


def test_a_free_name_may_be_that_of_a_column_that_the_format_uses(tmp_path: Path) -> None:
    """``Jet_PT`` is ``Jet.PT`` in the format's expressions, and ``all_pt`` those of particles."""
    path = write_delphes(tmp_path / "d.root")
    names = ("jet_pt", "jet_width", "jet_mass", "tau_pt", "met_no_muons")
    plain = values(opened(path, {}), *names)
    extra = {
        "Jet_PT": "Jet.PT * 2",
        "all_pt": "1",
        "tau_tagged": "Jet_PT > 100",
        "cosh": "2.5",
        "is_data": "7",
    }
    df = opened(path, extra)
    assert values(df, *names) == plain
    found = values(df, *extra)
    assert found == [[[200, 60], []], [1, 1], [[1, 0], []], [2.5, 2.5], [7, 7]]


def test_a_branch_hides_a_source_of_its_name(tmp_path: Path) -> None:
    """As in ``shared/cases/branch_name_clash``: a branch ``Jet_PT`` beside ``Jet.PT``."""
    path = write_delphes(tmp_path / "d.root", DELPHES | {"Jet_PT": [[1], [2]]})
    df = opened(path, {"own": "Jet_PT", "other": "Jet.PT"})
    assert values(df, "own", "other", "jet_pt") == [[[1], [2]], [[100, 30], []], [[100, 30], []]]


def test_a_column_is_read_though_another_takes_its_name(tmp_path: Path) -> None:
    """Both before and after ``jet_pt`` is redefined: the format reads the one in MeV."""
    path = flat(tmp_path / "flat.root", further={"met_no_muons": np.full(5, 7, np.float32)})
    columns = COLUMNS | {"run_number": "run"}
    extra = {
        "before": "met_no_muons",
        "met_no_muons": "j1pt * 2",
        "after": "met_no_muons",
        "run_number": "(unsigned int)met_no_muons",
    }
    df = opened(path, extra, columns=tuple(columns.items()))
    names = ("before", "met_no_muons", "after", "run_number")
    assert [one[0] for one in values(df, *names)] == [300, 600, 600, 600]
    path = mini_events.write_mini(
        tmp_path / "mini.root", 1, mini_events.columns_of([Event((), (Jet(60),))])
    )
    extra = {"run_number": "(unsigned int)jet_pt[0]", "jet_pt": "ROOT::RVecF{jet_E[0]}"}
    df = opened(path, extra | {"tau_pt": "tau_pt / 2", "run_again": "run_number"})
    assert values(df, "run_number", "run_again", "tau_pt") == [[60], [60], [[15]]]


def test_lambdas_and_statements(tmp_path: Path) -> None:
    df = opened(
        write_delphes(tmp_path / "d.root"),
        {
            "mapped": "Map(Jet.PT, [](float weight) { return weight / 2; })",
            "summed": "float sum = 0; for (float pt : Jet.PT) sum += pt; return sum;",
            "jet_pt": "const auto half = Jet.PT / 2; return half;",
            "jet_mass": "Map(jet_mass, [](float one) { return 2 * one; })",
            "text": "std::string(\"Jet.PT met\") + char('m')",
        },
    )
    names = ("mapped", "summed", "jet_pt", "jet_mass", "text.size()")
    half = [[50, 15], []]
    assert values(df, *names) == [half, [130, 0], half, [[18, 8], []], [11, 11]]


def test_names_in_expressions() -> None:
    columns = {"Jet.PT", "Jet", "a:b"}
    for expression, found in {
        "Jet.PT[0] + Jet.size() + x.Jet": ["Jet.PT", "Jet", "x"],
        "sum(y) + std::z + w::u(3) + T(v)": ["y", "v"],
        "q ? a:b : a ? b:c": ["q", "a:b", "a", "b", "c"],
        "[](const ROOT::RVecF &v, int n) { auto m = n; return v + m; }(pt, n_jets)": [
            *("const", "int", "auto", "return", "pt", "n_jets"),
        ],
    }.items():
        assert column_words(expression, columns) == found, expression
    layout = Layout(columns=(("met", "a.b"),), extra=(("x", "c:d.e"),))
    assert possible_branches(layout) >= {"a", "a.b", "c", "c:d", "c:d.e"}


# --- What a file lacks ---------------------------------------------------------------------------


def test_a_column_is_missed_only_where_it_is_needed(write_events: WriteEvents) -> None:
    path = write_events(HLT_xe100="rdfentry_ > 10")
    extra = {"trigger": "HLT_xe110", "either": "trigger || met_no_muons > 300", "more": "met * 2"}
    file = inspected(path, extra)
    assert not extra.keys() & file.columns.keys()
    assert values(open_frame(file, 0, 2), "event_number") == [[1, 2]]
    cause = (
        "'trigger' = 'HLT_xe110' cannot be made: the file has no column 'HLT_xe110' (did you mean "
        "'HLT_xe100'?)"
    )
    assert reason(file, "trigger") == cause
    assert reason(file, "either") == cause
    assert reason(file, "more") == "'more' = 'met * 2' cannot be made: the file has no column 'met'"
    assert "neither 'columns' of the configuration nor the format 'native'" in reason(file, "other")


def test_an_override_that_cannot_be_made_does_not_fall_back(mini: Path) -> None:
    extra = {"jet_pt": "jet_pt * calibration", "twice": "2 * jet_pt"}
    file = inspected(mini, extra)
    cause = "'jet_pt' = 'jet_pt * calibration' cannot be made: the file has no column 'calibration'"
    for name in ("jet_pt", "jet_mass", "jet_n_tracks", "twice"):  # made from it
        assert name not in file.columns
        assert reason(file, name) == cause
    assert "jet_eta" in file.columns
    with pytest.raises(InputError, match=r"no column 'jet_mass', which .*\(nor jet_pt\)"):
        reader.require_columns(
            file, reader.Needs(frozenset({"jet_eta", "jet_mass", "jet_pt"}), "it")
        )


def test_columns_below_and_sources_that_are_missing_are_named(tmp_path: Path) -> None:
    kept = {k: v for k, v in DELPHES.items() if "Particle" not in k}
    file = inspected(
        write_delphes(tmp_path / "d.root", kept),
        {
            "early": "late + 1",
            "late": "2.",
            "self": "self + 1",
            "codes": "Particle_PID",
            "dotted": "Jet.BTagg[0]",
            "of_particles": "jet_width / 2",
            "generated": "boson_pt",
        },
    )
    for name, message in {
        "early": "'late' comes below it: change their order",
        "self": "the file has no column 'self'",
        "codes": "the file has no column 'Particle.PID'",
        "dotted": "the file has no column 'Jet.BTagg' (did you mean 'Jet.BTag'?)",
        "of_particles": "'jet_width' of the format 'delphes' needs column 'Particle.E', which the "
        "file lacks",
        "generated": "the format 'delphes' cannot give 'boson_pt'",
    }.items():
        assert reason(file, name).endswith(f"cannot be made: {message}"), name


def test_a_source_of_another_type_is_named(write_events: WriteEvents) -> None:
    path = write_events(met_no_muons='std::string("300")', boson_pt="std::string()")
    file = inspected(path, {"high": "met_no_muons > 250"})
    assert "column 'met_no_muons' is std::string, not float" in reason(file, "high")
    extra = {"met_no_muons": "std::stof(stored)", "stored": "1"}
    assert "comes below it" in reason(inspected(path, extra), "met_no_muons")
    assert values(opened(path, {"met_no_muons": "2.f"}), "met_no_muons")[0][0] == 2


@pytest.mark.parametrize(
    ("name", "expression", "message"),
    [
        ("sf", "sf_of(jet_pt)", "'sf_of' was not declared in this scope"),
        ("sf", "jet_pt +", "expected primary-expression"),
        ("jet_pt", "met_no_muons", "this column must be a vector of numbers"),
        ("met_no_muons", "jet_pt", "this column must be a number"),
    ],
)
def test_an_expression_that_does_not_compile_is_named(
    write_events: WriteEvents,
    capfd: pytest.CaptureFixture[str],
    name: str,
    expression: str,
    message: str,
) -> None:
    file = inspected(write_events(), {name: expression})
    with pytest.raises(InputError) as error:
        open_frame(file, 0, 1)
    text = str(error.value)
    assert text.startswith(f"{file.path}: column '{name}' = '{expression}' cannot be made: ")
    assert message in text
    assert "\n" not in text
    assert capfd.readouterr() == ("", "")


# --- Layouts that the configuration describes ----------------------------------------------------


def test_columns_beside_a_described_layout(tmp_path: Path) -> None:
    """The columns that describe the layout may use the further ones."""
    further = {"good": np.array([1, 1, 0, 1, 0], np.int32), "Jet.PT": np.arange(5, dtype="f4")}
    path = flat(tmp_path / "flat.root", further=further)
    columns = COLUMNS | {
        "jet_pt": "ROOT::RVecF{float(j1pt) * scale}",
        "met": "Jet.PT",
        "weight": "good ? own_weight : 0.",
    }
    extra = {"scale": "2.f", "own_weight": "3. + scale", "ht": "Sum(jet_pt)", "met_phi": "met / 10"}
    df = opened(path, extra, columns=tuple(columns.items()))
    ht, weight, phi = values(df, "ht", "weight", "met_phi")
    assert (ht, weight) == ([600] * 5, [5, 5, 0, 5, 0])
    np.testing.assert_allclose(phi, np.arange(5) / 10, rtol=1e-6)


def test_a_column_that_needs_itself_is_refused(tmp_path: Path) -> None:
    path = flat(tmp_path / "flat.root")
    columns = COLUMNS | {"met": "j1pt * scale"}
    file = inspected(path, {"scale": "met / 2"}, columns=tuple(columns.items()))
    for name in ("met", "scale"):
        assert reason(file, name).endswith("'scale' comes below it: change their order")


def test_the_example_of_the_documents(tmp_path: Path) -> None:
    _, _, section = (REPOSITORY / "docs/inputs.md").read_text().partition("columns of any format\n")
    printed = re.search(r"```yaml\n(.*?)```", section, re.DOTALL)
    assert printed is not None
    event = Event((), (Jet(120, b_tag=1), Jet(99.5), Jet(50)))
    columns = mini_events.columns_of([event]) | {
        "HLT_xe110_mht_L1XE50": "true",
        "scaleFactor_TauTRIGGER": "0.25f",
    }
    path = mini_events.write_mini(tmp_path / "mini.root", 1, columns)
    root = load_root()
    with root.TFile(str(path), "UPDATE") as file:
        tree, pile_up = file.Get("mini"), np.array([30.5], np.float32)
        name = "EventInfoAuxDyn.actualInteractionsPerCrossing"
        tree.Branch(name, pile_up, f"{name}/F").Fill()
        tree.Write("", root.TObject.kOverwrite)
    extra = yaml.safe_load(printed[1])["columns"]
    found = dict(zip(extra, values(opened(path, extra), *extra), strict=True))
    assert found.pop("jet_pt")[0] == pytest.approx([121.2, 100.495, 50.5])
    assert found == {
        "trigger": [True],
        "actual_mu": [30.5],
        "jet_b_tag": [[1, 1, 1]],
        "weight": [0.25],
        "hard_jets": [[1, 1, 0]],
        "n_hard_jets": [2],
    }


# --- Data frames ---------------------------------------------------------------------------------


def test_definitions_and_cuts_use_extra_columns(write_events: WriteEvents) -> None:
    path = write_events(HLT_xe100="rdfentry_ > 10", n_events=20)
    extra = {"trigger": "HLT_xe100", "leading": "jet_pt[0]", "met_no_muons": "met_no_muons + 1"}
    events = reader.open_events(inspected(path, extra), 0, 20)
    events = events.define([Definition("hard", "trigger && leading > 450")])
    cut = Cut("hard", "hard && met_no_muons > 0", "")
    assert events.passing(cut).data_frame().Count().GetValue() == 4
    events = define_summary(
        events, [Definition("twice", "2 * leading")], [Region("SR", (cut,))], ["twice", "leading"]
    )
    (twice,) = values(events.data_frame(), "event_summary.quantities[0]")
    assert twice == [600 + 20 * i for i in range(20)]


@pytest.mark.parametrize("helpers", ["library", "jit"])
def test_extra_columns_are_computed_only_if_used(
    write_events: WriteEvents, monkeypatch: pytest.MonkeyPatch, helpers: str
) -> None:
    counted = "return [] { static float calls = 0; return calls += 1; }();"
    file = inspected(write_events(n_events=5), {"counted": counted})
    monkeypatch.setenv("MONOJET_HELPERS", helpers)
    df = open_frame(file, 0, 5)
    assert values(df, "event_number") == [[1, 2, 3, 4, 5]]
    assert values(df, "counted") == [[1, 2, 3, 4, 5]]


@pytest.mark.parametrize("file_format", ["rntuple", "ttree"])
def test_several_files(write_events: WriteEvents, file_format: str) -> None:
    extra = {"trigger": "HLT_xe100", "jet_pt": "2 * jet_pt"}
    paths = [
        write_events(f"{n}.root", n, file_format, HLT_xe100="rdfentry_ > 1") for n in (2, 0, 3)
    ]
    files = [inspected(path, extra) for path in paths]
    trigger, pt = values(reader.open_files(files).data_frame(), "trigger", "jet_pt[1]")
    assert trigger == [False, False, False, False, True]
    assert pt == [80] * 5
    other = inspected(paths[2], {"trigger": "HLT_xe100"})
    with pytest.raises(InputError, match="of another format than .* or with other columns"):
        reader.open_files([files[0], other])
    lacking = write_events("lacking.root", 3, file_format)
    with pytest.raises(InputError, match=r"lacking\.root: .* or with other columns"):
        reader.open_files([files[0], inspected(lacking, extra)])
    number = write_events("number.root", 3, file_format, HLT_xe100="rdfentry_ > 1 ? 1.5 : 0.")
    with pytest.raises(InputError, match=r"number\.root: .* or with other columns"):
        reader.open_files([files[0], inspected(number, extra)])


def test_a_file_that_another_process_has_checked(mini: Path) -> None:
    extra = {"jet_pt": "2 * jet_pt", "trigger": "trigE", "lost": "trigX"}
    file = inspected(mini, extra)
    assert {"jet_pt", "trigger"} <= file.columns.keys()
    again = pickle.loads(pickle.dumps(file))
    assert again == file
    assert again.columns == file.columns
    assert values(open_frame(again, 0, 2), "trigger") == [[False, True]]


def test_a_branch_that_was_not_filled_is_named(tmp_path: Path) -> None:
    path = write_delphes(tmp_path / "d.root", DELPHES | {"Jet.Flavor": [[5, 21], []]})
    root = load_root()
    with root.TFile(str(path), "UPDATE") as file:
        tree = file.Get("Delphes")
        tree.GetBranch("Jet.Flavor").SetEntries(1)
        tree.Write("", root.TObject.kOverwrite)
    reader.inspect(str(path))  # nothing reads it
    with pytest.raises(InputError, match=r"branch 'Jet.Flavor' was filled for 1 of the 2 entries"):
        inspected(path, {"flavour": "Jet.Flavor"})


@pytest.mark.parametrize("kept", [True, False])
def test_a_file_without_events_has_the_extra_columns(tmp_path: Path, kept: bool) -> None:
    """Also if a skim kept no column; those that are not canonical are of doubles."""
    path = tmp_path / "empty.root"
    names = ("Jet_pt", "Muon_pt", "event", "run", "MET_pt")
    more = {"Jet_score": "var * float32", "HLT_xe100": "bool", "Flag_x": "int32"} if kept else {}
    if kept:
        with uproot.recreate(path) as file:
            file.mktree("Events", dict.fromkeys(names, "float32") | more)
    else:
        with load_root().TFile(str(path), "RECREATE"):
            load_root().TTree("Events", "").Write()
    extra = {
        "trigger": "HLT_xe100 && is_data",
        "score": "Jet_score",
        "best": "Max(score) + M_PI",
        "jet_b_tag": "Jet_score > 0.5",
        "weight": "weight * Flag_x",
        "n_good": "Sum(jet_pt[Jet_score > 0.5] > 30)",
        "unforeseen": "no_function(Flag_x)",
    }
    file = inspected(path, extra)
    assert not file.n_events
    reader.require_columns(file, reader.Needs(frozenset(extra), "this"))
    df = reader.open_files([file]).data_frame()
    df = define(df, [Definition("x", "score + best + n_good + jet_b_tag[0]")])
    df = apply_cut(df, Cut("all", "trigger && x > 0 && unforeseen > 0", ""))
    assert df.Sum("weight").GetValue() == 0
    assert kind_of(df, "score") == "double"


def test_ntuples_of_numbers(tmp_path: Path) -> None:
    """Columns of numbers, of which vectors are made."""
    path = write_tree(tmp_path / "t.root", "nt", {"run": np.array([7]), "j1": np.array([50.0])})
    columns = (("run_number", "run"), ("event_number", "1"), ("weight", "1"))
    df = opened(path, {"jet_pt": "ROOT::RVecF{float(j1)}"}, columns=columns)
    assert values(df, "jet_pt", "run_number") == [[[50]], [7]]
