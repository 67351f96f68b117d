"""Sample formats of `+VSM`, and choosing one from what the modem offers.

`+VSM=?` (V.253) answers one line per format:
`<cml>,<cmid>,<bps>,<tm>,<vsr range>,<sds range>,<sel range>`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from board.api import SAMPLE_RATE_HZ, Samples
from board.atline import fields

Octets = NDArray[np.uint8]


@dataclass(frozen=True)
class Format:
    """One way to write samples as octets."""

    name: str
    octets: int
    """Per sample."""
    to_linear: Callable[[bytes], Samples]
    from_linear: Callable[[Samples], bytes]


def _alaw_table() -> Samples:
    """ITU-T G.711 table 1a, by its rule: octet with even bits inverted -> 16-bit linear."""
    plain = np.arange(256) ^ 0x55
    segment, step = (plain >> 4) & 7, plain & 15
    size = np.where(segment == 0, 2 * step + 1, (2 * step + 33) << np.maximum(segment - 1, 0)) * 8
    return np.where(plain & 0x80, size, -size).astype(np.int16)


def _ulaw_table() -> Samples:
    """ITU-T G.711 table 2a, by its rule: inverted octet -> 16-bit linear."""
    plain = np.arange(256) ^ 0xFF
    segment, step = (plain >> 4) & 7, plain & 15
    size = (((2 * step + 33) << segment) - 33) * 4
    return np.where(plain & 0x80, -size, size).astype(np.int16)


def _nearest(table: Samples) -> Octets:
    """For every 16-bit value (as unsigned index) the octet whose value is nearest."""
    order = np.argsort(table, kind="stable")
    values = table[order].astype(np.int64)
    every = np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int64)
    upper = np.clip(np.searchsorted(values, every), 1, len(values) - 1)
    lower_is_nearer = every - values[upper - 1] <= values[upper] - every
    octets: Octets = order[np.where(lower_is_nearer, upper - 1, upper)].astype(np.uint8)
    return octets


def _by_table(name: str, table: Samples) -> Format:
    back = _nearest(table)

    def to_linear(data: bytes) -> Samples:
        return table[np.frombuffer(data, np.uint8)]

    def from_linear(samples: Samples) -> bytes:
        return back[samples.view(np.uint16)].tobytes()

    return Format(name, 1, to_linear, from_linear)


def _s16_to_linear(data: bytes) -> Samples:
    return np.frombuffer(data, "<i2").astype(np.int16)


def _s16_from_linear(samples: Samples) -> bytes:
    return samples.astype("<i2").tobytes()


FORMATS: Mapping[str, Format] = {
    # The middle of the range is octet 0x80.
    "u8": _by_table("u8", ((np.arange(256) - 128) * 256).astype(np.int16)),
    "s8": _by_table("s8", (np.arange(256, dtype=np.uint8).view(np.int8).astype(np.int16) * 256)),
    "alaw": _by_table("alaw", _alaw_table()),
    "ulaw": _by_table("ulaw", _ulaw_table()),
    "s16": Format("s16", 2, _s16_to_linear, _s16_from_linear),
}


@dataclass(frozen=True)
class Offer:
    """One line of `+VSM=?`."""

    number: int
    name: str
    bits: int
    rates: str
    more: int
    """How many parameters follow the rate."""

    @property
    def at_8000(self) -> bool:
        """Whether 8000 samples a second are among its rates."""
        for low, _, high in re.findall(r"(\d+)(\s*-\s*(\d+))?", self.rates):
            if int(low) <= SAMPLE_RATE_HZ <= int(high or low):
                return True
        return False


def read_offers(lines: Iterable[str]) -> list[Offer]:
    """Lines of the answer to `AT+VSM=?`; lines of another shape are left out."""
    out: list[Offer] = []
    for line in lines:
        parts = _split(line)
        if len(parts) >= 5 and parts[0].isdecimal() and parts[2].isdecimal():
            out.append(Offer(int(parts[0]), parts[1].upper(), int(parts[2]), parts[4], len(parts) - 5))
    return out


def _split(line: str) -> list[str]:
    """At commas outside brackets."""
    shelter = re.sub(r"\([^)]*\)", lambda found: found.group().replace(",", ";"), line)
    return [part.replace(";", ",").strip("() ") for part in fields(shelter)]


def choose(offers: Iterable[Offer], known: Mapping[int, str], wanted: Iterable[str]) -> tuple[Offer, Format]:
    """The best offer and its format. known: formats of a chipset by number, before the names count.

    wanted: names of formats, best first. Raises LookupError when none fits.
    """
    found: dict[str, Offer] = {}
    for offer in offers:
        name = known.get(offer.number) or _by_name(offer)
        if name and offer.at_8000 and offer.bits == 8 * FORMATS[name].octets:
            found.setdefault(name, offer)
    for name in wanted:
        if name in found:
            return found[name], FORMATS[name]
    raise LookupError("no sample format of 8000 per second that we know")


def _by_name(offer: Offer) -> str:
    name = offer.name.replace("-", "").replace(" ", "")
    if offer.bits == 16:
        return "s16" if "LINEAR" in name or "PCM" in name else ""
    if offer.bits != 8:
        return ""
    if "ALAW" in name:
        return "alaw"
    if "ULAW" in name or "MULAW" in name:
        return "ulaw"
    if "UNSIGNED" in name or "8BITLINEAR" in name:
        return "u8"
    return "s8" if "SIGNED" in name else ""
