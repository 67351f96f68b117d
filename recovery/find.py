"""Finds the disks of this machine and mounts the box's partitions where the product has them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from recovery.box import Box, Disk, run

SYS = Path("/sys/block")
BOOT_ENV = Path("/run/zongji/boot.env")
COMMAND_LINE = Path("/proc/cmdline")
STICKS = Path("/run/zongji/usb")
SKIPPED = re.compile(r"loop|ram|zram|sr|fd|dm-|md")
MOUNTS = {
    "esp": (Path("/boot/esp"), "vfat", "noatime,umask=0077,nosuid,nodev,noexec"),
    "config": (Path("/config"), "ext4", "noatime,nosuid,nodev,noexec"),
    "data": (Path("/data"), "ext4", "noatime,nosuid,nodev"),
}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def disks(sys_block: Path = SYS, dev: Path = Path("/dev")) -> list[Disk]:
    """Every disk with its partitions, as the kernel shows them."""
    found = []
    for entry in sorted(sys_block.iterdir()):
        size = int(_text(entry / "size") or 0) * 512
        if SKIPPED.match(entry.name) or not size:
            continue
        labels = {}
        parts = sorted(entry.glob(f"{entry.name}*/uevent"))
        for uevent in parts:
            match = re.search(r"^PARTNAME=(.+)$", _text(uevent), re.MULTILINE)
            if match:
                labels[match[1]] = dev / uevent.parent.name
        serial = _text(entry / "device" / "serial") or _text(entry / "serial") or _text(entry / "wwid")
        found.append(
            Disk(dev / entry.name, size, _text(entry / "device" / "model"), serial, labels, bool(parts))
        )
    return found


def started_from(boot_env: Path = BOOT_ENV) -> str:
    """Kernel name of the disk that this system came from."""
    match = re.search(r"^DISK=(\S+)$", _text(boot_env), re.MULTILINE)
    return match[1] if match else ""


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


def find() -> Box:
    """The box as it is now; mounts what is not mounted yet. A partition that cannot be mounted is None."""
    everything = disks()
    booted = started_from()
    own = next((one for one in everything if one.path.name == booted), None)
    from_stick = own is not None and "stick-recovery" in own.labels
    candidates = [one for one in everything if one.ours and one is not own] if from_stick else [own]
    target = next((one for one in candidates if one is not None and one.ours), None)
    folders = {label: _mount(target.labels[label], label) for label in MOUNTS} if target else {}
    source = own.labels.get("stick-recovery") or own.labels.get("recovery") if own else None
    boot = folders.get("esp")
    return Box(
        target,
        boot / "zongji" if boot else None,
        folders.get("config"),
        folders.get("data"),
        source,
        stick_folder(),
        tuple(one for one in everything if not (from_stick and one is own)),
        from_stick,
        cause(),
    )


_useless: set[Path] = set()
"""Partitions that could not be mounted: each is tried once, not every time that somebody looks."""


def _mount(device: Path, label: str) -> Path | None:
    place, kind, options = MOUNTS[label]
    if place.is_mount():
        return place
    if device in _useless:
        return None
    if kind == "ext4":
        status, text = run("e2fsck", "-p", str(device))
        if status & ~3:
            print(f"Zongji: {label} is damaged: {text.strip()[-200:]}", flush=True)
    place.mkdir(parents=True, exist_ok=True)
    status, text = run("mount", "-t", kind, "-o", options, str(device), str(place))
    if status:
        print(f"Zongji: {label} cannot be mounted: {text.strip()[-200:]}", flush=True)
        _useless.add(device)
        return None
    return place
