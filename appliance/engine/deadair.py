"""Conversations in which neither side has been heard for long.

    loud   talk talk . talk ._______________________________     . levels alone are looked at
    guard                         |‾‾‾ is there a voice or a tone? ‾‾‾|   5 s later, and only then
    told                                                              silent

Most of the time somebody talks, and then the comparison of two levels is all that is done.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from appliance.engine.powers import Powers
from dsp.silence import SilenceGuard

TICKS_PER_S = 50
LOUD_DBM0 = -38.0
"""Louder is somebody, whoever it is; weaker may be noise, hum or somebody far away."""
LOUD_POWER = 10 ** (LOUD_DBM0 / 10)
LOOK_AFTER_S = 5.0

Float = NDArray[np.float32]


class Silence(NamedTuple):
    """A row's conversation has fallen silent, `quiet_s` after its last sound, or is not any more."""

    row: int
    silent: bool
    quiet_s: float


class DeadAir:
    """Watches all lines in conversations. The tick thread alone uses it."""

    def __init__(self, rows: int) -> None:
        """rows: of the matrix."""
        self._after_s = 0.0
        self._guard: SilenceGuard | None = None
        self._quiet = np.zeros(rows, np.int64)
        """Ticks since the row was loud; 0 where there is no conversation."""
        self._told = np.zeros(rows, np.bool_)
        self._taken_back = np.zeros(rows, np.bool_)
        """Rows that were told to be silent by a measure that is not in force any more."""

    def use(self, after_s: float) -> None:
        """Time without sound after which a conversation is silent; 0: never. A change begins anew."""
        if after_s == self._after_s:
            return
        self._after_s = after_s
        self._quiet[:] = 0
        self._taken_back |= self._told
        self._told[:] = False
        self._guard = SilenceGuard(len(self._quiet), max(1.0, after_s - LOOK_AFTER_S)) if after_s else None

    def process(self, heard: Float, said: Float, powers: Powers, lines: NDArray[np.bool_]) -> list[Silence]:
        """What has changed. heard, said: float32 [rows, 160], and their powers; lines: rows of lines in a
        conversation."""
        out = []
        if self._taken_back.any():
            out += [Silence(row, False, 0.0) for row in np.flatnonzero(self._taken_back & lines).tolist()]
            self._taken_back[:] = False
        if self._guard is None:
            return out
        if not lines.any():
            self._quiet[:] = 0
            self._told[:] = False
            return out
        loud = np.maximum(powers.heard, powers.said) > LOUD_POWER
        self._quiet += 1
        self._quiet *= np.greater(lines, loud)
        if self._told.any():
            self._told &= lines
            for row in np.flatnonzero(self._told & loud).tolist():
                self._told[row] = False
                out.append(Silence(row, False, 0.0))
        look = self._quiet > LOOK_AFTER_S * TICKS_PER_S
        if not look.any():
            return out
        begins = np.flatnonzero(self._quiet == LOOK_AFTER_S * TICKS_PER_S + 1)
        if begins.size:
            self._guard.reset(begins.tolist())
        for change in self._guard.process(heard + said, look):
            if change.silent != self._told[change.port] and look[change.port]:
                self._told[change.port] = change.silent
                quiet_s = float(self._guard.quiet_s[change.port]) + LOOK_AFTER_S if change.silent else 0.0
                out.append(Silence(change.port, change.silent, quiet_s))
        return out
