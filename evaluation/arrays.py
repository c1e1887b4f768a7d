"""The arrays that evaluation computes with; their shapes are said where they are used."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]


def renumbered(units: npt.NDArray[Any]) -> Integers:
    """[n] units by any names, as numbers from 0 without gaps: what drawing and counting by unit take."""
    return np.unique(units, return_inverse=True)[1].astype(np.int64)
