"""G.711 companding: A-law and µ-law octets to and from 16-bit linear samples.

One table per direction and law, built once from the segment rule of ITU-T
G.711 (with the alternate-bit inversion of A-law and the full inversion of
µ-law as they appear on the wire). A 13-bit A-law or 14-bit µ-law value stands
left-justified in the 16 bits, so 0 dBm0 is the same sample value in both.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Octets = NDArray[np.uint8]
Linear = NDArray[np.int16]

_ALAW_MASK = 0x55
_ULAW_BIAS = 33
_ULAW_CLIP = 0x1FFF


def _expand_alaw() -> Linear:
    octet = np.arange(256) ^ _ALAW_MASK
    segment, step = (octet >> 4) & 7, octet & 15
    # 12-bit magnitude at the middle of the quantising interval, in half steps.
    magnitude = np.where(segment == 0, 2 * step + 1, (2 * step + 33) << np.maximum(segment - 1, 0))
    return np.where(octet & 0x80, magnitude * 8, -magnitude * 8).astype(np.int16)


def _expand_ulaw() -> Linear:
    octet = ~np.arange(256) & 0xFF
    segment, step = (octet >> 4) & 7, octet & 15
    magnitude = ((2 * step + _ULAW_BIAS) << segment) - _ULAW_BIAS
    return np.where(octet & 0x80, -magnitude * 4, magnitude * 4).astype(np.int16)


def _compress_alaw() -> Octets:
    linear = np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int32)
    magnitude = np.where(linear < 0, ~linear, linear) >> 4  # 11 bits
    segment = np.zeros_like(magnitude)
    for top in range(4, 11):
        segment += magnitude >= 1 << top
    step = (magnitude >> np.maximum(segment - 1, 0)) & 15
    sign = np.where(linear < 0, 0, 0x80)
    octets: Octets = ((sign | segment << 4 | step) ^ _ALAW_MASK).astype(np.uint8)
    return octets


def _compress_ulaw() -> Octets:
    linear = np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int32)
    magnitude = np.minimum((np.where(linear < 0, ~linear, linear) >> 2) + _ULAW_BIAS, _ULAW_CLIP)
    segment = np.zeros_like(magnitude)
    for top in range(6, 13):
        segment += magnitude >= 1 << top
    step = (magnitude >> (segment + 1)) & 15
    sign = np.where(linear < 0, 0x80, 0)
    octets: Octets = (~(sign | segment << 4 | step) & 0xFF).astype(np.uint8)
    return octets


_FROM_ALAW = _expand_alaw()
_FROM_ULAW = _expand_ulaw()
_TO_ALAW = _compress_alaw()
_TO_ULAW = _compress_ulaw()


def alaw_encode(linear: Linear) -> Octets:
    """A-law octets of 16-bit samples, any shape."""
    _require(linear, np.int16)
    return _TO_ALAW[linear.view(np.uint16)]


def alaw_decode(octets: Octets) -> Linear:
    """16-bit samples of A-law octets, any shape."""
    _require(octets, np.uint8)
    return _FROM_ALAW[octets]


def ulaw_encode(linear: Linear) -> Octets:
    """µ-law octets of 16-bit samples, any shape."""
    _require(linear, np.int16)
    return _TO_ULAW[linear.view(np.uint16)]


def ulaw_decode(octets: Octets) -> Linear:
    """16-bit samples of µ-law octets, any shape."""
    _require(octets, np.uint8)
    return _FROM_ULAW[octets]


def _require(x: np.ndarray, kind: type[np.generic]) -> None:
    if x.dtype != kind:
        raise TypeError(f"G.711 tables take {np.dtype(kind)}, not {x.dtype}; convert with saturation first")
