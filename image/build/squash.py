"""The root as one compressed file, the same bytes for the same files."""

from __future__ import annotations

import hashlib
from pathlib import Path

from image.build.steps import remove, run, source_date


def squashfs(root: Path, target: Path, level: int = 9, exclude: tuple[str, ...] = ()) -> str:
    """Write the file and return its SHA-256. level: of gzip, 9 for a release, 1 for a quick one."""
    remove(target)
    epoch = source_date()
    # GRUB unpacks slowly, and both are packed already.
    stored = "uncompressed@name(vmlinuz)||name(initrd.img)"
    run(
        "env", "-u", "SOURCE_DATE_EPOCH", "mksquashfs", root, target,
        "-noappend", "-action", stored, "-no-progress", "-no-xattrs", "-comp", "gzip",
        "-Xcompression-level", level, "-b", "256K", "-all-time", epoch, "-mkfs-time", epoch,
        *(("-e", *exclude) if exclude else ()),
    )  # fmt: skip
    return sha256(target)


def sha256(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
