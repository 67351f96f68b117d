"""Mounts a USB stick when it is plugged in, unmounts it when it goes: `python -m image.box.stick add|remove
sda1`.

Started by udev through zongji-stick@.service. Nothing on a stick is ever run, no file of it can be a
device, and no link of it is followed: root reads and writes there.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from typing import Any

from image.box import commands, files
from image.box.places import Places

log = logging.getLogger(__name__)

DEVICE = re.compile(r"[a-z]{2,8}[0-9a-z]{0,8}")
SAFE = "nosuid,nodev,noexec,nosymfollow,noatime"
OPTIONS = {
    "vfat": f"rw,{SAFE},uid=0,gid=900,umask=0007,utf8=1,flush",
    "exfat": f"rw,{SAFE},uid=0,gid=900,umask=0007",
    "ext4": f"rw,{SAFE}",
    "ext3": f"rw,{SAFE}",
    "ext2": f"rw,{SAFE}",
    "ntfs": f"ro,{SAFE},uid=0,gid=900,umask=0027",
    "iso9660": f"ro,{SAFE}",
}
KERNEL_NAMES = {"ntfs": "ntfs3"}
OURS = frozenset(
    {"bios", "esp", "recovery", "rootfs-a", "rootfs-b", "config", "data", "stick-esp", "stick-recovery"}
)
"""Partitions of the box itself and of the recovery stick's system: not for users' files."""


def name_for(label: str, device: str) -> str:
    """Folder name of a stick: its label where that is usable, and the device."""
    clean = re.sub(r"[^\w-]+", "-", label, flags=re.ASCII).strip("-")[:24]
    return f"{clean}-{device}" if clean else device


def probe(device: str) -> dict[str, Any]:
    """{"fstype", "label", "partlabel"} of a block device, as udev knows it; {} when it is gone."""
    done = commands.run("lsblk", "--json", "--nodeps", "-o", "NAME,FSTYPE,LABEL,PARTLABEL", f"/dev/{device}")
    try:
        rows = json.loads(done.out)["blockdevices"] if done.ok else []
    except (ValueError, KeyError):
        rows = []
    return {key: value or "" for key, value in rows[0].items()} if rows else {}


def add(places: Places, device: str) -> int:
    """Mount it and leave a note of it; the exit status."""
    found = probe(device)
    if not found:
        log.warning("%s is gone again", device)
        return 0
    if found["partlabel"] in OURS:
        return 0
    kind, label = found["fstype"], found["label"]
    note = {"name": name_for(label, device), "device": device, "label": label, "fs": kind, "problem": ""}
    if kind not in OPTIONS:
        note["problem"] = "stick_format"
    else:
        folder = places.sticks / note["name"]
        folder.mkdir(parents=True, exist_ok=True)
        done = commands.run(
            "mount", "-t", KERNEL_NAMES.get(kind, kind), "-o", OPTIONS[kind], f"/dev/{device}", str(folder)
        )
        if not done.ok:
            note["problem"] = "stick_damaged"
            folder.rmdir()
    files.write_json(places.run / "sticks" / f"{device}.json", note, 0o640)
    log.info("stick %s (%s): %s", note["name"], kind or "no file system", note["problem"] or "mounted")
    return 0


def remove(places: Places, device: str) -> int:
    """Unmount it, or let go of one that was pulled; the exit status (busy: 1)."""
    note_file = places.run / "sticks" / f"{device}.json"
    try:
        note = files.read_json(note_file) or {}
    except ValueError:
        note = {}
    folder = places.sticks / str(note.get("name") or device)
    if folder.is_dir():
        done = commands.run("umount", str(folder), timeout_s=100)
        if not done.ok and probe(device):
            return 1
        if not done.ok:
            commands.run("umount", "--lazy", str(folder))
        folder.rmdir()
    note_file.unlink(missing_ok=True)
    return 0


def main(words: list[str]) -> int:
    """The program."""
    if len(words) != 2 or words[0] not in ("add", "remove") or not DEVICE.fullmatch(words[1]):
        print(__doc__, file=sys.stderr)
        return 2
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    return {"add": add, "remove": remove}[words[0]](Places(), words[1])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
