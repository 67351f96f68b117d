"""What the exchange sends as caller identification: FSK messages and DTMF strings."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

MULTIPLE_DATA = 0x80
_DATE_TIME, _NUMBER, _NO_NUMBER, _NAME, _NO_NAME = 0x01, 0x02, 0x04, 0x07, 0x08


class Presentation(Enum):
    """Whether the number may be shown. Values are the reason letters of GR-30."""

    SHOWN = ""
    WITHHELD = "P"
    UNAVAILABLE = "O"


@dataclass(frozen=True)
class Identity:
    """Who calls. `number`: digits; `name`: any text (GB 2312 on the wire)."""

    number: str = ""
    name: str = ""
    presentation: Presentation = Presentation.SHOWN


def fsk_message(who: Identity, when: datetime) -> bytes:
    """Multiple-data message (MDMF) with length and checksum, ready for the modem."""

    def parameter(kind: int, value: bytes) -> bytes:
        return bytes((kind, len(value))) + value

    body = parameter(_DATE_TIME, when.strftime("%m%d%H%M").encode("ascii"))
    if who.presentation is not Presentation.SHOWN:
        body += parameter(_NO_NUMBER, who.presentation.value.encode("ascii"))
        body += parameter(_NO_NAME, who.presentation.value.encode("ascii"))
    elif not who.number:
        body += parameter(_NO_NUMBER, b"O")
    else:
        body += parameter(_NUMBER, who.number.encode("ascii"))
        if who.name:
            body += parameter(_NAME, _name_octets(who.name))
    message = bytes((MULTIPLE_DATA, len(body))) + body
    return message + bytes(((-sum(message)) & 0xFF,))


def _name_octets(name: str, limit: int = 50) -> bytes:
    """The name in GB 2312 (ASCII stays ASCII), cut between characters at `limit` octets."""
    octets = b""
    for character in name:
        piece = character.encode("gb2312", errors="replace")
        if len(octets) + len(piece) > limit:
            break
        octets += piece
    return octets


def dtmf_string(who: Identity, frame: str = "DC") -> str:
    """Keys of DTMF caller ID. `frame`: start and stop key ("DC", "A#" …).

    The codes B00 (not available) and B10 (withheld) stand in for a number.
    """
    if who.presentation is Presentation.WITHHELD:
        content = "B10"
    elif who.presentation is Presentation.UNAVAILABLE or not who.number:
        content = "B00"
    else:
        content = who.number
    return frame[0] + content + frame[1]
