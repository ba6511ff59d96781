"""The C++ images as numpy arrays, for the tests."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cpp_helpers import declare, load_root
from tests import reference
from tests.reference import Address, Jet, Particle

_CODE = """
#include "imaging/images.hxx"
namespace monojet_test {

using namespace monojet;

struct Flat {
  std::vector<std::uint8_t> rows, columns;
  std::vector<float> values;
};

inline Flat read_out(ImageBuilder &builder) {
  const std::size_t most = builder.n_touched();
  std::vector<std::uint8_t> rows(most), columns(most);
  std::array<std::vector<float>, n_channels> channels;
  std::array<float *, n_channels> pointers;
  for (int k = 0; k < n_channels; ++k) {
    channels[k].resize(most);
    pointers[k] = channels[k].data();
  }
  const std::size_t n = builder.read_out({rows.data(), columns.data(), pointers});
  Flat flat;
  flat.rows.assign(rows.begin(), rows.begin() + n);
  flat.columns.assign(columns.begin(), columns.begin() + n);
  for (std::size_t i = 0; i < n; ++i)
    for (const auto &channel : channels)
      flat.values.push_back(channel[i]);
  return flat;
}

/// One particle of pT 1 in each cell, in no particular order.
inline void fill_every_cell(ImageBuilder &builder) {
  for (int column = n_columns; column-- > 0;)
    for (int row = 0; row < n_rows; ++row)
      builder.add_particle(row * n_columns + column, 1., 1., 211, 1.);
}

struct Compressed {
  std::vector<std::uint8_t> rows, columns, kept_rows, kept_columns;
};

/// `addresses` are row x 126 + column, in increasing order.
inline Compressed compress(const std::string &name, const int *addresses, std::size_t n,
                           std::uint64_t hash) {
  Compressed result;
  std::vector<std::uint8_t> row(n), column(n);
  for (std::size_t i = 0; i < n; ++i) {
    row[i] = static_cast<std::uint8_t>(addresses[i] / n_columns);
    column[i] = static_cast<std::uint8_t>(addresses[i] % n_columns);
  }
  result.rows.resize(n);
  result.columns.resize(n);
  const Addresses cells{row.data(), column.data()};
  const NewAddresses out{result.rows.data(), result.columns.data()};
  if (name == "cell") {
    compress_cell(cells, n, out);
  } else if (name == "rowcol") {
    compress_rowcol(cells, n, filled_lines(cells, n), out);
  } else {
    const KeptLines kept = compress_stochastic(cells, n, filled_lines(cells, n), hash, out);
    for (int i = 0; i < n_rows; ++i)
      result.kept_rows.push_back(kept.rows.words()[i / 64] >> (i % 64) & 1);
    for (int i = 0; i < n_columns; ++i)
      result.kept_columns.push_back(kept.columns.words()[i / 64] >> (i % 64) & 1);
  }
  return result;
}

} // namespace monojet_test
"""


@functools.cache
def _compiled() -> Any:
    declare()
    if not load_root().gInterpreter.Declare(_CODE):
        raise RuntimeError("cling could not compile the tests' helpers")
    return load_root().monojet_test


def array(vector: Any, dtype: Any) -> npt.NDArray[Any]:
    """A copy of a std::vector."""
    if vector.size() == 0:
        return np.empty(0, dtype)
    return np.array(np.frombuffer(vector.data(), dtype, vector.size()))


@contextlib.contextmanager
def implicit_mt(threads: int) -> Iterator[None]:
    """Data frames made within run on several threads, if more than one."""
    if threads == 1:
        yield
        return
    load_root().EnableImplicitMT(threads)
    try:
        yield
    finally:
        load_root().DisableImplicitMT()


@dataclass(frozen=True)
class Sparse:
    """The non-empty cells of one image, in the order of the C++."""

    cells: list[Address]
    values: npt.NDArray[np.float32]  # (cells, 8)


class Builder:
    """The ImageBuilder."""

    def __init__(self) -> None:
        self._builder = declare().ImageBuilder()

    def add(self, objects: Sequence[Particle | Jet]) -> list[bool]:
        """Enter particles and jets; which of them were accepted."""
        addresses = [declare().cell_address(x.eta, x.phi) for x in objects]
        return [
            self._builder.add_particle(address, x.pt, x.energy, x.pdg_id, x.charge)
            if isinstance(x, Particle)
            else self._builder.add_jet(address, x.pt, x.width)
            for address, x in zip(addresses, objects, strict=True)
        ]

    def fill_every_cell(self) -> None:
        """Enter one particle in each cell, not in the order of the cells."""
        _compiled().fill_every_cell(self._builder)

    def read_out(self) -> Sparse:
        """The image, which is cleared."""
        flat = _compiled().read_out(self._builder)
        rows, columns = array(flat.rows, np.uint8), array(flat.columns, np.uint8)
        return Sparse(
            list(zip(rows.tolist(), columns.tolist(), strict=True)),
            array(flat.values, np.float32).reshape(-1, reference.N_CHANNELS),
        )


@dataclass(frozen=True)
class Compressed:
    """New addresses of cells; and the lines of the grid the stochastic compression kept."""

    cells: list[Address]
    kept_rows: npt.NDArray[np.uint8]
    kept_columns: npt.NDArray[np.uint8]


def compress(name: str, cells: Sequence[Address], hash_of_event: int = 0) -> Compressed:
    """A compression of cells, which are in rows and then columns."""
    flat = np.array([row * reference.N_COLUMNS + column for row, column in cells], np.int32)
    # an empty array has no address to hand over
    pointer = flat if len(flat) else np.zeros(1, np.int32)
    result = _compiled().compress(name, pointer, len(flat), hash_of_event)
    rows, columns = array(result.rows, np.uint8), array(result.columns, np.uint8)
    return Compressed(
        list(zip(rows.tolist(), columns.tolist(), strict=True)),
        array(result.kept_rows, np.uint8),
        array(result.kept_columns, np.uint8),
    )
