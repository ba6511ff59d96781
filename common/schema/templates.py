"""The histograms of a run, `histograms.h5`: by region, process and name.

Simulated events are normalised to the luminosity, collision data are counts. Each group
``/<region>/<process>/<name>`` is a UHI histogram (https://uhi.readthedocs.io) with variances,
underflow and overflow, for programs such as `hist` and `boost_histogram`::

    with h5py.File("histograms.h5") as file:
        found = boost_histogram.Histogram(uhi.io.hdf5.read(file["SR/Znunu/leading_jet_pt"]))

Names ``n_minus_one/<cut>`` are histograms of events that pass all cuts of the region but this one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import boost_histogram as bh
import h5py
import numpy as np
import numpy.typing as npt
from boost_histogram.serialization import remove_writer_info, to_uhi
from h5py import h5g, h5p, h5t
from uhi.io import hdf5 as uhi_hdf5

from common.runtime import files
from common.runtime.errors import InputError, OutputError
from common.schema import hdf5

SCHEMA = 1
N_MINUS_ONE = "n_minus_one/"
"""What the names of histograms without one cut begin with; the name of the cut follows."""

_SPACE = 8_000  # bytes of a histogram, at most, besides its numbers

_DAMAGES = (OSError, LookupError, TypeError, ValueError, RuntimeError, AssertionError)
"""What h5py, uhi and boost_histogram raise at a damaged file."""

Floats = npt.NDArray[np.float64]
Weighted = bh.Histogram[bh.storage.Weight]


@dataclass(frozen=True)
class Template:
    """A histogram of one process in one region.

    Attributes:
        region: name of the region.
        process: name of the process.
        name: name of the histogram.
        title: what the histogram shows, if its name and axes do not tell.
        histogram: sums of weights and their variances; axes have edges and labels.
        entries: number of values, each counted once, in all bins.
        n_without_value: number of events that the histogram leaves out, as they lack the quantity.
    """

    region: str
    process: str
    name: str
    title: str
    histogram: Weighted
    entries: int
    n_without_value: int = 0

    @property
    def path(self) -> str:
        """Return the group of the histogram."""
        return f"{self.region}/{self.process}/{self.name}"

    @property
    def labels(self) -> tuple[str, ...]:
        """Return the labels of the axes."""
        return tuple(str(axis.__dict__.get("label", "")) for axis in self.histogram.axes)

    @property
    def edges(self) -> tuple[Floats, ...]:
        """Return the edges of the bins of each axis."""
        return tuple(np.asarray(axis.edges, np.float64) for axis in self.histogram.axes)

    @property
    def values(self) -> Floats:
        """Return the events in each bin, with underflow and overflow."""
        return np.asarray(self.histogram.values(flow=True), np.float64)

    @property
    def variances(self) -> Floats:
        """Return the variance of the events in each bin, with underflow and overflow."""
        return np.asarray(self.histogram.variances(flow=True), np.float64)


def weighted(
    edges: Sequence[Sequence[float]],
    labels: Sequence[str],
    values: npt.ArrayLike,
    variances: npt.ArrayLike,
) -> Weighted:
    """Return a histogram of known content.

    Args:
        edges: edges of the bins of each axis, ascending.
        labels: label of each axis, with the unit.
        values: events in each bin; an axis of n bins has n + 2, the first for underflow and the
            last for overflow.
        variances: their variances, of the same shape.
    """
    axes = [
        bh.axis.Variable(one, __dict__={"label": label})
        for one, label in zip(edges, labels, strict=True)
    ]
    histogram = bh.Histogram(*axes, storage=bh.storage.Weight())
    content = np.stack([np.asarray(values, np.float64), np.asarray(variances, np.float64)], axis=-1)
    if content.shape[:-1] != histogram.axes.extent:
        raise ValueError(f"shape {content.shape[:-1]}, the axes have {histogram.axes.extent}")
    histogram[...] = content
    return histogram


@dataclass(frozen=True)
class Templates:
    """All histograms of a run; ``luminosity`` (1/fb) is that of the expected events."""

    luminosity: float
    templates: tuple[Template, ...]

    @property
    def regions(self) -> tuple[str, ...]:
        """Return the names of the regions."""
        return tuple(dict.fromkeys(one.region for one in self.templates))

    def names(self, region: str) -> tuple[str, ...]:
        """Return the names of the histograms in a region."""
        return tuple(dict.fromkeys(one.name for one in self.templates if one.region == region))

    def by_process(self, region: str, name: str) -> dict[str, Template]:
        """Return a histogram of a region by process, for the processes that have it."""
        return {
            one.process: one for one in self.templates if (one.region, one.name) == (region, name)
        }

    def write(self, path: Path) -> None:
        """Write the file; equal content gives equal bytes.

        Raises:
            ValueError: two histograms have the same group, or one lies within that of another.
            OutputError: the directory is full or not writable.
        """
        ordered = sorted(self.templates, key=lambda one: one.path.split("/"))
        _check_groups(ordered)
        n_bytes = sum(_SPACE + 2 * one.values.nbytes for one in ordered)
        files.require_space(path, n_bytes)
        with files.whole(path) as partial, hdf5.create_file(partial, []) as file:
            try:
                file.attrs["schema"] = SCHEMA
                file.attrs["luminosity"] = float(self.luminosity)
                root = _Group(file.id)
                for one in ordered:
                    uhi_hdf5.write(
                        root.create_group(one.path), _to_uhi(one), min_compress_elements=0
                    )
            except RuntimeError as error:
                raise OutputError(f"{path}: cannot write: {error}") from error

    @classmethod
    def read(cls, path: Path) -> Templates:
        """Read the file; histograms are in the order of their groups.

        Raises:
            InputError: the file is missing, damaged or of another schema version.
        """
        try:
            with hdf5.open_file(path) as file:
                version = file.attrs.get("schema")
                if version != SCHEMA:
                    raise InputError(
                        f"{path}: histograms of schema version {version}, this program reads "
                        f"{SCHEMA}: make them again with --stage cutflow"
                    )
                luminosity = float(file.attrs["luminosity"])
                return cls(luminosity, tuple(_from_uhi(*one) for one in _groups(file)))
        except FileNotFoundError as error:
            raise InputError(
                f"{path}: no such file of histograms: make it with --stage cutflow"
            ) from error
        except _DAMAGES as error:
            cause = " ".join(str(error).split()).strip("'\"")
            raise InputError(
                f"{path}: not a whole file of histograms ({cause}): make it again with --stage "
                "cutflow --force"
            ) from error


def _check_groups(ordered: Sequence[Template]) -> None:
    """Make sure that the groups of histograms, in their order, are distinct and not nested."""
    for one in ordered:
        if "/" in one.region + one.process or not all(one.path.split("/")):
            raise ValueError(f"'{one.path}' cannot be the group of a histogram")
    for one, other in pairwise(ordered):
        if f"{other.path}/".startswith(f"{one.path}/"):
            raise ValueError(f"'{one.path}' and '{other.path}' are groups of two histograms")


class _Group(h5py.Group):  # type: ignore[misc]
    """A group that makes groups without time stamps, which h5py's own call stores."""

    def create_group(self, name: str, track_order: bool | None = None) -> _Group:
        creation, links = h5p.create(h5p.GROUP_CREATE), h5p.create(h5p.LINK_CREATE)
        creation.set_obj_track_times(False)
        links.set_create_intermediate_group(True)
        links.set_char_encoding(h5t.CSET_UTF8)
        return _Group(h5g.create(self.id, name.encode(), lcpl=links, gcpl=creation))


def _to_uhi(template: Template) -> Any:
    """Return the histogram, with all else as its metadata; `hist` knows its name and label."""
    data = remove_writer_info(to_uhi(template.histogram))
    data["metadata"] = {
        "name": template.name,
        "label": template.title,
        "entries": template.entries,
        "n_without_value": template.n_without_value,
    }
    return data


def _groups(file: Any) -> Iterator[tuple[str, Any]]:
    """Yield the groups of histograms and their paths, in order."""
    for name, group in file.items():
        if "uhi_schema" in group.attrs:
            yield name, group
        else:
            yield from ((f"{name}/{inner}", found) for inner, found in _groups(group))


def _from_uhi(path: str, group: Any) -> Template:
    data: Any = uhi_hdf5.read(group)
    metadata = data.pop("metadata")
    region, process, name = path.split("/", 2)
    histogram = bh.Histogram(data)
    if not isinstance(histogram.storage, bh.storage.Weight):
        raise TypeError(f"histogram '{path}' has no variances")
    return Template(
        region,
        process,
        name,
        str(metadata["label"]),
        histogram,
        int(metadata["entries"]),
        int(metadata["n_without_value"]),
    )
