"""The GSM 7 bit default alphabet and its packing (3GPP TS 23.038, 6.1.2.1 and 6.2.1)."""

from __future__ import annotations

_TABLE = (
    "@£$¥èéùìòÇ\nØø\rÅå"
    "Δ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ"
    " !\"#¤%&'()*+,-./"
    "0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNO"
    "PQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmno"
    "pqrstuvwxyzäöñüà"
)
_EXTENSION = {
    0x0A: "\f",
    0x14: "^",
    0x28: "{",
    0x29: "}",
    0x2F: "\\",
    0x3C: "[",
    0x3D: "~",
    0x3E: "]",
    0x40: "|",
    0x65: "€",
}
ESCAPE = 0x1B
_SEPTETS = {char: bytes([code]) for code, char in enumerate(_TABLE) if code != ESCAPE} | {
    char: bytes([ESCAPE, code]) for code, char in _EXTENSION.items()
}


def septets(text: str) -> list[bytes] | None:
    """Septets of each character (one, or two with the escape); None when one is not in the alphabet."""
    found = [_SEPTETS.get(char) for char in text]
    whole = [one for one in found if one is not None]
    return whole if len(whole) == len(found) else None


def text_of(units: bytes) -> str:
    """Text of septets, one per octet. An unknown escape shows the plain character, as the standard wants."""
    out: list[str] = []
    escaped = False
    for code in units:
        if escaped:
            out.append(" " if code == ESCAPE else _EXTENSION.get(code) or _TABLE[code & 0x7F])
            escaped = False
        elif code == ESCAPE:
            escaped = True
        else:
            out.append(_TABLE[code & 0x7F])
    return "".join(out)


def pack(units: bytes, fill_bits: int = 0) -> bytes:
    """Septets (one per octet) -> octets, least significant bits first, after `fill_bits` zero bits."""
    value, bits = 0, fill_bits
    for unit in units:
        value |= (unit & 0x7F) << bits
        bits += 7
    return value.to_bytes((bits + 7) // 8, "little")


def unpack(octets: bytes, count: int, fill_bits: int = 0) -> bytes:
    """`count` septets (one per octet) out of octets. Raises ValueError when there are fewer."""
    if fill_bits + 7 * count > 8 * len(octets):
        raise ValueError(f"{count} septets need more than {len(octets)} octets")
    value = int.from_bytes(octets, "little") >> fill_bits
    return bytes((value >> (7 * at)) & 0x7F for at in range(count))
