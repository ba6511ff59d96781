"""Flat ntuples that nobody foresaw: the configuration says what their columns are."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot
from pydantic import ValidationError

from analysis.config import FileSample, load
from analysis.formats.columns import CANONICAL, plain_type
from analysis.formats.format import Layout
from analysis.images import imaging
from analysis.inputs import reader
from analysis.workflow.run import Run
from analysis.yields import cutflow
from common.runtime.errors import InputError
from cpp_helpers import load_root
from tests.analysis.plain import PLAIN
from tests.conftest import REPOSITORY, make_stage
from tests.frames import open_frame

EVENT = {"run_number": "1", "event_number": "evt", "weight": "w"}
PARTICLES = {
    "particle_pt": "p.pt / 1000",
    "particle_eta": "p.eta",
    "particle_phi": "p.phi",
    "particle_energy": "p.pt / 1000 * cosh(p.eta)",
    "particle_pdg_id": "p.id",
}


@pytest.fixture
def ntuple(tmp_path: Path) -> Path:
    """Two events of doubles, shorts and MeV: a jet of pions against neutrinos; and a muon too."""
    path = tmp_path / "flat.root"
    with uproot.recreate(path) as file:
        file["nominal"] = {
            "evt": np.array([7, 8], dtype=np.int32),
            "w": np.array([1.5, 2.5], dtype=np.float32),
            "met_et": np.array([300e3, 310e3]),
            "ptmiss_phi": np.array([1.0, 2.0]),
            "p": ak.zip(
                {
                    "pt": ak.Array([[200e3, 110e3], [300e3, 60e3]]),
                    "eta": ak.Array([[0.5, 0.52], [0.1, -1.0]]),
                    "phi": ak.Array([[0.1, 0.11], [0.2, 3.0]]),
                    "id": ak.values_astype(ak.Array([[211, -211], [130, 13]]), np.int16),
                }
            ),
        }
        file["other"] = {"x": np.array([1])}
    return path


def opened(path: Path, columns: dict[str, str], tree: str | None = "nominal") -> Any:
    file = reader.inspect(str(path), Layout(None, tree, tuple(columns.items())))
    return file, load_root().RDF.AsRNode(open_frame(file, 0, file.n_events))


def test_expressions_become_columns_of_the_canonical_types(ntuple: Path) -> None:
    file, df = opened(ntuple, EVENT | {"met": "met_et / 1000", "met_phi": "ptmiss_phi"})
    for name in file.columns:
        assert plain_type(str(df.GetColumnType(name))) == CANONICAL[name]
    found = df.AsNumpy(["event_number", "weight", "met", "met_phi"])
    assert found["event_number"].tolist() == [7, 8]
    assert found["weight"].tolist() == [1.5, 2.5]
    assert found["met"].tolist() == [300, 310]
    assert found["met_phi"].tolist() == [1, 2]


def test_what_is_not_said_is_made_of_the_particles(ntuple: Path) -> None:
    file, df = opened(ntuple, EVENT | PARTICLES)
    reader.require_columns(file, imaging.needs(PLAIN))
    reader.require_columns(file, cutflow.needs(PLAIN))
    charges, jets, muons = (
        [list(one) for one in df.Take["ROOT::RVecI"](name)] if name == "particle_charge"
        else [list(one) for one in df.Take["ROOT::RVecF"](name)]
        for name in ("particle_charge", "jet_pt", "muon_pt")
    )  # fmt: skip
    assert charges == [[1, -1], [0, -1]]
    assert [[round(pt) for pt in one] for one in jets] == [[310], [300]]  # no jet of the muon
    assert muons == [[], [60]]
    met_no_muons, met = (df.AsNumpy([name])[name] for name in ("met_no_muons", "met"))
    assert met_no_muons == pytest.approx([310, 300], abs=0.5)
    assert met == pytest.approx([310, np.hypot(300 + 60 * np.cos(2.8), 60 * np.sin(2.8))], abs=0.5)


def test_charges_that_are_said_are_taken(ntuple: Path) -> None:
    charge = {"particle_charge": "p.id > 0 ? 1 : -1"}
    with pytest.raises(InputError, match=r"'particle_charge' = '.*' cannot be made: "):
        opened(ntuple, EVENT | PARTICLES | charge)  # of vectors there is no such choice
    charge = {"particle_charge": "Where(p.id > 0, 5, -5)"}
    _, df = opened(ntuple, EVENT | PARTICLES | charge | {"jet_pt": "p.pt"})
    assert [list(one) for one in df.Take["ROOT::RVecI"]("particle_charge")] == [[5, -5], [5, 5]]
    assert list(next(iter(df.Take["ROOT::RVecF"]("jet_pt")))) == [200e3, 110e3]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"met": "met_ett"}, "column 'met' = 'met_ett' cannot be made: .*'met_ett'"),
        ({"met": "p.pt"}, "column 'met' = 'p.pt' cannot be made: .*this column must be a number"),
        ({"jet_pt": "met_et"}, "column 'jet_pt' = 'met_et' cannot .*must be a vector of numbers"),
        ({"jet_pt": "jet_pt / 2"}, "column 'jet_pt' = 'jet_pt / 2' .* no column 'jet_pt'"),
        ({"met": "jet_eta[0]"}, "column 'met' = .* 'nominal' has no column 'jet_eta'"),
        ({"met": "met_et +"}, "column 'met' = 'met_et [+]' cannot be made: "),
    ],
)
def test_an_expression_that_does_not_compile_is_named(
    ntuple: Path, columns: dict[str, str], message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InputError, match=rf"flat\.root: {message}") as error:
        opened(ntuple, EVENT | columns)
    assert "\n" not in str(error.value)
    assert capfd.readouterr() == ("", "")
    _, df = opened(ntuple, EVENT | {"met": "met_et"})  # and the process goes on
    assert df.AsNumpy(["met"])["met"].tolist() == [300e3, 310e3]


def test_a_column_of_the_file_may_have_the_name_of_another(tmp_path: Path) -> None:
    path = tmp_path / "flat.root"
    with uproot.recreate(path) as file:
        file["nominal"] = {
            "evt": np.array([7, 8]),
            "w": np.array([1.0, 2.0]),
            "met": np.array([-1.0, -1.0]),
            "met_calibrated": np.array([300.0, 310.0]),
        }
    _, df = opened(path, EVENT | {"met": "met_calibrated"})
    assert df.AsNumpy(["met"])["met"].tolist() == [300, 310]


def test_the_tree_is_named_where_there_are_several(ntuple: Path) -> None:
    with pytest.raises(
        InputError, match=r"flat.root: 2 trees or ntuples instead of one .*: choose one"
    ):
        opened(ntuple, EVENT, None)
    with pytest.raises(InputError, match=r"flat.root: no tree or ntuple 'tree' \(the file holds"):
        opened(ntuple, EVENT, "tree")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"columns": EVENT | {"mett": "1"}}, "column 'mett' looks like 'met' misspelt"),
        ({"columns": EVENT | {"full_met": "1"}}, "'full_met' is now called 'met'"),
        ({"columns": EVENT | {"full_met_phi": "1"}}, "'full_met_phi' is now called 'met_phi'"),
        ({"columns": EVENT, "format": "mini", "tree": "mini"}, "'columns', but no 'format'"),
        ({"tree": "nominal"}, "'tree' requires 'columns' with run_number, event_number, weight"),
        ({"columns": {"met": "1"}, "tree": "nominal"}, "'tree' requires 'columns' with run_number"),
    ],
)
def test_what_does_not_fit_is_refused(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        FileSample(process="mine", files=("a.root",), **keys)


def test_the_example_of_the_documents_makes_a_cut_flow(tmp_path: Path) -> None:
    """As printed but for the place of the files: a jet of pile-up is beside the hard one, and a
    muon that is not loose in the second event."""
    _, _, section = (REPOSITORY / "docs/inputs.md").read_text().partition("(`columns`)\n")
    printed = re.search(r"```yaml\n(.*?)```", section, re.DOTALL)
    assert printed is not None
    (tmp_path / "ntuples").mkdir()
    with uproot.recreate(tmp_path / "ntuples/znunu_1.root") as file:
        file["nominal"] = {
            "runNumber": np.full(3, 7, np.uint32),
            "eventNumber": np.arange(3, dtype=np.int64),
            "weight_mc": np.full(3, 2.0),
            "weight_pileup": np.full(3, 0.5),
            "met_et": np.array([300e3, 300e3, 200e3], np.float32),
            "met_phi": np.zeros(3, np.float32),
            "jet_pt": ak.Array([[300e3, 290e3]] * 3),
            "jet_eta": ak.Array([[0.0, 1.0]] * 3),
            "jet_phi": ak.Array([[3.0, 0.1]] * 3),
            "jet_jvt": ak.Array([[0.9, 0.1]] * 3),
            "mu_pt": ak.Array([[], [100e3], [100e3]]),
            "mu_eta": ak.Array([[], [0.0], [0.0]]),
            "mu_phi": ak.Array([[], [0.0], [0.0]]),
            "mu_loose": ak.Array([[], [0], [1]]),
        }
        file["other"] = {"x": np.array([1])}
    (tmp_path / "my.yaml").write_text(
        printed[1].replace("ntuples/znunu", f"{tmp_path}/ntuples/znunu")
    )
    run = Run(load(tmp_path / "my.yaml"), tmp_path / "run")
    make_stage("cutflow", run)
    sample = json.loads(run.table("cutflow").read_text())["samples"]["Znunu"]
    steps = sample["regions"]["SR"]["steps"].values()
    assert [step["entries"] for step in steps] == [3, 3, 3, 3, 3, 3, 2]
