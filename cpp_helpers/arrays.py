"""C++ vectors as numpy arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def as_array(vector: Any, dtype: Any) -> npt.NDArray[Any]:
    """Return a ``std::vector`` of numbers as an array that shares its memory."""
    if vector.size() == 0:
        return np.empty(0, dtype)
    return np.frombuffer(vector.data(), dtype=dtype, count=vector.size())
