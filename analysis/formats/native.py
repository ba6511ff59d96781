"""Native files: an RNTuple or a TTree ``events`` with the canonical columns."""

from __future__ import annotations

from analysis.formats.columns import CANONICAL, FORMER
from analysis.formats.format import Column, ColumnGroup, Format, SourceColumn

TREE = "events"
INFO = "sample_info"

NATIVE = Format(
    name="native",
    title="Monojet's own: [formats.md](formats.md)",
    trees=(TREE,),
    markers=frozenset({"run_number", "event_number"}),
    sources={name: SourceColumn((kind,)) for name, kind in CANONICAL.items()},
    groups=(ColumnGroup({name: Column(name) for name in CANONICAL}),),
    former_columns=FORMER,
    info=INFO,
)

FORMATS = (NATIVE,)
