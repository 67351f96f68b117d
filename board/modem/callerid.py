"""Caller ID as a modem gives it: `NMBR = …` lines, or the raw message in hex (`+VCID=2`).

The raw message is that of ETSI EN 300 659-3 / Telcordia GR-30-CORE: type, length,
parameters, and a checksum that makes the sum of all octets zero modulo 256.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

COMPLETE_AFTER_S = 0.5
"""After the last line of a report it is complete: a name that does not follow is not given."""

_LINE = re.compile(r"^(DATE|TIME|NMBR|DDN_NMBR|NAME|MESG)\s*=\s*(.*)$")
_HEX = re.compile(r"^[0-9A-Fa-f]{12,}$")

SDMF, MDMF = 0x04, 0x80
NUMBER, NUMBER_ABSENT, NAME, NAME_ABSENT = 0x02, 0x04, 0x07, 0x08
_ABSENT = {"P": "withheld", "O": "unavailable"}


@dataclass(frozen=True)
class CallerId:
    """Who is calling. presentation: "shown", "withheld", "unavailable"."""

    number: str = ""
    name: str = ""
    presentation: str = "shown"


def is_caller_id(line: str) -> bool:
    """Whether a line belongs to a caller-ID report."""
    return bool(_LINE.match(line) or _HEX.match(line))


@dataclass
class Collector:
    """Puts the lines of one report together."""

    _number: str | None = None
    _name: str = ""
    _due_s: float | None = None
    bad: int = 0
    """Raw messages that did not make sense."""

    def line(self, text: str, now_s: float) -> CallerId | None:
        """One line; the report when it is complete with it."""
        found = _LINE.match(text)
        if found is None or found[1] == "MESG":
            return self._raw(found[2] if found else text)
        key, value = found[1], found[2].strip()
        self._due_s = now_s + COMPLETE_AFTER_S
        if key == "NMBR":
            self._number = value
        elif key == "NAME":
            self._name = value
        return self._done() if self._number is not None and self._name else None

    def tick(self, now_s: float) -> CallerId | None:
        """The report when nothing more follows."""
        if self._due_s is None or now_s < self._due_s:
            return None
        return self._done()

    def _done(self) -> CallerId | None:
        number, name = self._number, self._name
        self._number, self._name, self._due_s = None, "", None
        return _report(number, name) if number is not None else None

    def _raw(self, digits: str) -> CallerId | None:
        try:
            found = decode(bytes.fromhex(digits))
        except ValueError:
            found = None
        self.bad += found is None
        return found


def decode(message: bytes) -> CallerId | None:
    """A raw message; None when it is cut, damaged or carries neither number nor reason."""
    if len(message) < 3 or len(message) < 3 + message[1] or sum(message[: 3 + message[1]]) % 256:
        return None
    body = message[2 : 2 + message[1]]
    if message[0] == SDMF:
        return _report(body[8:].decode("latin-1"), "") if len(body) > 8 else None
    if message[0] != MDMF:
        return None
    parts: dict[int, bytes] = {}
    while len(body) >= 2:
        kind, size = body[0], body[1]
        if len(body) < 2 + size:
            return None
        parts.setdefault(kind, body[2 : 2 + size])
        body = body[2 + size :]
    if NUMBER not in parts and NUMBER_ABSENT not in parts:
        return None
    number = parts.get(NUMBER) or parts.get(NUMBER_ABSENT, b"")
    return _report(number.decode("latin-1"), parts.get(NAME, b"").decode("latin-1"))


def _report(number: str, name: str) -> CallerId:
    name = "" if name in _ABSENT else _words(name)
    if number in _ABSENT or not number:
        return CallerId("", name, _ABSENT.get(number, "unavailable"))
    return CallerId(re.sub(r"[^0-9*#+]", "", number), name)


def _words(name: str) -> str:
    """Names are ASCII in most countries and GB 2312 in China; anything else is kept as Latin-1."""
    try:
        return name.encode("latin-1").decode("gb18030").strip()
    except UnicodeDecodeError:
        return name.strip()
