"""The style of all figures: fonts, colours, labels, and file formats.

The colours are those of Okabe and Ito, which colour-blind readers can distinguish, and for further
processes those of Tol's scheme "muted". Each process and network also has its own line style and
marker, so that figures are readable in greyscale.
"""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Colormap, ListedColormap, LogNorm
from matplotlib.figure import Figure
from PIL import Image

from common.runtime import files
from plots import formulas, ticks, unchanged

BLACK = "#000000"
ORANGE = "#E69F00"
SKY_BLUE = "#56B4E9"
GREEN = "#009E73"
BLUE = "#0072B2"
VERMILLION = "#D55E00"
PURPLE = "#CC79A7"
GREY = "#767676"

MET = r"$E_\mathrm{T}^\mathrm{miss}$"

SCORE = r"$\log_{10}$ of the squared error"

_COMPRESSION = 3  # of PNG: two thirds of the time of the usual 6, files 11 % larger


def part_of(name: str, low: float, high: float) -> Colormap:
    """Return a section of a colour scale, without its pale end: empty cells are white."""
    return ListedColormap(matplotlib.colormaps[name](np.linspace(low, high, 256)))


SCALE = part_of("viridis_r", 0.1, 1.0)

_SETTINGS: dict[str, Any] = {
    "font.family": "DejaVu Sans",  # part of matplotlib, so available everywhere
    "mathtext.fontset": "dejavusans",
    "font.size": 12,
    "axes.labelsize": 13,
    "axes.titlesize": 12,
    "axes.linewidth": 1.0,
    "axes.formatter.use_mathtext": True,
    "xaxis.labellocation": "right",
    "yaxis.labellocation": "top",
    "xtick.direction": "in",
    "ytick.direction": "in",
    "xtick.top": True,
    "ytick.right": True,
    "xtick.minor.visible": True,
    "ytick.minor.visible": True,
    "xtick.major.size": 7,
    "ytick.major.size": 7,
    "xtick.minor.size": 3.5,
    "ytick.minor.size": 3.5,
    "lines.linewidth": 1.8,
    "hatch.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 11,
    "legend.handlelength": 2.6,
    "image.interpolation": "none",
    "figure.dpi": 150,
    "figure.constrained_layout.h_pad": 0.07,
    "figure.constrained_layout.w_pad": 0.07,
}


@contextlib.contextmanager
def styled() -> Iterator[None]:
    """Apply the style, independent of the user's matplotlibrc; also a decorator."""
    with matplotlib.style.context(["default", _SETTINGS]), formulas.remembered():
        yield


@dataclass(frozen=True)
class Look:
    """Label, colour, line style, marker and hatch of a process or a network."""

    label: str
    colour: str
    line: Any
    marker: str
    hatch: str = ""


_PROCESSES = {
    "Znunu": Look(r"$Z(\to\nu\bar\nu)$ + jets", BLUE, "-", "o"),
    "Wtaunu": Look(r"$W(\to\tau\nu)$ + jets", VERMILLION, "--", "s", "///"),
    "Wmunu": Look(r"$W(\to\mu\nu)$ + jets", GREEN, "-.", "^", "\\\\\\"),
    "Wenu": Look(r"$W(\to e\nu)$ + jets", ORANGE, ":", "v", "..."),
    "mediator": Look("invisible mediator (1 TeV)", BLACK, (0, (7, 1.5, 1.5, 1.5)), "D"),
    "graviton": Look("graviton, extra dimensions", PURPLE, (0, (3, 1, 1, 1, 1, 1)), "P"),
    "higgs": Look(r"$H$ + jets, invisible", SKY_BLUE, (0, (1, 1)), "X"),
    "pseudoscalar": Look(r"$A(\to\chi\bar\chi)$ + jets", GREY, (0, (5, 1)), "*"),
    # three leptons
    "WZ": Look("$WZ$", SKY_BLUE, "-", "o"),
    "ZZ": Look("$ZZ$", BLUE, "--", "s"),
    "ttbar": Look(r"$t\bar{t}$", ORANGE, "-.", "^", "\\\\\\"),
    "Zjets": Look("$Z$ + jets", GREEN, ":", "v", "..."),
    "Zll": Look(r"$Z(\to\ell\ell)$ + jets", GREY, (0, (5, 1)), "<", "|||"),
    "WR_N": Look(
        r"$W_\mathrm{R} \to \ell N$ (2 TeV, 500 GeV)", VERMILLION, (0, (7, 1.5, 1.5, 1.5)), "D"
    ),
    "W_N": Look(r"$W \to e N$ (50 GeV)", PURPLE, (0, (3, 1, 1, 1, 1, 1)), "P"),
    "data": Look("data", BLACK, (0, (1, 1)), "."),
    "pseudo_data": Look("pseudo-data", BLACK, (0, (1, 1)), "."),
}
_OTHER_COLOURS = ("#332288", "#999933", "#882255", "#117733", "#CC6677", "#DDCC77", "#AA4499")
_SPARE_COLOURS = (PURPLE, SKY_BLUE, GREY, ORANGE, GREEN, VERMILLION, BLUE)
_LINES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (7, 1.5, 1.5, 1.5)), (0, (3, 1, 1, 1, 1, 1)))
_OTHER_LINES: tuple[Any, ...] = (*_LINES, (0, (5, 1)), (0, (1, 1)), (0, (9, 3)), (0, (1, 3)))
_MARKERS = "osD^vP"
_OTHER_MARKERS = f"{_MARKERS}X*<>phd8"
_OTHER_HATCHES = ("xxx", "+++", "---", "ooo", "//", "***", "||", "OO")


class Described(Protocol):
    """What a run says of a process: its label, as matplotlib takes it, and its colour; None: the
    usual one."""

    @property
    def label(self) -> str | None:
        """Return the label."""

    @property
    def colour(self) -> str | None:
        """Return the colour."""


_of_run: ContextVar[Mapping[str, Look] | None] = ContextVar("_of_run", default=None)


@contextlib.contextmanager
def looks(processes: Mapping[str, Described]) -> Iterator[None]:
    """Draw the processes of a run, all of which are given, as the run describes them.

    Those without a look of their own differ in colour, line, marker and hatch from all others, as
    far as there are enough, whatever the order of the processes.
    """
    token = _of_run.set(_looks_of(processes))
    try:
        yield
    finally:
        _of_run.reset(token)


def process(name: str) -> Look:
    """Return the look of a process, which is the same in all figures, also for unknown ones."""
    found = _of_run.get() or {}
    return found.get(name) or _PROCESSES.get(name) or _other(name, found.values())


def _looks_of(processes: Mapping[str, Described]) -> dict[str, Look]:
    found: dict[str, Look] = {}

    def rank(name: str) -> tuple[bool, bool, str]:
        return name not in _PROCESSES, processes[name].colour is None, name

    for name in sorted(processes, key=rank):  # those of a fixed colour first: others avoid it
        said = processes[name]
        usual = _PROCESSES.get(name) or _other(name, found.values())
        found[name] = replace(
            usual, label=said.label or usual.label, colour=said.colour or usual.colour
        )
    return found


def _other(name: str, taken: Collection[Look]) -> Look:
    """Return the look of an unknown process, different from looks that are taken."""
    number = zlib.crc32(name.encode())
    variant = name.removeprefix("pseudo_data_").replace("_", " ")
    label = f"pseudo-data, {variant}" if name.startswith("pseudo_data_") else name
    return Look(
        plain(label),
        _free(_OTHER_COLOURS, number, [look.colour.upper() for look in taken], _SPARE_COLOURS),
        _free(_OTHER_LINES, number // 7, [look.line for look in taken]),
        _free(_OTHER_MARKERS, number // 7, [look.marker for look in taken]),
        _free(_OTHER_HATCHES, number, [look.hatch for look in taken]),
    )


_Choice = TypeVar("_Choice")


def _free(
    choices: Sequence[_Choice],
    number: int,
    taken: Collection[_Choice],
    spare: Sequence[_Choice] = (),
) -> _Choice:
    """Return a choice by number, or the next one that is not taken; a spare one after all others;
    the first if none is left."""
    first = number % len(choices)
    in_turn = (*choices[first:], *choices[:first], *spare)
    return next((one for one in in_turn if one not in taken), in_turn[0])


def plain(name: str) -> str:
    """Return a user's name with dollar signs escaped, so that it is shown unchanged."""
    return name.replace("$", r"\$")


def in_order(names: Iterable[str]) -> list[str]:
    """Return the processes in the order of legends, without duplicates, known ones first."""
    given = set(names)
    return [*(n for n in _PROCESSES if n in given), *sorted(given - _PROCESSES.keys())]


_NETWORKS = {"maxpool": "max-pool", "vgg": "VGG", "resnet": "ResNet", "dense_cells": "dense"}
_COMPRESSIONS = {
    "cell": "cell",
    "rowcol": "row-col",
    "stochastic": "stochastic row-col",
    "none": "uncompressed",
}


def compression(name: str) -> str:
    """Return the name of a compression in the thesis."""
    return _COMPRESSIONS.get(name, name)


def network(name: str) -> str:
    """Return the name in the thesis of ``<network>+<compression>+<variant>``: ``cell + strides``.

    Autoencoders of matrices have no compression: ``dense+tuned`` is ``dense, tuned``.
    """
    kind, how, variant = (*name.split("+"), "", "")[:3]
    if how not in _COMPRESSIONS:
        how, variant = "", how
    kind = _NETWORKS.get(kind, kind.replace("_", " "))
    kind = f"{compression(how)} + {kind}" if how else kind
    return f"{kind}, {variant.replace('_', ' ')}" if variant else kind


def networks(names: Sequence[str]) -> dict[str, Look]:
    """Return the looks of the networks of a run; the first 36 are unique."""
    colours = (BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY_BLUE)
    return {
        name: Look(network(name), colours[i % 6], _LINES[(i + i // 6) % 6], _MARKERS[i % 6])
        for i, name in enumerate(names)
    }


def positive(values: Any) -> Any:
    """Return values for a logarithmic axis, with NaN in place of those that are not positive."""
    return np.where(np.asarray(values) > 0, values, np.nan)


def log_norm(values: Any, decades: float) -> LogNorm:
    """Return a logarithmic scale up to the largest value, from the smallest positive value or from
    ``decades`` below the largest; smaller values have the colour of its lower end."""
    found = np.asarray(values)
    found = found[found > 0]
    if not len(found):
        return LogNorm(1, 10)
    high = float(found.max())
    low = max(float(found.min()), high * 10.0**-decades)
    return LogNorm(low, max(high, 10 * low), clip=True)


def heading(
    target: Figure | Axes, luminosity: float | None = None, text: str = "", data: bool = False
) -> None:
    """Write the line above a figure or its only axes: luminosity in 1/fb, ``text``, and whether the
    figure shows ``data``."""
    parts = [rf"Monojet{'' if data else ' simulation'}, $\sqrt{{s}}$ = 13 TeV"]
    if luminosity is not None:
        parts.append(rf"{luminosity:g} fb$^{{-1}}$")
    if text:
        parts.append(text)
    line = ", ".join(parts)
    if isinstance(target, Axes):
        target.set_title(line, loc="left")
    else:
        target.suptitle(line, x=0.01, ha="left", fontsize=12)


@styled()
def save(figure: Figure, path: Path) -> list[Path]:
    """Write a figure as PNG and PDF, atomically; equal figures give equal bytes.

    Args:
        figure: the figure.
        path: its path without suffix.

    Returns:
        The files.

    Raises:
        OutputError: the disk is full or the directory is not writable.
    """
    canvas = FigureCanvasAgg(figure)
    ticks.plain_numbers(figure)
    written = []
    with unchanged.remembered():
        with ticks.minor_as_lines(figure):
            if (engine := figure.get_layout_engine()) is not None:
                engine.execute(figure)
                figure.set_layout_engine(None)  # the same layout in all formats
        for suffix, write in (("png", _write_png), ("pdf", _write_pdf)):
            file = path.with_name(f"{path.name}.{suffix}")
            with files.whole(file) as partial:
                write(canvas, partial)
            written.append(file)
    return written


def _write_png(canvas: FigureCanvasAgg, file: Path) -> None:
    """Write a figure as PNG without transparency, which makes the file smaller."""
    canvas.draw()  # type: ignore[no-untyped-call]
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba()))  # type: ignore[no-untyped-call]
    dpi = (canvas.figure.dpi, canvas.figure.dpi)
    picture.convert("RGB").save(file, "png", compress_level=_COMPRESSION, dpi=dpi)


def _write_pdf(canvas: FigureCanvasAgg, file: Path) -> None:
    canvas.figure.savefig(file, format="pdf", metadata={"CreationDate": None})
