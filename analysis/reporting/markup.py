"""The Markdown of a report as HTML: formulas, tables that fit on a page, figures with captions.

Supported is what the reports and the tables of a run use: CommonMark without HTML, tables, and
formulas between dollar signs. A paragraph that is a picture, and the paragraph in italics below it,
become a figure; its file is part of the page.
"""

from __future__ import annotations

import base64
import html
import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.dollarmath import dollarmath_plugin

from analysis.reporting.blocks import LONGEST, TIGHT, Column, blocks
from analysis.reporting.formulas import length, mathml

_WIDE = 1.75  # width over height of a figure, from which it takes a whole line
_LARGE = 1700  # pixels of the width of a figure, from which it does so, too


@dataclass(frozen=True)
class Heading:
    """A heading of the second level: its text in Markdown, its anchor, and its first line."""

    text: str
    anchor: str
    line: int


def headings(text: str) -> list[Heading]:
    """Return the headings of the second level, in order."""
    tokens = _parser().parse(text)
    return [
        Heading(tokens[i + 1].content, anchor(tokens[i + 1].content), (token.map or [0])[0])
        for i, token in enumerate(tokens)
        if token.type == "heading_open" and token.tag == "h2"
    ]


def anchor(heading: str) -> str:
    """Return the anchor of a heading, as GitHub names it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


def to_html(text: str, folder: Path) -> str:
    """Return Markdown as HTML; pictures are read from paths relative to ``folder``."""
    parser = _parser()
    tokens = [*_in_blocks(_with_anchors(parser.parse(text)))]
    return "".join(
        part if isinstance(part, str) else parser.renderer.render(part, parser.options, {})
        for part in _with_figures(parser, tokens, folder)
    )


def inline_html(text: str) -> str:
    """Return a line of Markdown as HTML."""
    rendered: str = _parser().renderInline(text)
    return rendered


def figure(name: str, picture: Path, caption: str) -> str:
    """Return a figure as HTML that contains its picture, a PNG file; the caption is HTML."""
    data = picture.read_bytes()
    width, height = _size(data)
    kind = "wide" if width > _WIDE * height else "large" if width > _LARGE else "small"
    source = f"data:image/png;base64,{base64.b64encode(data).decode()}"
    return (
        f'<figure class="{kind}">\n<img src="{source}" alt="{html.escape(name)}">\n'
        f"<figcaption>{caption}</figcaption>\n</figure>\n"
    )


def _size(png: bytes) -> tuple[int, int]:
    """Return the width and the height of a PNG picture."""
    width, height = struct.unpack(">II", png[16:24])
    return width, height


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    return parser.use(
        dollarmath_plugin,
        allow_labels=False,
        allow_space=False,
        allow_digits=False,
        renderer=lambda latex, _: mathml(latex),
    )


def _with_anchors(tokens: Sequence[Token]) -> Sequence[Token]:
    for i, token in enumerate(tokens):
        if token.type == "heading_open" and token.tag == "h2":
            token.attrSet("id", anchor(tokens[i + 1].content))
    return tokens


# --- Tables ---------------------------------------------------------------------------------------


def _in_blocks(tokens: Sequence[Token]) -> Iterator[Token]:
    """Yield tokens in which each wide table is divided into several."""
    table: list[Token] = []
    for token in tokens:
        if token.type == "table_open" or table:
            table.append(token)
        else:
            yield token
        if token.type == "table_close":
            yield from _divided(table)
            table = []


_Cell = list[Token]


def _divided(table: Sequence[Token]) -> Iterator[Token]:
    head, body = _rows(table, "th"), _rows(table, "td")
    lengths = [[length(cell[1].content) for cell in column] for column in zip(*body, strict=True)]
    titles = [cell[1].content for cell in head[0]]
    longest = [max(of_column) for of_column in lengths] or [0 for _ in titles]
    widths = [
        Column(title, max(map(length, title.split()), default=0), cell)
        for title, cell in zip(titles, longest, strict=True)
    ]
    classes = [_class(cell) for cell in longest]
    for columns in blocks(widths):
        yield Token("table_open", "table", 1, block=True)
        yield from _section("thead", head, columns, classes)
        if body:
            yield from _section("tbody", body, columns, classes)
        yield Token("table_close", "table", -1, block=True)


def _rows(table: Sequence[Token], tag: str) -> list[list[_Cell]]:
    """Return the cells of each row, ``th`` or ``td``: opening, content, closing."""
    rows: list[list[_Cell]] = []
    for i, token in enumerate(table):
        if token.type == "tr_open":
            rows.append([])
        elif token.type == f"{tag}_open":
            rows[-1].append([*table[i : i + 3]])
    return [row for row in rows if row]


def _class(longest: int) -> str:
    """Return the class of a column by its longest cell: "short" is not broken, "text" is prose."""
    return "short" if longest <= TIGHT else "text" if longest > LONGEST else ""


def _section(
    tag: str, rows: Sequence[Sequence[_Cell]], columns: Sequence[int], classes: Sequence[str]
) -> Iterator[Token]:
    yield Token(f"{tag}_open", tag, 1, block=True)
    for row in rows:
        yield Token("tr_open", "tr", 1, block=True)
        for column in columns:
            opening, content, closing = row[column]
            cell = opening.copy(attrs=dict(opening.attrs))
            if classes[column]:
                cell.attrSet("class", classes[column])
            yield from (cell, content, closing)
        yield Token("tr_close", "tr", -1, block=True)
    yield Token(f"{tag}_close", tag, -1, block=True)


# --- Figures --------------------------------------------------------------------------------------


def _with_figures(
    parser: MarkdownIt, tokens: Sequence[Token], folder: Path
) -> Iterator[str | Sequence[Token]]:
    """Yield figures as HTML, and the tokens between them."""
    others: list[Token] = []
    i = 0
    while i < len(tokens):
        found: list[str] = []
        while (image := _only_image(tokens, i)) is not None:
            i += 3
            caption = ""
            if (children := _only_emphasis(tokens, i)) is not None:
                i += 3
                caption = _inline(parser, children)
            picture = folder / str(image.attrs["src"])
            found.append(figure(image.content, picture, caption))
        if found:
            yield others
            yield in_rows(found)
            others = []
        else:
            others.append(tokens[i])
            i += 1
    yield others


def _inline(parser: MarkdownIt, tokens: Sequence[Token]) -> str:
    """Return the content of a line as HTML."""
    line = Token("inline", "", 0, children=[*tokens])
    rendered: str = parser.renderer.render([line], parser.options, {})
    return rendered


def in_rows(found: Sequence[str]) -> str:
    """Return figures in HTML, side by side where they are not wide."""
    return f'<div class="figures">\n{"".join(found)}</div>\n'


def _only_image(tokens: Sequence[Token], i: int) -> Token | None:
    children = _paragraph(tokens, i)
    return children[0] if len(children) == 1 and children[0].type == "image" else None


def _only_emphasis(tokens: Sequence[Token], i: int) -> list[Token] | None:
    children = _paragraph(tokens, i)
    if len(children) < 2 or (children[0].type, children[-1].type) != ("em_open", "em_close"):
        return None
    return children[1:-1]


def _paragraph(tokens: Sequence[Token], i: int) -> list[Token]:
    """Return the content of the paragraph that begins at a token; empty without one."""
    if i + 1 >= len(tokens) or tokens[i].type != "paragraph_open":
        return []
    content: Any = tokens[i + 1].children
    return [*content]
