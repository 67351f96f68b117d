"""The control port as bytes: waits only in opening and closing, raises nothing but BoardError."""

from __future__ import annotations

import contextlib
import os
import select
import termios
from typing import Any

import serial

from board import tty
from board.api import BoardError

BAUD = 115200
"""Ignored by USB; for cards with a real serial line."""
MOST_UNSENT_BYTES = 64 * 1024
_READ_BYTES = 4096


class SerialLine:
    """One exclusive serial port."""

    def __init__(self, device: str) -> None:
        """Raises BoardError when it is missing or used by somebody else."""
        self._device = device
        self._unsent = b""
        try:
            # No handshake lines: cards have none, and a pty refuses to set them.
            self._port: Any = serial.Serial(
                device, BAUD, timeout=0, write_timeout=0, rtscts=False, dsrdtr=False, exclusive=True
            )
        except (serial.SerialException, OSError, ValueError, termios.error) as error:
            # termios.error, which is no OSError: the device has gone while it was being opened.
            raise BoardError(f"control port {device} cannot be opened: {error}") from error
        tty.forgo_closing_wait(self._port.fileno())
        self._poll = select.poll()
        self._poll.register(self._port.fileno(), select.POLLIN)
        with contextlib.suppress(OSError, termios.error):  # What came before us is of no use, nor vital.
            self._port.reset_input_buffer()

    def read(self) -> bytes:
        """What has arrived; b"" for nothing. Raises BoardError when the port is gone."""
        try:
            # A port that has gone reads like one that says nothing; only poll tells them apart.
            waiting = self._poll.poll(0)
            if waiting and waiting[0][1] & (select.POLLHUP | select.POLLERR | select.POLLNVAL):
                raise BoardError(f"control port {self._device} was lost: it has been pulled out")
            data: bytes = os.read(self._port.fileno(), _READ_BYTES)
        except BlockingIOError:
            return b""
        except (OSError, serial.SerialException) as error:
            raise BoardError(f"control port {self._device} was lost: {error}") from error
        return data

    def write(self, data: bytes) -> None:
        """Send, keeping what the port does not take at once. Raises BoardError when the port is gone."""
        self._unsent += data
        if not self._unsent:
            return
        try:
            sent = os.write(self._port.fileno(), self._unsent)
        except BlockingIOError:
            sent = 0
        except (OSError, serial.SerialException) as error:
            raise BoardError(f"control port {self._device} was lost: {error}") from error
        self._unsent = self._unsent[sent:]
        if len(self._unsent) > MOST_UNSENT_BYTES:
            raise BoardError(f"control port {self._device} does not take what is sent to it")

    def close(self) -> None:
        """Release the port; may take a while: not for the tick. Idempotent."""
        if self._port.is_open:
            tty.drain(self._port.fileno())
        with contextlib.suppress(OSError):
            self._port.close()
