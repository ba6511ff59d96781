"""Matrix files: what is written is read, block by block; errors name the file and the dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from common.runtime.errors import InputError
from common.schema import matrices
from common.schema.matrices import MatrixFile, MatrixWriter, Subset, frame, read_events

N = 10


def columns(n: int = N) -> dict[str, Any]:
    return {
        "features": np.arange(2 * n, dtype=np.float32).reshape(n, 2),
        "events/run_number": np.full(n, 3, np.uint32),
        "events/event_number": np.arange(n, dtype=np.uint64),
        "events/weight": np.linspace(-1, 1, n),
        "events/subset": np.resize(list(Subset), n).astype(np.uint8),
        "events/met": np.arange(n, dtype=np.float32),
    }


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "WZ.h5"
    with MatrixWriter(path) as writer:
        for rows in (slice(4), slice(4, N)):
            writer.append({name: values[rows] for name, values in columns().items()})
        writer.attributes = {
            "names": ["met", "et_jet1"],
            "objects": '{"jet": 0}',
            "normalisation": 2.0,
            "data": False,
        }
    return path


def test_events_are_read_in_blocks(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matrices, "ROWS", 4)
    with MatrixFile(path) as file:
        assert len(file) == N
        assert (file.names, file.objects) == (("met", "et_jet1"), {"jet": 0})
        assert (file.normalisation, file.is_data) == (2.0, False)
        assert file.element("et_jet1").tolist() == list(range(1, 2 * N, 2))
        blocks = list(file.blocks())
    assert [len(block["features"]) for block in blocks] == [4, 4, 2]
    for name, values in columns().items():
        np.testing.assert_array_equal(np.concatenate([b[name] for b in blocks]), values)


def test_the_pandas_table_has_all_columns(path: Path) -> None:
    table = frame(path)
    assert table["rmm_et_jet1"].tolist() == list(range(1, 2 * N, 2))
    assert table["subset"].tolist() == read_events(path, ["subset"])["subset"].tolist()
    assert len(table.columns) == 2 + 5


def test_a_file_without_events_has_one_empty_block(tmp_path: Path) -> None:
    with MatrixWriter(tmp_path / "none.h5") as writer:
        writer.append(columns(0))
    with MatrixFile(tmp_path / "none.h5") as file:
        (block,) = file.blocks()
    assert block["features"].shape == (0, 2)


def test_an_error_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), MatrixWriter(tmp_path / "cut.h5") as writer:  # noqa: PT012
        writer.append(columns())
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_what_a_file_lacks_is_named(path: Path) -> None:
    with MatrixFile(path) as file:
        with pytest.raises(InputError, match=r"WZ\.h5: no element 'et_jet' .*'et_jet1'"):
            file.element("et_jet")
        with pytest.raises(
            InputError, match=r"WZ\.h5: dataset 'events/mett' is damaged or missing"
        ):
            file.column("mett")
        with pytest.raises(InputError, match=r"WZ\.h5: attribute 'cutflow' is damaged or missing"):
            file.attribute("cutflow")
    with h5py.File(path, "a") as file:
        file.attrs["schema"] = 1
    with pytest.raises(InputError, match="schema version 1, this program reads 2: make it again"):
        read_events(path, ["met"])
