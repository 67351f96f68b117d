"""Short messages as PDUs (3GPP TS 23.040, clause 9.2): SUBMIT out; DELIVER and STATUS-REPORT in.

What a module hands over (+CMT, +CMGR, +CDS) begins with the address of the service
centre; what it is given (+CMGS) begins with 00: "the centre stored on the SIM".
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from board.cellular import gsm7

GSM7, OCTETS, UCS2 = "gsm7", "8bit", "ucs2"
MOST_UD_OCTETS = 140
_DIGITS = "0123456789*#abc"
_INTERNATIONAL, _UNKNOWN = 0x91, 0x81
_CONCAT_8, _CONCAT_16 = 0x00, 0x08


class PduError(ValueError):
    """A PDU that is cut, damaged or of a kind that we do not handle; or a text that cannot be sent."""


@dataclass(frozen=True)
class Part:
    """Which part of a long message this is. wide: reference of 16 bits."""

    reference: int
    count: int
    number: int
    wide: bool = False


@dataclass(frozen=True)
class Deliver:
    """A message that came in. units: septets one per octet (GSM7) or octets.
    slot: where the module keeps it; None when it does not. raw: the PDU, in hexadecimal."""

    sender: str
    alphabet: str
    units: bytes
    sent_unix_s: float | None = None
    part: Part | None = None
    slot: int | None = None
    raw: str = ""

    @property
    def text(self) -> str:
        """What it says; octets of no alphabet as hex."""
        return decode_units([(self.alphabet, self.units)])


@dataclass(frozen=True)
class Submit:
    """A message to be sent (one part)."""

    to: str
    alphabet: str
    units: bytes
    part: Part | None = None
    report: bool = False

    @property
    def text(self) -> str:
        """What it says."""
        return decode_units([(self.alphabet, self.units)])


@dataclass(frozen=True)
class StatusReport:
    """What became of a message. state: "delivered", "pending", "failed"."""

    reference: int
    to: str
    state: str


def decode_units(pieces: list[tuple[str, bytes]]) -> str:
    """Text of (alphabet, units) pieces; an escape or a surrogate pair cut in two by the sender is joined."""
    out: list[str] = []
    at = 0
    while at < len(pieces):
        alphabet = pieces[at][0]
        units = b""
        while at < len(pieces) and pieces[at][0] == alphabet:
            units += pieces[at][1]
            at += 1
        if alphabet == GSM7:
            out.append(gsm7.text_of(units))
        elif alphabet == UCS2:
            out.append(units.decode("utf-16-be", "replace"))
        else:
            out.append(units.hex(" "))
    return "".join(out)


# ------------------------------------------------------------------------ out
def encode_submit(message: Submit) -> tuple[str, int]:
    """(hex digits for +CMGS, number of octets to be told, which leaves out the service centre)."""
    header = b""
    if message.part is not None:
        part = message.part
        reference = part.reference.to_bytes(2 if part.wide else 1, "big")
        kind = _CONCAT_16 if part.wide else _CONCAT_8
        element = bytes([kind, len(reference) + 2]) + reference + bytes([part.count, part.number])
        header = bytes([len(element)]) + element
    if message.alphabet == GSM7:
        fill = -len(header) * 8 % 7
        length = (len(header) * 8 + fill) // 7 + len(message.units)
        data = header + gsm7.pack(message.units, fill)
        dcs = 0x00
    else:
        data = header + message.units
        length = len(data)
        dcs = 0x08 if message.alphabet == UCS2 else 0x04
    if len(data) > MOST_UD_OCTETS:
        raise PduError(f"{len(data)} octets do not fit into one message of {MOST_UD_OCTETS}")
    first = 0x01 | (0x20 if message.report else 0) | (0x40 if header else 0)
    tpdu = bytes([first, 0]) + _address_octets(message.to) + bytes([0, dcs, length]) + data
    return "00" + tpdu.hex().upper(), len(tpdu)


def _address_octets(number: str) -> bytes:
    digits = number.removeprefix("+").lower()
    if not digits or len(digits) > 20 or set(digits) - set(_DIGITS):
        raise PduError(f"{number!r} is no number that a message can be sent to")
    kind = _INTERNATIONAL if number.startswith("+") else _UNKNOWN
    nibbles = [_DIGITS.index(digit) for digit in digits] + [0xF] * (len(digits) % 2)
    pairs = bytes(nibbles[at] | nibbles[at + 1] << 4 for at in range(0, len(nibbles), 2))
    return bytes([len(digits), kind]) + pairs


# ------------------------------------------------------------------------- in
class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, count: int) -> bytes:
        end = self._at + count
        if end > len(self._data):
            raise PduError("the message is cut short")
        out = self._data[self._at : end]
        self._at = end
        return out

    def octet(self) -> int:
        return self.take(1)[0]

    def rest(self) -> bytes:
        return self._data[self._at :]


def decode(digits: str) -> Deliver | StatusReport | Submit:
    """A PDU with its service centre in front, in hex. Raises PduError."""
    try:
        data = bytes.fromhex(digits.strip())
    except ValueError as error:
        raise PduError("the message is not written in hex digits") from error
    reader = _Reader(data)
    reader.take(reader.octet())
    first = reader.octet()
    kind = first & 3
    if kind == 0:
        return _deliver(reader, first)
    if kind == 1:
        return _submit(reader, first)
    if kind == 2:
        return _status_report(reader)
    raise PduError("a message of reserved type")


def _deliver(reader: _Reader, first: int) -> Deliver:
    sender = _address(reader)
    reader.octet()
    dcs = reader.octet()
    sent = _time_stamp(reader.take(7))
    alphabet, units, part = _user_data(reader, dcs, bool(first & 0x40))
    return Deliver(sender, alphabet, units, sent, part)


def _submit(reader: _Reader, first: int) -> Submit:
    reader.octet()
    to = _address(reader)
    reader.octet()
    dcs = reader.octet()
    reader.take({0: 0, 2: 1}.get(first >> 3 & 3, 7))
    alphabet, units, part = _user_data(reader, dcs, bool(first & 0x40))
    return Submit(to, alphabet, units, part, bool(first & 0x20))


def _status_report(reader: _Reader) -> StatusReport:
    reference = reader.octet()
    to = _address(reader)
    reader.take(14)
    status = reader.octet()
    # Clause 9.2.3.15: 0x00-0x1F done, 0x20-0x3F still trying, the rest given up.
    state = "delivered" if status < 0x20 else "pending" if status < 0x40 else "failed"
    return StatusReport(reference, to, state)


def _address(reader: _Reader) -> str:
    count, kind = reader.octet(), reader.octet()
    octets = reader.take((count + 1) // 2)
    if kind & 0x70 == 0x50:
        return gsm7.text_of(gsm7.unpack(octets, count * 4 // 7)).strip()
    nibbles = [nibble for octet in octets for nibble in (octet & 0xF, octet >> 4)]
    number = "".join(_DIGITS[nibble] for nibble in nibbles[:count] if nibble < len(_DIGITS))
    return "+" + number if kind & 0x70 == 0x10 and number else number


def _time_stamp(octets: bytes) -> float | None:
    """Unix seconds; None for a time that does not exist (some centres send zeros)."""
    swapped = [(octet & 0xF) * 10 + (octet >> 4) for octet in octets[:6]]
    zone = octets[6]
    quarters = (zone & 0x7) * 10 + (zone >> 4)
    offset = timedelta(minutes=15 * (-quarters if zone & 0x8 else quarters))
    year, month, day, hour, minute, second = swapped
    try:
        moment = datetime(2000 + year, month, day, hour, minute, second, tzinfo=timezone(offset))
    except ValueError:
        return None
    return moment.timestamp()


def _alphabet(dcs: int) -> str:
    """TS 23.038 clause 4; reserved codings are read as the default alphabet, as the standard wants."""
    group = dcs >> 4
    if group < 8:
        if dcs & 0x20:
            raise PduError("a compressed message")
        return (GSM7, OCTETS, UCS2, GSM7)[dcs >> 2 & 3]
    if group == 0xE:
        return UCS2
    if group == 0xF:
        return OCTETS if dcs & 4 else GSM7
    return GSM7


def _user_data(reader: _Reader, dcs: int, has_header: bool) -> tuple[str, bytes, Part | None]:
    alphabet = _alphabet(dcs)
    length = reader.octet()
    octets = (length * 7 + 7) // 8 if alphabet == GSM7 else length
    if octets > MOST_UD_OCTETS:
        raise PduError(f"user data of {octets} octets is longer than a message can be")
    data = reader.take(octets)
    header_octets, part = 0, None
    if has_header:
        if not data or data[0] + 1 > len(data):
            raise PduError("the header is longer than the message")
        header_octets = data[0] + 1
        part = _concatenation(data[1:header_octets])
    if alphabet != GSM7:
        return alphabet, data[header_octets:], part
    fill = -header_octets * 8 % 7
    count = length - (header_octets * 8 + fill) // 7
    if count < 0:
        raise PduError("the header is longer than the message")
    return alphabet, gsm7.unpack(data[header_octets:], count, fill), part


def _concatenation(elements: bytes) -> Part | None:
    part: Part | None = None
    while len(elements) >= 2:
        kind, size = elements[0], elements[1]
        value = elements[2 : 2 + size]
        if len(value) < size:
            raise PduError("the header is cut short")
        if (kind, size) in ((_CONCAT_8, 3), (_CONCAT_16, 4)):
            reference = int.from_bytes(value[:-2], "big")
            count, number = value[-2], value[-1]
            # Clause 9.2.3.24.1: impossible numbering means that the element is ignored.
            if 1 <= number <= count:
                part = Part(reference, count, number, kind == _CONCAT_16)
        elements = elements[2 + size :]
    return part
