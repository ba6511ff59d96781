from __future__ import annotations

import pytest

from analysis.inputs.cross_sections import cross_section_of, known


def total(*numbers: int) -> float:
    return sum(cross_section_of(number) or 0 for number in numbers)


def test_each_has_its_source() -> None:
    used = {dataset.source for dataset in known().datasets.values()}
    assert used == known().sources.keys()
    assert all("arXiv" in text or "https://" in text for text in known().sources.values())
    assert cross_section_of(1) is None


def test_decays_of_top_quarks_add_up() -> None:
    """Top++ 2.0: 831.76 pb for all; another generator of those that are not all-hadronic."""
    assert total(410470, 410471) == pytest.approx(831.76)
    assert total(410000) == pytest.approx(total(410470), rel=0.005)


@pytest.mark.parametrize(
    ("slices", "inclusive", "agreement"),
    [
        (range(364170, 364184), (361100, 361103), 0.01),
        (range(364156, 364170), (361101, 361104), 0.01),
        (range(364184, 364198), (361102, 361105), 0.01),
        # above 40 GeV of mass, against above 60 GeV
        (range(364100, 364114), (361107,), 0.15),
        (range(364114, 364128), (361106,), 0.15),
        (range(364128, 364142), (361108,), 0.15),
    ],
)
def test_slices_of_boson_momentum_add_up(
    slices: range, inclusive: tuple[int, ...], agreement: float
) -> None:
    """Sherpa's slices and flavours, against one sample of Powheg's, both normalised at NNLO."""
    assert total(*slices) == pytest.approx(total(*inclusive), rel=agreement)
