from __future__ import annotations

import subprocess
import sys

from tests.conftest import REPOSITORY

PROGRAM = """
from cpp_helpers import declare, load_root
declare()
root = load_root()
root.Warning("TClass::Init", "no dictionary for class xAOD::Jet_v1 is available")
root.Warning("here", "a warning")
root.Error("here", "no dictionary for class, and it matters")
"""


def test_only_what_means_nothing_is_dropped() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert "xAOD" not in done.stdout + done.stderr
    assert "a warning" in done.stderr
    assert "and it matters" in done.stderr
