"""All input formats. ``python -m analysis.formats.registry`` prints docs/columns.md."""

from __future__ import annotations

from analysis.formats import (
    daod,
    delphes,
    hepmc_tree,
    mini,
    nanoaod,
    native,
    physlite,
)
from analysis.formats.columns import CANONICAL
from analysis.formats.format import Format

_MODULES = (native, mini, physlite, daod, delphes, nanoaod, hepmc_tree)

FORMATS = {one.name: one for module in _MODULES for one in module.FORMATS}
"""By name, in the order in which they are tried on a file."""

MODULE_OF = {one.name: module.__name__ for module in _MODULES for one in module.FORMATS}
"""Name of a format -> name of its module."""


_HEAD = """\
# How columns are made

Printed by `python -m analysis.formats.registry`; [inputs.md](inputs.md) explains it. Expressions are
C++ and see the file's columns and, in their place, the columns above them. Where there are several
for a column, the first that a file allows is taken, for all columns of an object."""


def listing() -> str:
    """A Markdown table: what each format is, and how it is recognised."""
    lines = [
        _row("format", "what it is", "tree or ntuple", "told by its columns"),
        _row(*["---"] * 4),
    ]
    for one in FORMATS.values():
        told_by = sorted(one.spellings(marker)[0] for marker in one.markers)
        trees, markers = (", ".join(f"`{x}`" for x in names) for names in (one.trees, told_by))
        lines.append(_row(f"`{one.name}`", one.title, trees, markers))
    return "\n".join(lines)


def overview() -> str:
    """A Markdown table: what each format can give of each canonical column."""
    lines = [
        _row("column", *(f"`{name}`" for name in FORMATS)),
        _row(*["---"] * (1 + len(FORMATS))),
    ]
    for name in CANONICAL:
        lines.append(_row(f"`{name}`", *(one.how(name) for one in FORMATS.values())))
    return "\n".join(lines)


def details(one: Format) -> str:
    """Markdown tables: how a format's canonical columns are made and, where expressions cannot
    spell the file's columns, by which names they do."""
    lines = [_row("column", "expression", "note"), _row("---", "---", "---")]
    for block in one.blocks:
        for name, column in block.columns.items():
            expression = column.expression.replace("|", "\\|")
            lines.append(_row(f"`{name}`", f"`{expression}`", column.note))
    renamed = [name for name in one.sources if one.spellings(name) != (name,)]
    if renamed:
        lines += [
            "",
            _row("in expressions", "in the file, the first that is there"),
            _row(*["---"] * 2),
        ]
        for name in renamed:
            lines.append(_row(f"`{name}`", ", ".join(f"`{x}`" for x in one.spellings(name))))
    return "\n".join(lines)


def page() -> str:
    """docs/columns.md: how the canonical columns of each format are made."""
    parts = [_HEAD]
    for one in FORMATS.values():
        if one is not native.NATIVE:
            parts.append(f"## `{one.name}`\n\n{details(one)}")
    return "\n\n".join(parts) + "\n"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    print(page(), end="")
