"""Put the product on a disk that has not had it: writes a disk image from the stick.

Everything on that disk is lost, so its owner says which one is meant by its model or serial number.
"""

from __future__ import annotations

import gzip
import hashlib
import lzma
import os
from pathlib import Path
from typing import BinaryIO, cast

from recovery.box import CHUNK, Box, Disk, Tell
from recovery.refused import Refused
from recovery.runner import Action, Options

SUFFIXES = (".img", ".img.gz", ".img.xz")


def image(box: Box, options: Options) -> Path:
    """The image that is meant: by name, or the only one. Raises Refused."""
    found = sorted(path for path in box.need_stick().iterdir() if path.name.endswith(SUFFIXES))
    name = str(options.get("file") or "")
    match = [path for path in found if not name or path.name == name]
    if len(match) != 1:
        raise Refused(
            "no_image", f"there must be one disk image on the stick or its name given; there are {len(found)}"
        )
    return match[0]


def opened(path: Path) -> BinaryIO:
    """The image as it will be on the disk."""
    if path.suffix == ".gz":
        return cast(BinaryIO, gzip.open(path, "rb"))
    return cast(BinaryIO, lzma.open(path, "rb")) if path.suffix == ".xz" else path.open("rb")


def needed_bytes(path: Path) -> int:
    """Size of the disk that the image is for: its GPT header, at byte 512, names the place of its copy, the
    last sector (UEFI 2.10, 5.3.2). Raises Refused."""
    with opened(path) as file:
        head = file.read(1024)
    if head[512:520] != b"EFI PART":
        raise Refused("not_an_image", f"{path.name} is no disk image of this product")
    return (int.from_bytes(head[544:552], "little") + 1) * 512


def target(box: Box, options: Options) -> Disk:
    """The disk that its owner has named. Raises Refused."""
    word = str(options.get("disk_serial") or "").strip()
    match = [disk for disk in box.disks if word and word in disk.names]
    if len(match) != 1:
        listed = "; ".join(f"{disk.path.name}: {disk.model} {disk.serial}" for disk in box.disks) or "none"
        raise Refused(
            "disk_not_named", f"name the disk that may be erased by its serial number; disks: {listed}"
        )
    return match[0]


def plan(box: Box, options: Options) -> str:
    """Is it the right disk, and large enough?"""
    disk, path = target(box, options), image(box, options)
    need = needed_bytes(path)
    if disk.size < need:
        raise Refused(
            "too_small", f"the disk {disk.model} has {disk.size >> 20} MB, {need >> 20} MB are needed"
        )
    if disk.ours and options.get("erase") is not True:
        raise Refused("has_data", "this disk has this product on it already; reinstall keeps its data")
    return f"erase the disk {disk.model} {disk.serial} and write {path.name} to it"


def _let_go(box: Box, disk: Disk) -> None:
    """A file system that stays mounted would write its old state into the new image."""
    if box.disk is None or disk.path != box.disk.path:
        return
    mounted = [folder for folder in (box.boot and box.boot.parent, box.config, box.data) if folder]
    for folder in mounted:
        status, text = box.run("umount", str(folder))
        if status:
            raise Refused("disk_busy", f"{folder} is in use and cannot be let go: {text.strip()[-200:]}")
    box.boot = box.config = box.data = None


def write(box: Box, options: Options, tell: Tell) -> None:
    """The partition table goes first and comes last, so that a half-written disk is never taken for a box."""
    disk, path = target(box, options), image(box, options)
    total = needed_bytes(path)
    _let_go(box, disk)
    with opened(path) as source, disk.path.open("r+b") as file:
        first = source.read(CHUNK)
        file.write(bytes(len(first)))
        os.fsync(file.fileno())
        wanted, done = hashlib.sha256(first), len(first)
        while chunk := source.read(CHUNK):
            file.write(chunk)
            wanted.update(chunk)
            done += len(chunk)
            tell("writing", min(99, 70 * done // total))
        if done < total:
            raise Refused(
                "not_an_image", f"{path.name} is cut short at {done} of {total} bytes; copy it again"
            )
        file.flush()
        os.fsync(file.fileno())
        file.seek(0)
        file.write(first)
        file.flush()
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    found, left = hashlib.sha256(), done
    with disk.path.open("rb") as file:
        while left and (chunk := file.read(min(CHUNK, left))):
            found.update(chunk)
            left -= len(chunk)
            tell("verifying", min(99, 70 + 30 * (done - left) // done))
    if found.digest() != wanted.digest():
        raise Refused(
            "disk_bad", "what was read back from the disk differs from what was written: replace the disk"
        )


ACTION = Action(plan, (write,), needs_box=False)
