"""How this process allocates memory."""

from __future__ import annotations

import ctypes

_MMAP_THRESHOLD, _TRIM_THRESHOLD, _TOP_PAD = -3, -1, -2  # of mallopt, glibc's malloc.h
_MB = 1 << 20


def keep_freed_memory() -> None:
    """Keep up to 256 MB of freed memory in this process, for its next allocations.

    By default glibc returns each large array to the system when it is freed. A training allocates
    the same arrays in each step: 45 % of its CPU time went to page faults. Without glibc this does
    nothing.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return
    mallopt(_MMAP_THRESHOLD, 32 * _MB)  # the largest that glibc takes
    mallopt(_TRIM_THRESHOLD, 256 * _MB)
    mallopt(_TOP_PAD, 64 * _MB)
