"""Batches of dense images and cell lists, against the reference."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.runtime.errors import InputError
from common.schema.images import COMPRESSIONS, GRID, phi_of_column
from tests import reference
from tests.reference import Image
from tests.training.image_files import read_all, write_images
from tests.training.reference_images import hash_of, images, random_image, write
from training.data import batches, image_reader
from training.data.sparse_images import Floats, Images

ORDER = [3, 0, 5, 2, 1, 4, 2]  # any, and one twice


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("images") / "six.h5", (0, 1, 2, 3), (4, 5))


def read(path: Path, compression: str = "rowcol") -> Images:
    return read_all([path], [1], compression)


# --- Dense images ---------------------------------------------------------------------------------

MEANS = np.array([10, 2, 0.5, 30, 1, 0.5, 50, 0.25], np.float32)


def _expected(event: int, compression: str, size: int) -> Image:
    """One dense image with coordinates, standardised."""
    t_init = reference.with_coordinates(images()[event])
    t = reference.compression(compression, hash_of(event))(t_init)
    t[:, :, : reference.N_CHANNELS] /= MEANS
    return t if compression == "none" else reference.crop(t, size)


@pytest.mark.parametrize("coordinates", [True, False])
@pytest.mark.parametrize("size", [60, 30])
@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_dense_images_are_those_of_the_reference(
    path: Path, compression: str, size: int, coordinates: bool
) -> None:
    batch = batches.dense(read(path, compression), np.array(ORDER), MEANS, size, coordinates)
    expected = np.array([_expected(event, compression, size) for event in ORDER])
    if not coordinates:
        expected = expected[..., : reference.N_CHANNELS]
    assert batch.dtype == np.float32
    np.testing.assert_allclose(batch, expected, rtol=1e-6)


def test_no_events_make_an_empty_batch(path: Path) -> None:
    nothing = np.zeros(0, np.int64)
    assert batches.dense(read(path), nothing, MEANS, 60).shape == (0, 60, 60, 10)
    assert batches.cell_lists(read(path), nothing, MEANS, 20).shape == (0, 20, 12)


# --- Lists of cells -------------------------------------------------------------------------------


@pytest.mark.parametrize("max_cells", [10, 150])
@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_cell_lists_are_those_of_the_reference(
    path: Path, compression: str, max_cells: int
) -> None:
    """Whatever the compression: a list has no addresses."""
    batch = batches.cell_lists(read(path, compression), np.array(ORDER), MEANS, max_cells)
    expected = [
        reference.cell_list(images()[event], MEANS.astype(float), max_cells) for event in ORDER
    ]
    assert batch.dtype == np.float32
    np.testing.assert_allclose(batch, expected, rtol=1e-5, atol=1e-6)


def test_azimuths_are_relative_to_what_is_asked_for(tmp_path: Path) -> None:
    made = write_images(tmp_path / "images.h5", 20, most_cells=15)
    with image_reader.ImageFiles([made], [0], "none") as files:
        (whole,) = files.ranges()
        some = files.read(whole)
        phi = files.columns(whole, ("met_phi", "leading_jet_phi"))
    events = np.array([3, 0, 17])
    usual = batches.cell_lists(some, events, MEANS, 15)
    phi_reference = ("met", "hardest_cell", "leading_jet")
    found = batches.cell_lists(some, events, MEANS, 15, phi_reference)
    assert found.shape == (3, 15, 1 + batches.n_features(phi_reference))
    np.testing.assert_array_equal(found[..., [0, 1, 4, 5, *range(8, 16)]], usual)
    for i, event in enumerate(events):
        cells, _ = some.cells_of(events[i : i + 1])
        hardest_first = cells[np.argsort(-some.values[cells, 0], kind="stable")]
        centre = phi_of_column(some.column[hardest_first])
        for place, name in ((2, "met_phi"), (6, "leading_jet_phi")):
            delta = centre - phi[name][event]
            expected = np.stack([np.cos(delta), np.sin(delta)], axis=1)
            of_cells = found[i, : len(cells), place : place + 2]
            np.testing.assert_allclose(of_cells, expected, atol=1e-6)
            assert not found[i, len(cells) :].any()


def test_images_without_a_direction_are_refused(path: Path) -> None:
    with pytest.raises(InputError, match="lack 'met_phi'"):
        batches.cell_lists(read(path), np.array([0]), MEANS, 20, ("met",))


# --- What a compression loses ---------------------------------------------------------------------

POWERS = np.array([8, 2, 0.5, 32, 1, 0.25, 64, 0.125], np.float32)  # to divide by: exact


@st.composite
def sparse_images(draw: st.DrawFn) -> Image:
    """Cells in few rows and columns, so that some fill the crop and others go beyond it."""
    n_rows, n_columns = draw(st.integers(1, 100)), draw(st.integers(1, 126))
    cells = st.tuples(st.integers(0, n_rows - 1), st.integers(0, n_columns - 1))
    found = draw(st.lists(cells, max_size=120, unique=True))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    return random_image(rng, found)


def _one_event(image: Image, compression: str, hash_of_event: int) -> Images:
    cells = reference.non_empty(image)
    new = reference.moved(cells, reference.compression(compression, hash_of_event))
    old, moved = (np.array(x, np.uint8).reshape(-1, 2) for x in (cells, new))
    t_init = reference.with_coordinates(image)
    lines = reference.stochastic_lines(t_init, hash_of_event)
    kept: dict[str, Any] = {
        name: np.isin(np.arange(n), line)[None].astype(np.uint8)
        for name, n, line in zip(("kept_rows", "kept_columns"), GRID, lines, strict=True)
        if compression == "stochastic"
    }
    values = np.array([image[cell] for cell in cells], np.float32).reshape(-1, 8)
    return Images(
        compression=compression,
        offsets=np.array([0, len(cells)]),
        row=old[:, 0],
        column=old[:, 1],
        new_row=moved[:, 0],
        new_column=moved[:, 1],
        values=values,
        run_number=np.ones(1, np.uint32),
        event_number=np.ones(1, np.uint64),
        fold=np.zeros(1, np.uint8),
        label=np.ones(1, np.int8),
        weight=np.ones(1, np.float32),
        **kept,
    )


@pytest.mark.parametrize("size", [60, 30])
@pytest.mark.parametrize("compression", COMPRESSIONS)
@settings(max_examples=20, deadline=None)
@given(image=sparse_images(), hash_of_event=st.integers(0, 2**64 - 1))
def test_a_compressed_image_that_was_not_cropped_gives_back_the_sparse_one(
    compression: str, size: int, image: Image, hash_of_event: int
) -> None:
    """The thesis's claim: with the coordinate channels a compression loses nothing."""
    images = _one_event(image, compression, hash_of_event)
    batch = batches.dense(images, np.zeros(1, np.int64), POWERS, size)[0]
    found = np.zeros_like(image)
    for cell in reference.non_empty(batch):
        address = reference.address_of(*batch[cell][reference.N_CHANNELS :].tolist())
        assert address is not None
        found[address] = batch[cell][: reference.N_CHANNELS] * POWERS
    lost = (images.new_row >= size) | (images.new_column >= size)
    if compression == "none" or not lost.any():
        np.testing.assert_array_equal(found, image)
    else:  # and a crop loses what it says
        inside = dict(zip(reference.non_empty(image), ~lost, strict=True))
        for cell, kept in inside.items():
            np.testing.assert_array_equal(found[cell], image[cell] * kept)


# --- Standardisation ------------------------------------------------------------------------------


def channel_means(paths: Sequence[Path], events: Sequence[int]) -> Floats:
    """Means of some events of all files."""
    with image_reader.ImageFiles(paths, [1] * len(paths), "rowcol") as files:
        return batches.channel_means(files, np.isin(np.arange(len(files)), events))


def test_channel_means_are_those_of_the_filled_entries_of_the_chosen_events(path: Path) -> None:
    for events in ([0, 1, 2, 3, 4, 5], [2, 4], [3]):
        expected = reference.channel_means(images()[event] for event in events)
        np.testing.assert_allclose(channel_means([path], events), expected, rtol=1e-6)


def test_channel_means_of_many_ranges_are_those_of_one(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths, events = [write(tmp_path / "more.h5", (3, 4), (0, 2)), path], [0, 1, 3, 6, 8]
    whole = channel_means(paths, events)
    monkeypatch.setattr(image_reader, "RANGE_CELLS", 1)
    with image_reader.ImageFiles(paths, [1, 0], "cell") as files:
        assert len(files.ranges()) == len(files) == 10
    np.testing.assert_array_equal(channel_means(paths, events), whole)


def test_mean_of_the_charge_is_that_of_its_size(path: Path) -> None:
    """Of charges -1, 0 and 1 the entries that are not 0 have a mean of about 0."""
    assert channel_means([path], range(6))[reference.CHARGE] == 1


def test_a_channel_without_entries_is_named(path: Path) -> None:
    with pytest.raises(InputError, match=r"six\.h5: .* channel .*'pt_e'.* more events"):
        channel_means([path], [1])  # it has no electron
    with pytest.raises(InputError, match="'pt_all'"):
        channel_means([path], [0])  # it has no cell
