"""DTMF sender (ITU-T Q.23) of telephone sets, callers and the exchange's caller ID."""

from __future__ import annotations

import numpy as np

from board.sim.config import OfficeError
from board.sim.levels import RATE_HZ, Float, peak_of, samples_of_ms

ROWS_HZ = (697, 770, 852, 941)
COLUMNS_HZ = (1209, 1336, 1477, 1633)
KEYS = ("123A", "456B", "789C", "*0#D")
"""Keypad: KEYS[row][column]."""

PAIRS: dict[str, tuple[int, int]] = {
    key: (ROWS_HZ[row], COLUMNS_HZ[column])
    for row, keys in enumerate(KEYS)
    for column, key in enumerate(keys)
}


def check_keys(keys: str) -> str:
    """The keys in capitals; "," is a pause of 0.5 s. OfficeError names what cannot be pressed."""
    upper = keys.upper()
    for key in upper:
        if key not in PAIRS and key != ",":
            raise OfficeError(f"key {key!r} cannot be pressed: use 0-9, *, #, A-D and ',' for a pause")
    return upper


def dial(
    keys: str,
    on_ms: float = 80.0,
    off_ms: float = 80.0,
    level_dbm0: float = -8.0,
    twist_db: float = 0.0,
    freq_error_percent: float = 0.0,
) -> Float:
    """Samples (float32) of keys pressed one after the other.

    level_dbm0: of the low tone; the high tone lies `twist_db` above it.
    """
    low_peak = peak_of(level_dbm0)
    high_peak = peak_of(level_dbm0 + twist_db)
    on = np.arange(samples_of_ms(on_ms)) / RATE_HZ
    off = np.zeros(samples_of_ms(off_ms))
    pieces = []
    for key in check_keys(keys):
        if key == ",":
            pieces.append(np.zeros(RATE_HZ // 2))
            continue
        low_hz, high_hz = (freq * (1.0 + freq_error_percent / 100.0) for freq in PAIRS[key])
        tone = low_peak * np.sin(2 * np.pi * low_hz * on) + high_peak * np.sin(2 * np.pi * high_hz * on)
        pieces += [tone, off]
    if not pieces:
        return np.zeros(0, dtype=np.float32)
    return np.concatenate(pieces).astype(np.float32)
