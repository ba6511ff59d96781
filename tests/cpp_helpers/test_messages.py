from __future__ import annotations

from typing import Any

import pytest

from cpp_helpers import declare


def test_only_what_means_nothing_is_dropped(root: Any, capfd: pytest.CaptureFixture[str]) -> None:
    declare()
    root.Warning("TClass::Init", "no dictionary for class xAOD::Jet_v1 is available")
    assert capfd.readouterr() == ("", "")
    with pytest.warns(RuntimeWarning, match="a warning"):
        root.Warning("here", "a warning")
    root.Error("here", "no dictionary for class, and it matters")
    assert "and it matters" in capfd.readouterr().err
