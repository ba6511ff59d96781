"""Choose validation events by a hash of their identity."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from training.data.sparse_images import Mask


def in_validation(
    run_number: npt.NDArray[np.uint32], event_number: npt.NDArray[np.uint64], fraction: float
) -> Mask:
    """Return which events are in the validation subset, about a ``fraction`` of them."""
    with np.errstate(over="ignore"):
        key = event_number ^ (run_number.astype(np.uint64) << np.uint64(32))
        key = (key ^ (key >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        key = (key ^ (key >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        key ^= key >> np.uint64(31)
    uniform: npt.NDArray[np.float64] = (key >> np.uint64(11)) * 2.0**-53
    return uniform < fraction
