"""Histograms are stored exactly, the same each time, and readable by anyone."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import boost_histogram as bh
import h5py
import numpy as np
import pytest
import uhi.io.hdf5

from common.runtime.errors import InputError
from common.schema.templates import N_MINUS_ONE, Template, Templates, weighted

EDGES = (250.0, 300.1, 400.0)
ETA = (-2.4, 0.0, 0.3, 2.4)


def template(region: str = "SR", process: str = "Znunu", name: str = "met") -> Template:
    values, variances = np.array([0.0, 0.1, -2.0, 1e-300]), np.array([0.0, 0.3, 4.0, 1e300])
    histogram = weighted([EDGES], [r"$E_\mathrm{T}$ [GeV]"], values, variances)
    return Template(region, process, name, "a title ⁻¹", histogram, 17, 3)


def two_dimensional() -> Template:
    values = np.arange(20.0).reshape(4, 5) / 3
    return Template(
        "CR", "Wenu", "xy", "", weighted([EDGES, ETA], ["x", "y"], values, values**2), 5
    )


ALL = Templates(
    36.1,
    (
        two_dimensional(),
        template(),
        template(process="Wenu"),
        template(name=f"{N_MINUS_ONE}met"),
        template("CR"),
    ),
)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    written = tmp_path_factory.mktemp("templates") / "histograms.h5"
    ALL.write(written)
    return written


def test_what_is_written_is_read(path: Path) -> None:
    found = Templates.read(path)
    assert found.luminosity == 36.1
    assert {one.path: one for one in found.templates} == {one.path: one for one in ALL.templates}
    assert [one.path for one in found.templates] == [
        "CR/Wenu/xy",
        "CR/Znunu/met",
        "SR/Wenu/met",
        "SR/Znunu/met",
        "SR/Znunu/n_minus_one/met",
    ]


def test_content_is_kept_to_the_last_bit(path: Path) -> None:
    found = Templates.read(path).by_process("SR", "met")["Znunu"]
    assert found.values.tolist() == [0.0, 0.1, -2.0, 1e-300]
    assert found.variances.tolist() == [0.0, 0.3, 4.0, 1e300]
    assert found.edges[0].tolist() == list(EDGES)
    assert found.labels == (r"$E_\mathrm{T}$ [GeV]",)
    assert (found.title, found.entries, found.n_without_value) == ("a title ⁻¹", 17, 3)
    two = Templates.read(path).by_process("CR", "xy")["Wenu"]
    assert [edges.tolist() for edges in two.edges] == [list(EDGES), list(ETA)]
    assert two.values[1, 3] == 8 / 3
    assert two.labels == ("x", "y")


def test_histograms_are_found_by_region_name_and_process() -> None:
    assert ALL.regions == ("CR", "SR")
    assert ALL.names("SR") == ("met", "n_minus_one/met")
    assert list(ALL.by_process("SR", "met")) == ["Znunu", "Wenu"]
    assert ALL.by_process("SR", "xy") == {}


def test_two_lines_read_a_histogram(path: Path) -> None:
    with h5py.File(path) as file:
        read: Any = uhi.io.hdf5.read(file["SR/Znunu/n_minus_one/met"])
    found = bh.Histogram(read)
    assert found.values().tolist() == [0.1, -2.0]
    assert np.asarray(found.variances(flow=True)).tolist() == [0.0, 0.3, 4.0, 1e300]
    assert found.axes[0].__dict__["label"] == r"$E_\mathrm{T}$ [GeV]"
    assert found.name == "n_minus_one/met"


def test_equal_content_gives_equal_bytes(path: Path, tmp_path: Path) -> None:
    time.sleep(1.1)  # the resolution of HDF5's time stamps is a second
    other = tmp_path / "other.h5"
    Templates(36.1, ALL.templates[::-1]).write(other)
    assert other.read_bytes() == path.read_bytes()
    replace(ALL, luminosity=36.2).write(other)
    assert other.read_bytes() != path.read_bytes()


def test_a_value_that_differs_tells_histograms_apart() -> None:
    one = template()
    changed = weighted([EDGES], [one.labels[0]], [0, 0.1, -2, 1], one.variances)
    assert template() == one
    assert replace(one, histogram=changed) != one


def test_no_histograms_are_stored_too(tmp_path: Path) -> None:
    Templates(1.0, ()).write(tmp_path / "none.h5")
    assert Templates.read(tmp_path / "none.h5") == Templates(1.0, ())


@pytest.mark.parametrize(
    ("others", "message"),
    [
        ([template(), template()], "'SR/Znunu/met' and 'SR/Znunu/met' are groups of two"),
        ([template(name="n_minus_one")], "'SR/Znunu/n_minus_one' and 'SR/Znunu/n_minus_one/met'"),
        ([template(process="a/b")], "'SR/a/b/met' cannot be the group of a histogram"),
        ([template(region="")], "'/Znunu/met' cannot be"),
    ],
)
def test_groups_are_distinct(tmp_path: Path, others: list[Template], message: str) -> None:
    path = tmp_path / "histograms.h5"
    with pytest.raises(ValueError, match=message):
        Templates(1.0, (template(name="n_minus_one/met"), *others)).write(path)
    assert not list(tmp_path.iterdir())


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match=r"shape \(2,\), the axes have \(4,\)"):
        weighted([EDGES], ["x"], [1, 2], [1, 2])


def test_a_missing_file_is_named_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.h5: no such file.*--stage cutflow"):
        Templates.read(tmp_path / "none.h5")


def test_a_damaged_file_is_named_with_the_remedy(path: Path, tmp_path: Path) -> None:
    content, damaged = path.read_bytes(), tmp_path / "histograms.h5"
    for wrong in (b"no HDF5", content[: len(content) // 2], b""):
        damaged.write_bytes(wrong)
        with pytest.raises(InputError, match=r"histograms\.h5: not a whole file.*--force"):
            Templates.read(damaged)


def test_a_flipped_bit_of_a_number_is_found(path: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "histograms.h5"
    with h5py.File(path) as file:
        place = file["SR/Znunu/met/storage/values"].id.get_chunk_info(0).byte_offset
    content = bytearray(path.read_bytes())
    content[place + 6] ^= 4
    damaged.write_bytes(content)
    with pytest.raises(InputError, match=r"histograms\.h5: not a whole file"):
        Templates.read(damaged)


def test_other_content_is_refused(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "histograms.h5"
    other.write_bytes(path.read_bytes())
    with h5py.File(other, "a") as file:
        del file["SR/Znunu/met/metadata"]
    with pytest.raises(InputError, match=r"histograms\.h5: not a whole file of histograms \(metad"):
        Templates.read(other)
    with h5py.File(other, "a") as file:
        file.attrs["schema"] = 99
    with pytest.raises(InputError, match="schema version 99, this program reads 1"):
        Templates.read(other)
