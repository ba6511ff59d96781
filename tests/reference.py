"""The event images once more: dense, slow and plain, one loop at a time.

Written from the definitions (Praderio 2018, sections 4.1, 4.2 and appendix A with its slips
mended), not from the C++ they are held against. What the thesis leaves open follows the headers'
comments: azimuths beyond the grid, two jets in one cell, and the draws of the stochastic
compression. Numbers are 0-based; an image has the shape (rows, columns, channels).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

N_ROWS, N_COLUMNS, N_CHANNELS = 100, 126, 8
PT_ALL, N_PART, CHARGE, PT_MU, PT_E, EMF, PT_JET, JET_WIDTH = range(N_CHANNELS)
ETA, PHI = 8, 9  # the coordinate channels
ETA_LOW, PHI_LOW, CELL = Fraction("-2.5"), Fraction("-3.15"), Fraction("0.05")
STOCHASTIC_LINES = 60

Image = npt.NDArray[np.float64]
Address = tuple[int, int]
Compression = Callable[[Image], Image]


@dataclass(frozen=True)
class Particle:
    """A visible particle (GeV, radians, elementary charges)."""

    pt: float
    eta: float
    phi: float
    energy: float
    pdg_id: int
    charge: int


@dataclass(frozen=True)
class Jet:
    """A jet, by its axis."""

    pt: float
    eta: float
    phi: float
    width: float


# --- The grid ----------------------------------------------------------------------


def row_of(eta: float) -> int | None:
    """The row whose interval [low, high) holds ``eta``, in exact arithmetic."""
    if not math.isfinite(eta):
        return None
    row = math.floor((Fraction(eta) - ETA_LOW) / CELL)
    return row if 0 <= row < N_ROWS else None


def column_of(phi: float) -> int | None:
    """The column whose interval [low, high) holds ``phi``, in exact arithmetic.

    An azimuth beyond the grid is brought back by whole turns; +-pi stay apart, in the two edge
    columns.
    """
    if not math.isfinite(phi):
        return None
    if abs(Fraction(phi)) > -PHI_LOW:
        phi = math.remainder(phi, 2 * math.pi)
    column = math.floor((Fraction(phi) - PHI_LOW) / CELL)
    assert 0 <= column < N_COLUMNS
    return column


def address_of(eta: float, phi: float) -> Address | None:
    """The cell of a direction, or None outside the grid."""
    row, column = row_of(eta), column_of(phi)
    return None if row is None or column is None else (row, column)


def grid(particles: Sequence[Particle], jets: Sequence[Jet]) -> Image:
    """The eight channels of an event, shape (100, 126, 8)."""
    image = np.zeros((N_ROWS, N_COLUMNS, N_CHANNELS))
    for cell in {address_of(p.eta, p.phi) for p in particles} - {None}:
        inside = [p for p in particles if address_of(p.eta, p.phi) == cell]
        image[cell][PT_ALL] = math.fsum(p.pt for p in inside)
        image[cell][N_PART] = len(inside)
        image[cell][CHARGE] = sum(p.charge for p in inside)
        image[cell][PT_MU] = math.fsum(p.pt for p in inside if p.pdg_id in (13, -13))
        image[cell][PT_E] = math.fsum(p.pt for p in inside if p.pdg_id in (11, -11))
        energy = math.fsum(p.energy for p in inside)
        if energy > 0:
            electromagnetic = (p.energy for p in inside if p.pdg_id in (11, -11, 22, 111))
            image[cell][EMF] = math.fsum(electromagnetic) / energy
    for cell in {address_of(j.eta, j.phi) for j in jets} - {None}:
        axes = [j for j in jets if address_of(j.eta, j.phi) == cell]
        image[cell][PT_JET] = math.fsum(j.pt for j in axes)
        image[cell][JET_WIDTH] = max(axes, key=lambda j: j.pt).width
    return image


def is_filled(image: Image) -> npt.NDArray[np.bool_]:
    """Which cells have a channel (never a coordinate) that is not 0, shape (rows, columns)."""
    filled: npt.NDArray[np.bool_] = np.any(image[:, :, :N_CHANNELS] != 0, axis=2)
    return filled


def non_empty(image: Image) -> list[Address]:
    """The filled cells, in rows and then columns."""
    filled = is_filled(image).tolist()
    return [(i, j) for i, row in enumerate(filled) for j, is_there in enumerate(row) if is_there]


def scatter(
    addresses: Iterable[Address],
    values: Iterable[Any],
    n_rows: int = N_ROWS,
    n_columns: int = N_COLUMNS,
) -> Image:
    """A dense image of cells; those beyond its edges are cropped."""
    image = np.zeros((n_rows, n_columns, N_CHANNELS))
    for (row, column), channels in zip(addresses, values, strict=True):
        if row < n_rows and column < n_columns:
            assert not image[row, column].any(), "two cells at one address"
            image[row, column] = channels
    return image


# --- Step 1 of section 4.2: the coordinates -------------------------------------------


def with_coordinates(image: Image) -> Image:
    """T_init: to each cell, empty or not, the pseudorapidity and azimuth of its centre."""
    t_init = np.zeros((N_ROWS, N_COLUMNS, N_CHANNELS + 2))
    t_init[:, :, :N_CHANNELS] = image
    for i in range(N_ROWS):
        t_init[i, :, ETA] = float(ETA_LOW + (i + Fraction(1, 2)) * CELL)
    for j in range(N_COLUMNS):
        t_init[:, j, PHI] = float(PHI_LOW + (j + Fraction(1, 2)) * CELL)
    return t_init


# --- Step 2: the compressions of appendix A ----------------------------------------------


def compress_none(t_init: Image) -> Image:
    """The image as it is."""
    return t_init.copy()


def compress_cell(t_init: Image) -> Image:
    """Empty cell compression; step 6 goes back to step 3."""
    t = np.zeros_like(t_init)
    filled = is_filled(t_init).tolist()
    new_i = 0
    for i in range(N_ROWS):
        new_j = 0
        for j in range(N_COLUMNS):
            if filled[i][j]:
                t[new_i, new_j] = t_init[i, j]
                new_j += 1
        if new_j > 0:
            new_i += 1
    return t


def _filled_rows(t: Image) -> list[int]:
    filled = is_filled(t)
    return [i for i in range(N_ROWS) if filled[i, :].any()]


def _filled_columns(t: Image) -> list[int]:
    filled = is_filled(t)
    return [j for j in range(N_COLUMNS) if filled[:, j].any()]


def _copy_lines(t_init: Image, rows: Sequence[int], columns: Sequence[int]) -> Image:
    t = np.zeros_like(t_init)
    for new_i, i in enumerate(rows):
        t[new_i] = t_init[i]
    t_prime = np.zeros_like(t_init)  # step 9 copies from T into T'
    for new_j, j in enumerate(columns):
        t_prime[:, new_j] = t[:, j]
    return t_prime


def compress_rowcol(t_init: Image) -> Image:
    """Empty row and column compression."""
    return _copy_lines(t_init, _filled_rows(t_init), _filled_columns(t_init))


def compress_stochastic(t_init: Image, hash_of_event: int) -> Image:
    """Empty row and column stochastic compression."""
    return _copy_lines(t_init, *stochastic_lines(t_init, hash_of_event))


def stochastic_lines(t_init: Image, hash_of_event: int) -> tuple[list[int], list[int]]:
    """The rows L and columns L' kept: the filled ones, and empty ones drawn until there are 60."""
    draws = _Draws(hash_of_event)
    rows = _add_at_random(_filled_rows(t_init), N_ROWS, draws)
    return rows, _add_at_random(_filled_columns(t_init), N_COLUMNS, draws)


def _add_at_random(filled: list[int], n_lines: int, draws: _Draws) -> list[int]:
    kept = set(filled)
    while len(kept) < STOCHASTIC_LINES:
        others = [line for line in range(n_lines) if line not in kept]
        kept.add(others[draws.below(len(others))])
    return sorted(kept)


def compression(name: str, hash_of_event: int = 0) -> Compression:
    """A compression by its name."""
    return {
        "none": compress_none,
        "cell": compress_cell,
        "rowcol": compress_rowcol,
        "stochastic": lambda t: compress_stochastic(t, hash_of_event),
    }[name]


# --- Step 3: the crop ---------------------------------------------------------------------


def crop(t: Image, size: int) -> Image:
    """The first ``size`` rows and columns."""
    return t[:size, :size].copy()


def moved(cells: Sequence[Address], compress: Compression) -> list[Address]:
    """Where a compression moves each cell of an image: each carries its number there."""
    numbered = np.zeros((N_ROWS, N_COLUMNS, N_CHANNELS))
    for number, cell in enumerate(cells, start=1):
        numbered[cell][PT_ALL] = number
    numbers = compress(with_coordinates(numbered))[:, :, PT_ALL]
    places = {int(numbers[cell]): cell for cell in non_empty(numbers[:, :, None])}
    return [places[number] for number in range(1, len(cells) + 1)]


# --- The draws ------------------------------------------------------------------------------

_MASK = 2**64 - 1


def splitmix64(x: int) -> int:
    """Steele, Lea, Flood, doi:10.1145/2714064.2660195: the 64 bits after ``x``."""
    z = (x + 0x9E3779B97F4A7C15) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return z ^ (z >> 31)


def event_hash(seed: int, run: int, event: int) -> int:
    """The hash of an event's identity."""
    return splitmix64(splitmix64(splitmix64(seed) ^ run) ^ event)


class _Draws:
    """Numbers from a state that is hashed before each."""

    def __init__(self, state: int) -> None:
        self._state = state

    def below(self, n: int) -> int:
        """The next number in [0, n)."""
        self._state = splitmix64(self._state)
        return math.floor(Fraction(self._state, 2**64) * n)


# --- What networks are given --------------------------------------------------------------


def channel_means(images: Iterable[Image]) -> Image:
    """Mean of the entries of each channel that are not 0; of their size for the charge."""
    entries: list[list[float]] = [[] for _ in range(N_CHANNELS)]
    for image in images:
        for cell in non_empty(image):
            for k in range(N_CHANNELS):
                x = float(image[cell][k])
                if x != 0:
                    entries[k].append(abs(x) if k == CHARGE else x)
    return np.array([math.fsum(x) / len(x) if x else 1.0 for x in entries])


def cell_list(image: Image, means: Image, max_cells: int) -> Image:
    """The hardest non-empty cells of an event: mask, eta, cos and sin of the azimuth relative to
    the hardest, sign(x) ln(1 + |x|) of the standardised channels."""
    t_init = with_coordinates(image)
    cells = sorted(non_empty(image), key=lambda cell: -image[cell][PT_ALL])
    table = np.zeros((max_cells, 4 + N_CHANNELS))
    for place, cell in enumerate(cells[:max_cells]):
        dphi = t_init[cell][PHI] - t_init[cells[0]][PHI]
        scaled = [float(x) for x in image[cell] / means]
        logs = [math.copysign(math.log(1 + abs(x)), x) for x in scaled]
        table[place] = [1, t_init[cell][ETA], math.cos(dphi), math.sin(dphi), *logs]
    return table


# --- Areas under ROC curves -----------------------------------------------------------------------


def auc(signal: Any, background: Any) -> float:
    """The area under the ROC curve of events without weights, by scikit-learn."""
    from sklearn.metrics import roc_auc_score

    truth = np.repeat([1, 0], [len(signal), len(background)])
    return float(roc_auc_score(truth, np.concatenate([signal, background])))
