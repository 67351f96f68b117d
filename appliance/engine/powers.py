"""How loud every port is in this tick: measured once for all who ask."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dsp.levels import power

Float = NDArray[np.float32]


class Powers(NamedTuple):
    """Mean powers over that of 0 dBm0, float32 [rows]: of what the ports say, and what was said to them."""

    heard: Float
    said: Float

    @classmethod
    def of(cls, heard: Float, said: Float) -> Powers:
        """Of one block of both, float32 [rows, 160] on the 16-bit scale."""
        return cls(power(heard), power(said))
