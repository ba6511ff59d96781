"""All input formats. ``python -m analysis.inputs.formats`` prints the tables of docs/inputs.md."""

from __future__ import annotations

from collections.abc import Iterator

from analysis.columns import CANONICAL
from analysis.inputs.format import Format
from analysis.inputs.mini import MINI
from analysis.inputs.native import NATIVE

FORMATS = {one.name: one for one in (NATIVE, MINI)}
"""By name, in the order in which they are tried on a file."""


def listing() -> str:
    """A Markdown table: what each format is, and how it is recognised."""
    lines = [
        _row("format", "what it is", "tree or ntuple", "told by its columns"),
        _row(*["---"] * 4),
    ]
    for one in FORMATS.values():
        trees, markers = (
            ", ".join(f"`{x}`" for x in names) for names in (one.trees, sorted(one.markers))
        )
        lines.append(_row(f"`{one.name}`", one.title, trees, markers))
    return "\n".join(lines)


def overview() -> str:
    """A Markdown table: what each format can give of each canonical column."""
    lines = [
        _row("column", *(f"`{name}`" for name in FORMATS)),
        _row(*["---"] * (1 + len(FORMATS))),
    ]
    for name in CANONICAL:
        found = (one.columns.get(name) for one in FORMATS.values())
        lines.append(_row(f"`{name}`", *("impossible" if c is None else c.how for c in found)))
    return "\n".join(lines)


def details(one: Format) -> str:
    """A Markdown table: how a format's canonical columns are made."""
    lines = [_row("column", "expression", "note"), _row("---", "---", "---")]
    for name, column in one.columns.items():
        lines.append(_row(f"`{name}`", f"`{column.expression}`", column.note))
    return "\n".join(lines)


def tables() -> Iterator[str]:
    """All tables of docs/inputs.md."""
    yield listing()
    yield overview()
    for one in FORMATS.values():
        if one is not NATIVE:
            yield details(one)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    print("\n\n".join(tables()))
