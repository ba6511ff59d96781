"""Image files as network input, against the reference."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt
import pytest

from analysis.image_file import ImageColumns, ImageWriter, Losses
from common.errors import InputError
from tests import reference
from tests.reference import Address, Image
from training import dataset

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
        image[cell][reference.PT_E] = 0  # there is no electron
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
    return ImageColumns(
        events={
            "run_number": np.full(n, RUN, np.uint32),
            "event_number": np.array(events, np.uint64),
            "fold": np.array(events, np.uint8) % 2,
        },
        offsets=np.cumsum([0, *map(len, cells)]).astype(np.uint64),
        row=flat[:, 0],
        column=flat[:, 1],
        values=np.array(values, np.float32).reshape(-1, reference.N_CHANNELS),
        compressed={name: compressed(name) for name in ("cell", "rowcol", "stochastic")},
        kept_rows=bits(0, reference.N_ROWS),
        kept_columns=bits(1, reference.N_COLUMNS),
        losses=Losses(),
    )


def write(path: Path, *blocks: Sequence[int]) -> Path:
    """An image file of some events, block by block."""
    with ImageWriter(path, {}) as writer:
        for events in blocks:
            writer.append(_columns(events))
    return path


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("images") / "six.h5", (0, 1, 2, 3), (4, 5))


def read(path: Path, compression: str = "rowcol") -> dataset.Images:
    return dataset.read_images([path], [1], compression)


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


# --- Standardisation ------------------------------------------------------------------------------


def test_channel_means_are_those_of_the_filled_entries_of_the_chosen_events(path: Path) -> None:
    for events in ([0, 1, 2, 3, 4, 5], [2, 4], [1]):
        means = dataset.channel_means(read(path), np.array(events))
        expected = reference.channel_means(images()[event] for event in events)
        np.testing.assert_allclose(means, expected, rtol=1e-6)


def test_mean_of_the_charge_is_that_of_its_size(path: Path) -> None:
    """Of charges -1, 0 and 1 the entries that are not 0 have a mean of about 0."""
    assert dataset.channel_means(read(path), ALL)[reference.CHARGE] == 1


def test_a_channel_without_entries_stays_as_it_is(path: Path) -> None:
    assert dataset.channel_means(read(path), ALL)[reference.PT_E] == 1


def test_events_without_cells_have_no_means(path: Path) -> None:
    with pytest.raises(InputError, match="no cell"):
        dataset.channel_means(read(path), np.array([0]))


# --- Files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_files_are_joined_in_their_order_each_with_its_label(
    path: Path, tmp_path: Path, compression: str
) -> None:
    other = write(tmp_path / "other.h5", (5, 2))
    joined = dataset.read_images([other, path, other], [0, 1, 0], compression)
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
        dataset.read_images([path, path], [1], "cell")


def _damaged(path: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "copy.h5"
    copy.write_bytes(path.read_bytes())
    return copy


@pytest.mark.parametrize("version", [0, 2, None])
def test_another_schema_version_is_refused_and_named(
    path: Path, tmp_path: Path, version: int | None
) -> None:
    copy = _damaged(path, tmp_path)
    with h5py.File(copy, "a") as file:
        del file.attrs["schema"]
        if version is not None:
            file.attrs["schema"] = version
    with pytest.raises(
        InputError, match=rf"copy\.h5: .*schema version {version}.* --stage imaging"
    ):
        read(copy)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.99])
def test_a_truncated_file_is_refused_and_named(path: Path, tmp_path: Path, share: float) -> None:
    copy = _damaged(path, tmp_path)
    content = copy.read_bytes()
    copy.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match=r"copy\.h5: not a whole image file"):
        read(copy)


def test_a_flipped_bit_in_the_cells_is_noticed(path: Path, tmp_path: Path) -> None:
    copy = _damaged(path, tmp_path)
    with h5py.File(path) as file:
        chunk = file["cells/values"].id.get_chunk_info(0)
    content = bytearray(copy.read_bytes())
    content[chunk.byte_offset + chunk.size // 2] ^= 1
    copy.write_bytes(content)
    with pytest.raises(InputError, match=r"copy\.h5: not a whole image file"):
        read(copy)


@pytest.mark.parametrize("lost", ["cells/values", "compression/rowcol", "events/fold"])
def test_a_file_that_lacks_a_column_is_refused(path: Path, tmp_path: Path, lost: str) -> None:
    copy = _damaged(path, tmp_path)
    with h5py.File(copy, "a") as file:
        del file[lost]
    with pytest.raises(InputError, match=r"copy\.h5: not a whole image file"):
        read(copy)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.h5"):
        read(tmp_path / "nowhere.h5")


# --- Events that watch the training ---------------------------------------------------------------


def _with_events(run: int, events: npt.NDArray[np.uint64]) -> dataset.Images:
    n, no_cell = len(events), np.zeros(0, np.uint8)
    return dataset.Images(
        *("none", np.zeros(n + 1, np.int64), no_cell, no_cell, no_cell, no_cell),
        values=np.zeros((0, reference.N_CHANNELS), np.float32),
        run_number=np.full(n, run, np.uint32),
        event_number=events,
        fold=np.zeros(n, np.uint8),
        label=np.zeros(n, np.int8),
    )


def test_validation_events_are_chosen_by_their_identity_alone() -> None:
    events = np.arange(5000, dtype=np.uint64)
    chosen = dataset.in_validation(_with_events(1, events), 0.2)
    assert chosen.mean() == pytest.approx(0.2, abs=0.03)
    backwards = dataset.in_validation(_with_events(1, events[::-1]), 0.2)
    np.testing.assert_array_equal(backwards[::-1], chosen)
    assert (dataset.in_validation(_with_events(2, events), 0.2) != chosen).any()


def test_a_larger_share_for_validation_keeps_the_events_of_a_smaller_one() -> None:
    images = _with_events(1, np.arange(1000, dtype=np.uint64))
    small, large = (dataset.in_validation(images, share) for share in (0.1, 0.3))
    assert large[small].all()
    assert not dataset.in_validation(images, 0).any()
    assert dataset.in_validation(images, 1).all()
