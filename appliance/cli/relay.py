"""A helper that passes on what the box prints, so that nobody ends with the terminal that shows it.

A closed pipe or terminal would end supervisord at its next line, and leave its programs alone.
"""

from __future__ import annotations

import os
import signal

READ_BYTES = 1 << 16


def print_through_relay() -> None:
    """From now on what this process and its children print goes through a helper process."""
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.close(writing)
        relay(reading)
    os.close(reading)
    for shown in (1, 2):
        os.dup2(writing, shown)
    os.close(writing)


def relay(reading: int) -> None:
    """Pass everything on until all writers have gone, then end; Ctrl-C ends the writers, not us."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    looked_at = True
    while data := os.read(reading, READ_BYTES):
        try:
            while looked_at and data:
                data = data[os.write(1, data) :]
        except OSError:
            looked_at = False  # what is printed is taken all the same, or the writers would wait for ever
    os._exit(0)
