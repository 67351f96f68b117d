"""Look at disks, memory and the systems; change nothing. The report goes to the stick."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from image.box import bootstate, files, watchdog
from image.box.places import Places
from recovery.box import CHUNK, OURS, Box, Tell, squashfs_bytes
from recovery.plan import Plan
from recovery.refused import Refused
from recovery.runner import Action, Options

COMMANDS = {
    "disks": ("lsblk", "-o", "NAME,SIZE,TYPE,FSTYPE,PARTLABEL,MODEL,SERIAL"),
    "memory": ("cat", "/proc/meminfo"),
    "pci": ("lspci", "-nn"),
    "usb": ("lsusb",),
    "kernel": ("dmesg", "--level=err,warn"),
}

NO_WATCHDOG = "none: a kernel that hangs is not restarted"


def report(box: Box, tell: Tell) -> dict[str, object]:
    """What was found, by topic; what fails is named."""
    found: dict[str, object] = {"serial": box.serial, "disk": str(box.disk.path) if box.disk else "none"}
    topics: dict[str, Callable[[], object]] = {}
    for name, command in COMMANDS.items():
        topics[name] = lambda command=command: box.run(*command, timeout_s=60)[1]  # type: ignore[misc]
    for disk in box.disks:
        topics[f"smart {disk.path.name}"] = lambda disk=disk: box.run("smartctl", "-H", "-A", str(disk.path))[
            1
        ]  # type: ignore[misc]
    labels = dict(box.disk.labels) if box.disk else {}
    topics["partitions"] = lambda: {label: label in labels for label in OURS}
    for label in ("config", "data"):
        if label in labels:
            topics[f"check {label}"] = lambda label=label: box.run("e2fsck", "-n", str(labels[label]))[1]  # type: ignore[misc]
    for label in ("recovery", "rootfs-a", "rootfs-b"):
        if label in labels:
            topics[f"system {label}"] = lambda label=label: _system(labels[label])  # type: ignore[misc]
    if box.boot is not None:
        boot = box.boot
        topics["boot state"] = lambda: bootstate.describe(boot)
    topics["watchdog"] = lambda: watchdog.identity(Places()) or NO_WATCHDOG
    for number, (name, look) in enumerate(topics.items()):
        try:
            found[name] = look()
        except (OSError, Refused) as error:
            found[name] = f"failed: {error}"
        tell(name, 100 * (number + 1) // len(topics))
    return found


def _system(path: Path) -> str:
    total, digest, done = squashfs_bytes(path), hashlib.sha256(), 0
    with path.open("rb") as file:
        while done < total:
            chunk = file.read(min(CHUNK, total - done))
            if not chunk:
                return f"cut short at {done} of {total} bytes"
            digest.update(chunk)
            done += len(chunk)
    return f"{total} bytes readable, sha256 {digest.hexdigest()}"


def plan(box: Box, options: Options) -> Plan:
    """Nothing is in the way."""
    return Plan("diagnose")


def look(box: Box, options: Options, tell: Tell) -> None:
    """The report."""
    text = json.dumps(report(box, tell), ensure_ascii=False, indent=1)
    if box.stick is not None:
        files.write(box.stick / "recovery-diagnosis.json", text.encode())
    print(text, flush=True)


ACTION = Action(plan, (look,), needs_box=False)
