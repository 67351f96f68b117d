"""The firmware file of a line card: for which product, which version, and that it is whole.

    ZONGJI-LINECARD-FIRMWARE 1
    {"name": "…", "version": "…", "size": bytes, "sha256": "…"}
    the image, as the card gets it

docs/linecard-protocol.md is the text for makers.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

MARK = b"ZONGJI-LINECARD-FIRMWARE 1\n"
MOST_IMAGE_BYTES = 2 << 20
_MOST_HEAD_BYTES = 4096


class FirmwareError(ValueError):
    """The file cannot be used; the text says why and what to do."""


@dataclass(frozen=True)
class Firmware:
    """name: product as cards of it call themselves; version: what the card reports afterwards."""

    name: str
    version: str
    image: bytes


def read(data: bytes) -> Firmware:
    """The firmware in the content of a file. Raises FirmwareError when it is foreign, short or damaged."""
    if not data.startswith(MARK):
        raise FirmwareError("this is no firmware file of a line card: get the right file from the maker")
    head, newline, image = data[len(MARK) :].partition(b"\n")
    try:
        if not newline or len(head) > _MOST_HEAD_BYTES:
            raise ValueError("no head")
        told: dict[str, Any] = json.loads(head)
        name, version, size, digest = (told[key] for key in ("name", "version", "size", "sha256"))
        if not all(isinstance(one, str) and one and one.isprintable() for one in (name, version, digest)):
            raise ValueError("not printable")
        if not isinstance(size, int) or not 0 < size <= MOST_IMAGE_BYTES or len(version.encode()) > 64:
            raise ValueError("size")
    except (ValueError, KeyError, TypeError) as error:
        raise FirmwareError("the head of the firmware file is damaged: copy the file again") from error
    if len(image) < size:
        text = f"the firmware file is cut short ({len(image)} of {size} bytes): copy it again"
        raise FirmwareError(text)
    if len(image) > size or hashlib.sha256(image).hexdigest() != digest.lower():
        raise FirmwareError("the firmware file is damaged (its SHA-256 does not agree): copy it again")
    return Firmware(name, version, image)


def write(name: str, version: str, image: bytes) -> bytes:
    """The content of a firmware file, for makers and tests."""
    told = {
        "name": name,
        "version": version,
        "size": len(image),
        "sha256": hashlib.sha256(image).hexdigest(),
    }
    return MARK + json.dumps(told, ensure_ascii=False).encode() + b"\n" + image


def unfit(firmware: Firmware, card_name: str, features: frozenset[str]) -> str:
    """Why it is not for this card; "" when it is."""
    if "update" not in features:
        return f"this card ({card_name}) takes no new firmware"
    if firmware.name != card_name:
        return f"this firmware is for {firmware.name}; the card is {card_name}"
    return ""
