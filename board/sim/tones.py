"""Tones as ready-made tables, and players that read them sample-exactly."""

from __future__ import annotations

import numpy as np

from board.sim.country import ToneSpec
from board.sim.levels import BLOCK, RATE_HZ, Float, peak_of, samples_of_ms


class ToneTable:
    """One whole cycle of a tone (float32, 16-bit scale).

    freq_error_percent and cadence_error_percent put the exchange off nominal, as real
    ones are. A continuous tone gets a ten-second table of frequencies rounded to 0.1 Hz,
    so that it repeats without a click.
    """

    def __init__(
        self, spec: ToneSpec, freq_error_percent: float = 0.0, cadence_error_percent: float = 0.0
    ) -> None:
        peak = peak_of(spec.level_dbm0)
        stretch = 1.0 + cadence_error_percent / 100.0
        pieces = []
        for segment in spec.segments:
            count = 10 * RATE_HZ if spec.continuous else samples_of_ms(segment.ms * stretch)
            seconds = np.arange(count) / RATE_HZ
            piece = np.zeros(count)
            for freq_hz in segment.freqs_hz:
                real_hz = round(freq_hz * (1.0 + freq_error_percent / 100.0), 1)
                piece += np.sin(2.0 * np.pi * real_hz * seconds)
            pieces.append(peak * piece)
        cycle = np.concatenate(pieces).astype(np.float32)
        repeats = -(-BLOCK // cycle.size)
        self.cycle_samples: int = cycle.size
        """Length of one cadence cycle."""
        # One block more than a cycle, so that any block is one slice.
        self.samples: Float = np.concatenate([cycle] + [cycle] * repeats)[: cycle.size + BLOCK]


class Player:
    """Something with a start time that fills blocks: a repeated tone or a burst that ends.

    start: sample clock of the first sample.
    """

    def __init__(self, start: int, table: ToneTable | None = None, burst: Float | None = None) -> None:
        if (table is None) == (burst is None):
            raise ValueError("a player needs either a tone table or a burst")
        self.start = start
        self._table = table
        self._burst = burst

    @property
    def end(self) -> int | None:
        """Clock after the last sample; None when it never ends."""
        return None if self._burst is None else self.start + self._burst.size

    def fill(self, out: Float, clock: int) -> None:
        """Write the block that starts at `clock` into `out` [BLOCK], silence where there is nothing."""
        at = clock - self.start
        skip = 0
        if at < 0:
            skip = min(-at, BLOCK)
            out[:skip] = 0.0
            at = 0
        want = BLOCK - skip
        if want == 0:
            return
        if self._table is not None:
            at %= self._table.cycle_samples
            out[skip:] = self._table.samples[at : at + want]
            return
        assert self._burst is not None
        piece = self._burst[at : at + want]
        out[skip : skip + piece.size] = piece
        out[skip + piece.size :] = 0.0
