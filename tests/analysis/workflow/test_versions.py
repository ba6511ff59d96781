from __future__ import annotations

import subprocess
import sys
from typing import Any

from tests.conftest import REPOSITORY


def test_root_goes_by_its_own_version_without_being_imported(root: Any) -> None:
    code = (
        "import sys\nfrom analysis.workflow.versions import versions\nprint(versions()['root'])\n"
        "assert 'ROOT' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == root.gROOT.GetVersion()
