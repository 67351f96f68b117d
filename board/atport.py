"""Byte wires to a device, and the time its driver lives in. Both can be replaced by tests."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import termios
import time
from collections.abc import Sequence
from typing import Protocol

from board import tty

MOST_READ_BYTES = 65536


class WireLost(Exception):
    """The device behind the wire is gone, or could not be opened; the text is for people."""


class Wire(Protocol):
    """Bytes both ways, never blocking."""

    def read(self) -> bytes:
        """What has arrived; b"" when nothing has. Raises WireLost."""

    def write(self, data: bytes) -> int:
        """Hand over bytes; returns how many were taken, perhaps none. Raises WireLost."""

    def fds(self) -> Sequence[int]:
        """Descriptors that become readable when something arrives."""

    def close(self) -> None:
        """Release the device; the only thing here that may block. Idempotent."""


class Time(Protocol):
    """Seconds, and waiting for wires."""

    def now_s(self) -> float:
        """Monotonic seconds."""

    def wait(self, wires: Sequence[Wire], timeout_s: float) -> None:
        """Return when one of the wires may have something, or after `timeout_s`."""


class RealTime:
    """The machine's own clock."""

    def now_s(self) -> float:
        """Monotonic seconds."""
        return time.monotonic()

    def wait(self, wires: Sequence[Wire], timeout_s: float) -> None:
        """Wait in poll()."""
        poll = select.poll()
        for wire in wires:
            for fd in wire.fds():
                poll.register(fd, select.POLLIN)
        poll.poll(max(0.0, timeout_s) * 1000)


class SerialWire:
    """A serial port: ttyACM, ttyUSB or a pty."""

    def __init__(self, path: str, baud: int = 115200) -> None:
        """Open it for us alone. Raises WireLost saying what to do."""
        import serial

        self._path = path
        try:
            # Modem-control lines are left alone: a pty has none, and CDC-ACM needs none.
            self._port = serial.Serial(
                path, baud, timeout=0, write_timeout=0, exclusive=True, rtscts=False, dsrdtr=False
            )
        except (serial.SerialException, OSError, ValueError, termios.error) as error:
            # termios.error, which is no OSError: the device has gone while it was being opened.
            raise WireLost(f"{path}: {_why(error)}") from error
        self._fd = self._port.fileno()
        tty.forgo_closing_wait(self._fd)
        self._poll = select.poll()
        self._poll.register(self._fd, select.POLLIN)

    def read(self) -> bytes:
        """What has arrived."""
        ready = self._poll.poll(0)
        if not ready:
            return b""
        try:
            data = os.read(self._fd, MOST_READ_BYTES)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise WireLost(f"{self._path} has gone: {error.strerror}") from error
        if not data:
            # Readable without data: the other end of the wire does not exist any more.
            raise WireLost(f"{self._path} has gone: was it unplugged?")
        return data

    def write(self, data: bytes) -> int:
        """Hand over bytes."""
        try:
            return os.write(self._fd, data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise WireLost(f"{self._path} has gone: {error.strerror}") from error

    def fds(self) -> Sequence[int]:
        """The port's descriptor."""
        return (self._fd,)

    def close(self) -> None:
        """Release the port. May take a while: not for the tick."""
        if self._port.is_open:
            tty.drain(self._fd)
        # A device that has gone cannot be put back into order; closing it must still succeed.
        with contextlib.suppress(OSError):
            self._port.close()


def _why(error: Exception) -> str:
    code = getattr(error, "errno", None)
    if code == errno.ENOENT:
        return "there is no such device: check the cable, and the address"
    if code in (errno.EACCES, errno.EPERM):
        return "not allowed: add the user of the engine to the group dialout"
    if code in (errno.EBUSY, errno.EAGAIN):
        return "another program uses it (ModemManager?): stop that first"
    return str(error)
