"""Receiving firmware: two slots, a hash, and nothing started that was not verified."""

from __future__ import annotations

import hashlib

from board.linecard import messages as msg
from board.linecard.messages import FW_NEXT, Status

MOST_FIRMWARE_BYTES = 1 << 20

Result = tuple[Status, bytes]


class FirmwareSlot:
    """The slot that is not running."""

    def __init__(self) -> None:
        self._promised: msg.FwBegin | None = None
        self._received = bytearray()
        self.verified = ""
        """Version that may be booted; "" for none."""

    def begin(self, message: msg.FwBegin) -> Result:
        """Empty the slot for a new image."""
        self.verified = ""
        self._received.clear()
        self._promised = None
        if not 0 < message.size <= MOST_FIRMWARE_BYTES or not message.version:
            text = f"an image of {message.size} bytes; 1 to {MOST_FIRMWARE_BYTES} and a version are needed"
            return Status.BAD_PAYLOAD, text.encode()
        self._promised = message
        return Status.OK, FW_NEXT.pack(0)

    def chunk(self, message: msg.FwChunk) -> Result:
        """Take a piece; one that is not the next is refused, one that was taken already is fine."""
        if self._promised is None:
            return Status.NOT_NOW, b"begin an update first"
        end = message.offset + len(message.data)
        if not message.data or end > self._promised.size or message.offset > len(self._received):
            return Status.BAD_PAYLOAD, f"the next piece is {len(self._received)}".encode()
        if (
            self._received[message.offset : end]
            and bytes(self._received[message.offset : end]) != message.data
        ):
            return Status.BAD_PAYLOAD, b"this piece was something else before"
        self._received[message.offset : end] = message.data
        return Status.OK, FW_NEXT.pack(len(self._received))

    def verify(self) -> Result:
        """Compare size and hash."""
        if self._promised is None:
            return Status.NOT_NOW, b"begin an update first"
        if len(self._received) != self._promised.size:
            return (
                Status.VERIFY_FAILED,
                f"{len(self._received)} of {self._promised.size} bytes arrived".encode(),
            )
        if hashlib.sha256(self._received).digest() != self._promised.sha256:
            return Status.VERIFY_FAILED, b"the hash does not agree"
        self.verified = self._promised.version
        return Status.OK, b""
