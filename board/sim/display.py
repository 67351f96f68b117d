"""The caller display of a telephone set: its own FSK modem and key receiver, listening while on hook.

    seizure 0101… | mark ≥ 20 ms | type  length  body … checksum |   → number, name, time
    D 1 3 8 … C                                                      → number

A message whose checksum is wrong, or that breaks off, shows nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from board.sim.callerid import Presentation
from board.sim.country import FskSpec
from board.sim.dtmf_receiver import DtmfReceiver
from board.sim.levels import BLOCK, RATE_HZ, Float, Int16, peak_of

BIT_SAMPLES = RATE_HZ / 1200.0
_WINDOW = 7
"""Samples over which mark and space are told apart: about one bit."""
_LEAST_MARK = int(0.02 * RATE_HZ)
_LEAST_PEAK = peak_of(-38.0)
_SINGLE_DATA, _MULTIPLE_DATA = 0x04, 0x80
_TIME, _NUMBER, _NO_NUMBER, _NAME = 0x01, 0x02, 0x04, 0x07


@dataclass(frozen=True)
class Shown:
    """What stands on the display. `time`: MMDDhhmm, "" when none was sent."""

    number: str = ""
    name: str = ""
    presentation: Presentation = Presentation.SHOWN
    time: str = ""


class CallerDisplay:
    """Feed what the set hears on hook; `shown` is what people read."""

    def __init__(self, fsk: FskSpec, charset: str) -> None:
        """charset: of names, "gb18030" or "latin-1"."""
        self._charset = charset
        at = np.arange(_WINDOW) / RATE_HZ
        self._tones = [np.exp(2j * np.pi * hz * at) for hz in (fsk.mark_hz, fsk.space_hz)]
        self.shown: Shown | None = None
        """The last caller that was understood, until the handset is put down after a call."""
        self.messages = 0
        """Messages understood since the set was made."""
        self.damaged = 0
        """Messages begun that were wrong or broke off."""
        self.start()

    def start(self) -> None:
        """The path has just been opened: what was begun before it is void."""
        self._past: Float = np.zeros(_WINDOW - 1, np.float32)
        self._keys = DtmfReceiver()
        self._spelled = ""
        self._marks = 0
        self._octets: bytearray | None = None
        self._bit_at = 0.0
        self._bits = -1
        self._octet = 0

    def stop(self) -> None:
        """The path is closed."""
        if self._octets:
            self.damaged += 1
        self._octets = None

    def clear(self) -> None:
        """Nothing is shown any more."""
        self.shown = None

    def hear(self, block: Int16) -> None:
        """One block, int16 [BLOCK]."""
        self._spell(self._keys.hear(block))
        signal = np.concatenate([self._past, block.astype(np.float32)])
        self._past = signal[-(_WINDOW - 1) :]
        mark, space = (np.abs(np.convolve(signal, tone, "valid")) for tone in self._tones)
        loud = np.maximum(mark, space) > _LEAST_PEAK * _WINDOW / 4
        for n in range(BLOCK):
            self._sample(bool(mark[n] > space[n]), bool(loud[n]))

    # ------------------------------------------------------------------- FSK
    def _sample(self, is_mark: bool, loud: bool) -> None:
        if not loud:
            self.stop()
            self._marks = 0
            return
        if self._octets is None:
            if is_mark:
                self._marks += 1
                return
            if self._marks >= _LEAST_MARK:
                self._octets = bytearray()
                self._begin_octet()
            self._marks = 0
            return
        if self._bits < 0:
            if not is_mark:
                self._begin_octet()
            return
        self._bit_at -= 1.0
        if self._bit_at > 0.0:
            return
        self._bit_at += BIT_SAMPLES
        if self._bits < 8:
            self._octet |= is_mark << self._bits
            self._bits += 1
            return
        self._bits = -1
        if is_mark:
            self._octets.append(self._octet)
            self._look()
        else:
            self.stop()

    def _begin_octet(self) -> None:
        self._bits, self._octet = 0, 0
        self._bit_at = 1.5 * BIT_SAMPLES

    def _look(self) -> None:
        message = self._octets
        assert message is not None
        if message[0] not in (_SINGLE_DATA, _MULTIPLE_DATA):
            self.stop()
        elif len(message) > 2 and len(message) == message[1] + 3:
            self._octets = None
            found = None if sum(message) & 0xFF else self._read(bytes(message))
            if found is None:
                self.damaged += 1
            else:
                self._show(found)

    def _read(self, message: bytes) -> Shown | None:
        body = message[2:-1]
        if message[0] == _SINGLE_DATA:
            return _number_or_reason(body[8:], body[:8].decode("latin-1"))
        parts: dict[int, bytes] = {}
        while len(body) >= 2:
            kind, size = body[0], body[1]
            if len(body) < 2 + size:
                return None
            parts[kind] = body[2 : 2 + size]
            body = body[2 + size :]
        found = _number_or_reason(
            parts.get(_NUMBER) or parts.get(_NO_NUMBER, b"O"), parts.get(_TIME, b"").decode("latin-1")
        )
        name = parts.get(_NAME, b"").decode(self._charset, "replace")
        return Shown(found.number, name, found.presentation, found.time)

    # ------------------------------------------------------------------ DTMF
    def _spell(self, keys: str) -> None:
        for key in keys:
            if key in "AD":
                self._spelled = key
            elif self._spelled and key in "C#":
                content, self._spelled = self._spelled[1:], ""
                self._show(_spelled(content))
            elif self._spelled:
                self._spelled += key

    def _show(self, found: Shown) -> None:
        self.messages += 1
        self.shown = found


def _number_or_reason(content: bytes, time: str) -> Shown:
    text = content.decode("latin-1")
    if text in ("P", "O"):
        return Shown(presentation=Presentation(text), time=time)
    return Shown(text, time=time)


def _spelled(content: str) -> Shown:
    reasons = {"B10": Presentation.WITHHELD, "B00": Presentation.UNAVAILABLE}
    return Shown(presentation=reasons[content]) if content in reasons else Shown(content)
