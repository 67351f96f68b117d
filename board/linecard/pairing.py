"""Which sound card and which serial port are one line card: those with the same USB device above them.

Never by number: the order in which devices appear changes from start to start.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from board.api import BoardError


@dataclass(frozen=True)
class FoundCard:
    """A line card that is plugged in."""

    id: str
    """Serial number; without one, its place on the USB bus."""
    tty: str
    """Control port, `/dev/ttyACM0`."""
    pcm: str
    """ALSA device, `hw:2`."""
    path: str
    """USB device in sysfs: the common parent."""


def find_cards(context: Any) -> list[FoundCard]:
    """All line cards of a `pyudev.Context`: USB devices with a serial port and a ready sound card.

    A sound card counts when udev has finished with it (SOUND_INITIALIZED): it cannot be opened before.
    """
    ttys = _by_parent(context.list_devices(subsystem="tty"))
    sounds = _by_parent(
        device
        for device in context.list_devices(subsystem="sound")
        if device.sys_name.startswith("card") and device.properties.get("SOUND_INITIALIZED") == "1"
    )
    both = [path for path in sorted(ttys) if path in sounds and ttys[path].device_node]
    return [_found(path, ttys[path], sounds[path]) for path in both]


def find_card(context: Any, card_id: str) -> FoundCard:
    """The card with this serial number (or bus path). Raises BoardError."""
    cards = find_cards(context)
    for card in cards:
        if card.id == card_id:
            return card
    there = ", ".join(card.id for card in cards) or "none"
    raise BoardError(f"no line card {card_id!r} is plugged in; there: {there}")


def _by_parent(devices: Iterable[Any]) -> dict[str, Any]:
    """First device (by name) under each USB device."""
    found: dict[str, Any] = {}
    for device in sorted(devices, key=lambda device: str(device.sys_name)):
        parent = device.find_parent("usb", "usb_device")
        if parent is not None:
            found.setdefault(parent.device_path, device)
    return found


def _found(path: str, tty: Any, sound: Any) -> FoundCard:
    properties = tty.properties
    name = properties.get("ID_SERIAL_SHORT") or properties.get("ID_PATH") or path
    return FoundCard(name, tty.device_node, f"hw:{sound.sys_name.removeprefix('card')}", path)
