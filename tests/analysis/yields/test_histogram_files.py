"""Histograms for ROOT hold what those for Python hold."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uproot

from analysis.yields.histogram_files import write_root
from common.runtime.errors import OutputError
from common.schema.templates import Template, Templates, weighted
from cpp_helpers import load_root

EDGES = (250.0, 300.1, 400.0, 1000.0)
ETA = (-2.4, 0.0, 2.4)
LABEL = r"$E_\mathrm{T}^\mathrm{miss}$ [GeV]"
VALUES = np.array([0.5, 10.0, -3.0, 0.1, 2.0])
SQUARES = np.array([0.25, 20.0, 9.0, 0.01, 5.0])


def template(region: str, process: str, name: str, title: str = "") -> Template:
    return Template(region, process, name, title, weighted([EDGES], [LABEL], VALUES, SQUARES), 42)


TWO = Template(
    "SR",
    "Znunu",
    "xy",
    r"$x$ and $\eta$",
    weighted(
        [EDGES, ETA],
        ["x", r"$\eta$"],
        np.arange(20.0).reshape(5, 4),
        np.arange(20.0).reshape(5, 4) * 2,
    ),
    7,
)
ALL = Templates(
    36.1,
    (
        template("SR", "Znunu", "leading_jet_pt"),
        template("SR", "Wenu", "leading_jet_pt"),
        template("SR", "Znunu", "n_minus_one/met", "$p > 5$"),
        template("CR 1µ", "Z-a", "1st"),
        template("CR 1µ", "Z a", "1st"),
        TWO,
    ),
)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    written = tmp_path_factory.mktemp("root") / "histograms.root"
    write_root(written, ALL)
    return written


@pytest.fixture(scope="module")
def handle(path: Path) -> Iterator[Any]:
    found = load_root().TFile.Open(str(path))
    yield found
    found.Close()


def test_each_region_and_process_has_a_folder(path: Path) -> None:
    with uproot.open(path) as file:
        histograms = {key.partition(";")[0] for key in file.keys(filter_classname="TH*")}
    assert histograms == {
        "SR/Znunu/leading_jet_pt",
        "SR/Wenu/leading_jet_pt",
        "SR/Znunu/n_minus_one/met",
        "SR/Znunu/xy",
        "CR_1_/Z_a/_1st",
        "CR_1_/Z_a_2/_1st",
    }


def test_uproot_reads_contents_errors_and_flow(path: Path) -> None:
    with uproot.open(path) as file:
        found = file["SR/Znunu/leading_jet_pt"]
        assert found.values(flow=True).tolist() == VALUES.tolist()
        assert found.variances(flow=True).tolist() == SQUARES.tolist()
        assert found.errors(flow=True) == pytest.approx(np.sqrt(SQUARES))
        assert found.axis().edges().tolist() == list(EDGES)
        assert found.member("fEntries") == 42
        assert found.axis().member("fTitle") == "E_{T}^{miss} [GeV]"
        two = file["SR/Znunu/xy"]
        assert two.values(flow=True).tolist() == TWO.values.tolist()
        assert two.variances(flow=True).tolist() == TWO.variances.tolist()
        assert [two.axis(i).edges().tolist() for i in range(2)] == [list(EDGES), list(ETA)]
        assert two.axis("y").member("fTitle") == "#eta"


def test_root_reads_contents_errors_and_entries(handle: Any) -> None:
    found = handle.Get("SR/Znunu/leading_jet_pt")
    assert found.ClassName() == "TH1D"
    assert [found.GetBinContent(i) for i in range(5)] == VALUES.tolist()
    assert [found.GetBinError(i) for i in range(5)] == pytest.approx(np.sqrt(SQUARES))
    assert found.GetEntries() == 42
    assert found.GetSumw2N() == 5
    assert found.GetXaxis().GetTitle() == "E_{T}^{miss} [GeV]"
    centres = (np.array(EDGES[1:]) + EDGES[:-1]) / 2
    assert found.GetMean() == pytest.approx((VALUES[1:-1] * centres).sum() / VALUES[1:-1].sum())
    two = handle.Get("SR/Znunu/xy")
    assert two.ClassName() == "TH2D"
    assert [two.GetBinContent(3, j) for j in range(4)] == TWO.values[3].tolist()
    assert two.GetBinError(1, 2) == pytest.approx(np.sqrt(TWO.variances[1, 2]))
    assert two.GetTitle() == "x and #eta"
    assert two.GetEntries() == 7


def test_titles_tell_original_names(handle: Any) -> None:
    region = handle.Get("CR_1_")
    assert region.GetTitle() == "CR 1µ"
    assert [region.Get(name).GetTitle() for name in ("Z_a", "Z_a_2")] == ["Z a", "Z-a"]
    assert region.Get("Z_a/_1st").GetTitle() == "1st"
    assert handle.Get("SR/Znunu/n_minus_one/met").GetTitle() == "p > 5"


def test_equal_content_gives_equal_bytes(path: Path, tmp_path: Path) -> None:
    time.sleep(1.1)  # the resolution of ROOT's time stamps is a second
    other = tmp_path / "of another name#?.root"
    write_root(other, Templates(36.1, ALL.templates[::-1]))
    assert other.read_bytes() == path.read_bytes()
    assert [one.name for one in tmp_path.iterdir()] == [other.name]


def test_no_histograms_make_a_file(tmp_path: Path) -> None:
    write_root(tmp_path / "none.root", Templates(1.0, ()))
    with uproot.open(tmp_path / "none.root") as file:
        assert file.keys() == []


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"file/histograms\.root: cannot write"):
        write_root(tmp_path / "file" / "histograms.root", ALL)
