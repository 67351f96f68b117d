"""Put the product on a disk that has not had it: writes a disk image from the stick.

Everything on that disk is lost, so its owner says which one is meant by its model or serial number, and where
there is anything on it, that it may go.
"""

from __future__ import annotations

import gzip
import lzma
import re
from pathlib import Path
from typing import BinaryIO, cast

from recovery.box import Box, Disk, Tell
from recovery.copying import copy
from recovery.plan import Plan, content
from recovery.refused import Refused
from recovery.runner import Action, Options

SUFFIXES = (".img", ".img.gz", ".img.xz")
NOTHING = 2
"""Exit status of blkid that knows of nothing on a device."""
UNTOLD = {8: "data of more than one kind"}
CANNOT_BE_READ = "cannot be read"


def image(box: Box, options: Options) -> Path:
    """The image that is meant: by name, or the only one. Raises Refused."""
    found = sorted(path for path in box.need_stick().iterdir() if path.name.endswith(SUFFIXES))
    name = str(options.get("file") or "")
    match = [path for path in found if not name or path.name == name]
    if not match:
        raise Refused("no_image", f"there is no disk image{' ' + name if name else ''} on the stick")
    if len(match) > 1:
        raise Refused(
            "which_image", f"there are several disk images on the stick: {', '.join(p.name for p in match)}"
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


def plan(box: Box, options: Options) -> Plan:
    """Is it the right disk, and large enough?"""
    disk, path = target(box, options), image(box, options)
    need = needed_bytes(path)
    if disk.size < need:
        raise Refused(
            "too_small", f"the disk {disk.model} has {disk.size >> 20} MB, {need >> 20} MB are needed"
        )
    erase = options.get("erase") is True
    if disk.ours and not erase:
        raise Refused(
            "has_data",
            "this disk has this product on it already; reinstall keeps its data, the word erase deletes it",
        )
    found = "; ".join(contents(box, disk))
    if found and not erase:
        raise Refused("has_data", f"there is something on this disk, the word erase deletes it: {found}")
    name = f"{disk.model} {disk.serial}"
    of = {"image": content(path), "disk": (disk.path, disk.size, disk.serial), "stick": box.plugged}
    if found:
        return Plan("write_image_over", {"disk": name, "found": found, "file": path.name}, of=of)
    return Plan("write_image", {"disk": name, "file": path.name}, of=of)


def contents(box: Box, disk: Disk) -> list[str]:
    """What is on a disk, in words: its partitions, and file systems and the like, also without partitions."""
    labels = {device: label for label, device in disk.labels.items()}
    found = []
    for device in (disk.path, *disk.parts):
        status, text = box.run("blkid", "-p", "-o", "export", str(device))
        told = dict(re.findall(r"^([A-Z_]+)=(.*)$", text, re.MULTILINE)) if status == 0 else {}
        kind = told.get("TYPE", "") if status in (0, NOTHING) else UNTOLD.get(status, CANNOT_BE_READ)
        if kind or device != disk.path:
            name = labels.get(device) or told.get("PART_ENTRY_NAME", "")
            words = [device.name, name, kind or "no known file system", told.get("LABEL", "")]
            found.append(" ".join(_plain(word) for word in words if word))
    return found


def _plain(text: str) -> str:
    """Of a label that anybody may have given: nothing that a terminal obeys."""
    return "".join(one for one in re.sub(r"\\(.)", r"\1", text) if one.isprintable())


def _let_go(box: Box, disk: Disk) -> None:
    """A file system that stays mounted would write its old state into the new image."""
    status, text = box.run("lsblk", "-nro", "MOUNTPOINTS", str(disk.path))
    for folder in text.split() if not status else ():
        status, text = box.run("umount", folder)
        if status:
            raise Refused("disk_busy", f"{folder} is in use and cannot be let go: {text.strip()[-200:]}")
    if box.disk is not None and disk.path == box.disk.path:
        box.boot = box.config = box.data = None


def write(box: Box, options: Options, tell: Tell) -> None:
    """The image; then the kernel looks at the disk's new partitions."""
    disk, path = target(box, options), image(box, options)
    _let_go(box, disk)
    short = Refused("not_an_image", f"{path.name} is cut short; copy it to the stick again")
    with opened(path) as source:
        copy(source, disk.path, needed_bytes(path), tell, short)
    box.run("blockdev", "--rereadpt", str(disk.path))


ACTION = Action(plan, (write,), needs_box=False)
