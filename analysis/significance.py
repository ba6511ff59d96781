"""Expected significance of a signal over a background, of a counting experiment."""

from __future__ import annotations

import math


def significance(signal: float, background: float, error: float = 0.0) -> float:
    """Median significance (in standard deviations) to expect with ``signal`` events on top.

    sqrt(2 ((s + b) ln(1 + s/b) - s) without an ``error`` of the background (in events), G. Cowan et
    al., arXiv:1007.1727, equation 97; with it, G. Cowan, *Discovery sensitivity for a counting
    experiment with background uncertainty* (2012), equation 20. 0 without a signal; infinite
    without a background.
    """
    s, b = signal, background
    if s <= 0:
        return 0.0
    if b <= 0:
        return math.inf
    variance = error**2
    if variance < 1e-9 * b * min(b, 1.0):
        return math.sqrt(2 * max(0.0, (s + b) * math.log1p(s / b) - s))
    first = (s + b) * math.log((s + b) * (b + variance) / (b**2 + (s + b) * variance))
    second = b**2 / variance * math.log1p(variance * s / (b * (b + variance)))
    return math.sqrt(2 * max(0.0, first - second))
