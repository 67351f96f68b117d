"""The system calls of this back-end, in one place so that tests can put a made-up kernel there."""

from __future__ import annotations

import errno
import fcntl
import os
import select
import time
from pathlib import Path
from typing import Protocol

from board.dahdi import ioctls

CONTROL = "/dev/dahdi/ctl"
CHANNEL = "/dev/dahdi/channel"
DEVICES = Path("/sys/bus/dahdi_devices/devices")
SPANS = Path("/sys/bus/dahdi_spans/devices")

READABLE = select.POLLIN
URGENT = select.POLLPRI
BROKEN = select.POLLERR | select.POLLHUP | select.POLLNVAL

_MOST_INTERRUPTIONS = 8


class Kernel(Protocol):
    """What a card needs of the operating system. All calls may raise OSError."""

    def open(self, path: str) -> int:
        """A non-blocking descriptor for reading and writing."""

    def close(self, fd: int) -> None:
        """Release a descriptor."""

    def ioctl(self, fd: int, request: int, data: bytearray) -> None:
        """`data` is changed in place."""

    def read(self, fd: int, size: int) -> bytes:
        """What is there, at most `size` bytes; BlockingIOError when nothing is."""

    def write(self, fd: int, data: bytes | memoryview) -> int:
        """Bytes taken; BlockingIOError when there is no room."""

    def watch(self, fd: int, mask: int) -> None:
        """Let `poll` report this descriptor (again, with another mask)."""

    def forget(self, fd: int) -> None:
        """Let `poll` report it no more; unknown ones are ignored."""

    def poll(self, timeout_ms: float) -> list[tuple[int, int]]:
        """(descriptor, what happened), as soon as there is something."""

    def now_s(self) -> float:
        """A clock that only runs forward, for time-outs and the place of an event in its block."""

    def devices(self) -> dict[str, Device]:
        """Cards that the drivers have found, by kernel name."""

    def assign_spans(self, device: str) -> None:
        """Give span and channel numbers to a card that has none yet."""

    def why_missing(self) -> str:
        """What to do when there is no DAHDI on this machine."""


class Device:
    """A card as sysfs shows it."""

    def __init__(
        self, name: str, hardware_id: str, location: str, spans: dict[int, int], wanted: int
    ) -> None:
        """`spans`: number of each assigned span and its place on the card; `wanted`: how many it has."""
        self.name = name
        self.hardware_id = hardware_id
        self.location = location
        self.spans = spans
        self.wanted = wanted


class LinuxKernel:
    """The real one."""

    def __init__(self) -> None:
        self._poll = select.poll()

    def open(self, path: str) -> int:
        """Open a device node."""
        return os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)

    def close(self, fd: int) -> None:
        """Release it."""
        os.close(fd)

    def ioctl(self, fd: int, request: int, data: bytearray) -> None:
        """One request."""
        fcntl.ioctl(fd, request, data, True)

    def read(self, fd: int, size: int) -> bytes:
        """What is there, at most `size` bytes."""
        return os.read(fd, size)

    def write(self, fd: int, data: bytes | memoryview) -> int:
        """Bytes taken."""
        return os.write(fd, data)

    def watch(self, fd: int, mask: int) -> None:
        """Register or change."""
        self._poll.register(fd, mask)

    def forget(self, fd: int) -> None:
        """Unregister."""
        try:
            self._poll.unregister(fd)
        except KeyError:
            return

    def poll(self, timeout_ms: float) -> list[tuple[int, int]]:
        """(descriptor, what) that are ready."""
        return self._poll.poll(timeout_ms)

    def now_s(self) -> float:
        """Monotonic time."""
        return time.monotonic()

    def devices(self) -> dict[str, Device]:
        """Read /sys/bus/dahdi_devices."""
        found: dict[str, Device] = {}
        for folder in sorted(DEVICES.iterdir()) if DEVICES.is_dir() else []:
            spans: dict[int, int] = {}
            for span in folder.glob("span-*"):
                place = _sysfs(span / "local_spanno")
                spans[int(span.name.removeprefix("span-"))] = int(place or 0)
            wanted = int(_sysfs(folder / "span_count") or 0)
            hardware_id, location = _sysfs(folder / "hardware_id"), _sysfs(folder / "location")
            found[folder.name] = Device(folder.name, hardware_id, location, spans, wanted)
        return found

    def assign_spans(self, device: str) -> None:
        """Write to the card's auto_assign."""
        (DEVICES / device / "auto_assign").write_text("1\n", encoding="ascii")

    def why_missing(self) -> str:
        """By what is loaded."""
        if not Path("/sys/module/dahdi").exists():
            return "the kernel module dahdi is not loaded: install dahdi-linux and load the card's driver"
        return f"{CONTROL} is missing although the module dahdi is loaded: check udev"


def _sysfs(path: Path) -> str:
    """Text of an attribute; "" when the driver has none or it went away with its card."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def ioctl(kernel: Kernel, fd: int, request: int, data: bytearray) -> bytearray:
    """One request, again when a signal came in between (a bounded number of times); returns `data`."""
    for _ in range(_MOST_INTERRUPTIONS):
        try:
            kernel.ioctl(fd, request, data)
        except InterruptedError:
            continue
        return data
    raise OSError(errno.EINTR, "interrupted again and again")


def reason(error: OSError) -> str:
    """An errno in words for people."""
    return _REASONS.get(error.errno or 0) or os.strerror(error.errno or 0)


_REASONS = {
    ioctls.ELAST: "events do not end",
    errno.EBUSY: "the port stayed busy",
    errno.ENODATA: "the kernel has no tone zone",
    errno.ENODEV: "the card has been removed",
    errno.ENXIO: "the channel is not configured",
    errno.ENOTTY: "the driver of this card cannot do it",
    errno.ENOSYS: "the driver of this card cannot do it",
    errno.EINVAL: "the driver of this card refuses it",
    errno.EPIPE: "the card does not answer",
}
