"""Consistent overhead byte stuffing: bytes without a zero in them, so that a zero ends a frame.

S. Cheshire, M. Baker: Consistent Overhead Byte Stuffing, IEEE/ACM Transactions on
Networking, April 1999. Each code byte n says that n-1 bytes follow before the next
zero; 0xFF says that 254 bytes follow and no zero:

    data   11 22 00 33        encoded  03 11 22 02 33
"""

from __future__ import annotations

_LONGEST_RUN = 254


class CobsError(ValueError):
    """The bytes are no stuffed frame."""


def encode(data: bytes) -> bytes:
    """Stuff `data`; the result holds no zero byte. The closing zero is not added."""
    out = bytearray()
    for run in data.split(b"\0"):
        while len(run) >= _LONGEST_RUN:
            out.append(0xFF)
            out += run[:_LONGEST_RUN]
            run = run[_LONGEST_RUN:]
        out.append(len(run) + 1)
        out += run
    return bytes(out)


def decode(stuffed: bytes) -> bytes:
    """Undo `encode`. Raises CobsError for an empty frame, a zero inside or a run past the end."""
    if not stuffed:
        raise CobsError("an empty frame")
    out = bytearray()
    at = 0
    while True:
        code = stuffed[at]
        run = stuffed[at + 1 : at + code]
        if code == 0 or 0 in run:
            raise CobsError("a zero byte inside a frame")
        if len(run) != code - 1:
            raise CobsError("the frame ends in the middle of a run")
        out += run
        at += code
        if at == len(stuffed):
            return bytes(out)
        if code != 0xFF:
            out.append(0)
