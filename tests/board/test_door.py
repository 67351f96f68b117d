"""A device that holds its closing or opening holds nobody else."""

import sys
import termios
import threading

import pytest

from board import tty
from board.door import Door

PATIENCE_S = 60.0


class Gate:
    """A job that blocks until it is let through."""

    def __init__(self, result="device"):
        self.result = result
        self.begun = threading.Event()
        self.through = threading.Event()

    def __call__(self):
        self.begun.set()
        assert self.through.wait(PATIENCE_S)
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


def test_opening_waits_for_closing_and_the_caller_for_neither():
    door = Door("tty")
    closing, opening = Gate(), Gate()
    door.close(closing)
    door.open(opening)
    assert door.busy and door.opening and door.take() is None
    assert closing.begun.wait(PATIENCE_S) and not opening.begun.is_set()
    closing.through.set()
    assert opening.begun.wait(PATIENCE_S)
    assert door.take() is None
    opening.through.set()
    assert door.wait(PATIENCE_S)
    assert door.take() == "device"
    assert door.take() is None and not door.opening and not door.busy


def test_what_opening_raises_is_raised_to_who_takes():
    door = Door("tty")
    opening = Gate(OSError("busy"))
    opening.through.set()
    door.open(opening)
    assert door.wait(PATIENCE_S)
    with pytest.raises(OSError, match="busy"):
        door.take()
    assert not door.opening


def test_what_is_opened_too_late_is_closed():
    door, closed = Door("tty"), []
    opening = Gate()
    door.open(opening)
    door.shut(closed.append)
    assert not closed
    opening.through.set()
    assert door.wait(PATIENCE_S)
    assert closed == ["device"] and door.take() is None
    door = Door("tty")
    door.open(opening)
    assert door.wait(PATIENCE_S)
    door.shut(closed.append)
    assert door.wait(PATIENCE_S)
    assert closed == ["device"] * 2


def test_closing_that_fails_is_told_and_hinders_nothing(caplog):
    done = threading.Event()
    door = Door("tty", done=done.set)
    failing = Gate(OSError("no such device"))
    failing.through.set()
    door.close(failing)
    assert door.wait(PATIENCE_S) and done.wait(PATIENCE_S)
    assert "tty: closing failed" in caplog.text
    opening = Gate()
    opening.through.set()
    door.open(opening)
    assert door.wait(PATIENCE_S)
    assert door.take() == "device"


def test_a_serial_port_is_told_not_to_wait_at_closing(monkeypatch):
    asked = []

    def ioctl(fd, request, data):
        asked.append((request, bytes(data)))
        if request == termios.TIOCGSERIAL:
            data[40:42] = (3000).to_bytes(2, sys.byteorder)
            data[4] = 7

    monkeypatch.setattr("fcntl.ioctl", ioctl)
    assert tty.forgo_closing_wait(3)
    [_, (request, data)] = asked
    assert request == termios.TIOCSSERIAL
    assert (data[40:42], data[4]) == (b"\xff\xff", 7)

    def refuse(fd, request, data):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("fcntl.ioctl", refuse)
    assert not tty.forgo_closing_wait(3)
