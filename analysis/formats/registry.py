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
"""Name of a format -> format, in the order in which they are tried on a file."""

MODULE_OF = {one.name: module.__name__ for module in _MODULES for one in module.FORMATS}
"""Name of a format -> name of its module."""


_HEAD = """\
# How columns are made

Printed by `python -m analysis.formats.registry`; see [inputs.md](inputs.md). Expressions are C++
and use the columns of the file and the columns above them; a column above hides a column of the
file with the same name. If a column has several expressions, the first possible one is used, the
same for all columns of an object."""


def listing() -> str:
    """Return a Markdown table of the formats and how they are recognised."""
    lines = [
        _row("format", "what it is", "tree or ntuple", "recognised by its columns"),
        _row(*["---"] * 4),
    ]
    for one in FORMATS.values():
        recognised_by = sorted(one.possible_names(marker)[0] for marker in one.markers)
        trees, markers = (
            ", ".join(f"`{x}`" for x in names) for names in (one.trees, recognised_by)
        )
        lines.append(_row(f"`{one.name}`", one.title, trees, markers))
    return "\n".join(lines)


def overview() -> str:
    """Return a Markdown table: how each format provides each canonical column."""
    lines = [
        _row("column", *(f"`{name}`" for name in FORMATS)),
        _row(*["---"] * (1 + len(FORMATS))),
    ]
    for name in CANONICAL:
        lines.append(_row(f"`{name}`", *(one.how(name) for one in FORMATS.values())))
    return "\n".join(lines)


def details(one: Format) -> str:
    """Return Markdown tables of the expressions of a format and of the columns that have another
    name in expressions than in the file."""
    lines = [_row("column", "expression", "note"), _row("---", "---", "---")]
    for group in one.groups:
        for name, column in group.columns.items():
            expression = column.expression.replace("|", "\\|")
            lines.append(_row(f"`{name}`", f"`{expression}`", column.note))
    renamed = [name for name in one.sources if one.possible_names(name) != (name,)]
    if renamed:
        lines += [
            "",
            _row("in expressions", "in the file, in order of preference"),
            _row(*["---"] * 2),
        ]
        for name in renamed:
            lines.append(_row(f"`{name}`", ", ".join(f"`{x}`" for x in one.possible_names(name))))
    return "\n".join(lines)


def page() -> str:
    """Return docs/columns.md: how the canonical columns of each format are made."""
    parts = [_HEAD]
    for one in FORMATS.values():
        if one is not native.NATIVE:
            parts.append(f"## `{one.name}`\n\n{details(one)}")
    return "\n\n".join(parts) + "\n"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    print(page(), end="")
