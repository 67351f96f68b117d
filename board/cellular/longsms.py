"""Long messages: cut into parts on the way out, put together on the way in."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from board.cellular import gsm7
from board.cellular.pdu import GSM7, UCS2, Deliver, Part, PduError, Submit, decode_units

MOST_PARTS = 32
"""Nearly 5000 letters or 2100 Chinese characters; more is surely a mistake, and every part costs."""
ONE_SEPTETS, PART_SEPTETS = 160, 153
ONE_OCTETS, PART_OCTETS = 140, 134
MOST_OPEN = 64
INCOMPLETE_AFTER_S = 3600.0
"""A part that does not come within an hour is not waited for any longer."""


def split(to: str, text: str, reference: int, report: bool = False) -> list[Submit]:
    """Parts of a text, in the smaller alphabet that has all its characters.

    reference: any number, other than those of the last messages to the same number. An escape
    or a surrogate pair is never cut. Raises PduError when the text is empty or too long.
    """
    if not text:
        raise PduError("the message is empty")
    characters = gsm7.septets(text)
    alphabet, one, most = GSM7, ONE_SEPTETS, PART_SEPTETS
    if characters is None:
        alphabet, one, most = UCS2, ONE_OCTETS, PART_OCTETS
        # Half a surrogate pair is no character: it could not be sent.
        characters = [char.encode("utf-16-be", "replace") for char in text]
    if sum(map(len, characters)) <= one:
        return [Submit(to, alphabet, b"".join(characters), None, report)]
    pieces = [b""]
    for character in characters:
        if len(pieces[-1]) + len(character) > most:
            pieces.append(b"")
        pieces[-1] += character
    if len(pieces) > MOST_PARTS:
        raise PduError(f"the message would need {len(pieces)} parts; at most {MOST_PARTS} are sent")
    return [
        Submit(to, alphabet, piece, Part(reference & 0xFF, len(pieces), number), report)
        for number, piece in enumerate(pieces, 1)
    ]


@dataclass(frozen=True)
class Whole:
    """A message as the sender wrote it. missing: parts that never came.
    slots: where the module still keeps its parts. receipt: a digest of what was delivered."""

    sender: str
    text: str
    sent_unix_s: float | None
    missing: int = 0
    slots: tuple[int, ...] = ()
    receipt: str = ""


@dataclass
class _Open:
    began_s: float
    slots: list[int] = field(default_factory=list)
    parts: dict[int, Deliver] = field(default_factory=dict)


class Joiner:
    """Puts parts together. Parts come in any order, twice, or never."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, int, int, bool], _Open] = {}

    def add(self, message: Deliver, now_s: float) -> list[Whole]:
        """Messages that are complete now, or had to be given up to make room."""
        part = message.part
        if part is None or part.count == 1:
            slots = [] if message.slot is None else [message.slot]
            return [_whole({1: message}, 1, slots)]
        key = (message.sender, part.reference, part.count, part.wide)
        known = self._open.setdefault(key, _Open(now_s))
        known.parts.setdefault(part.number, message)
        if message.slot is not None:
            known.slots.append(message.slot)
        if len(known.parts) == part.count:
            del self._open[key]
            return [_whole(known.parts, part.count, known.slots)]
        if len(self._open) > MOST_OPEN:
            oldest = min(self._open, key=lambda one: self._open[one].began_s)
            return [self._give_up(oldest)]
        return []

    def overdue(self, now_s: float) -> list[Whole]:
        """Messages whose other parts are not waited for any longer."""
        late = [key for key, one in self._open.items() if now_s - one.began_s >= INCOMPLETE_AFTER_S]
        return [self._give_up(key) for key in late]

    def _give_up(self, key: tuple[str, int, int, bool]) -> Whole:
        one = self._open.pop(key)
        return _whole(one.parts, key[2], one.slots)


def _whole(parts: dict[int, Deliver], count: int, slots: list[int]) -> Whole:
    ordered = [parts[number] for number in sorted(parts)]
    text = decode_units([(one.alphabet, one.units) for one in ordered])
    missing = count - len(parts)
    receipt = hashlib.sha256("/".join(one.raw.upper() for one in ordered).encode()).hexdigest()[:32]
    return Whole(ordered[0].sender, text, ordered[0].sent_unix_s, missing, tuple(slots), receipt)
