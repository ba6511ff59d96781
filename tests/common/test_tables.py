"""Numbers with errors, and one table in three forms."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from common.tables import Table, with_error


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (0.9617, 0.0123, "0.962 ± 0.012"),
        (0.9617, 0.123, "0.96 ± 0.12"),
        (0.9617, 1.23, "1.0 ± 1.2"),
        (-0.9617, 0.0123, "-0.962 ± 0.012"),
        (1234, 56, "1234 ± 56"),
        (1234.4, 56.4, "1234 ± 56"),
        (1234, 567, "1230 ± 570"),
        (1234567, 5678, "1234600 ± 5700"),
        (0, 0.02, "0.000 ± 0.020"),
        (12, 347, "10 ± 350"),
        (3e-7, 1.27e-8, "0.000000300 ± 0.000000013"),
    ],
)
def test_value_and_error_have_two_digits_of_the_error(
    value: float, error: float, text: str
) -> None:
    assert with_error(value, error) == text


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (0.5, 0.0996, "0.50 ± 0.10"),
        (0.5, 0.0994, "0.500 ± 0.099"),
        (5, 0.996, "5.0 ± 1.0"),
        (50, 9.96, "50 ± 10"),
        (512, 99.6, "510 ± 100"),
        (5123, 996, "5100 ± 1000"),
    ],
)
def test_an_error_that_rounds_up_to_a_power_of_ten_keeps_two_digits(
    value: float, error: float, text: str
) -> None:
    assert with_error(value, error) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.5, "0.5"), (1234.4, "1234"), (0.123456, "0.1235"), (0, "0")]
)
def test_a_value_without_error_has_four_digits(value: float, text: str) -> None:
    assert with_error(value, 0) == text


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (math.nan, 0.0123, "nan ± 0.012"),
        (math.nan, 56, "nan ± 56"),
        (0.5, math.nan, "0.5 ± nan"),
        (math.nan, math.nan, "nan ± nan"),
        (0.5, math.inf, "0.5 ± inf"),
        (math.inf, 0.1, "inf ± 0.10"),
    ],
)
def test_what_is_no_number_is_shown_as_such(value: float, error: float, text: str) -> None:
    assert with_error(value, error) == text


# --- Tables ---------------------------------------------------------------------------------------

TABLE = Table(
    name="small",
    title="Pass rates & more",
    columns=("sample", "$E_T^miss$ > 250", "a|b"),
    rows=(("Z→νν", "0.962 ± 0.012", "50 %"), ("W_tau", "$p_T$ #1", "1|2")),
    notes=("σ in pb; 100 % of S_R",),
)


def test_markdown_is_a_table_with_escaped_bars() -> None:
    assert TABLE.markdown() == (
        "**Pass rates & more**\n"
        "\n"
        "| sample | $E_T^miss$ > 250 | a\\|b |\n"
        "| --- | ---: | ---: |\n"
        "| Z→νν | 0.962 ± 0.012 | 50 % |\n"
        "| W_tau | $p_T$ #1 | 1\\|2 |\n"
        "\n"
        "*σ in pb; 100 % of S_R*\n"
    )


def test_markdown_shows_expressions_as_they_are() -> None:
    table = Table("t", "T", ("2*a*b", "$a^*b^*$"), (("x * y", "a || b"),))
    lines = table.markdown().splitlines()
    assert lines[2] == r"| 2\*a\*b | $a^*b^*$ |"
    assert lines[4] == r"| x \* y | a \|\| b |"


def test_latex_escapes_text_and_leaves_formulas() -> None:
    lines = TABLE.latex().splitlines()
    assert lines == [
        r"\begin{table}",
        r"\caption{Pass rates \& more. $\sigma$ in pb; 100 \% of S\_R}",
        r"\begin{tabular}{lrr}",
        r"\toprule",
        r"sample & $E_T^miss$ > 250 & a|b \\",
        r"\midrule",
        r"Z$\to$$\nu$$\nu$ & 0.962 $\pm$ 0.012 & 50 \% \\",
        r"W\_tau & $p_T$ \#1 & 1|2 \\",
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]


@pytest.mark.parametrize(
    ("text", "latex"),
    [
        ("a_b & 5 % # 1", r"a\_b \& 5 \% \# 1"),
        ("$a_b$ and c_d", r"$a_b$ and c\_d"),
        ("fb⁻¹", r"fb$^{-1}$"),
        ("√s, μ², 3 × 4", r"$\surd$s, $\mu$$^2$, 3 $\times$ 4"),
        ("ηφτε", r"$\eta$$\varphi$$\tau$$\varepsilon$"),
        ("$x$ ± $y$", r"$x$ $\pm$ $y$"),
    ],
)
def test_latex_writes_symbols_as_commands(text: str, latex: str) -> None:
    table = Table("t", "T", ("c",), ((text,),))
    assert latex + r" \\" in table.latex().splitlines()


def test_text_is_aligned_in_plain_words() -> None:
    assert TABLE.text().splitlines() == [
        "Pass rates & more",
        "---------------------------",
        "sample      MET > 250   a|b",
        "---------------------------",
        "Z→νν    0.962 ± 0.012  50 %",
        "W_tau           pT #1   1|2",
        "---------------------------",
        "σ in pb; 100 % of S_R",
    ]


@pytest.mark.parametrize(
    ("formula", "text"),
    [
        (
            r"$E_\mathrm{T}^\mathrm{miss} / \sqrt{H_\mathrm{T}} > 5\ \sqrt{\mathrm{GeV}}$",
            "MET / sqrt(H_T) > 5 sqrt(GeV)",
        ),
        (r"$66 < m_{\mu\mu} \leq 116$ GeV", "66 < m_mumu <= 116 GeV"),
        (r"$m_{3\ell} \geq 2$", "m_3l >= 2"),
        (r"a{b}", "a{b}"),
    ],
)
def test_formulas_are_plain_words(formula: str, text: str) -> None:
    assert Table("t", "T", ("c",), ((formula,),)).text().splitlines()[4] == text


def test_a_table_is_written_beside_its_numbers(tmp_path: Path) -> None:
    TABLE.write_beside(tmp_path / "small.json")
    contents = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert contents == {
        "small.md": TABLE.markdown(),
        "small.tex": TABLE.latex(),
        "small.txt": TABLE.text(),
    }


def test_an_empty_table_says_why_in_every_form() -> None:
    empty = Table("e", "Nothing", ("a", "b"), [], ("of rows",), "no sample of X: add one")
    for text in (empty.markdown(), empty.latex(), empty.text()):
        assert "Empty: no sample of X: add one." in text
        assert "of rows" not in text
    full = replace(empty, rows=[("1", "2")])
    for text in (full.markdown(), full.latex(), full.text()):
        assert "Empty" not in text
        assert "of rows" in text
