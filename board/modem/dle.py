"""`<DLE>` shielding of the voice stream (V.253, clause on voice data transfer).

DLE DLE   one octet 0x10 of sound
DLE SUB   two octets 0x10 of sound
DLE ETX   end of the stream
DLE x     event x
DLE X … DLE .   a complex event: lines of text, such as caller ID during a call
"""

from __future__ import annotations

from dataclasses import dataclass

DLE = 0x10
ETX = 0x03
SUB = 0x1A
MOST_TEXT_BYTES = 512


def shield(sound: bytes) -> bytes:
    """Octets of sound as they go over the wire."""
    return sound.replace(b"\x10", b"\x10\x10")


@dataclass
class Unshield:
    """Takes the stream apart; pieces may be cut anywhere.

    `feed` returns (sound, events, rest): rest is None while the stream goes on, and what
    came after DLE ETX when it has ended. A complex event is returned as "X" and its text.
    """

    _pending: bool = False
    _text: bytearray | None = None

    def feed(self, data: bytes) -> tuple[bytes, list[str], bytes | None]:
        """One piece of the stream."""
        sound = bytearray()
        events: list[str] = []
        at = 0
        while at < len(data):
            if self._pending:
                code = data[at]
                at += 1
                self._pending = False
                if code == DLE:
                    sound.append(DLE)
                elif code == SUB:
                    sound += b"\x10\x10"
                elif code == ETX:
                    return bytes(sound), events, data[at:]
                elif code == ord("X"):
                    self._text = bytearray()
                elif code == ord(".") and self._text is not None:
                    events.append("X" + self._text.decode("latin-1"))
                    self._text = None
                else:
                    events.append(chr(code))
                continue
            found = data.find(b"\x10", at)
            end = len(data) if found < 0 else found
            self._plain(data[at:end], sound)
            self._pending = found >= 0
            at = end + 1
        return bytes(sound), events, None

    def _plain(self, data: bytes, sound: bytearray) -> None:
        if self._text is None:
            sound += data
        elif len(self._text) + len(data) > MOST_TEXT_BYTES:
            self._text = None  # a complex event that never ends was none
        else:
            self._text += data
