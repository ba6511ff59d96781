"""Workers have imported what they need when they start, whatever the current folder is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
MAIN = """
import sys
from concurrent.futures import ProcessPoolExecutor

def loaded():
    return "heavy" in sys.modules

if __name__ == "__main__":
    sys.path.append({root!r})
    from analysis.reporting import workers
    workers.prepare("heavy")
    with ProcessPoolExecutor(1, workers.context()) as pool:
        print(loaded(), pool.submit(loaded).result())
"""


def test_workers_have_imported_what_they_need(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.mkdir()
    (program / "main.py").write_text(MAIN.format(root=str(ROOT)))
    (program / "heavy.py").write_text("")
    done = subprocess.run(
        [sys.executable, program / "main.py"],
        cwd=tmp_path,
        env={},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "False True\n"
