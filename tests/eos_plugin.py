"""A file-transfer plugin of HTCondor that stands for CERN's: root://host//path is STORE/path.

HTCondor calls it with ``-classad``, or with ``-infile``, ``-outfile`` and perhaps ``-upload``. As
CERN's, it makes folders only for a job with ``MY.XRDCP_CREATE_DIR``.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

ABOUT = """\
PluginType = "FileTransfer"
PluginVersion = "1.0"
SupportedMethods = "root"
MultipleFileSupport = true
"""


def transfer(store: Path, url: str, local: Path, upload: bool) -> None:
    """Copy one file.

    Raises:
        OSError: it cannot be copied.
    """
    remote = store / url.split("//", 2)[2]
    if not upload:
        shutil.copyfile(remote, local)
        return
    job = Path(os.environ.get("_CONDOR_JOB_AD", "/dev/null")).read_text()
    if re.search(r"^XRDCP_CREATE_DIR = true$", job, re.MULTILINE | re.IGNORECASE):
        remote.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(local, remote)


def main(store: Path, *options: str) -> int:
    """Returns the status: 0 if all files are there."""
    if "-classad" in options:
        print(ABOUT, end="")
        return 0
    wanted = Path(options[options.index("-infile") + 1]).read_text()
    report = []
    for entry in re.findall(r"\[.*?\]", wanted, re.DOTALL):
        fields = dict(re.findall(r'(\w+) = "(.*?)"', entry))
        url, local = fields["Url"], Path(fields["LocalFileName"])
        error = None
        try:
            transfer(store, url, local, "-upload" in options)
        except OSError as reason:
            error = f"{reason.strerror}: {url}"
        outcome = [
            f'TransferUrl = "{url}"',
            f'TransferFileName = "{local}"',
            f"TransferSuccess = {str(error is None).lower()}",
            f'TransferError = "{error}"'
            if error
            else f"TransferFileBytes = {local.stat().st_size}",
        ]
        report.append(f"[ {'; '.join(outcome)} ]\n")
    Path(options[options.index("-outfile") + 1]).write_text("".join(report))
    return int(any("TransferError" in outcome for outcome in report))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *sys.argv[2:]))
