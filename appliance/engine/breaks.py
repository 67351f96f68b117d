"""How a single break of a telephone's loop is to be read: the digit 1 of a dial, or the R key of a keypad.

Both are about 100 ms long. What tells them apart is the set and the moment: a set that has sent tones has a
keypad, one that has sent pulses a dial; nobody dials into a conversation. Ports that can be told (`breaks`)
are told; of a set that has not shown yet what it is, the card goes by its own lights at dial tone.
"""

from __future__ import annotations

from collections.abc import Callable

from appliance.engine.ports import Port
from board import api

Send = Callable[[Port, api.Command], object]


class Breaks:
    """What the sets are, and what the cards have been told. The tick thread alone uses it."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._has_dial: dict[int, bool] = {}
        self._collecting: set[int] = set()
        self._told: dict[int, bool] = {}

    def note(self, port: Port, event: api.PortEvent) -> None:
        """Something has happened at a telephone's port."""
        if isinstance(event, api.PulseDigit):
            # A lone 1 may have been an R key.
            if event.digit != "1":
                self._learn(port, True)
        elif isinstance(event, api.OffHook | api.OnHook | api.PortGone | api.PortBack):
            # The card has forgotten what it was told.
            self._told.pop(port.row, None)
            self._collecting.discard(port.row)

    def heard_key(self, port: Port) -> None:
        """The set has sent the tones of a key; those of a conversation may be the far end's."""
        if port.row in self._collecting:
            self._learn(port, False)

    def _learn(self, port: Port, has_dial: bool) -> None:
        self._has_dial[port.row] = has_dial
        if port.row in self._collecting:
            self._tell(port, has_dial)

    def dial_tone(self, port: Port) -> None:
        """Digits are expected from now on."""
        self._collecting.add(port.row)
        if port.row in self._has_dial:
            self._tell(port, self._has_dial[port.row])

    def no_digits(self, port: Port) -> None:
        """A conversation, or a tone that is no dial tone: digits are not expected any more."""
        self._collecting.discard(port.row)
        self._tell(port, False)

    def _tell(self, port: Port, dialling: bool) -> None:
        if "breaks" in port.info.can and port.in_use and self._told.get(port.row) is not dialling:
            self._told[port.row] = dialling
            self._send(port, api.ReadBreaks(dialling))
