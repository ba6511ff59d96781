"""Wide tables are divided into blocks that repeat the first column."""

from __future__ import annotations

import random

import pytest

from analysis.reporting.blocks import LIMIT, LONGEST, PADDING, TIGHT, Column, blocks


def columns(*widths: int, titles: str = "") -> list[Column]:
    names = titles.split("/") if titles else [f"{i}" for i in range(len(widths))]
    return [Column(name, 1, width - PADDING) for name, width in zip(names, widths, strict=True)]


def test_a_narrow_table_is_one_block() -> None:
    assert blocks(columns(20, 10, 10)) == [[0, 1, 2]]
    assert blocks(columns(20)) == [[0]]


def test_blocks_are_few_and_of_about_the_same_width() -> None:
    assert blocks(columns(10, *[10] * 4), limit=40) == [[0, 1, 2], [0, 3, 4]]  # not three and one


def test_columns_of_a_subject_stay_together_if_they_fit() -> None:
    titles = "bin/Z/Z, a/W/W, a/W, b"
    assert blocks(columns(10, 10, 10, 10, 10, 10, titles=titles), limit=50) == [
        [0, 1, 2],
        [0, 3, 4, 5],
    ]
    divided = blocks(columns(10, *[10] * 5, titles=titles), limit=30)  # three do not fit
    assert divided == [[0, 1, 2], [0, 3, 4], [0, 5]]


def test_long_text_is_broken_rather_than_the_table() -> None:
    wide = columns(LONGEST + PADDING, *[20] * 5)
    assert TIGHT + PADDING + 100 <= LIMIT - 10
    assert blocks(wide, limit=TIGHT + PADDING + 100) == [[0, 1, 2, 3, 4, 5]]


@pytest.mark.parametrize("seed", range(20))
def test_every_column_is_in_one_block_and_blocks_fit(seed: int) -> None:
    rng = random.Random(seed)
    widths = [rng.randrange(5, 30) for _ in range(rng.randrange(1, 40))]
    titles = "/".join(rng.choice(("a", "b, x", "b, y", "c")) for _ in widths)
    found = blocks(columns(*widths, titles=titles), limit=60)
    assert all(block[0] == 0 for block in found)
    assert [column for block in found for column in block[1:]] == [*range(1, len(widths))]
    assert all(sum(widths[column] for column in block) <= 60 for block in found)


def test_a_column_wider_than_a_page_has_a_block_of_its_own() -> None:
    assert blocks([Column("a", 1, 1), Column("b", 200, 5), Column("c", 1, 1)], limit=50) == [
        [0, 1],
        [0, 2],
    ]
