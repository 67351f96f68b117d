"""The kernel's devices through udev: what is there now, and what comes and goes.

A sound card may be opened only after udev has finished with it: its `change` event carries
SOUND_INITIALIZED=1. Names never come from the order in which devices appear.
"""

from __future__ import annotations

import os
import select
from dataclasses import replace
from pathlib import Path
from typing import Any

from board.api import BoardError
from board.hotplug.inventory import Device, Event

SUBSYSTEMS = ("usb", "pci", "tty", "sound", "dahdi_devices")
ACTIONS = {"add": "add", "remove": "remove", "unbind": "change", "bind": "change", "change": "change"}


def driver_state(driver: str, sys_module: Path = Path("/sys/module"), modules: Path | None = None) -> str:
    """Whether a kernel module is "loaded", "installed" or "absent"."""
    name = driver.replace("-", "_")
    if (sys_module / name).is_dir():
        return "loaded"
    folder = modules or Path("/lib/modules") / os.uname().release
    for index in ("modules.dep", "modules.builtin"):
        try:
            text = (folder / index).read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue  # a kernel without modules has no such list
        for line in text.splitlines():
            if Path(line.partition(":")[0]).name.partition(".")[0].replace("-", "_") == name:
                return "installed"
    return "absent"


def describe(device: Any) -> Device | None:
    """What matters of a `pyudev.Device`; None for what is no part of a card."""
    subsystem, properties = str(device.subsystem), device.properties
    if subsystem == "usb" and device.device_type != "usb_device":
        return None
    if subsystem == "sound" and not str(device.sys_name).startswith("card"):
        return None
    base = Device(
        path=str(device.device_path),
        subsystem=subsystem,
        name=str(device.sys_name),
        serial=properties.get("ID_SERIAL_SHORT") or "",
        place=properties.get("ID_PATH") or "",
        model=_model(properties),
    )
    if subsystem == "usb":
        ids = f"{properties.get('ID_VENDOR_ID') or ''}:{properties.get('ID_MODEL_ID') or ''}"
        return replace(base, hardware=base.path, ids=ids.lower(), driver=str(device.driver or ""))
    if subsystem == "pci":
        ids = (properties.get("PCI_ID") or "").lower()
        subvendor = (properties.get("PCI_SUBSYS_ID") or "").lower().partition(":")[0]
        driver = str(device.driver or "")
        return replace(base, hardware=base.path, ids=ids, subvendor=subvendor, driver=driver)
    parent = device.find_parent("usb", "usb_device") or device.find_parent("pci")
    hardware = str(parent.device_path) if parent is not None else ""
    if subsystem == "dahdi_devices":
        return replace(base, hardware=hardware, hardware_id=_attribute(device, "hardware_id"))
    if not hardware:
        return None  # the machine's own consoles
    if subsystem == "sound":
        return replace(base, hardware=hardware, ready=properties.get("SOUND_INITIALIZED") == "1")
    links = [link for link in device.device_links if "/serial/by-path/" in link]
    return replace(
        base,
        hardware=hardware,
        interface=(properties.get("ID_USB_INTERFACE_NUM") or "").lower(),
        node=str(device.device_node or ""),
        link=min(links, default=""),
    )


def _model(properties: Any) -> str:
    """Maker's words for a device, as udev knows them."""
    words = (properties.get("ID_MODEL_FROM_DATABASE") or properties.get("ID_MODEL") or "").replace("_", " ")
    return str(words)


def _attribute(device: Any, name: str) -> str:
    value = device.attributes.get(name)
    return value.decode("utf-8", "replace").strip() if isinstance(value, bytes) else ""


def _context() -> Any:
    try:
        import pyudev
    except ImportError as error:
        raise BoardError("pyudev is not installed: run setup.sh") from error
    return pyudev.Context()


def scan(context: Any = None) -> list[Event]:
    """Everything that is there now, as events."""
    context = context or _context()
    found: list[Event] = []
    for subsystem in SUBSYSTEMS:
        for device in context.list_devices(subsystem=subsystem):
            if (seen := describe(device)) is not None:
                found.append(Event("add", seen))
    return found


class Monitor:
    """What comes and goes. Its owner's thread only ever waits in `wait`; `wake` ends that from any thread."""

    def __init__(self, context: Any = None) -> None:
        """Listening begins now: scan afterwards, so that nothing falls between. Raises BoardError."""
        import pyudev

        self._context = context or _context()
        try:
            self._monitor = pyudev.Monitor.from_netlink(self._context)
            for subsystem in SUBSYSTEMS:
                self._monitor.filter_by(subsystem)
            self._monitor.start()
        except (OSError, ValueError) as error:
            raise BoardError(f"cards cannot be watched: udev gives no events ({error})") from error
        self._wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._poll = select.poll()
        self._poll.register(self._monitor.fileno(), select.POLLIN)
        self._poll.register(self._wake_fd, select.POLLIN)

    def scan(self) -> list[Event]:
        """Everything that is there now."""
        return scan(self._context)

    def wait(self, timeout_s: float | None = None) -> list[Event]:
        """Events since the last call; waits for the first one, for `wake`, or for `timeout_s`."""
        ready = dict(self._poll.poll(None if timeout_s is None else max(0.0, timeout_s) * 1000))
        if self._wake_fd in ready:
            os.eventfd_read(self._wake_fd)
        found: list[Event] = []
        while (device := self._monitor.poll(timeout=0)) is not None:
            action = ACTIONS.get(str(device.action))
            if action is None:
                continue
            if action == "remove":
                path = str(device.device_path)
                found.append(Event("remove", Device(path, str(device.subsystem), str(device.sys_name))))
            elif (seen := describe(device)) is not None:
                found.append(Event(action, seen))
        return found

    def wake(self) -> None:
        """Let `wait` return now."""
        os.eventfd_write(self._wake_fd, 1)

    def close(self) -> None:
        """Stop listening; nobody may be waiting."""
        os.close(self._wake_fd)
