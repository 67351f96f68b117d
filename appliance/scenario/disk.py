"""Trouble with the disk, at the border to the operating system: where recordings are opened and written.

A process that may do everything (root in a container) is stopped by no permission bit, so the
refusal is made where the operating system would make it.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path

from appliance.engine import wavfile

_GENUINE = wavfile.GrowingWav


class _ReadOnly(_GENUINE):
    """A recording on a disk that is mounted read-only."""

    def __init__(self, path: Path) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))


class _Full(_GENUINE):
    """A recording on a disk without a free block."""

    def __init__(self, path: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


def _no_space(self: wavfile.GrowingWav, data: bytes, offset: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


_genuine_write = _GENUINE._write_all


def recordings_are(state: str) -> None:
    """state: "read-only", "full" or "writable"; holds for this process until it is changed back."""
    wanted = {"read-only": _ReadOnly, "full": _Full, "writable": _GENUINE}[state]
    name, method = "GrowingWav", "_write_all"
    setattr(wavfile, name, wanted)
    # a disk that fills up also stops the recordings that are open already
    setattr(_GENUINE, method, _no_space if state == "full" else _genuine_write)


class DatabaseLock:
    """Another program that holds the write lock of the database."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("BEGIN IMMEDIATE")

    def release(self) -> None:
        """Let go."""
        self._connection.execute("ROLLBACK")
        self._connection.close()
