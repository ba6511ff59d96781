"""Dense images in a file of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from common.repository import REPOSITORY
from common.runtime.errors import InputError, OutputError
from common.schema.images import CHANNELS, COMPRESSIONS
from tests.training.image_files import (
    flip_a_bit,
    image_columns,
    read_all,
    write_columns,
    write_images,
)
from training.data import batches, export, image_reader

ALL_CHANNELS = [*CHANNELS, "eta", "phi"]


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    return [write_images(tmp_path / f"{run}.h5", n, run) for run, n in enumerate((30, 7))]


def run(*arguments: object) -> int:
    return export.main([str(argument) for argument in arguments])


@pytest.mark.parametrize("coordinates", [True, False])
@pytest.mark.parametrize("standardise", [True, False])
@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_all_images_are_written_dense(
    paths: list[Path], tmp_path: Path, compression: str, standardise: bool, coordinates: bool
) -> None:
    target = tmp_path / "new" / "dense.h5"
    options = ["--standardise" if standardise else "--raw"]
    options += [] if coordinates else ["--no-coordinates"]
    command = (*paths, "--compression", compression, "--size", 30, *options, "-o", target)
    assert run(*command) == 0
    images = read_all(paths, [0, 0], compression)
    with image_reader.ImageFiles(paths, [0, 0], compression) as files:
        means = batches.channel_means(files, np.ones(37, bool))
    if not standardise:
        means = np.ones(8, np.float32)
    expected = batches.dense(images, np.arange(37), means, 30, coordinates)
    with h5py.File(target) as file:
        np.testing.assert_array_equal(file["images"][:], expected)
        assert file["images"].fletcher32
        assert file["images"].compression == "gzip"
        for name in ("run_number", "event_number", "fold"):
            np.testing.assert_array_equal(file[f"events/{name}"][:], getattr(images, name))
        assert file["events/source"][:].tolist() == [0] * 30 + [1] * 7
        assert len(file["events/weight"]) == 37
        attributes = dict(file.attrs)
    assert list(attributes["channels"]) == ALL_CHANNELS[: 10 if coordinates else 8]
    assert attributes["means"].tolist() == means.tolist()
    assert (attributes["compression"], attributes["standardised"]) == (compression, standardise)
    assert list(attributes["sources"]) == [str(path) for path in paths]
    assert (attributes["schema"], attributes["particle_threshold_GeV"]) == (1, 1.0)


def test_the_parts_of_a_large_file_are_those_of_a_small_one(
    paths: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(*paths, "-o", tmp_path / "whole.h5") == 0
    monkeypatch.setattr(image_reader, "RANGE_CELLS", 100)
    monkeypatch.setattr(export, "_BATCH_BYTES", 300_000)  # two images
    assert run(*paths, "-o", tmp_path / "parts.h5") == 0
    with h5py.File(tmp_path / "whole.h5") as whole, h5py.File(tmp_path / "parts.h5") as parts:
        for name in ("images", "events/event_number", "events/source"):
            np.testing.assert_array_equal(parts[name][:], whole[name][:])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--size", 0], "--size 0"),
        (["--size", 127], "--size 127"),
        (["nowhere.h5"], "nowhere.h5: no such image file"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_exit_code_2(
    paths: list[Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[object],
    message: str,
) -> None:
    assert run("-o", tmp_path / "dense.h5", *options, *paths) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == paths


def test_an_image_file_is_not_overwritten(paths: list[Path]) -> None:
    before = paths[1].read_bytes()
    assert run(*paths, "-o", paths[1]) == 2
    assert paths[1].read_bytes() == before


def test_a_damaged_file_leaves_nothing(paths: list[Path], tmp_path: Path) -> None:
    flip_a_bit(paths[1], "compression/cell/row")
    with pytest.raises(InputError, match=r"1\.h5: damaged or incomplete"):
        export.export(paths, tmp_path / "dense.h5", compression="cell", standardise=False)
    assert sorted(tmp_path.iterdir()) == paths


def test_a_folder_that_cannot_be_written_is_named(paths: list[Path]) -> None:
    with pytest.raises(OutputError, match=r"0\.h5/dense\.h5: cannot write"):
        export.export(paths, paths[0] / "dense.h5", compression="cell")


def test_a_channel_without_entries_is_no_matter_for_raw_images(tmp_path: Path) -> None:
    columns = image_columns(5)
    columns.channels[4][:] = 0
    path = write_columns(tmp_path / "images.h5", columns)
    assert run(path, "-o", tmp_path / "dense.h5") == 2
    assert run(path, "-o", tmp_path / "dense.h5", "--raw") == 0


def test_it_needs_neither_root_nor_keras() -> None:
    code = (
        "import sys, training.data.export; print({'ROOT', 'keras', 'analysis'} & set(sys.modules))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, check=True, capture_output=True, text=True
    )
    assert found.stdout == "set()\n"
