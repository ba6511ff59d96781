"""Make a release of HTCondor for the tests, from Debian's packages and beside the system:

    python -m tests.condor_release DIR

Nothing is installed, and no root is needed. The packages are of a newer Debian than the system may
be, so that their programs take all libraries, and the loader itself, from the release. apt checks
the signatures of what it downloads: 20 MB, into folders of its own.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

SUITE = "trixie"
PACKAGES = (
    "condor",
    "htcondor",  # condor_hold and condor_release
    *("libc6", "libgcc-s1", "libgomp1", "libpcre2-8-0", "libssl3t64", "libstdc++6"),
    *("libuuid1", "libzstd1", "zlib1g"),
    "patchelf",
)
"""HTCondor, the libraries of its programs, and what points the ones to the others."""

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
SETTINGS = """\
Dir::Etc::sourcelist "{folder}/sources.list";
Dir::Etc::sourceparts "-";
Dir::State "{folder}";
Dir::State::status "{folder}/status";
Dir::Cache "{folder}";
Acquire::Languages "none";
APT::Update::Error-Mode "any";
Acquire::Retries "2";
Acquire::http::Timeout "30";
APT::Sandbox::User "";
"""
SOURCES = f"deb [signed-by={KEYRING}] http://deb.debian.org/debian {SUITE} main\n"
PROGRAMS = ("bin", "sbin", "libexec/condor")


def make(directory: Path) -> None:
    """Make the release in ``directory``, unless it is there; it cannot be moved then.

    Raises:
        RuntimeError: it cannot be made here.
    """
    if (directory / "usr" / "sbin" / "condor_master").exists():
        return
    if directory.exists():
        raise RuntimeError(f"{directory}: exists, and is no release")
    _require_debian()
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory.parent, prefix=f"{directory.name}.") as name:
        downloads, unpacked = Path(name) / "apt", Path(name) / "release"
        _download(downloads)
        for package in sorted(downloads.glob("*.deb")):
            _call("dpkg-deb", "--extract", package, unpacked)
        _point_to_libraries(unpacked / "usr", directory / "usr")
        unpacked.rename(directory)


def _require_debian() -> None:
    missing = [name for name in ("apt-get", "dpkg-deb") if shutil.which(name) is None]
    if missing or not KEYRING.exists():
        raise RuntimeError(f"no {' and '.join(missing) or KEYRING} here: this needs a Debian")
    if platform.machine() != "x86_64":
        raise RuntimeError(f"only for x86_64: this is {platform.machine()}")


def _download(folder: Path) -> None:
    """Download the packages into a folder, past the system's sources."""
    for part in ("lists/partial", "archives/partial"):
        (folder / part).mkdir(parents=True)
    (folder / "status").touch()
    (folder / "sources.list").write_text(SOURCES)
    (folder / "apt.conf").write_text(SETTINGS.format(folder=folder))
    environment = os.environ | {"APT_CONFIG": str(folder / "apt.conf")}
    _call("apt-get", "update", env=environment)
    _call("apt-get", "download", *PACKAGES, cwd=folder, env=environment)


def _point_to_libraries(root: Path, later: Path) -> None:
    """Let HTCondor's programs take the loader and the libraries of the release, where it will be;
    the others, which would not run, are removed."""
    folders, name = ("lib", "lib/x86_64-linux-gnu"), "lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"
    here, there = (":".join(f"{place}/{folder}" for folder in folders) for place in (root, later))
    patchelf = [root / name, "--library-path", here, root / "bin" / "patchelf"]
    options = ["--set-interpreter", later / name, "--force-rpath", "--set-rpath", there]
    others = []
    for program in (path for folder in PROGRAMS for path in sorted((root / folder).iterdir())):
        if not program.name.startswith("condor_"):
            others.append(program)
        elif program.is_file() and not program.is_symlink() and _is_binary(program):
            _call(*patchelf, *options, program)
    for program in others:
        if not program.is_dir():
            program.unlink()


def _is_binary(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def _call(*words: object, **options: Any) -> None:
    command = [str(word) for word in words]
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode:
        said = (done.stderr or done.stdout).strip()
        raise RuntimeError(f"{' '.join(command)}: {said}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m tests.condor_release DIR")
    try:
        make(Path(sys.argv[1]).resolve())
    except RuntimeError as error:
        sys.exit(f"no HTCondor: {error}")
