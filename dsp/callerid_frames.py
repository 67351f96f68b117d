"""Caller identification messages: contents to octets and back.

SDMF (type 04h) holds date, time and number; MDMF (type 80h) holds parameters.
Sources: Bellcore GR-30/GR-31, ETSI EN 300 659-3, YD/T 1277.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

Format = Literal["sdmf", "mdmf"]
Reason = Literal["", "unavailable", "withheld"]

SDMF_TYPE = 0x04
MDMF_TYPE = 0x80
TYPES = (SDMF_TYPE, MDMF_TYPE)
_SDMF_STAMP = 8

_TIME = 0x01
_NUMBER = 0x02
_NUMBER_ABSENT = 0x04
_NAME = 0x07
_NAME_ABSENT = 0x08

_REASONS: dict[str, Reason] = {"O": "unavailable", "P": "withheld"}
_LETTERS = {reason: letter for letter, reason in _REASONS.items()}

_NUMBER_KEYS = "0123456789*#+ABCD"
_SEPARATORS = " -()\0"
_PADDING = " \0\t\r\n"
_LONGEST_NUMBER = 24
_SHORTEST_BARE = 3
_INFORMATION_CODES: dict[str, Reason] = {"00": "unavailable", "10": "withheld"}
_DIVERTED_CODES: dict[str, Reason] = {"1": "withheld", "2": "unavailable", "3": "unavailable"}
"""`D1#`, `D2#`, `D3#`: Denmark and Finland's short forms."""


class Contents(NamedTuple):
    """What a message says. `time` is as sent, "MMDDhhmm", or "" when not given."""

    number: str = ""
    name: str = ""
    time: str = ""
    reason: Reason = ""

    @property
    def tells(self) -> bool:
        """Whether it says anything of the caller, if only why it does not (GR-30, EN 300 659-3: it must)."""
        return bool(self.number or self.name or self.reason)


def checksum(octets: bytes) -> int:
    """The octet that makes the sum of the frame zero modulo 256."""
    return -sum(octets) & 0xFF


def encode(contents: Contents, form: Format, name_octets: bytes = b"") -> bytes:
    """The frame of a message, checksum included.

    name_octets: a name that is encoded already, where it is not to be GB 18030.
    ValueError for a number, name or time that the format cannot carry.
    """
    stamp = _encode_time(contents.time)
    number = _encode_number(contents.number)
    if form == "sdmf":
        if contents.name:
            raise ValueError("SDMF has no place for a name; use MDMF")
        body = (stamp or b"01010000") + (number or _LETTERS.get(contents.reason, "O").encode("ascii"))
        frame = bytes([SDMF_TYPE, len(body)]) + body
    elif form == "mdmf":
        body = b""
        if stamp:
            body += bytes([_TIME, len(stamp)]) + stamp
        if number:
            body += bytes([_NUMBER, len(number)]) + number
        elif contents.reason:
            body += bytes([_NUMBER_ABSENT, 1]) + _LETTERS[contents.reason].encode("ascii")
        name = name_octets or _encode_name(contents.name)
        if name:
            body += bytes([_NAME, len(name)]) + name
        elif contents.reason and not number:
            body += bytes([_NAME_ABSENT, 1]) + _LETTERS[contents.reason].encode("ascii")
        if not (number or name or contents.reason) or len(body) > 255:
            raise ValueError("an MDMF message needs a number, a name or a reason, 255 octets in all")
        frame = bytes([MDMF_TYPE, len(body)]) + body
    else:
        raise ValueError(f"unknown format {form!r}; there are sdmf and mdmf")
    return frame + bytes([checksum(frame)])


def is_other(frame: bytes) -> bool:
    """Whether this is a whole and sound frame that is no caller identification.

    Such are messages waiting (06h, 82h) and charges (86h), each of which differs little from one that is; and
    whatever has the right type but tells nothing of a caller.
    """
    if not _is_sound(frame):
        return False
    if frame[0] not in TYPES:
        return True
    contents = _contents(frame)
    return contents is not None and not contents.tells


def _is_sound(frame: bytes) -> bool:
    return len(frame) >= 3 and len(frame) == frame[1] + 3 and not sum(frame) & 0xFF


def decode(frame: bytes) -> tuple[Format, Contents | None]:
    """Format and contents of a whole frame; no contents when checksum or structure are wrong, or when it
    tells nothing.

    One octet of checksum lets one damaged frame in 256 pass, so a number or time with a
    character that none can have, or a name with one that cannot be printed, is damage too.
    Speech spells a type, a length of none and their sum now and then: three octets.
    """
    form: Format = "sdmf" if frame[:1] == bytes([SDMF_TYPE]) else "mdmf"
    if not _is_sound(frame) or frame[0] not in TYPES:
        return form, None
    contents = _contents(frame)
    return form, contents if contents is not None and contents.tells else None


def _contents(frame: bytes) -> Contents | None:
    """What a sound frame of these types holds; None when that is damaged."""
    body = frame[2:-1]
    try:
        return _decode_sdmf(body) if frame[0] == SDMF_TYPE else _decode_mdmf(body)
    except _DamagedError:
        return None


def _decode_sdmf(body: bytes) -> Contents:
    time = _decode_time(body[:_SDMF_STAMP])
    rest = body[_SDMF_STAMP:].decode("latin-1")
    if rest in _REASONS:
        return Contents(time=time, reason=_REASONS[rest])
    return Contents(number=_decode_number(body[_SDMF_STAMP:]), time=time)


def _decode_mdmf(body: bytes) -> Contents | None:
    number = name = time = ""
    reason: Reason = ""
    at = 0
    while at < len(body):
        if at + 2 > len(body) or at + 2 + body[at + 1] > len(body):
            return None
        kind, value = body[at], body[at + 2 : at + 2 + body[at + 1]]
        at += 2 + len(value)
        if kind == _TIME:
            time = _decode_time(value)
        elif kind == _NUMBER:
            number = _decode_number(value)
        elif kind == _NAME:
            name = decode_name(value)
        elif kind == _NUMBER_ABSENT:
            reason = _decode_reason(value)
        # Name absence, call type and every other parameter say nothing a call needs.
    return Contents(number, name, time, "" if number else reason)


def decode_keys(keys: str) -> Contents | None:
    """Contents of a DTMF form that ended with `C` or `#`; None when it is no caller ID.

    `A` starts the caller's number, `D` the number that the call was diverted from (or,
    without an `A`, the caller's), `B` an information code: 00 unavailable, 10 withheld.
    A form without a start code ends with `#`.
    """
    parts: dict[str, str] = {}
    code = ""
    for key in keys[:-1]:
        if key in "ABD":
            code = key
            parts[code] = ""
        else:
            parts[code] = parts.get(code, "") + key
    bare = "" in parts
    if bare and (len(parts) > 1 or keys[-1] != "#" or len(parts[""]) < _SHORTEST_BARE):
        return None
    if keys[-1] == "#" and (parts.keys() == {"D"}) and parts["D"] in _DIVERTED_CODES:
        return Contents(reason=_DIVERTED_CODES[parts["D"]])
    number = parts.get("A") or parts.get("D") or parts.get("", "")
    reason = _INFORMATION_CODES.get(parts.get("B", ""), "")
    if "*" in number or len(number) > _LONGEST_NUMBER or not (number or reason):
        return None
    return Contents(number=number, reason="" if number else reason)


def decode_name(value: bytes) -> str:
    """A name as sent: ASCII, two-octet Chinese (GB 2312, extended by GBK and GB 18030), UTF-8 or Latin-1."""
    text = _name_text(value)
    if any(not c.isprintable() for c in text.strip(_PADDING)):
        raise _DamagedError
    return text.strip(_PADDING)


def _name_text(value: bytes) -> str:
    """Text of a name in whichever of the codings it is likely in.

    Common names in GBK are no valid UTF-8 of hanzi or of words with accents. A single octet from C0h between
    ASCII letters is a letter of Latin-1: in GB 2312 both octets of a hanzi are above A0h.
    """
    if value.isascii():
        return value.decode("ascii")
    try:
        text = value.decode("utf-8")
        if all(c.isascii() or _is_hanzi(c) or c in _LATIN for c in text) and not _LETTER_ALONE.search(text):
            return text
    except UnicodeDecodeError:
        pass
    if _LONE_LETTER.search(value):
        return value.decode("latin-1")
    try:
        return value.decode("gb18030")
    except UnicodeDecodeError:
        return value.decode("latin-1")


_LATIN = frozenset(chr(code) for code in range(0xC0, 0x180))
_LETTER_ALONE = re.compile("(?<![A-Za-z])[\u00c0-\u017f](?![a-z])")
"""Such a letter without one of ASCII beside it is a hanzi in GBK, as 毛, 牛 and 梅 are."""
_LONE_LETTER = re.compile(rb"(?<![\x80-\xff])[\xc0-\xff](?=[A-Za-z])(?<=[A-Za-z].)")
"""A second octet of GBK may be a letter, too: then the hanzi is a rare one, outside GB 2312."""


def _is_hanzi(character: str) -> bool:
    return "\u4e00" <= character <= "\u9fff"


def _encode_name(name: str) -> bytes:
    if any(not c.isprintable() for c in name):
        raise ValueError("a name must not hold control characters")
    return name.encode("gb18030")


def _encode_number(number: str) -> bytes:
    if any(c not in _NUMBER_KEYS for c in number):
        raise ValueError(f"{number!r} is not a number: digits, * # + A-D only")
    return number.encode("ascii")


class _DamagedError(Exception):
    """A parameter holds what no exchange sends."""


def _decode_number(value: bytes) -> str:
    """The number as sent, without the spaces and hyphens that some exchanges write it with."""
    text = "".join(c for c in value.decode("latin-1") if c not in _SEPARATORS)
    if any(c not in _NUMBER_KEYS for c in text):
        raise _DamagedError
    return text


def _decode_reason(value: bytes) -> Reason:
    """By its letter; those that only some networks have tell no more than that there is no number."""
    text = value.decode("latin-1")
    if not (len(text) == 1 and text.isascii() and text.isupper()):
        raise _DamagedError
    return _REASONS.get(text, "unavailable")


def _encode_time(time: str) -> bytes:
    if time and not _is_time(time):
        raise ValueError(f"{time!r} is not a time; write month, day, hour, minute as MMDDhhmm")
    return time.encode("ascii")


def _decode_time(value: bytes) -> str:
    """The time as sent, or "" when it is none."""
    text = value.decode("latin-1")
    if any(c not in "0123456789 \0" for c in text):
        raise _DamagedError
    return text if _is_time(text) else ""


def _is_time(text: str) -> bool:
    if len(text) != _SDMF_STAMP or not (text.isascii() and text.isdigit()):
        return False
    month, day, hour, minute = (int(text[i : i + 2]) for i in range(0, _SDMF_STAMP, 2))
    return 1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60
