"""How much faster one card's crystal runs than another's, measured from sample counts."""

from __future__ import annotations

import numpy as np

OBSERVE_EVERY_SAMPLES = 4000
"""An observation is the mean over half a second: single looks are coarse."""
WINDOW = 240
"""Observations in the fit: two minutes."""
LEAST = 20
"""Observations before the fit is believed: ten seconds."""
MOST_PPM = 500.0
"""Crystals are better than this; more is a fault of the counts, not of a crystal."""


class DriftMeter:
    """Slow linear fit of the follower's count over the leader's.

    count of the follower        ·  ·
    minus the leader's       ·  ·           slope = drift
                       ·  ·
                       +-------------- leader's count
    """

    def __init__(self) -> None:
        self._x: list[float] = []
        self._y: list[float] = []
        self._sums = [0.0, 0.0, 0]
        self._due: int | None = None
        self._broken = False
        self.ppm = 0.0
        """Follower faster than leader; 0 until ten seconds have been seen."""

    def note(self, leader: int, follower: float) -> None:
        """Both counts at the same instant."""
        if self._due is None:
            self._due = leader + OBSERVE_EVERY_SAMPLES
        self._sums[0] += leader
        self._sums[1] += follower - leader
        self._sums[2] += 1
        if leader < self._due:
            return
        self._due += OBSERVE_EVERY_SAMPLES
        count = self._sums[2]
        offset = self._sums[1] / count
        if self._broken and self._y:
            step = offset - self._y[-1]
            self._y = [y + step for y in self._y]
        self._broken = False
        self._x.append(self._sums[0] / count)
        self._y.append(offset)
        self._sums = [0.0, 0.0, 0]
        del self._x[:-WINDOW], self._y[:-WINDOW]
        if len(self._x) >= LEAST:
            x = np.array(self._x)
            x -= x.mean()
            slope = float(x @ np.array(self._y) / (x @ x)) * 1e6
            self.ppm = max(-MOST_PPM, min(MOST_PPM, slope))

    def break_line(self) -> None:
        """Samples were lost, and how many is known only roughly: go on from where the count is now."""
        self._broken = True
        self._sums = [0.0, 0.0, 0]
