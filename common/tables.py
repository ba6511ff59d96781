"""Tables for readers: Markdown, LaTeX and plain text from one description."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from common.runtime import files


def with_error(value: float, *errors: float) -> str:
    """Return a number with its errors, rounded to two digits of the smallest: ``0.962 ± 0.012``.

    Without positive errors, the number has four digits.
    """
    if all(error <= 0 for error in errors):
        return f"{value:.4g}"
    if not all(map(math.isfinite, errors)):
        return " ± ".join((f"{value:.4g}", *(f"{error:.2g}" for error in errors)))
    digits = 1 - _exponent(min(error for error in errors if error > 0))
    shown = (value, *errors)
    if digits > 0:
        return " ± ".join(f"{x:.{digits}f}" for x in shown)
    return " ± ".join(f"{round(x, digits):.0f}" for x in shown)


def _exponent(x: float) -> int:
    return int(f"{x:.1e}".split("e")[1])


def percent(part: float, whole: float, *, two_digits: bool = False) -> str:
    """Return a fraction in percent with two decimals (``4.70 %``) or ``two_digits`` (``4.7 %``);
    ``-`` where the whole is 0."""
    if not whole:
        return "-"
    share = 100 * part / whole
    form = (".2g" if share < 99.5 else ".0f") if two_digits else ".2f"
    return f"{share:{form}} %"


@dataclass(frozen=True)
class Table:
    """Rows of text under column titles. Text may hold ``$LaTeX$``.

    ``empty`` explains a table without rows and names the remedy; it then replaces the notes.
    """

    name: str
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = field(default=())
    empty: str = ""

    @property
    def _notes(self) -> Sequence[str]:
        return self.notes if self.rows or not self.empty else [f"Empty: {self.empty}."]

    def markdown(self) -> str:
        """Return the table in GitHub's Markdown."""
        lines = [f"**{self.title}**", "", _pipe(self.columns)]
        lines.append(_pipe(["---", *("---:" for _ in self.columns[1:])]))
        lines += [_pipe(row) for row in self.rows]
        lines += [line for note in self._notes for line in ("", f"*{note}*")]
        return "\n".join(lines) + "\n"

    def latex(self) -> str:
        """Return a LaTeX ``table`` environment, which needs the package booktabs."""
        body = [" & ".join(map(_to_latex, row)) + r" \\" for row in self.rows]
        notes = " ".join(_to_latex(note) for note in self._notes)
        return "\n".join(
            [
                r"\begin{table}",
                rf"\caption{{{_to_latex(self.title)}. {notes}}}",
                rf"\begin{{tabular}}{{l{'r' * (len(self.columns) - 1)}}}",
                r"\toprule",
                " & ".join(map(_to_latex, self.columns)) + r" \\",
                r"\midrule",
                *body,
                r"\bottomrule",
                r"\end{tabular}",
                r"\end{table}",
                "",
            ]
        )

    def text(self) -> str:
        """Return the table as plain text for a terminal."""
        cells = [[_plain(c) for c in row] for row in (self.columns, *self.rows)]
        widths = [max(len(row[i]) for row in cells) for i in range(len(self.columns))]
        lines = [
            "  ".join(
                cell.ljust(width) if i == 0 else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in cells
        ]
        rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
        notes = [_plain(note) for note in self._notes]
        return "\n".join([self.title, rule, lines[0], rule, *lines[1:], rule, *notes]) + "\n"

    def write_beside(self, json_path: Path) -> None:
        """Write the table as ``.md``, ``.tex`` and ``.txt`` beside the JSON file of its numbers."""
        files.write_text(json_path.with_suffix(".md"), self.markdown())
        files.write_text(json_path.with_suffix(".tex"), self.latex())
        files.write_text(json_path.with_suffix(".txt"), self.text())


def _pipe(cells: Sequence[str]) -> str:
    return "| " + " | ".join(_to_markdown(cell).replace("|", r"\|") for cell in cells) + " |"


def _to_markdown(cell: str) -> str:
    """Return text that Markdown shows as it is: a label may be an expression, ``2*a*b``."""
    return _outside_formulas(cell, lambda text: text.replace("*", r"\*"))


def _outside_formulas(text: str, change: Callable[[str], str]) -> str:
    parts = re.split(r"(\$[^$]*\$)", text)
    return "".join(part if part.startswith("$") else change(part) for part in parts)


_LATEX = {
    "&": r"\&",
    "%": r"\%",
    "#": r"\#",
    "_": r"\_",
    "±": r"$\pm$",
    "×": r"$\times$",
    "η": r"$\eta$",
    "φ": r"$\varphi$",
    "σ": r"$\sigma$",
    "Σ": r"$\Sigma$",
    "ν": r"$\nu$",
    "τ": r"$\tau$",
    "μ": r"$\mu$",
    "→": r"$\to$",
    "²": r"$^2$",
    "√": r"$\surd$",
    "⁻¹": r"$^{-1}$",
    "ε": r"$\varepsilon$",
    "χ": r"$\chi$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
}


def _to_latex(cell: str) -> str:
    def outside(text: str) -> str:
        for character, replacement in _LATEX.items():
            text = text.replace(character, replacement)
        return text

    return _outside_formulas(cell, outside)


_PLAIN = (
    (r"\\mathrm\{([^}]*)\}", r"\1"),
    (r"\\mathbf\{([^}]*)\}", r"\1"),
    (r"\\sqrt\{([^{}]*)\}", r"sqrt(\1)"),
    (r"\\leq", "<="),
    (r"\\geq", ">="),
    (r"\\ell\b", "l"),
    (r"\\[ ,;]", " "),
    (r"\\Delta\\phi", "dphi"),
    (r"\\eta", "eta"),
    (r"E_T\^miss", "MET"),
    (r"p_T\^miss", "MET"),
    (r"p_T", "pT"),
    (r"[${}\\]", ""),
)


def _plain(cell: str) -> str:
    if "$" in cell:
        for pattern, replacement in _PLAIN:
            cell = re.sub(pattern, replacement, cell)
    return cell
