"""Image files as network input, against the reference; bad files."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.images import image_file
from analysis.images.image_file import ImageColumns, Losses
from common.runtime.errors import InputError
from tests import reference
from tests.reference import Address, Image
from tests.training.image_files import (
    flip_a_bit,
    image_columns,
    read_all,
    write_columns,
    write_images,
)
from training.data import dataset

COMPRESSIONS = ("none", "cell", "rowcol", "stochastic")
RUN = 5
Bytes = npt.NDArray[np.uint8]
ALL = np.arange(6)
ORDER = [3, 0, 5, 2, 1, 4, 2]  # any, and one twice

# --- A small image file, from the reference ---------------------------------------------------


def _random_image(rng: np.random.Generator, cells: Sequence[Address]) -> Image:
    image = np.zeros((reference.N_ROWS, reference.N_COLUMNS, reference.N_CHANNELS), np.float32)
    for cell in cells:
        values = rng.exponential(1, reference.N_CHANNELS) * (1, 1, 1, 30, 1, 0.1, 50, 0.1)
        image[cell] = values * (rng.random(reference.N_CHANNELS) < 0.5)
        image[cell][reference.PT_ALL] = 1 + rng.exponential(10)
        image[cell][reference.CHARGE] = rng.integers(-1, 2)
        if len(cells) < 40:
            image[cell][reference.PT_E] = 0  # an electron is rare
    return image.astype(np.float64)


@functools.cache
def images() -> tuple[Image, ...]:
    """No cell, one, some, too many rows and columns for a crop, one full row, one full column."""
    rng = np.random.default_rng(1)
    some = [tuple(cell) for cell in rng.integers((100, 126), size=(40, 2)).tolist()]
    many = [(i, (37 * i) % 126) for i in range(100)]
    row, column = [(40, j) for j in range(126)], [(i, 40) for i in range(100)]
    return tuple(_random_image(rng, cells) for cells in ([], [(9, 9)], some, many, row, column))


def _hash(event: int) -> int:
    return reference.event_hash(1, RUN, event)


def _columns(events: Sequence[int]) -> ImageColumns:
    """The images of some events as the image action writes them."""
    cells = [reference.non_empty(images()[event]) for event in events]
    flat = np.array([cell for event in cells for cell in event], np.uint8).reshape(-1, 2)
    values = [
        images()[event][cell] for event, found in zip(events, cells, strict=True) for cell in found
    ]

    def compressed(name: str) -> tuple[Bytes, Bytes]:
        new = [
            address
            for event, found in zip(events, cells, strict=True)
            for address in reference.moved(found, reference.compression(name, _hash(event)))
        ]
        lines = np.array(new, np.uint8).reshape(-1, 2)
        return lines[:, 0], lines[:, 1]

    kept = [
        reference.stochastic_lines(reference.with_coordinates(images()[event]), _hash(event))
        for event in events
    ]

    def bits(axis: int, n_lines: int) -> Bytes:
        mask = np.array([[line in lines[axis] for line in range(n_lines)] for lines in kept])
        return np.packbits(mask, axis=1, bitorder="little")

    n = len(events)
    columns: dict[str, npt.NDArray[Any]] = {
        "events/run_number": np.full(n, RUN, np.uint32),
        "events/event_number": np.array(events, np.uint64),
        "events/fold": np.array(events, np.uint8) % 2,
        "events/weight": np.ones(len(events)),
        "cells/row": flat[:, 0],
        "cells/column": flat[:, 1],
        "compression/stochastic/kept_rows": bits(0, reference.N_ROWS),
        "compression/stochastic/kept_columns": bits(1, reference.N_COLUMNS),
    }
    for name in ("cell", "rowcol", "stochastic"):
        row, column = compressed(name)
        columns |= {f"compression/{name}/row": row, f"compression/{name}/column": column}
    channels = np.array(values, np.float32).reshape(-1, reference.N_CHANNELS).T
    offsets = np.cumsum([0, *map(len, cells)]).astype(np.uint64)
    return ImageColumns(offsets, columns, list(channels), Losses())


def write(path: Path, *blocks: Sequence[int]) -> Path:
    """An image file of some events, block by block."""
    return write_columns(path, *map(_columns, blocks))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("images") / "six.h5", (0, 1, 2, 3), (4, 5))


def read(path: Path, compression: str = "rowcol") -> dataset.Images:
    return read_all([path], [1], compression)


# --- Dense images ---------------------------------------------------------------------------------

MEANS = np.array([10, 2, 0.5, 30, 1, 0.5, 50, 0.25], np.float32)


def _expected(event: int, compression: str, size: int) -> Image:
    """One dense image with coordinates, standardised."""
    t_init = reference.with_coordinates(images()[event])
    t = reference.compression(compression, _hash(event))(t_init)
    t[:, :, : reference.N_CHANNELS] /= MEANS
    return t if compression == "none" else reference.crop(t, size)


@pytest.mark.parametrize("coordinates", [True, False])
@pytest.mark.parametrize("size", [60, 30])
@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_dense_images_are_those_of_the_reference(
    path: Path, compression: str, size: int, coordinates: bool
) -> None:
    batch = dataset.dense(read(path, compression), np.array(ORDER), MEANS, size, coordinates)
    expected = np.array([_expected(event, compression, size) for event in ORDER])
    if not coordinates:
        expected = expected[..., : reference.N_CHANNELS]
    assert batch.dtype == np.float32
    np.testing.assert_allclose(batch, expected, rtol=1e-6)


def test_no_events_make_an_empty_batch(path: Path) -> None:
    nothing = np.zeros(0, np.int64)
    assert dataset.dense(read(path), nothing, MEANS, 60).shape == (0, 60, 60, 10)
    assert dataset.cell_lists(read(path), nothing, MEANS, 20).shape == (0, 20, 12)


# --- Lists of cells -------------------------------------------------------------------------------


@pytest.mark.parametrize("max_cells", [10, 150])
@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_cell_lists_are_those_of_the_reference(
    path: Path, compression: str, max_cells: int
) -> None:
    """Whatever the compression: a list has no addresses."""
    batch = dataset.cell_lists(read(path, compression), np.array(ORDER), MEANS, max_cells)
    expected = [
        reference.cell_list(images()[event], MEANS.astype(float), max_cells) for event in ORDER
    ]
    assert batch.dtype == np.float32
    np.testing.assert_allclose(batch, expected, rtol=1e-5, atol=1e-6)


def test_azimuths_are_relative_to_what_is_asked_for(tmp_path: Path) -> None:
    made = write_images(tmp_path / "images.h5", 20, most_cells=15)
    with dataset.ImageFiles([made], [0], "none") as files:
        (whole,) = files.ranges()
        some = files.read(whole)
        phi = files.columns(whole, ("met_phi", "leading_jet_phi"))
    events = np.array([3, 0, 17])
    usual = dataset.cell_lists(some, events, MEANS, 15)
    angles = ("met", "hardest_cell", "leading_jet")
    found = dataset.cell_lists(some, events, MEANS, 15, angles)
    assert found.shape == (3, 15, 1 + dataset.n_features(angles))
    np.testing.assert_array_equal(found[..., [0, 1, 4, 5, *range(8, 16)]], usual)
    for i, event in enumerate(events):
        cells, _ = some.cells_of(events[i : i + 1])
        hardest_first = cells[np.argsort(-some.values[cells, 0], kind="stable")]
        centre = dataset.phi_of_column(some.column[hardest_first])
        for place, name in ((2, "met_phi"), (6, "leading_jet_phi")):
            delta = centre - phi[name][event]
            expected = np.stack([np.cos(delta), np.sin(delta)], axis=1)
            of_cells = found[i, : len(cells), place : place + 2]
            np.testing.assert_allclose(of_cells, expected, atol=1e-6)
            assert not found[i, len(cells) :].any()


def test_images_without_a_direction_are_refused(path: Path) -> None:
    with pytest.raises(InputError, match="have no 'met_phi'"):
        dataset.cell_lists(read(path), np.array([0]), MEANS, 20, ("met",))


# --- What a compression loses ---------------------------------------------------------------------

POWERS = np.array([8, 2, 0.5, 32, 1, 0.25, 64, 0.125], np.float32)  # to divide by: exact


@st.composite
def sparse_images(draw: st.DrawFn) -> Image:
    """Cells in few rows and columns, so that some fill the crop and others go beyond it."""
    n_rows, n_columns = draw(st.integers(1, 100)), draw(st.integers(1, 126))
    cells = st.tuples(st.integers(0, n_rows - 1), st.integers(0, n_columns - 1))
    found = draw(st.lists(cells, max_size=120, unique=True))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    return _random_image(rng, found)


def _one_event(image: Image, compression: str, hash_of_event: int) -> dataset.Images:
    cells = reference.non_empty(image)
    new = reference.moved(cells, reference.compression(compression, hash_of_event))
    old, moved = (np.array(x, np.uint8).reshape(-1, 2) for x in (cells, new))
    t_init = reference.with_coordinates(image)
    lines = reference.stochastic_lines(t_init, hash_of_event)
    kept: dict[str, Any] = {
        name: np.isin(np.arange(n), line)[None].astype(np.uint8)
        for name, n, line in zip(("kept_rows", "kept_columns"), dataset.GRID, lines, strict=True)
        if compression == "stochastic"
    }
    values = np.array([image[cell] for cell in cells], np.float32).reshape(-1, 8)
    return dataset.Images(
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
    batch = dataset.dense(images, np.zeros(1, np.int64), POWERS, size)[0]
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


def channel_means(paths: Sequence[Path], events: Sequence[int]) -> dataset.Floats:
    """Means of some events of all files."""
    with dataset.ImageFiles(paths, [1] * len(paths), "rowcol") as files:
        return dataset.channel_means(files, np.isin(np.arange(len(files)), events))


def test_channel_means_are_those_of_the_filled_entries_of_the_chosen_events(path: Path) -> None:
    for events in ([0, 1, 2, 3, 4, 5], [2, 4], [3]):
        expected = reference.channel_means(images()[event] for event in events)
        np.testing.assert_allclose(channel_means([path], events), expected, rtol=1e-6)


def test_channel_means_of_many_ranges_are_those_of_one(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths, events = [write(tmp_path / "more.h5", (3, 4), (0, 2)), path], [0, 1, 3, 6, 8]
    whole = channel_means(paths, events)
    monkeypatch.setattr(dataset, "RANGE_CELLS", 1)
    with dataset.ImageFiles(paths, [1, 0], "cell") as files:
        assert len(files.ranges()) == len(files) == 10
    np.testing.assert_array_equal(channel_means(paths, events), whole)


def test_mean_of_the_charge_is_that_of_its_size(path: Path) -> None:
    """Of charges -1, 0 and 1 the entries that are not 0 have a mean of about 0."""
    assert channel_means([path], range(6))[reference.CHARGE] == 1


def test_a_channel_without_entries_is_named(path: Path) -> None:
    with pytest.raises(InputError, match=r"six\.h5: no training event .*'pt_e'.* more events"):
        channel_means([path], [1])  # it has no electron
    with pytest.raises(InputError, match="'pt_all'"):
        channel_means([path], [0])  # it has no cell


# --- Files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_files_are_joined_in_their_order_each_with_its_label(
    path: Path, tmp_path: Path, compression: str
) -> None:
    other = write(tmp_path / "other.h5", (5, 2))
    joined = read_all([other, path, other], [0, 1, 0], compression)
    order = np.array([5, 2, *range(6), 5, 2])
    assert joined.label.tolist() == [0] * 2 + [1] * 6 + [0] * 2
    assert joined.event_number.tolist() == order.tolist()
    assert joined.fold.tolist() == (order % 2).tolist()
    assert (joined.run_number == RUN).all()
    assert len(joined) == len(order)
    np.testing.assert_array_equal(
        dataset.dense(joined, np.arange(len(order)), MEANS, 60),
        dataset.dense(read(path, compression), order, MEANS, 60),
    )


def test_labels_and_files_must_be_as_many(path: Path) -> None:
    with pytest.raises(ValueError, match="shorter"):
        dataset.ImageFiles([path, path], [1], "cell")


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_a_range_holds_what_the_whole_file_holds_there(path: Path, compression: str) -> None:
    whole = read(path, compression)
    with dataset.ImageFiles([path], [1], compression) as files:
        for begin in range(6):
            for end in range(begin + 1, 7):
                part = files.read(dataset.Range(0, begin, end, begin))
                for found in (part, whole.take(np.arange(begin, end))):
                    np.testing.assert_array_equal(
                        dataset.dense(found, np.arange(end - begin), MEANS, 60),
                        dataset.dense(whole, np.arange(begin, end), MEANS, 60),
                    )
                    assert found.event_number.tolist() == list(range(begin, end))


def test_ranges_number_the_events_through_all_files(path: Path, tmp_path: Path) -> None:
    other = write(tmp_path / "other.h5", (5, 2))
    with dataset.ImageFiles([other, path], [0, 1], "cell") as files:
        assert [(r.file, r.begin, r.end, r.first) for r in files.ranges(4)] == [
            *((0, 0, 2, 0), (1, 0, 4, 2), (1, 4, 6, 6))
        ]
        assert all((files.read(r).fold == r.of(files.fold)).all() for r in files.ranges(4))
        key = files.identity()
    assert key["event_number"].tolist() == [5, 2, 0, 1, 2, 3, 4, 5]
    assert key["fold"].tolist() == [1, 0, 0, 1, 0, 1, 0, 1]


def test_names_of_the_image_files_are_those_of_their_writer() -> None:
    """Training does not import the analysis: what both must know is written twice."""
    assert dataset.SCHEMA == image_file.SCHEMA
    assert dataset.CHANNELS == image_file.CHANNELS
    assert set(dataset.COMPRESSIONS) == {"none", *image_file.COMPRESSIONS}
    assert dataset.GRID == (image_file.N_ROWS, image_file.N_COLUMNS)


# --- Bad files ------------------------------------------------------------------------------------


@pytest.fixture
def copy(path: Path, tmp_path: Path) -> Path:
    """A good file, to be damaged."""
    return Path(shutil.copy(path, tmp_path / "copy.h5"))


@pytest.mark.parametrize("version", [1, 2, 3, None])
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
        InputError, match=r"copy\.h5: not a whole image file .*--stage imaging"
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
    _refused(copy, "a checksum does not hold")


def test_a_flipped_bit_in_one_chunk_spares_the_others(tmp_path: Path) -> None:
    """Of a range only that range is read."""
    large = write_columns(tmp_path / "copy.h5", image_columns(40, most_cells=6000))
    flip_a_bit(large, "cells/row", chunk=1)
    with dataset.ImageFiles([large], [1], "none") as files:
        files.read(files.ranges(1)[0])
        with pytest.raises(InputError, match=r"copy\.h5: not a whole image file"):
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
    "select": "SR",
    "detector": "{}",
    "folds": 3,
}


@pytest.mark.parametrize("name", OTHERWISE)
def test_files_of_two_configurations_are_refused(path: Path, tmp_path: Path, name: str) -> None:
    other = write_images(tmp_path / "other.h5", 2)
    with h5py.File(other, "a") as file:
        file.attrs[name] = OTHERWISE[name]
    with pytest.raises(InputError, match=rf"other\.h5: images made with {name} = .*six\.h5 has"):
        dataset.ImageFiles([path, other], [1, 0], "cell")


@pytest.mark.parametrize("name", OTHERWISE)
def test_a_file_of_another_configuration_than_the_runs_is_refused(path: Path, name: str) -> None:
    with pytest.raises(InputError, match=rf"six\.h5: images made with {name} = .* this run has"):
        dataset.ImageFiles([path], [1], "cell", {name: OTHERWISE[name]})
    dataset.ImageFiles([path], [1], "cell", {"particle_threshold_GeV": 1, "select": ""}).close()


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


# --- Events that watch the training ---------------------------------------------------------------


def _watching(run: int, events: npt.NDArray[np.uint64], fraction: float) -> dataset.Mask:
    return dataset.in_validation(np.full(len(events), run, np.uint32), events, fraction)


def test_validation_events_are_chosen_by_their_identity_alone() -> None:
    events = np.arange(5000, dtype=np.uint64)
    chosen = _watching(1, events, 0.2)
    assert chosen.mean() == pytest.approx(0.2, abs=0.03)
    np.testing.assert_array_equal(_watching(1, events[::-1], 0.2)[::-1], chosen)
    assert (_watching(2, events, 0.2) != chosen).any()


def test_a_larger_share_for_validation_keeps_the_events_of_a_smaller_one() -> None:
    events = np.arange(1000, dtype=np.uint64)
    small, large = (_watching(1, events, share) for share in (0.1, 0.3))
    assert large[small].all()
    assert not _watching(1, events, 0).any()
    assert _watching(1, events, 1).all()


def test_validation_events_of_files_are_those_of_their_identities(tmp_path: Path) -> None:
    paths = [write_images(tmp_path / f"{run}.h5", 50, run) for run in (1, 2)]
    with dataset.ImageFiles(paths, [1, 0], "none") as files:
        found = files.in_validation(0.3)
    events = np.arange(50, dtype=np.uint64)
    expected = np.concatenate([_watching(run, events, 0.3) for run in (1, 2)])
    np.testing.assert_array_equal(found, expected)
