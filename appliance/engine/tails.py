"""The last seconds of what each line has said in its call, kept for when it is over.

Silence longer than any tone's gap is left out: an exchange that falls silent after a while of
disconnect tone has said it all the same.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from board import api

BLOCK = api.BLOCK_SAMPLES
TAIL_BLOCKS = 750
"""15 s."""
SILENCE_BLOCKS = 150
"""3 s of silence are kept, the rest is not."""
SILENCE_POWER = 10 ** (-50.0 / 10)
"""-50 dBm0."""


class Tails:
    """One ring of blocks for each row of the matrix; memory is touched only by rows that are used."""

    def __init__(self, rows: int) -> None:
        self._blocks = np.zeros((rows, TAIL_BLOCKS, BLOCK), np.int16)
        self._count = np.zeros(rows, np.int64)
        self._quiet = np.zeros(rows, np.int64)

    def restart(self, row: int) -> None:
        """A call begins on this row."""
        self._count[row] = self._quiet[row] = 0

    def tap(self, heard: NDArray[np.float32], power: NDArray[np.float32], rows: NDArray[np.intp]) -> None:
        """Take a block of these rows. heard: float32 [rows of the matrix, 160] on the 16-bit scale, which the
        canceller may have left; power: of all rows, over that of 0 dBm0."""
        self._quiet += 1
        self._quiet *= power < SILENCE_POWER
        kept = self._quiet[rows] <= SILENCE_BLOCKS
        if not kept.all():
            rows = rows[kept]
        part = heard[rows]
        self._blocks[rows, self._count[rows] % TAIL_BLOCKS] = np.clip(part, -32768.0, 32767.0, out=part)
        self._count[rows] += 1

    def of(self, row: int) -> NDArray[np.int16]:
        """What is kept of a row, oldest first: a copy `[n]`, n up to 120,000."""
        count = int(self._count[row])
        order = np.arange(max(count - TAIL_BLOCKS, 0), count) % TAIL_BLOCKS
        blocks: NDArray[np.int16] = self._blocks[row, order]
        return blocks.reshape(-1)
