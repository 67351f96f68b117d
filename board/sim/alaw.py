"""A-law (ITU-T G.711) as the simulated exchange's line card applies it.

Written from the definition of the law, by segments; `dsp/` has its own and the
two never meet, so that one cannot hide the other's mistake.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from board.sim.levels import Float, Int16


def encode(samples: Int16) -> NDArray[np.uint8]:
    """int16 linear (any shape) → A-law octets, even bits inverted as on the wire."""
    linear = samples.astype(np.int32)
    negative = linear < 0
    # 13-bit magnitude; -1 belongs to the lowest negative interval, hence the complement.
    magnitude = np.where(negative, ~linear, linear) >> 3
    exponent = np.zeros_like(magnitude)
    for chord in range(1, 8):
        exponent += magnitude >= (1 << (chord + 4))
    shift = np.maximum(exponent, 1)
    mantissa = (magnitude >> shift) & 0x0F
    octet = (exponent << 4) | mantissa | np.where(negative, 0, 0x80)
    return (octet ^ 0x55).astype(np.uint8)


def decode(octets: NDArray[np.uint8]) -> Int16:
    """A-law octets (any shape) → int16 linear at the middle of each interval."""
    plain = octets.astype(np.int32) ^ 0x55
    exponent = (plain >> 4) & 7
    mantissa = plain & 0x0F
    step = (mantissa << 4) + 8
    magnitude = np.where(exponent == 0, step, (step + 0x100) << np.maximum(exponent - 1, 0))
    return np.where(plain & 0x80, magnitude, -magnitude).astype(np.int16)


def _crossing_table() -> Float:
    every = np.arange(65536, dtype=np.uint16).view(np.int16)
    return decode(encode(every)).astype(np.float32)


_CROSSING = _crossing_table()


def cross(samples: Float) -> Float:
    """What is left of float samples (16-bit scale) after one crossing of a digital exchange."""
    limited = np.rint(samples)
    np.clip(limited, -32768, 32767, out=limited)
    result: Float = _CROSSING[limited.astype(np.int16).view(np.uint16)]
    return result
