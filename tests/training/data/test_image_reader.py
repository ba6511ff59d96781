"""Reading image files in ranges; bad files."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from common.runtime.errors import InputError
from common.schema.images import COMPRESSIONS
from tests.training.image_files import (
    flip_a_bit,
    image_columns,
    read_all,
    write_columns,
    write_images,
)
from tests.training.reference_images import RUN, write
from training.data import batches
from training.data.image_reader import EventRange, ImageFiles
from training.data.sparse_images import Images

MEANS = np.array([10, 2, 0.5, 30, 1, 0.5, 50, 0.25], np.float32)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("images") / "six.h5", (0, 1, 2, 3), (4, 5))


def read(path: Path, compression: str = "rowcol") -> Images:
    return read_all([path], [1], compression)


# --- Files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_files_are_read_in_their_order_each_with_its_label(
    path: Path, tmp_path: Path, compression: str
) -> None:
    other = write(tmp_path / "other.h5", (5, 2))
    found = read_all([other, path, other], [0, 1, 0], compression)
    order = np.array([5, 2, *range(6), 5, 2])
    assert found.label.tolist() == [0] * 2 + [1] * 6 + [0] * 2
    assert found.event_number.tolist() == order.tolist()
    assert found.fold.tolist() == (order % 2).tolist()
    assert (found.run_number == RUN).all()
    assert len(found) == len(order)
    np.testing.assert_array_equal(
        batches.dense(found, np.arange(len(order)), MEANS, 60),
        batches.dense(read(path, compression), order, MEANS, 60),
    )


def test_labels_and_files_must_be_as_many(path: Path) -> None:
    with pytest.raises(ValueError, match="shorter"):
        ImageFiles([path, path], [1], "cell")


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_a_range_holds_what_the_whole_file_holds_there(path: Path, compression: str) -> None:
    whole = read(path, compression)
    with ImageFiles([path], [1], compression) as files:
        for begin in range(6):
            for end in range(begin + 1, 7):
                part = files.read(EventRange(0, begin, end, begin))
                for found in (part, whole.take(np.arange(begin, end))):
                    np.testing.assert_array_equal(
                        batches.dense(found, np.arange(end - begin), MEANS, 60),
                        batches.dense(whole, np.arange(begin, end), MEANS, 60),
                    )
                    assert found.event_number.tolist() == list(range(begin, end))


def test_ranges_number_the_events_through_all_files(path: Path, tmp_path: Path) -> None:
    other = write(tmp_path / "other.h5", (5, 2))
    with ImageFiles([other, path], [0, 1], "cell") as files:
        assert [(r.file, r.begin, r.end, r.first) for r in files.ranges(4)] == [
            *((0, 0, 2, 0), (1, 0, 4, 2), (1, 4, 6, 6))
        ]
        assert all((files.read(r).fold == r.view(files.fold)).all() for r in files.ranges(4))
        key = files.identity()
    assert key["event_number"].tolist() == [5, 2, 0, 1, 2, 3, 4, 5]
    assert key["fold"].tolist() == [1, 0, 0, 1, 0, 1, 0, 1]


# --- Bad files ------------------------------------------------------------------------------------


@pytest.fixture
def copy(path: Path, tmp_path: Path) -> Path:
    """A good file, to be damaged."""
    return Path(shutil.copy(path, tmp_path / "copy.h5"))


@pytest.mark.parametrize("version", [1, 2, 3, 4, None])
def test_another_schema_version_is_refused_and_named(copy: Path, version: int | None) -> None:
    with h5py.File(copy, "a") as file:
        del file.attrs["schema"]
        if version is not None:
            file.attrs["schema"] = version
    with pytest.raises(
        InputError, match=rf"copy\.h5: .*schema version {version}.* --stage imaging"
    ):
        read(copy)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.99])
def test_a_truncated_file_is_refused_and_named(copy: Path, share: float) -> None:
    content = copy.read_bytes()
    copy.write_bytes(content[: int(share * len(content))])
    _refused(copy)


def _refused(path: Path, compression: str = "stochastic") -> None:
    with pytest.raises(
        InputError, match=r"copy\.h5: damaged or incomplete image file .*--stage imaging"
    ) as e:
        read(path, compression)
    assert len(str(e.value).splitlines()) == 1


@pytest.mark.parametrize(
    "damaged",
    [
        *("cells/offsets", "cells/row", "cells/column", "cells/values", "events/fold"),
        *("compression/stochastic/row", "compression/stochastic/kept_columns"),
        *("events/run_number", "events/event_number"),
    ],
)
def test_a_flipped_bit_is_noticed(copy: Path, damaged: str) -> None:
    flip_a_bit(copy, damaged)
    _refused(copy, "wrong checksum")


def test_a_flipped_bit_in_one_chunk_spares_the_others(tmp_path: Path) -> None:
    """Of a range only that range is read."""
    large = write_columns(tmp_path / "copy.h5", image_columns(40, most_cells=6000))
    flip_a_bit(large, "cells/row", chunk=1)
    with ImageFiles([large], [1], "none") as files:
        files.read(files.ranges(1)[0])
        with pytest.raises(InputError, match=r"copy\.h5: damaged or incomplete"):
            files.read(files.ranges(40)[0])


@pytest.mark.parametrize(
    "lost",
    ["cells/values", "compression/stochastic", "events/fold", "events/weight", "events/run_number"],
)
def test_a_file_that_lacks_a_column_is_refused(copy: Path, lost: str) -> None:
    with h5py.File(copy, "a") as file:
        del file[lost]
    _refused(copy)


@pytest.mark.parametrize("short", ["cells/values", "cells/row", "cells/offsets", "events/fold"])
def test_columns_that_do_not_fit_together_are_refused(copy: Path, short: str) -> None:
    with h5py.File(copy, "a") as file:
        file[short].resize(len(file[short]) - 1, axis=0)
    _refused(copy)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.h5: no such image file"):
        read(tmp_path / "nowhere.h5")


OTHERWISE: dict[str, Any] = {
    "particle_threshold_GeV": 2.0,
    "jet_threshold_GeV": 30.0,
    "region": "SR",
    "detector": "{}",
    "folds": 3,
}


@pytest.mark.parametrize("name", OTHERWISE)
def test_files_of_two_configurations_are_refused(path: Path, tmp_path: Path, name: str) -> None:
    other = write_images(tmp_path / "other.h5", 2)
    with h5py.File(other, "a") as file:
        file.attrs[name] = OTHERWISE[name]
    with pytest.raises(InputError, match=rf"other\.h5: images made with {name} = .*six\.h5 has"):
        ImageFiles([path, other], [1, 0], "cell")


@pytest.mark.parametrize("name", OTHERWISE)
def test_a_file_of_another_configuration_than_the_runs_is_refused(path: Path, name: str) -> None:
    with pytest.raises(InputError, match=rf"six\.h5: images made with {name} = .* this run has"):
        ImageFiles([path], [1], "cell", {name: OTHERWISE[name]})
    ImageFiles([path], [1], "cell", {"particle_threshold_GeV": 1, "region": ""}).close()


@pytest.mark.parametrize(
    ("name", "value"), [("grid_shape", (50, 63)), ("channels", ["pt_all", "emf"])]
)
def test_a_file_with_another_grid_is_refused(copy: Path, name: str, value: Any) -> None:
    with h5py.File(copy, "a") as file:
        file.attrs[name] = value
    with pytest.raises(InputError, match=rf"copy\.h5: images made with {name} = .*this program"):
        read(copy)


@pytest.mark.parametrize("name", ["grid_shape", "folds"])
def test_a_file_that_does_not_say_how_it_was_made_is_refused(copy: Path, name: str) -> None:
    with h5py.File(copy, "a") as file:
        del file.attrs[name]
    _refused(copy)
