"""Is what a line says only the echo of what we said to it?

A hybrid returns at most what was sent less 6 dB (G.168 assumes the same worst case), a while later
when the echo comes from far away.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MARGIN = 10 ** (-3.0 / 10)
"""Factor of power (3 dB): what is weaker than this share of what was sent may be its echo."""
FALL = 10 ** (-1.0 / 10)
"""Factor of power per 20 ms (1 dB): what was sent may return so much later."""
QUIET = 10 ** (-50.0 / 10)
"""-50 dBm0: what was sent more quietly makes no echo."""

Float = NDArray[np.float32]


class OwnEcho:
    """Tells echo from voices on all ports at once, 20 ms at a time."""

    def __init__(self, ports: int, margin: float = MARGIN) -> None:
        """margin: what is weaker than this share of what was sent may be its echo."""
        self._margin = margin
        self._sent: Float = np.zeros(ports, np.float32)

    def reset(self, ports: NDArray[np.intp]) -> None:
        """A new call begins on these ports."""
        self._sent[ports] = 0.0

    def process(self, heard: Float, sent: Float) -> NDArray[np.bool_]:
        """Powers `[ports]` of what was received and sent in 20 ms, over that of 0 dBm0 (`dsp.levels.power`);
        whether the first may be an echo."""
        self._sent *= FALL
        np.maximum(sent, self._sent, out=self._sent)
        echo: NDArray[np.bool_] = self._sent * self._margin > heard
        echo &= self._sent > QUIET
        return echo
