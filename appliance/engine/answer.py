"""Has the called party answered? Inferred on lines that do not reverse polarity.

Ringback has stopped, or never came, and somebody speaks:

    ringback  ‾‾‾|______________|‾‾‾|_____________________
    voice                                   ._|‾|__|‾‾‾‾‾‾   240 ms of it within a second
                                                   answered

What counts as voice must not be a tone of the network and must be louder than
the echo of what we send, or an agent who says "hello?" would answer the call.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from dsp.linescan import OFF
from dsp.ownecho import OwnEcho

VOICE_FRAMES = 12
"""20 ms frames of voice that decide."""
AFTER_TONE_FRAMES = 10
"""Sound this shortly after a tone is the tone's edge, not a voice."""

Bools = NDArray[np.bool_]
Float = NDArray[np.float32]


class AnswerWatch:
    """Looks for the answer on all watched rows at once."""

    def __init__(self, rows: int) -> None:
        self._watched = np.zeros(rows, np.bool_)
        self._score: Float = np.zeros(rows, np.float32)
        self._since_tone = np.zeros(rows, np.int32)
        self._own = OwnEcho(rows)

    def watch(self, row: int, on: bool) -> None:
        """Begin to look for an answer on this row, or stop."""
        if on and not self._watched[row]:
            self._score[row] = 0.0
            self._since_tone[row] = AFTER_TONE_FRAMES
        self._watched[row] = on

    @property
    def any(self) -> bool:
        """Whether any row is watched."""
        return bool(self._watched.any())

    def frame(
        self, kind: NDArray[np.int8], voice: Bools, heard_dbm0: Float, sent_dbm0: Float
    ) -> Iterable[int]:
        """One 20 ms frame of every row; returns the rows on which the call has been answered.

        kind: tone of the network or OFF (`dsp.linescan.Frame.kind`); voice: voice activity on what is
        received; heard_dbm0, sent_dbm0: levels of what is received and of what was sent.
        """
        self._since_tone += 1
        self._since_tone[kind != OFF] = 0
        echo = self._own.process(heard_dbm0, sent_dbm0)
        speech = self._watched & voice & (kind == OFF) & ~echo & (self._since_tone > AFTER_TONE_FRAMES)
        # Frames under our own voice say nothing either way: an agent who speaks first hides nobody.
        self._score += np.where(speech, 1.0, np.where(echo, 0.0, -0.34)).astype(np.float32)
        np.maximum(self._score, 0.0, out=self._score)
        self._score[~self._watched] = 0.0
        answered = np.flatnonzero(self._score >= VOICE_FRAMES)
        for row in answered:
            self.watch(int(row), False)
        return [int(row) for row in answered]
