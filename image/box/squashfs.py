"""How long a squashfs is, told by its superblock."""

from __future__ import annotations

from typing import BinaryIO

MAGIC = b"hsqs"
SUPERBLOCK = 96


def length(file: BinaryIO) -> int | None:
    """Bytes of the squashfs that `file` begins with (bytes_used, at offset 40); None where there is none.
    Raises OSError."""
    file.seek(0)
    head = file.read(SUPERBLOCK)
    if len(head) < SUPERBLOCK or not head.startswith(MAGIC):
        return None
    return int.from_bytes(head[40:48], "little")
