"""Caller-ID modem of the exchange: 1200 bit/s FSK (GR-30 / EN 300 659-1 / YD/T 1277)."""

from __future__ import annotations

import numpy as np

from board.sim.country import FskSpec
from board.sim.levels import RATE_HZ, Float, peak_of

BIT_RATE = 1200
SEIZURE_BITS = 300
MARK_BITS = 180
TRAILING_MARK_BITS = 10


def modulate(message: bytes, spec: FskSpec, twist_db: float = 0.0, rate_error_percent: float = 0.0) -> Float:
    """Whole burst: channel seizure, mark, start-stop framed octets (LSB first), a short mark.

    twist_db: space level above mark level. Phase is continuous.
    """
    bits = [0, 1] * (SEIZURE_BITS // 2) + [1] * MARK_BITS
    for octet in message:
        bits += [0, *((octet >> i) & 1 for i in range(8)), 1]
    bits += [1] * TRAILING_MARK_BITS
    bit_samples = RATE_HZ / (BIT_RATE * (1.0 + rate_error_percent / 100.0))
    count = int(len(bits) * bit_samples)
    which = np.minimum((np.arange(count) / bit_samples).astype(np.int64), len(bits) - 1)
    mark = np.asarray(bits, dtype=bool)[which]
    freq_hz = np.where(mark, spec.mark_hz, spec.space_hz)
    phase = 2.0 * np.pi * np.cumsum(freq_hz) / RATE_HZ
    peak = np.where(mark, peak_of(spec.level_dbm0), peak_of(spec.level_dbm0 + twist_db))
    return (peak * np.sin(phase)).astype(np.float32)
