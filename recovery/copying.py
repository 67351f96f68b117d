"""Writes a system or a whole disk and reads it back."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import BinaryIO

from recovery.box import CHUNK, Tell
from recovery.refused import Refused


def copy(source: BinaryIO, target: Path, total: int, tell: Tell, short: Refused) -> None:
    """Put `total` bytes of `source` on a device and compare what is read back.

    The beginning is emptied first and written last, so that what is half written is taken for nothing: it has
    no file system and no partition table. short: raised when the source ends early. Raises Refused, OSError.
    """
    with target.open("r+b") as file:
        first = _read(source, min(CHUNK, total), short)
        file.write(bytes(len(first)))
        _sync(file)
        wanted, done = hashlib.sha256(first), len(first)
        while done < total:
            chunk = _read(source, min(CHUNK, total - done), short)
            file.write(chunk)
            wanted.update(chunk)
            done += len(chunk)
            tell("writing", 50 * done // total)
        _sync(file)
        file.seek(0)
        file.write(first)
        _sync(file)
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    found, done = hashlib.sha256(), 0
    with target.open("rb") as file:
        while done < total and (chunk := file.read(min(CHUNK, total - done))):
            found.update(chunk)
            done += len(chunk)
            tell("verifying", 50 + 50 * done // total)
    if found.digest() != wanted.digest():
        raise Refused(
            "disk_bad", "what was read back from the disk differs from what was written: replace the disk"
        )


def read_all(path: Path, total: int) -> None:
    """Can the first `total` bytes be read? Raises OSError."""
    with path.open("rb") as file:
        while total > 0 and (chunk := file.read(min(CHUNK, total))):
            total -= len(chunk)


def _read(source: BinaryIO, count: int, short: Refused) -> bytes:
    chunk = source.read(count)
    if len(chunk) < count:
        raise short
    return chunk


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
