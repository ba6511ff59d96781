"""Labels and colours are checked when a configuration is read."""

from __future__ import annotations

import subprocess
import sys

import pytest
from matplotlib.figure import Figure

from analysis.config.looks import colour_code, require_label


@pytest.mark.parametrize(
    ("given", "code"),
    [("#0072B2", "#0072b2"), ("red", "#ff0000"), ("RebeccaPurple", "#663399"), (5, 5)],
)
def test_a_colour_becomes_its_code(given: object, code: object) -> None:
    assert colour_code(given) == code


@pytest.mark.parametrize("given", ["C0", "0.5", "none", "#07b", "#0072b2ff", "", "(1, 0, 0)"])
def test_what_is_no_single_colour_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match="is neither '#rrggbb' nor the name of a colour in CSS$"):
        colour_code(given)


def test_a_misspelt_colour_is_corrected() -> None:
    with pytest.raises(ValueError, match=r"\(did you mean 'crimson'\?\)$"):
        colour_code("crimsom")


def test_a_colour_that_yaml_takes_for_a_comment_is_told() -> None:
    with pytest.raises(ValueError, match="quote a colour that begins with #"):
        colour_code(None)


@pytest.mark.parametrize(
    "label", ["my model", r"$Z'(\to\chi\bar\chi)$ + jets", r"costs \$5", r"$a$ and $b$", "H → ττ"]
)
def test_labels_that_can_be_drawn_are_accepted(label: str) -> None:
    require_label(label)
    figure = Figure()
    figure.text(0, 0, label)
    figure.draw_without_rendering()


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ("", "a label needs a text"),
        ("  ", "a label needs a text"),
        ("a\nb", "a label is one line"),
        ("_hidden", "'_hidden': legends leave out labels that begin with _"),
        ("$x", r"'\$x': a \$ has no partner: write \\\$ for a dollar sign"),
        (r"$\frac{1}$", r"is not valid mathtext: Expected \\frac\{num\}\{den\}"),
        (r"$\nonsense$", r"is not valid mathtext: Unknown symbol: \\nonsense"),
        ("$x^{2$", "is not valid mathtext: Expected end_group"),
    ],
)
def test_labels_that_cannot_be_drawn_are_refused(label: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        require_label(label)
    assert "\n" not in str(caught.value)


def test_configurations_without_names_and_formulas_need_no_matplotlib() -> None:
    code = (
        "import sys; from analysis.config import parse_sample; parse_sample({'process': 'mine', "
        "'files': ['a.root'], 'label': 'my model', 'colour': '#0072b2'}); "
        "sys.exit('matplotlib' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
