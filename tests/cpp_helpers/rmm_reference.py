"""The rapidity-mass matrix in numpy, from four-vectors and the definitions in arXiv:1805.11650.

In extended precision, which stands the cancellations of the textbook formulas: E_i E_j - p_i p_j of
collinear objects, cosh(x) - 1 near 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def rmm(
    objects: Array, slots: Sequence[int], met: Array, met_phi: Array, sqrt_s: float, c: float
) -> Array:
    """The matrices, (events, 1 + slots, 1 + slots), of objects (events, types, 4, objects): pt,
    eta, phi, mass. An object of pt 0 is absent."""
    kept = np.concatenate(
        [_hardest(objects[:, t], n) for t, n in enumerate(slots)], axis=-1, dtype=np.longdouble
    )
    pt, eta, phi, mass = np.moveaxis(kept, 1, 0)
    there = pt > 0
    p_transverse = pt * np.exp(1j * phi)
    p_z = pt * np.sinh(eta)
    p = np.hypot(np.abs(p_transverse), p_z)
    energy = np.hypot(p, mass)
    sin_theta = np.divide(pt, p, where=there, out=np.zeros_like(p))
    e_t = energy * sin_theta
    y = np.arctanh(np.divide(p_z, energy, where=there, out=np.zeros_like(p)))

    p_miss = np.asarray(met, np.longdouble)[:, None] * np.exp(
        1j * np.asarray(met_phi, np.longdouble)[:, None]
    )
    m_t2 = (e_t + np.abs(p_miss)) ** 2 - np.abs(p_transverse + p_miss) ** 2

    def pairs(x: Array) -> Array:
        return x[:, :, None] + x[:, None, :]

    m2 = pairs(energy) ** 2 - np.abs(pairs(p_transverse)) ** 2 - pairs(p_z) ** 2
    h = c * (np.cosh((y[:, :, None] - y[:, None, :]) / 2) - 1)

    n_objects = sum(slots)
    both = there[:, :, None] & there[:, None, :]
    upper = np.triu(np.ones((n_objects, n_objects), bool), 1)
    inner = np.where(upper, np.sqrt(np.maximum(m2, 0)) / sqrt_s, h) * both
    first = set(np.cumsum([0, *slots[:-1]]).tolist())
    for i in range(n_objects):
        if i in first:
            inner[:, i, i] = e_t[:, i] / sqrt_s
        else:
            difference, total = e_t[:, i - 1] - e_t[:, i], e_t[:, i - 1] + e_t[:, i]
            present = there[:, i]
            inner[:, i, i] = np.divide(difference, total, where=present, out=np.zeros_like(total))

    matrix = np.zeros((len(objects), 1 + n_objects, 1 + n_objects))
    matrix[:, 0, 0] = met / sqrt_s
    matrix[:, 0, 1:] = np.sqrt(np.maximum(m_t2, 0)) / sqrt_s * there
    matrix[:, 1:, 0] = c * (np.cosh(y) - 1) * there
    matrix[:, 1:, 1:] = inner
    return matrix


def _hardest(objects: Array, n: int) -> Array:
    """The n hardest, (events, 4, n)."""
    padded = np.pad(objects, ((0, 0), (0, 0), (0, n)))
    order = np.argsort(-padded[:, 0], axis=-1, kind="stable")[:, None, :n]
    return np.take_along_axis(padded, order, axis=-1)
