"""A made-up kernel (umockdev) and what our monitor and inventory see of it. Runs in umockdev-wrapper only."""

from __future__ import annotations

import json
from pathlib import Path

import gi

gi.require_version("UMockdev", "1.0")
from gi.repository import UMockdev  # noqa: E402

from board.hotplug import Inventory  # noqa: E402
from board.hotplug.udev import Monitor  # noqa: E402

SILENCE_S = 60.0
"""So long the next expected event may take."""


def usb(path, ids, serial="", place=""):
    """A USB device for `Bed.plug`."""
    vendor, _, product = ids.partition(":")
    return f"""P: {path}
E: DEVTYPE=usb_device
E: DRIVER=usb
E: SUBSYSTEM=usb
E: ID_VENDOR_ID={vendor}
E: ID_MODEL_ID={product}
E: ID_SERIAL_SHORT={serial}
E: ID_PATH={place}
A: idVendor={vendor}\\n
A: idProduct={product}\\n
"""


def tty(path, minor, interface, place):
    """A serial port of a USB device, with a pty behind its node and its link under /dev/serial/by-path."""
    node = path.rsplit("/", 1)[-1]
    return f"""P: {path}
N: {node}
E: DEVNAME=/dev/{node}
E: DEVLINKS=/dev/serial/by-path/{place}
E: SUBSYSTEM=tty
E: ID_PATH={place}
E: ID_USB_INTERFACE_NUM={interface}
A: dev={188 if "USB" in node else 166}:{minor}\\n
"""


class Bed:
    """The made-up kernel; `driver_state` is what is known of drivers."""

    def __init__(self, driver_state=lambda driver: "loaded"):
        self.testbed = UMockdev.Testbed.new()
        self.monitor = Monitor()
        self.inventory = Inventory(driver_state)
        assert self.inventory.step(self.monitor.scan()) == []

    def plug(self, *texts):
        """Devices appear, what contains first."""
        for text in texts:
            assert self.testbed.add_from_string(text)
            self._link(text)
        for text in texts:
            self.tell(text.partition("\n")[0].removeprefix("P: "), "add")

    def _link(self, text):
        """What udev does for DEVLINKS."""
        lines = dict(line[3:].partition("=")[::2] for line in text.splitlines() if line.startswith("E: "))
        if "DEVLINKS" in lines:
            link = Path(self.testbed.get_root_dir() + lines["DEVLINKS"])
            link.parent.mkdir(parents=True, exist_ok=True)
            link.unlink(missing_ok=True)
            link.symlink_to("../../" + lines["DEVNAME"].removeprefix("/dev/"))

    def pull(self, *paths):
        """Devices vanish, what is contained first."""
        for path in reversed(paths):
            self.tell(path, "remove")
            self.testbed.remove_device("/sys" + path)

    def change(self, path, **properties):
        """Properties of a device change, and it says so."""
        for key, value in properties.items():
            self.testbed.set_property("/sys" + path, key, value)
        self.tell(path, "change")

    def tell(self, path, action):
        """An event of the kernel."""
        self.testbed.uevent("/sys" + path, action)

    def see(self, step, wanted):
        """Collect changes until `wanted` of them are there (or a long silence), and print them."""
        changes = []
        while len(changes) < wanted:
            events = self.monitor.wait(SILENCE_S)
            if not events:
                break
            changes += self.inventory.step(events)
        say(step, changes=told(changes))
        return changes


def told(changes):
    """What the test wants to know of changes."""
    return [
        [type(one).__name__, one.card.name, one.card.address, one.card.problem, one.card.model]
        for one in changes
    ]


def say(step, **facts):
    """One line for the test."""
    print(json.dumps({"step": step, **facts}), flush=True)
