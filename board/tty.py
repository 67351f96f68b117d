"""Letting go of a serial port without the kernel's wait for output that nobody takes."""

from __future__ import annotations

import array
import contextlib
import fcntl
import struct
import termios
import time

CLOSING_WAIT_NONE = 65535
"""ASYNC_CLOSING_WAIT_NONE, include/uapi/linux/serial.h."""
_SERIAL_BYTES = 128
"""Room for struct serial_struct (72 octets on 64-bit machines)."""
_CLOSING_WAIT = struct.Struct("@H")
_CLOSING_WAIT_AT = 40
"""Of closing_wait in it: eight ints, a short, two chars and an int come before, on all machines."""
DRAIN_S = 0.5
"""So long last words (hang up) may take."""
_LOOK_S = 0.01


def forgo_closing_wait(fd: int) -> bool:
    """Let `close` not wait for output. False when the tty has no such setting, or we may not change it."""
    data = bytearray(_SERIAL_BYTES)
    try:
        fcntl.ioctl(fd, termios.TIOCGSERIAL, data)
        if _CLOSING_WAIT.unpack_from(data, _CLOSING_WAIT_AT) != (CLOSING_WAIT_NONE,):
            _CLOSING_WAIT.pack_into(data, _CLOSING_WAIT_AT, CLOSING_WAIT_NONE)
            fcntl.ioctl(fd, termios.TIOCSSERIAL, data)
    except OSError:
        # A pty has no such setting, and cdc_acm lets only root change it: hence the thread that closes.
        return False
    return True


def drain(fd: int) -> None:
    """Give what was written half a second to go out, and throw away the rest. Not for the tick."""
    until_s = time.monotonic() + DRAIN_S
    # A device that has gone refuses all of this, and has nothing left to send.
    with contextlib.suppress(OSError, termios.error):
        while _unsent(fd) and time.monotonic() < until_s:
            time.sleep(_LOOK_S)
        termios.tcflush(fd, termios.TCOFLUSH)


def _unsent(fd: int) -> int:
    count = array.array("i", [0])
    fcntl.ioctl(fd, termios.TIOCOUTQ, count, True)
    return count[0]
