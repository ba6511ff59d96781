"""Freed memory is used again without page faults."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from common.repository import REPOSITORY

_FAULTS = """
import resource
import sys
import numpy as np
from common.runtime.memory import keep_freed_memory

if sys.argv[1] == "keep":
    keep_freed_memory()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(50):
    arrays = [np.ones(2_000_000, np.float32) for _ in range(3)]  # 8 MB each
    del arrays
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str) -> int:
    command = [sys.executable, "-c", _FAULTS, how]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's malloc is set")
def test_freed_arrays_are_not_returned_to_the_system() -> None:
    assert faults("keep") < 0.2 * faults("return")
