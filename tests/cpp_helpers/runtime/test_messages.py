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

CRASH = """
import logging, sys
logging.getLogger("monojet").setLevel(sys.argv[1])
from cpp_helpers import declare, load_root
declare().opened("some.root")
load_root().gInterpreter.ProcessLine("*reinterpret_cast<volatile int *>(0x10) = 1;")
"""


def test_only_what_means_nothing_is_dropped() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert "xAOD" not in done.stdout + done.stderr
    assert "a warning" in done.stderr
    assert "and it matters" in done.stderr


def crashed(level: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", CRASH, level], cwd=REPOSITORY, capture_output=True, text=True
    )


def test_a_crash_of_root_ends_in_a_line_that_names_the_file() -> None:
    done = crashed("INFO")
    assert done.returncode == 2
    assert done.stderr == (
        "ERROR some.root: ROOT crashed after it was opened (segmentation violation): it is "
        "damaged, or of a layout that ROOT cannot read\n"
    )


def test_a_crash_tells_its_place_where_more_messages_are_asked_for() -> None:
    done = crashed("DEBUG")
    assert done.returncode != 0
    assert "some.root: ROOT crashed" not in done.stderr
    assert "segmentation violation" in (done.stdout + done.stderr).lower()
