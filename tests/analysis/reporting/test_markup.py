"""Markdown becomes HTML with formulas, tables that fit, and figures."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from analysis.reporting import markup
from common.tables import Table
from tests.analysis.reporting.made_up import png


class Cells(HTMLParser):
    """The tables of a page, as rows of text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tables: list[list[list[str]]] = []
        self.inside = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
            self.inside = True

    def handle_endtag(self, tag: str) -> None:
        self.inside = self.inside and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.tables[-1][-1][-1] += data


def html(text: str, folder: Path = Path()) -> str:
    return markup.to_html(text, folder)


@pytest.mark.parametrize("text", ["a $x_1$ b", "*$x_1$*", "- $x_1$", "## $x_1$", "**$x_1$**"])
def test_formulas_are_mathml_wherever_they_are(text: str) -> None:
    assert "<msub><mi>x</mi><mn>1</mn></msub>" in html(text)
    assert "$" not in html(text)


def test_what_is_no_formula_stays() -> None:
    assert html("5$ or 6$, `$x$`") == "<p>5$ or 6$, <code>$x$</code></p>\n"


def test_html_of_users_is_shown_as_text() -> None:
    assert "<b>" not in html("a <b>bold</b> name\n\n<script>x</script>")
    assert "<script>" not in html("<script>x</script>")


def test_cells_hold_formulas_with_bars() -> None:
    text = Table("t", "T", ("cut", "n"), [[r"$|\eta| < 2$", "1 ± 2"]]).markdown()
    (table,) = Cells(html(text)).tables
    assert table == [["cut", "n"], ["|η|<2", "1 ± 2"]]


def test_a_wide_table_is_several_with_all_of_its_cells() -> None:
    titles = [f"process_{i}" for i in range(24)]
    rows = [[f"bin {r}", *(f"{r}.{c} ± 0.123" for c in range(24))] for r in range(3)]
    tables = Cells(html(Table("t", "T", ("bin", *titles), rows).markdown())).tables
    assert len(tables) > 1
    assert all([row[0] for row in table] == ["bin", "bin 0", "bin 1", "bin 2"] for table in tables)
    for number, row in enumerate([["bin", *titles], *rows]):
        assert [cell for table in tables for cell in table[number][1:]] == row[1:]


def test_columns_are_classed_by_their_longest_cell() -> None:
    rows = [["1 ± 2", "a sentence that is longer than a line of a column may be"], ["3", "b"]]
    found = html(Table("t", "T", ("n", "what"), rows).markdown())
    assert re.findall(r"<th\b[^>]*>", found) == [
        '<th class="short">',
        '<th style="text-align:right" class="text">',
    ]
    assert found.count('class="short"') == found.count('class="text"') == 3


def test_a_table_without_rows_is_a_head() -> None:
    text = Table("t", "T", ("a", "b"), [], empty="no sample: add one").markdown()
    assert Cells(html(text)).tables == [[["a", "b"]]]


def test_headings_have_the_anchors_of_github() -> None:
    text = "# Top\n\n## `one` & two\n\n### no\n\n```\n## no\n```\n\n## Three"
    found = markup.headings(text)
    assert [(one.text, one.anchor, one.line) for one in found] == [
        ("`one` & two", "one--two", 2),
        ("Three", "three", 10),
    ]
    assert '<h2 id="one--two">' in html(text)
    assert "<h3>" in html(text)


def test_a_picture_and_its_caption_are_a_figure(tmp_path: Path) -> None:
    for name, size in (("wide", (40, 10)), ("square", (20, 20)), ("large", (1800, 1800))):
        (tmp_path / f"{name}.png").write_bytes(png(*size))
    text = "\n\n".join(
        (
            "above",
            "![wide](wide.png)",
            "*The $x^2$ and `met`.*",
            "![square](square.png)",
            "*Two.*",
            "below",
        )
    )
    page = html(text, tmp_path)
    assert '<figure class="small">' in page
    assert '<figure class="large">' in html("![large](large.png)", tmp_path)
    assert page.count("<figure") == page.count("<figcaption>") == 2
    assert page.count('<div class="figures">') == 1
    assert '<figure class="wide">\n<img src="data:image/png;base64,' in page
    assert base64.b64encode(png(20, 20)).decode() in page
    assert "<msup>" in page.split("<figcaption>")[1]
    assert "<code>met</code>" in page
    assert "above" in page.split("<figure")[0]
    assert "below" in page.split("</figure>")[-1]
    assert "wide.png" not in page


def test_a_picture_without_caption_is_a_figure(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(2, 2))
    assert "<figcaption></figcaption>" in html("![a](a.png)\n\ntext", tmp_path)
