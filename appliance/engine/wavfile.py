"""WAV files that grow while they are written and can be played at every moment.

8 kHz, mono, 16-bit linear; the canonical 44-byte RIFF header.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

RATE_HZ = 8000
HEADER_BYTES = 44
_MAX_DATA_BYTES = 0xFFFFFFFF - HEADER_BYTES


def header(data_bytes: int) -> bytes:
    """RIFF header of a file with `data_bytes` of samples."""
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF",
        HEADER_BYTES - 8 + data_bytes,
        b"WAVE",
        b"fmt ",
        16,
        1,
        1,
        RATE_HZ,
        RATE_HZ * 2,
        2,
        16,
        b"data",
        data_bytes,
    )


class GrowingWav:
    """A recording being written. Every method raises OSError as the file system gives it."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
        self.data_bytes = 0
        try:
            self._write_all(header(0), 0)
        except OSError:
            self.close()
            raise

    def append(self, samples: bytes) -> None:
        """Add int16 little-endian samples, then let the header speak of them.

        The samples go first: a header that promises less than the file holds is
        valid, the other way round is not.
        """
        self._write_all(samples, HEADER_BYTES + self.data_bytes)
        self.data_bytes = min(self.data_bytes + len(samples), _MAX_DATA_BYTES)
        self._write_all(header(self.data_bytes), 0)

    def cut(self, samples: int) -> None:
        """Take the last `samples` away again; the header goes first."""
        self.data_bytes = max(0, self.data_bytes - 2 * samples)
        self._write_all(header(self.data_bytes), 0)
        os.ftruncate(self._fd, HEADER_BYTES + self.data_bytes)

    def close(self) -> None:
        """Idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _write_all(self, data: bytes, offset: int) -> None:
        view = memoryview(data)
        while view:
            written = os.pwrite(self._fd, view, offset)
            view = view[written:]
            offset += written


def repair(path: Path) -> float:
    """Make the header of a recording that was cut off tell what the file holds; returns its seconds.

    Raises OSError when the file cannot be read or written.
    """
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        data_bytes = max(0, size - HEADER_BYTES) // 2 * 2
        file.seek(0)
        file.write(header(data_bytes))
        file.truncate(HEADER_BYTES + data_bytes)
    return data_bytes / 2 / RATE_HZ
