"""Files of a layout that only the configuration knows: its ``columns`` say how they are read."""

from __future__ import annotations

from collections.abc import Collection

from analysis.formats import particle_level
from analysis.formats.columns import names_in
from analysis.formats.format import Block, Column, Format, Layout, Source

NAME = "columns"


def custom(layout: Layout, stored: Collection[str]) -> Format:
    """The format of a tree with these columns. What the configuration does not say is made of the
    particles, where it has these."""
    columns = {name: Column(expression) for name, expression in layout.columns}
    words = names_in(" ".join(expression for _, expression in layout.columns))
    return Format(
        name=NAME,
        title="as the configuration says",
        trees=() if layout.tree is None else (layout.tree,),
        markers=frozenset(),
        sources={word: Source(()) for word in sorted(words) if word in stored},
        blocks=(Block(columns), *particle_level.OF_PARTICLES, *particle_level.ALL),
    )
