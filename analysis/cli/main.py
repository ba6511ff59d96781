"""Run a command line: set up messages, carry it out, and turn errors into one line and a status."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Sequence

from analysis.cli.actions import act
from analysis.cli.configure import request
from analysis.cli.options import parser
from common.runtime.child import set_up_log
from common.runtime.errors import MonojetError

log = logging.getLogger("monojet")


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out a command line; return the exit status: 0, 2 after an error, 130 after Ctrl-C."""
    options = parser().parse_args(arguments)
    level = logging.WARNING if options.quiet else logging.INFO
    set_up_log(logging.DEBUG if options.verbose else level)
    try:
        act(request(options))
    except KeyboardInterrupt:
        log.error("interrupted: run the same command again to resume")
        return 130
    except MonojetError as error:
        _report(error, str(error).splitlines(), options.verbose)
        return 2
    except OSError as error:
        name = f"{error.filename}: " if error.filename else ""
        _report(error, [f"{name}{error.strerror or error}"], options.verbose)
        return 2
    return 0


def _report(error: Exception, lines: Sequence[str], verbose: bool) -> None:
    if verbose:
        traceback.print_exception(error)
    for line in lines:
        log.error("%s", line)
