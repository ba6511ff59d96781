"""Our own files: an RNTuple or a TTree ``events`` with the canonical columns."""

from __future__ import annotations

from analysis.formats.columns import CANONICAL
from analysis.formats.format import Block, Column, Format, Source

TREE = "events"
INFO = "sample_info"

NATIVE = Format(
    name="native",
    title="Monojet's own: [formats.md](formats.md)",
    trees=(TREE,),
    markers=frozenset({"run_number", "event_number"}),
    sources={name: Source((kind,)) for name, kind in CANONICAL.items()},
    blocks=(Block({name: Column(name) for name in CANONICAL}),),
    info=INFO,
)

FORMATS = (NATIVE,)
