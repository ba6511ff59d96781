"""Significances of a counting experiment."""

from __future__ import annotations

import math


def significance(signal: float, background: float, error: float = 0.0) -> float:
    """Return the expected median significance of a signal, in standard deviations.

    Without an ``error`` of the background (in events) sqrt(2 ((s + b) ln(1 + s/b) - s)): G. Cowan
    et al., arXiv:1007.1727, equation 97. With it: G. Cowan, *Discovery sensitivity for a counting
    experiment with background uncertainty* (2012), equation 20. 0 without a signal, infinite
    without a background.
    """
    return observed_significance(background + signal, background, error) if signal > 0 else 0.0


def observed_significance(observed: float, background: float, error: float = 0.0) -> float:
    """Return the significance of ``observed`` events, negative for fewer than the background.

    The formulae are those of `significance` with the observed events for s + b.
    """
    n, b = observed, background
    if b <= 0:
        return math.inf if n > 0 else 0.0
    s, variance = n - b, error**2
    # n (b + variance) / (b^2 + n variance) = 1 + above; the term vanishes without events
    above = b * s / (b**2 + n * variance)
    half = n * math.log1p(above) if n else 0.0
    if variance < 1e-9 * b * min(b, 1.0):
        half -= s
    else:
        half -= b**2 / variance * math.log1p(variance * s / (b * (b + variance)))
    return math.copysign(math.sqrt(2 * max(0.0, half)), s)
