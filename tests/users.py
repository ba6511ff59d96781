"""An ordinary user for what must not run as root, where root runs the tests."""

from __future__ import annotations

import functools
import os
import pwd
import subprocess
import sys

NOBODY = 65534


@functools.cache
def ordinary_user() -> tuple[str, ...]:
    """Before a command: run it as a user without rights, where that can be; nothing otherwise.

    The user may read all that root may, where the system allows it: then it does not matter whether
    others can enter the checkout, the folder of its Python, or the folders of the tests.
    """
    if os.geteuid() != 0:
        return ()
    change = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    reader = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")
    for command in ((*change, *reader), change):
        # through env: setpriv itself has root's rights still when it looks for the program
        if _succeeds(*command, "env", sys.executable, "-c", ""):
            return command
    return ()


def _succeeds(*command: str) -> bool:
    try:
        return subprocess.run(command, capture_output=True, cwd="/").returncode == 0
    except OSError:
        return False


def its_account() -> pwd.struct_passwd:
    """The account of `ordinary_user`."""
    return pwd.getpwuid(NOBODY if ordinary_user() else os.geteuid())
