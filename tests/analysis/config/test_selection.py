"""Selections of users: resolved, written, refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from analysis.config import Config, load
from analysis.config.selection import BUILT_IN, SelectionSettings, as_settings
from common.runtime.errors import ConfigError
from selections import monojet36
from selections.selection import Selection

OWN: dict[str, Any] = {
    "extends": "monojet36",
    "columns": {"trigger": "HLT_xe110", "sf": "sf_el * sf_mu"},
    "define": {
        "met_significance": "met / sqrt(ht)",
        "mt": "transverse_mass(muon_pt[0], muon_phi[0], met, met_phi)",
    },
    "weights": ["weight", "sf"],
    "regions": {
        "SR_tight": {"extends": "SR", "add": {"significance": "met_significance > 12"}},
        "CR1mu": {
            "extends": "SR",
            "replace": {"muon_veto": "n_muons == 1"},
            "add": {"mt": "30 < mt && mt < 100"},
        },
    },
    "histograms": {
        "leading_jet_pt": {
            "bins": [250, 300, 400, 600, 1000],
            "regions": ["SR", "CR1mu"],
            "label": "leading jet $p_T$ [GeV]",
        }
    },
}


def written(tmp_path: Path, selection: Any, name: str = "mine.yaml") -> Path:
    """Write a configuration with a selection."""
    samples = [{"process": "Znunu", "slice": "high", "events": 100}]
    path = tmp_path / name
    path.write_text(
        yaml.safe_dump(
            {"name": "mine", "samples": samples, "selection": selection}, sort_keys=False
        )
    )
    return path


def resolved(tmp_path: Path, selection: Any) -> Selection:
    """Return a selection as it is applied."""
    return load(written(tmp_path, selection)).selection.resolved


def changed(**sections: Any) -> dict[str, Any]:
    """Return the selection with some sections changed."""
    return OWN | sections


def test_the_default_is_that_of_36_inverse_femtobarn(tiny_config: Config) -> None:
    assert tiny_config.selection.resolved == monojet36.SELECTION


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_built_in_selection_by_its_name(tmp_path: Path, name: str) -> None:
    assert resolved(tmp_path, name) == BUILT_IN[name]
    assert resolved(tmp_path, {"extends": name}) == BUILT_IN[name]


def test_the_luminosity_is_that_of_the_built_in_selection(tmp_path: Path) -> None:
    assert load(written(tmp_path, "monojet139")).luminosity == 139
    assert load(written(tmp_path, {"extends": {"extends": "monojet139"}})).luminosity == 139
    assert load(written(tmp_path, OWN)).luminosity == 36.1
    assert load(written(tmp_path, "monojet139"), luminosity=30).luminosity == 30


def test_a_selection_of_ones_own(tmp_path: Path) -> None:
    found = resolved(tmp_path, OWN)
    assert found.used == ("SR", "SR_no_veto", "SR_tight", "CR1mu")
    assert [cut.name for cut in found.regions["SR_tight"].cuts][-1] == "significance"
    names = [cut.name for cut in found.regions["CR1mu"].cuts]
    assert names == [cut.name for cut in monojet36.SR.cuts] + ["mt"]
    assert found.regions["CR1mu"].cuts[5].expression == "n_muons == 1"
    assert found.definitions[:-2] == monojet36.DEFINITIONS
    assert found.definitions[-1].expression == (
        "monojet::transverse_mass(monojet::at(muon_pt, 0), monojet::at(muon_phi, 0), met, met_phi)"
    )
    assert found.weights == ("weight", "sf")
    assert found.histograms["leading_jet_pt"].regions == ("SR", "CR1mu")
    assert found.histograms["met"] == monojet36.SELECTION.histograms["met"]
    assert [one.name for one in found.histograms_in("SR_tight")] == [
        *("met", "leading_jet_eta", "n_jets")
    ]


def test_settings_hold_all_of_a_selection(tmp_path: Path) -> None:
    config = load(written(tmp_path, OWN))
    again = Config.model_validate(config.model_dump(mode="json"))
    assert again == config
    assert again.selection.resolved == config.selection.resolved


def test_a_region_of_the_same_name_extends_the_inherited_one(tmp_path: Path) -> None:
    regions = {"SR": {"extends": "SR", "remove": ["n_jets"]}, "also": {"extends": "SR"}}
    found = resolved(tmp_path, {"extends": "monojet36", "regions": regions})
    assert "n_jets" not in [cut.name for cut in found.regions["SR"].cuts]
    assert found.regions["also"].cuts == found.regions["SR"].cuts


def test_a_selection_from_nothing(tmp_path: Path) -> None:
    found = resolved(
        tmp_path,
        {
            "define": {"hard": "Sum(jet_pt > 100)"},
            "regions": {"A": {"cuts": {"two": {"cut": "hard >= 2", "label": "two hard jets"}}}},
            "bins": {"variable": "hard", "edges": [1, 2, 3]},
            "histograms": {"hard": {"bins": {"number": 4, "low": 0, "high": 4}}},
        },
    )
    assert found.used == ("A",)
    assert found.regions["A"].cuts[0].latex == "two hard jets"
    assert [one.name for one in found.binning.exclusive] == ["EM1", "EM2", "EM3"]
    assert found.histograms["hard"].axes[0].edges == (0, 1, 2, 3, 4)


def test_used_regions_and_left_out_histograms(tmp_path: Path) -> None:
    found = resolved(
        tmp_path,
        {"extends": "monojet36", "use": ["CR2mu", "SR"], "histograms": {"met": None}},
    )
    assert found.used == ("CR2mu", "SR")
    assert "met" not in found.histograms


def test_a_hidden_region_hides_those_within_and_around_it(tmp_path: Path) -> None:
    found = resolved(tmp_path, changed(blind="SR"))
    assert [name for name in found.used if found.hidden(name)] == ["SR", "SR_no_veto", "SR_tight"]


# --- Files ----------------------------------------------------------------------------------------


def test_a_file_that_extends_a_file(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "base.yaml").write_text(yaml.safe_dump(OWN))
    further = {"extends": "sub/base.yaml", "regions": {"tighter": {"extends": "SR_tight"}}}
    (tmp_path / "further.yaml").write_text(yaml.safe_dump({"selection": further}))
    config = load(written(tmp_path, "further.yaml"))
    found = config.selection.resolved
    assert found.regions["tighter"].cuts == found.regions["SR_tight"].cuts
    keys = config.selection.keys("selection.")
    assert keys["SR_tight significance"] == "selection.extends.regions.SR_tight.add.significance"
    assert Config.model_validate(config.model_dump(mode="json")).selection.resolved == found


def test_a_file_in_python(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(
        "from dataclasses import replace\n"
        "from selections import monojet36\n"
        "from selections.cuts import Cut, Region\n"
        "one = Region('one', (monojet36.MET, Cut('jets', 'n_jets == 1', 'one jet')))\n"
        "SELECTION = replace(\n"
        "    monojet36.SELECTION, name='own', regions={'one': one}, used=('one',), histograms={}\n"
        ")\n"
    )
    found = resolved(tmp_path, "own.py")
    assert found.name == "own"
    assert [cut.latex for cut in found.regions["one"].cuts][1] == "one jet"
    found = resolved(tmp_path, {"extends": "own.py", "regions": {"two": {"extends": "one"}}})
    assert found.used == ("one", "two")


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_built_in_selection_as_settings(name: str) -> None:
    selection = BUILT_IN[name]
    found = SelectionSettings.model_validate(as_settings(selection)).resolved
    assert found.regions.keys() == selection.regions.keys()
    assert found.binning == selection.binning
    assert found.used == selection.used


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a.yaml": {"extends": "b.yaml"}, "b.yaml": {"extends": "a.yaml"}}, "a circle: a.yaml"),
        ({"a.yaml": ["SR"]}, "not a mapping"),
        ({"a.yaml": {"extends": "c.yaml"}}, "no file"),
        ({}, "no file"),
    ],
)
def test_files_that_are_wrong(tmp_path: Path, files: dict[str, Any], message: str) -> None:
    for name, content in files.items():
        (tmp_path / name).write_text(yaml.safe_dump(content))
    with pytest.raises(ConfigError, match=message) as error:
        load(written(tmp_path, "a.yaml"))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [("1/0", "ZeroDivisionError"), ("SELECTION = 3", "must define SELECTION")],
)
def test_python_files_that_are_wrong(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "own.py").write_text(text)
    with pytest.raises(ConfigError, match=message):
        load(written(tmp_path, "own.py"))


# --- Bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        (
            {"regions": {"A": {"extends": "SRR"}}},
            "'selection.regions.A.extends': no region 'SRR' (did you mean 'SR'?)",
        ),
        (
            {"regions": {"A": {"extends": "B"}, "B": {"extends": "A"}}, "histograms": {}},
            "'selection.regions.B.extends': a circle: A extends B extends A",
        ),
        (
            {"regions": {"A": {"extends": "A"}}, "histograms": {}},
            "'selection.regions.A.extends': a circle: A extends A",
        ),
        (
            {"regions": {"A": {"extends": "SR", "add": {"b": "met_sig > 1"}}}, "histograms": {}},
            "'selection.regions.A.add.b': no column 'met_sig'",
        ),
        (
            {"histograms": {"x": {"bins": [0, 1], "variable": "met", "regions": ["CR9"]}}},
            "'selection.histograms.x.regions': no region 'CR9'",
        ),
        (
            {"histograms": {"x": {"bins": [0, 1], "variable": "met", "regions": ["CR2mu"]}}},
            "'selection.histograms.x.regions': region 'CR2mu' is not used: add it to 'use'",
        ),
        ({"extends": "monojet3"}, "'selection.extends': unknown selection 'monojet3'"),
        ({"weights": ["weight", "sff"]}, "'selection.weights.1': no column 'sff' (did you mean"),
        (
            {"define": {"a": "b + 1", "b": "met"}},
            "'selection.define.a': 'b' is defined below it: change their order",
        ),
        (
            {"define": {"met": "1"}},
            "'selection.define': 'met' is a column of all formats: override it under 'columns'",
        ),
        (
            {"histograms": {"met": {"bins": [2, 1]}}},
            "'selection.histograms.met.bins': the edges must ascend",
        ),
        (
            {"histograms": {"met": {"bins": {"number": 3, "low": 0}}}},
            "'selection.histograms.met.bins': give the edges, or all of 'number', 'low' and 'high'",
        ),
        (
            {"regions": {"A": {"extends": "SR", "replace": {"muon": "1"}}}, "histograms": {}},
            "'selection.regions.A.replace': no cut of 'SR' 'muon'",
        ),
        (
            {"regions": {"A": {"add": {"x": "met > 1"}}}, "histograms": {}},
            "'selection.regions.A': 'add' requires 'extends'",
        ),
        (
            {"regions": {"A": {"extends": "SR", "add": {"met": "met > 1"}}}, "histograms": {}},
            "'selection.regions.A.add.met': 'SR' has a cut of this name: use 'replace', or another "
            "name",
        ),
        ({"blind": "SRX"}, "'selection.blind': no region 'SRX'"),
        ({"use": ["SRX"]}, "'selection.use': no region 'SRX'"),
        ({"wieghts": ["weight"]}, "unknown key 'selection.wieghts' (did you mean 'weights'?)"),
    ],
)
def test_mistakes_are_refused_with_their_key(
    tmp_path: Path, sections: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError) as error:
        load(written(tmp_path, changed(**sections)))
    (line,) = str(error.value).splitlines()
    assert message in line


def test_a_region_of_the_selection_may_be_named_elsewhere(tmp_path: Path) -> None:
    path = written(tmp_path, OWN)
    config = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump(config | {"imaging": {"region": "SR_tight"}}))
    assert load(path).imaging.region == "SR_tight"
    path.write_text(yaml.safe_dump(config | {"imaging": {"region": "SR_tigth"}}))
    with pytest.raises(ConfigError, match=r"'imaging.region': unknown region 'SR_tigth' \(did you"):
        load(path)
