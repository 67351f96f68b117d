"""Giving a card new firmware: announce, send, verify, start; each step only after the last was confirmed."""

from __future__ import annotations

import hashlib
from enum import Enum

from board.linecard import messages as msg
from board.linecard.board import LinecardBoard
from board.linecard.frames import CARD_PORT
from board.linecard.link import Answer

CHUNK_BYTES = 232


class Progress(Enum):
    """How far an update is."""

    SENDING = "sending"
    VERIFYING = "verifying"
    STARTING = "starting"
    DONE = "done"
    FAILED = "failed"


class FirmwareUpdate:
    """One update of one card. It moves on as the card is read; calls on it end at the start of the new one.

    Nothing is started that the card has not verified; whatever fails leaves the old firmware.
    """

    def __init__(self, board: LinecardBoard, image: bytes, version: str) -> None:
        """image: as the maker gives it, not empty; version: what the card will report afterwards."""
        if not image or not version:
            raise ValueError("an update needs an image and its version")
        self._board = board
        self._image = image
        self.progress = Progress.SENDING
        self.reason = ""
        """Why it failed."""
        self.sent_bytes = 0
        begin = msg.FwBegin(len(image), hashlib.sha256(image).digest(), version)
        board.request(CARD_PORT, begin, self._taken)

    def _taken(self, answer: Answer) -> None:
        """The card has taken everything so far."""
        if self._refused(answer):
            return
        (following,) = msg.FW_NEXT.unpack(answer.data) if len(answer.data) == msg.FW_NEXT.size else (-1,)
        if following != self.sent_bytes:
            self._fail(f"the card waits for byte {following}, but {self.sent_bytes} were sent")
            return
        piece = self._image[self.sent_bytes : self.sent_bytes + CHUNK_BYTES]
        if piece:
            self._board.request(CARD_PORT, msg.FwChunk(self.sent_bytes, piece), self._taken)
            self.sent_bytes += len(piece)
        else:
            self.progress = Progress.VERIFYING
            self._board.request(CARD_PORT, msg.FwVerify(), self._verified)

    def _verified(self, answer: Answer) -> None:
        if not self._refused(answer):
            self.progress = Progress.STARTING
            self._board.request(CARD_PORT, msg.FwBoot(), self._started)

    def _started(self, answer: Answer) -> None:
        if not self._refused(answer):
            self.progress = Progress.DONE

    def _refused(self, answer: Answer) -> bool:
        if answer.status is msg.Status.OK:
            return False
        self._fail(answer.reason)
        return True

    def _fail(self, reason: str) -> None:
        self.progress = Progress.FAILED
        self.reason = reason
