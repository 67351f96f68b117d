"""The capability dictionary that a card sends at HELLO, so that versions of card and host may differ."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from board.api import PortInfo, PortKind

MOST_PACKED_BYTES = 16 * 1024
MOST_PLAIN_BYTES = 64 * 1024
MOST_PORTS = 64


class CapsError(ValueError):
    """The dictionary cannot be used; the text says what is wrong with it."""


@dataclass(frozen=True)
class Capabilities:
    """What a card says of itself."""

    serial: str
    name: str
    firmware: str
    ports: tuple[tuple[PortKind, frozenset[str]], ...]
    ops: frozenset[str]
    features: frozenset[str]

    def port_infos(self, card_id: str) -> tuple[PortInfo, ...]:
        """Ports as the rest of the box knows them."""
        return tuple(
            PortInfo(index, kind, f"{card_id}/{index}", can) for index, (kind, can) in enumerate(self.ports)
        )


def pack(plain: Mapping[str, Any]) -> bytes:
    """Compress a dictionary for the wire."""
    return zlib.compress(json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode(), 9)


def unpack(packed: bytes) -> Capabilities:
    """Read what a card sent. Raises CapsError; never takes more than 64 KiB of memory."""
    try:
        machine = zlib.decompressobj()
        plain = machine.decompress(packed, MOST_PLAIN_BYTES)
    except zlib.error as error:
        raise CapsError(f"the capabilities cannot be decompressed: {error}") from error
    if not machine.eof:
        raise CapsError("the capabilities are cut short or larger than 64 KiB")
    try:
        data = json.loads(plain)
    except (ValueError, RecursionError) as error:
        raise CapsError(f"the capabilities are no JSON: {error}") from error
    if not isinstance(data, dict):
        raise CapsError("the capabilities are no dictionary")
    if data.get("rate") != 8000:
        raise CapsError(f"the card's rate is {data.get('rate')!r}, but must be 8000")
    ports = data.get("ports")
    if not isinstance(ports, list) or not 1 <= len(ports) <= MOST_PORTS:
        raise CapsError(f"'ports' must be a list of 1 to {MOST_PORTS} ports")
    return Capabilities(
        _text(data, "serial"),
        _text(data, "name"),
        _text(data, "firmware"),
        tuple(_port(index, port) for index, port in enumerate(ports)),
        _words(data, "ops"),
        _words(data, "features"),
    )


def _text(data: dict[str, Any], key: str) -> str:
    value = data.get(key)
    if not isinstance(value, str) or not value or not value.isprintable() or len(value) > 64:
        raise CapsError(f"{key!r} must be a printable text of 1 to 64 characters")
    return value


def _words(data: dict[str, Any], key: str) -> frozenset[str]:
    value = data.get(key)
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise CapsError(f"{key!r} must be a list of texts")
    return frozenset(value)


def _port(index: int, port: Any) -> tuple[PortKind, frozenset[str]]:
    if not isinstance(port, dict):
        raise CapsError(f"port {index} is no dictionary")
    try:
        kind = PortKind(port.get("kind"))
    except ValueError:
        raise CapsError(f"port {index}: kind {port.get('kind')!r} is neither FXO nor FXS") from None
    return kind, _words(port, "can")
