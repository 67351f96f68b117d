"""Frames on the wire of a line card: header, check sum, and finding them in a stream of bytes.

    0x00 | COBS( ver·type  seq  port  op  sample_clock(4)  payload(0…240)  crc(2) ) | 0x00

All numbers little-endian. The check sum is CRC-16/CCITT-FALSE (polynomial 0x1021,
start 0xFFFF) over header and payload.
"""

from __future__ import annotations

import binascii
import struct
from dataclasses import dataclass
from enum import IntEnum

from board.linecard import cobs

VERSION = 1
CARD_PORT = 0xFF
"""Port number that means the card as a whole."""
MOST_PAYLOAD_BYTES = 240

_HEADER = struct.Struct("<BBBBI")
_CRC = struct.Struct("<H")
_LEAST_BYTES = _HEADER.size + _CRC.size
_MOST_STUFFED_BYTES = _LEAST_BYTES + MOST_PAYLOAD_BYTES + 1
CLOCK_MODULUS = 1 << 32


class FrameError(ValueError):
    """The bytes are no frame of this protocol; the text says why."""


class Kind(IntEnum):
    """Low half of the first byte."""

    REQUEST = 0
    """Host to card; repeated until a REPLY with the same seq comes."""
    REPLY = 1
    """Card to host."""
    EVENT = 2
    """Card to host; repeated until an ACK with the same seq comes."""
    ACK = 3
    """Host to card."""
    NOTE = 4
    """Card to host, sent once: telemetry and log."""


@dataclass(frozen=True)
class Frame:
    """One frame. `clock`: sample counter of the card modulo 2**32 (0 from the host)."""

    kind: Kind
    seq: int
    port: int
    op: int
    clock: int = 0
    payload: bytes = b""


def encode(frame: Frame) -> bytes:
    """The frame with its closing zero. Raises FrameError when it cannot be sent."""
    if len(frame.payload) > MOST_PAYLOAD_BYTES:
        raise FrameError(f"a payload of {len(frame.payload)} bytes; the most is {MOST_PAYLOAD_BYTES}")
    try:
        head = _HEADER.pack(VERSION << 4 | frame.kind, frame.seq, frame.port, frame.op, frame.clock)
    except struct.error as error:
        raise FrameError(f"a header field is out of range: {error}") from error
    body = head + frame.payload
    return cobs.encode(body + _CRC.pack(binascii.crc_hqx(body, 0xFFFF))) + b"\0"


def decode(stuffed: bytes) -> Frame:
    """A frame from what stood between two zeros. Raises FrameError."""
    try:
        whole = cobs.decode(stuffed)
    except cobs.CobsError as error:
        raise FrameError(str(error)) from error
    if not _LEAST_BYTES <= len(whole) <= _LEAST_BYTES + MOST_PAYLOAD_BYTES:
        raise FrameError(f"a frame of {len(whole)} bytes")
    body, (crc,) = whole[: -_CRC.size], _CRC.unpack(whole[-_CRC.size :])
    if binascii.crc_hqx(body, 0xFFFF) != crc:
        raise FrameError("the check sum does not agree")
    first, seq, port, op, clock = _HEADER.unpack_from(body)
    if first >> 4 != VERSION:
        raise FrameError(f"protocol version {first >> 4}; this is version {VERSION}")
    try:
        kind = Kind(first & 0x0F)
    except ValueError:
        raise FrameError(f"frame type {first & 0x0F} does not exist") from None
    return Frame(kind, seq, port, op, clock, body[_HEADER.size :])


class Deframer:
    """Finds frames in a stream. What is no frame is counted and dropped, never kept for long."""

    def __init__(self) -> None:
        self._part = bytearray()
        self._overlong = False
        self.bad = 0
        """Pieces between zeros that were no frame."""
        self.last_error = ""

    def feed(self, data: bytes) -> list[Frame]:
        """Frames that `data` completes."""
        found = []
        *ends, rest = data.split(b"\0")
        for end in ends:
            self._keep(end)
            if self._overlong:
                self._count("no end of a frame in sight")
            elif self._part:
                try:
                    found.append(decode(bytes(self._part)))
                except FrameError as error:
                    self._count(str(error))
            self._part.clear()
            self._overlong = False
        self._keep(rest)
        return found

    def _keep(self, piece: bytes) -> None:
        self._part += piece[: _MOST_STUFFED_BYTES + 1]
        if len(self._part) > _MOST_STUFFED_BYTES:
            self._overlong = True
            self._part.clear()

    def _count(self, why: str) -> None:
        self.bad += 1
        self.last_error = why


def nearest_clock(clock: int, near: int) -> int:
    """The full count whose low 32 bits are `clock`, nearest to the full count `near`."""
    ahead = (clock - near) % CLOCK_MODULUS
    return near + ahead - (CLOCK_MODULUS if ahead >= CLOCK_MODULUS // 2 else 0)
