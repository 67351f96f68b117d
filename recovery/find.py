"""Finds the disks of this machine and mounts the box's partitions where the product has them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from image.box import disk as box_disk
from recovery.box import Box, Disk

SYS = Path("/sys/block")
COMMAND_LINE = Path("/proc/cmdline")
STICKS = Path("/run/zongji/usb")
NOTES = Path("/run/zongji/sticks")
SKIPPED = re.compile(r"loop|ram|zram|sr|fd|dm-|md")
VPD_HEADER_BYTES = 4
"""Before the serial number in the page of a SCSI or SATA disk that has it (SPC-4, 7.8.15)."""


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _serial(disk: Path) -> str:
    """NVMe and MMC tell it as a text, virtio too, SCSI and SATA as a page of their own."""
    try:
        page = (disk / "device" / "vpd_pg80").read_bytes()[VPD_HEADER_BYTES:]
    except OSError:
        page = b""
    own = page.decode("ascii", "replace").strip("\0 ")
    return own or _text(disk / "device" / "serial") or _text(disk / "serial") or _text(disk / "wwid")


def disks(sys_block: Path = SYS) -> list[Disk]:
    """Every disk with its partitions, as the kernel shows them."""
    found = []
    for entry in sorted(sys_block.iterdir()):
        size = int(_text(entry / "size") or 0) * 512
        if SKIPPED.match(entry.name) or not size:
            continue
        labels = box_disk.partitions(entry.name, sys_block)
        parts = tuple(
            Path("/dev") / one.parent.name for one in sorted(entry.glob(f"{entry.name}*/partition"))
        )
        model = _text(entry / "device" / "model")
        found.append(Disk(Path("/dev") / entry.name, size, model, _serial(entry), labels, parts))
    return found


def started_from(boot_env: Path = box_disk.BOOT_ENV) -> str:
    """Kernel name of the disk that this system came from; "" where nothing tells."""
    try:
        return box_disk.boot_disk(boot_env)
    except (OSError, box_disk.DiskError):
        return ""


def cause(command_line: Path = COMMAND_LINE) -> str:
    """Why recovery was started: ordered, key, exhausted, stick, …"""
    match = re.search(r"\bzongji\.recovery=(\S+)", _text(command_line))
    return match[1] if match else ""


def stick_folder(sticks: Path = STICKS, mounted: Callable[[Path], bool] = Path.is_mount) -> Path | None:
    """The stick's own files: the partition ZONGJI first, else any stick. Its folder is there a moment before
    its files are: an order on it must not be missed for that."""
    found = sorted(path for path in sticks.glob("*") if mounted(path))
    ours = [path for path in found if path.name.startswith("ZONGJI")]
    return next(iter(ours or found), None)


def plugged(stick: Path | None, notes: Path = NOTES) -> int:
    """When the stick was noted, in ns: `image.box.stick` does so each time one is plugged in. 0: no stick."""
    try:
        return (notes / f"{_device(stick)}.json").stat().st_mtime_ns
    except OSError:
        return 0


def find() -> Box:
    """The box as it is now; mounts what is not mounted yet. A partition that cannot be mounted is None."""
    everything = disks()
    booted = started_from()
    own = next((one for one in everything if one.path.name == booted), None)
    from_stick = own is not None and "stick-recovery" in own.labels
    candidates = [one for one in everything if one.ours and one is not own] if from_stick else [own]
    target = next((one for one in candidates if one is not None and one.ours), None)
    fresh = target is not None and _fresh(target)
    wanted = [label for label in box_disk.OPTIONS if not (fresh and label == "data")]
    folders = {label: _mount(target.labels[label], label) for label in wanted} if target else {}
    source = own.labels.get("stick-recovery") or own.labels.get("recovery") if own else None
    boot, stick = folders.get("esp"), stick_folder()
    return Box(
        target,
        boot / "zongji" if boot else None,
        folders.get("config"),
        folders.get("data"),
        source,
        stick,
        tuple(one for one in everything if not (from_stick and one is own) and not _holds(one, stick)),
        from_stick,
        cause(),
        fresh=fresh,
        plugged=plugged(stick),
    )


def _holds(disk: Disk, stick: Path | None, sys_block: Path = SYS) -> bool:
    """Is this the disk of the stick?"""
    device = _device(stick)
    return device != "" and (device == disk.path.name or (sys_block / disk.path.name / device).is_dir())


def _device(stick: Path | None) -> str:
    """The folder's name ends with it."""
    return stick.name.rpartition("-")[2] if stick else ""


def _fresh(disk: Disk) -> bool:
    """Has the box never been started? Its first start formats the data partition."""
    if box_disk.DATA.is_mount():
        return False
    try:
        return box_disk.is_blank(disk.path.name, disk.labels["data"])
    except (OSError, box_disk.DiskError) as error:
        print(f"Zongji: {disk.path.name}: {error}", flush=True)
        return False


_useless: set[Path] = set()
"""Partitions that could not be mounted: each is tried once, not every time that somebody looks."""


def _mount(device: Path, label: str) -> Path | None:
    place = box_disk.OPTIONS[label][0]
    if place.is_mount():
        return place
    if device in _useless:
        return None
    _check(device, label)
    place.mkdir(parents=True, exist_ok=True)
    try:
        box_disk.mount(device, label)
    except box_disk.DiskError as error:
        print(f"Zongji: {label} cannot be mounted: {error}", flush=True)
        _useless.add(device)
        return None
    return place


def _check(device: Path, label: str) -> None:
    """As at every start; one that cannot be mended may still be mounted and read."""
    try:
        if label == "esp":
            box_disk.check_esp(device, box_disk.Report())
        else:
            box_disk.check(device)
    except (OSError, box_disk.DiskError) as error:
        print(f"Zongji: {label} is damaged: {error}", flush=True)
