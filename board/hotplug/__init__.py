"""Which cards are plugged in, what each of them needs, and when they come and go.

`known` is the list of hardware, `inventory` decides (no I/O), `udev` asks the kernel.
"""

from __future__ import annotations

from board.hotplug.inventory import Card, CardChanged, CardFound, CardLost, Change, Device, Event, Inventory

__all__ = ["Card", "CardChanged", "CardFound", "CardLost", "Change", "Device", "Event", "Inventory"]
