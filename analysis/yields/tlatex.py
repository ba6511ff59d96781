"""Turn labels of figures into ROOT's TLatex."""

from __future__ import annotations

import re

_SYMBOLS = frozenset(
    re.findall(
        r"\w+",
        """
    alpha beta chi delta epsilon varepsilon phi varphi gamma eta iota kappa lambda mu nu pi theta
    vartheta rho sigma varsigma tau upsilon omega xi psi zeta
    Delta Phi Gamma Lambda Pi Theta Sigma Upsilon Omega Xi Psi
    leq geq neq approx equiv times pm propto infty partial nabla sum prod int circ bullet
    rightarrow leftarrow leftrightarrow Rightarrow in notin subset supset cap cup forall exists
    perp sqrt frac bar vec hat tilde dot slash
    """,
    )
)
_OTHER = {
    "to": "#rightarrow",
    "le": "#leq",
    "ge": "#geq",
    "ne": "#neq",
    "cdot": "#upoint",
    "slashed": "#slash",
    "overline": "#bar",
    "ell": "l",
    "sim": "~",
    "mid": "|",
    "vert": "|",
    "Vert": "||",
    "langle": "<",
    "rangle": ">",
    "prime": "'",
    "quad": " ",
    "qquad": " ",
}
_FONT = r"\\(?:math[a-z]+|text[a-z]*|operatorname|boldsymbol)(?![A-Za-z])"
_SIZE = r"\\(?:left|right)(?![A-Za-z])"
_BARE_ACCENT = r"\\(bar|vec|hat|tilde|dot|slashed|overline|sqrt)\s*(\\[A-Za-z]+|[A-Za-z0-9])"


def tlatex(label: str) -> str:
    """Return a label whose formulas, between dollar signs, are LaTeX with these in TLatex.

    Fonts are dropped; a command that TLatex does not have becomes its name.
    """
    text, *others = re.split(r"(?<!\\)\$", label)
    if len(others) % 2:  # a dollar sign too many: no formula
        return label.replace(r"\$", "$")
    for number, part in enumerate(others):
        text += part if number % 2 else _formula(part)
    return text.replace(r"\$", "$")


def _formula(text: str) -> str:
    text = re.sub(_SIZE, "", text)
    text = re.sub(rf"(?<![_^]){_FONT}\{{([^{{}}]*)\}}", r"\1", text)
    text = re.sub(_FONT, "", text)
    text = re.sub(r"\\[,;: ]|~", " ", text).replace(r"\!", "")
    text = re.sub(_BARE_ACCENT, r"\\\1{\2}", text)
    text = re.sub(r"\\([A-Za-z]+)", lambda found: _command(found[1]), text)
    return re.sub(r"\\(.)", r"\1", text)


def _command(name: str) -> str:
    return f"#{name}" if name in _SYMBOLS else _OTHER.get(name, name)
