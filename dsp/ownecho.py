"""Is what a line says only the echo of what we said to it?

A hybrid returns at most what was sent less 6 dB (G.168 assumes the same worst case), a while later
when the echo comes from far away.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MARGIN_DB = 3.0
FALL_DB = 1.0
"""Per 20 ms: what was sent may return so much later."""
QUIET_DBM0 = -50.0

Float = NDArray[np.float32]


class OwnEcho:
    """Tells echo from voices on all ports at once, 20 ms at a time."""

    def __init__(self, ports: int) -> None:
        self._sent_dbm0: Float = np.full(ports, -99.0, np.float32)

    def reset(self, ports: NDArray[np.intp]) -> None:
        """A new call begins on these ports."""
        self._sent_dbm0[ports] = -99.0

    def process(self, heard_dbm0: Float, sent_dbm0: Float) -> NDArray[np.bool_]:
        """Levels `[ports]` of what was received and sent in 20 ms; whether the first may be an echo."""
        np.maximum(sent_dbm0, self._sent_dbm0 - FALL_DB, out=self._sent_dbm0)
        echo: NDArray[np.bool_] = (self._sent_dbm0 > QUIET_DBM0) & (heard_dbm0 < self._sent_dbm0 - MARGIN_DB)
        return echo
