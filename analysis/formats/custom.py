"""Files of a layout described by ``columns`` of the configuration."""

from __future__ import annotations

from collections.abc import Collection

from analysis.formats import particle_level
from analysis.formats.columns import names_in
from analysis.formats.format import Column, ColumnGroup, Format, Layout, SourceColumn

NAME = "columns"


def custom(layout: Layout, stored: Collection[str]) -> Format:
    """Return the format of a tree with these columns. Columns that the configuration does not
    describe are made from the particles, if it describes those."""
    columns = {name: Column(expression, configured=True) for name, expression in layout.columns}
    words = names_in(" ".join(expression for _, expression in layout.columns))
    return Format(
        name=NAME,
        title="as the configuration says",
        trees=() if layout.tree is None else (layout.tree,),
        markers=frozenset(),
        sources={word: SourceColumn(()) for word in sorted(words) if word in stored},
        groups=(ColumnGroup(columns), *particle_level.OF_PARTICLES, *particle_level.ALL),
    )
