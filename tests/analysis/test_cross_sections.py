from __future__ import annotations

import pytest

from analysis.inputs.cross_sections import cross_section_of, datasets


def test_each_has_its_source() -> None:
    for dataset in datasets().values():
        assert "arXiv" in dataset.source or "as 4" in dataset.source


def test_decays_of_top_quarks_add_up() -> None:
    """Top++ 2.0: 831.76 pb for all."""
    parts = [cross_section_of(number) for number in (410470, 410471)]
    assert sum(one or 0 for one in parts) == pytest.approx(831.76)
    assert cross_section_of(1) is None
