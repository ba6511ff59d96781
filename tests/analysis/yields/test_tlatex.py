"""Labels of figures become TLatex."""

from __future__ import annotations

import pytest

from analysis.yields.tlatex import tlatex


@pytest.mark.parametrize(
    ("label", "wanted"),
    [
        (r"$E_\mathrm{T}^\mathrm{miss}$ [GeV]", "E_{T}^{miss} [GeV]"),
        (r"$Z(\to\nu\bar\nu)$ + jets", r"Z(#rightarrow#nu#bar{#nu}) + jets"),
        (
            r"leading jet $p_\mathrm{T} > 250$ GeV, $|\eta| < 2.4$",
            "leading jet p_{T} > 250 GeV, |#eta| < 2.4",
        ),
        (
            r"$\Delta\phi(\mathrm{jet}, \mathbf{p}_\mathrm{T}) \geq 0.4$",
            "#Delta#phi(jet, p_{T}) #geq 0.4",
        ),
        (r"$m_{\ell\ell}$", "m_{ll}"),
        (r"$\sqrt{s} = 13\,\mathrm{TeV}$, $\frac{a}{b}$", "#sqrt{s} = 13 TeV, #frac{a}{b}"),
        (r"$\left(x\right) \unknown y$", "(x) unknown y"),
        (r"$10\%$", "10%"),
        (r"costs \$5", "costs $5"),
        ("one $ too many", "one $ too many"),
        ("n_jets > 2 && x_{y}", "n_jets > 2 && x_{y}"),
        ("", ""),
    ],
)
def test_formulas_are_converted_and_other_text_is_kept(label: str, wanted: str) -> None:
    assert tlatex(label) == wanted
