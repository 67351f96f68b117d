"""How much faster one card's crystal runs than another's, measured from sample counts."""

from __future__ import annotations

import numpy as np

OBSERVE_EVERY_SAMPLES = 4000
"""An observation is the mean over half a second: single looks are coarse."""
WINDOW = 240
"""Observations in the fit: two minutes."""
LEAST = 20
"""Observations before the fit is believed: ten seconds."""
COARSE_SAMPLES = 80
COARSE_TIMES = 3
"""A card that counts in whole blocks shows 100 ppm as a step every 200 s: it is watched so much longer,"""
LIKELY_PPM = 40.0
"""and believed the less, the more its steps could feign: most crystals differ by less than this."""
_STEPS_ALIKE = 20
MOST_PPM = 500.0
"""Crystals are better than this; more is a fault of the counts, not of a crystal."""


class DriftMeter:
    """Slow linear fit of the follower's count over the leader's.

    count of the follower        ·  ·
    minus the leader's       ·  ·           slope = drift
                       ·  ·
                       +-------------- leader's count
    """

    def __init__(self, grain: int = 0) -> None:
        """grain: samples by which the follower's count advances at once; 0 and 1 for an exact one."""
        times = COARSE_TIMES if grain >= COARSE_SAMPLES else 1
        self._window, self._least = times * WINDOW, times * LEAST
        self._doubt = _STEPS_ALIKE * grain**2 / 12 / (LIKELY_PPM * 1e-6) ** 2
        self._x: list[float] = []
        self._y: list[float] = []
        self._sums = [0.0, 0.0, 0]
        self._due: int | None = None
        self._broken = False
        self.ppm = 0.0
        """Follower faster than leader; 0 until ten seconds (coarse: thirty) have been seen."""

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
        del self._x[: -self._window], self._y[: -self._window]
        if len(self._x) >= self._least:
            x = np.array(self._x)
            x -= x.mean()
            slope = float(x @ np.array(self._y) / (x @ x + self._doubt)) * 1e6
            self.ppm = max(-MOST_PPM, min(MOST_PPM, slope))

    def break_line(self) -> None:
        """Samples were lost, and how many is known only roughly: go on from where the count is now."""
        self._broken = True
        self._sums = [0.0, 0.0, 0]
