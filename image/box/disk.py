"""The box's disk: grows the data partition at first boot, checks, mends and mounts config, data and ESP.

Runs once, early, before anything else wants /data. Nothing is ever formatted but a data partition that
bears the image's own blank mark and a config partition that cannot be read (its copy on data is put back).
What was found stands in /run/zongji/disk.json:

    {"config": "ok|new|repaired|restored|lost", "data": "ok|new|repaired|unreadable|missing", "notes": [...]}
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from image.box import files

BOOT_ENV = Path("/run/zongji/boot.env")
REPORT = Path("/run/zongji/disk.json")
BINDS = Path("/usr/lib/zongji/binds")
MACHINE_ID = Path("/run/zongji/machine-id")
ESP, CONFIG, DATA = Path("/boot/esp"), Path("/config"), Path("/data")
CONFIG_COPY = DATA / "system" / "config-copy"
IDENTITY = "identity.json"
"""Every box has it from its first start on, and keeps it through a factory reset."""
BLANK = "5A0F6A1B-7A6F-4E67-8A69-B1A4C0DA7A00"
"""PARTUUID of a data partition that nobody has used yet; genimage gives it, the first boot takes it away."""
OPTIONS = {
    "esp": (ESP, "vfat", "noatime,umask=0077,nosuid,nodev,noexec,errors=continue"),
    "config": (CONFIG, "ext4", "noatime,nosuid,nodev,noexec"),
    "data": (DATA, "ext4", "noatime,nosuid,nodev"),
}
"""Where each partition is mounted, as what and how."""
WANTED_BYTES = 4 * 10**9
FOLDERS = ((DATA / "system", 0o750), (DATA / "log", 0o755), (DATA / "log" / "journal", 0o755))
"""What is needed before tmpfiles makes the others."""


class DiskError(Exception):
    """A partition cannot be used; the text says which and why."""


@dataclass
class Report:
    """What was found and done."""

    config: str = "ok"
    data: str = "ok"
    notes: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        """Keep a sentence and tell it to the journal and the console."""
        self.notes.append(text)
        print(f"Zongji: {text}", flush=True)

    def write(self, path: Path = REPORT) -> None:
        """Leave it for the pages."""
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"config": self.config, "data": self.data, "notes": self.notes})
        path.write_text(text, encoding="utf-8")


def run(*command: object, accept: Sequence[int] = (0,)) -> str:
    """What a program printed. Raises DiskError for an exit status that is not accepted."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    if done.returncode not in accept:
        said = f"{done.stdout.strip()} {done.stderr.strip()}".strip()[-500:]
        raise DiskError(f"{' '.join(map(str, command))} ended with {done.returncode}: {said}")
    return done.stdout


def boot_disk(boot_env: Path = BOOT_ENV) -> str:
    """Kernel name of the disk that was started from, such as sda. Raises DiskError."""
    match = re.search(r"^DISK=(\S+)$", boot_env.read_text(encoding="utf-8"), re.MULTILINE)
    if match is None:
        raise DiskError(f"{boot_env} does not name the disk")
    return match[1]


def partitions(disk: str, sys_block: Path = Path("/sys/class/block")) -> dict[str, Path]:
    """GPT label -> device of each partition of a disk."""
    found: dict[str, Path] = {}
    for uevent in sorted((sys_block / disk).glob(f"{disk}*/uevent")):
        match = re.search(
            r"^PARTNAME=(.+)$", uevent.read_text(encoding="utf-8", errors="replace"), re.MULTILINE
        )
        if match:
            found[match[1]] = Path("/dev") / uevent.parent.name
    return found


# --- the partition table ----------------------------------------------------------------------------------


def grown_table(dump: str, disk_sectors: int) -> str | None:
    """The script for sfdisk that lets data reach the disk's end; None when data is not blank.

    dump: what `sfdisk --dump` printed. Disk and partitions get new GUIDs: two boxes' disks differ.
    A disk with other partitions behind data is not touched.
    """
    lines = dump.splitlines()
    entries = [line for line in lines if " : start=" in line]
    chosen = [line for line in entries if f"uuid={BLANK}" in line.replace(" ", "") and 'name="data"' in line]
    if len(chosen) != 1:
        return None
    start = _number(chosen[0], "start")
    if any(_number(line, "start") > start for line in entries):
        return None
    last = (disk_sectors - 34) // 2048 * 2048
    size = last - start
    if size <= _number(chosen[0], "size"):
        size = _number(chosen[0], "size")
    result = []
    for line in lines:
        if line.startswith("last-lba:"):
            continue
        if line.startswith("label-id:"):
            line = f"label-id: {str(uuid.uuid4()).upper()}"
        if line in entries:
            if line == chosen[0]:
                line = re.sub(r"size=\s*\d+", f"size={size}", line)
            else:
                line = re.sub(r"uuid=\s*[0-9A-Fa-f-]+", f"uuid={str(uuid.uuid4()).upper()}", line)
        result.append(line)
    return "\n".join(result) + "\n"


def _number(line: str, name: str) -> int:
    match = re.search(rf"\b{name}=\s*(\d+)", line)
    if match is None:
        raise DiskError(f"sfdisk says {line!r}, without {name}")
    return int(match[1])


def first_boot(disk: str, report: Report) -> bool:
    """Grow and format a blank data partition; True when that was to do. May be cut and repeated."""
    device = Path("/dev") / disk
    dump = run("sfdisk", "--dump", device)
    sectors = int(Path(f"/sys/class/block/{disk}/size").read_text())
    table = grown_table(dump, sectors)
    if table is None:
        return False
    report.note("first start: the data partition takes the rest of the disk")
    if sectors * 512 < WANTED_BYTES:
        report.note(f"the disk has {sectors * 512 / 1e9:.1f} GB; {WANTED_BYTES / 1e9:g} GB are wanted")
    never = ("--wipe=never", "--wipe-partitions=never")
    _feed(table, "sfdisk", "--quiet", "--no-reread", "--no-tell-kernel", "--force", *never, device)
    data = partitions(disk)["data"]
    number = _part_number(data)
    run("partx", "--update", "--nr", number, device)
    run("mkfs.ext4", "-q", "-F", "-L", "data", "-m", "1", data)
    # From now on it is in use: the mark goes last.
    run(
        "sfdisk",
        "--quiet",
        "--no-reread",
        "--no-tell-kernel",
        "--force",
        "--part-uuid",
        device,
        number,
        str(uuid.uuid4()).upper(),
    )
    return True


def is_blank(disk: str, data: Path) -> bool:
    """Does the data partition still bear the image's mark? Raises DiskError, OSError."""
    return _part_uuid(disk, data) == BLANK


def _part_uuid(disk: str, part: Path) -> str:
    return run("sfdisk", "--part-uuid", Path("/dev") / disk, _part_number(part)).strip().upper()


def _part_number(part: Path) -> str:
    return Path(f"/sys/class/block/{part.name}/partition").read_text().strip()


def _feed(text: str, *command: object) -> None:
    done = subprocess.run(
        [str(part) for part in command],
        input=text,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise DiskError(f"the partition table cannot be written: {done.stdout.strip()[-500:]}")


# --- file systems -----------------------------------------------------------------------------------------


def check(device: Path) -> str:
    """ok or repaired. Raises DiskError when e2fsck cannot mend it."""
    done = subprocess.run(["e2fsck", "-p", str(device)], capture_output=True, text=True, check=False)
    if done.returncode & ~3 == 0:
        return "ok"
    print(f"Zongji: e2fsck -p {device}: {done.stdout.strip()[-400:]}", flush=True)
    run("e2fsck", "-f", "-y", device, accept=(0, 1, 2, 3))
    return "repaired"


def check_esp(device: Path, report: Report) -> None:
    """Let fsck.fat mend an ESP that was in use when the power went. The box starts all the same.
    Raises OSError."""
    with device.open("rb") as file:
        boot_sector = file.read(512)
    # The volume's dirty bit (Microsoft's FAT specification: BS_Reserved1), set by Linux while it is mounted.
    at = 0x41 if boot_sector[0x52:0x57] == b"FAT32" else 0x25
    if not boot_sector[at] & 1:
        return
    done = subprocess.run(["fsck.fat", "-a", str(device)], capture_output=True, text=True, check=False)
    if done.returncode > 1:  # 1: it was mended
        report.note(f"the ESP cannot be mended: {done.stdout.strip()[-300:]} {done.stderr.strip()[-300:]}")


def mount(device: Path, label: str) -> None:
    """Mount a partition where the product has it, unless it is mounted already. Raises DiskError."""
    target, kind, options = OPTIONS[label]
    if not target.is_mount():
        run("mount", "-t", kind, "-o", options, device, target)


def mount_data(parts: dict[str, Path], report: Report) -> bool:
    """Check and mount data; False, with the reason in the report, when it cannot be used."""
    device = parts.get("data")
    if device is None:
        report.data = "missing"
        report.note("this disk has no data partition")
        return False
    try:
        state = check(device)
        mount(device, "data")
    except DiskError as error:
        report.data = "unreadable"
        report.note(f"the data partition cannot be read; nothing was changed on it. {error}")
        return False
    if report.data != "new":
        report.data = state
    return True


def mount_config(parts: dict[str, Path], report: Report, data_there: bool) -> None:
    """Check and mount config. One that cannot be read is made anew, from its copy on data if there is one."""
    device = parts.get("config")
    if device is None:
        raise DiskError("this disk has no config partition")
    try:
        report.config = check(device)
        mount(device, "config")
    except DiskError as error:
        copied = data_there and (CONFIG_COPY / IDENTITY).exists()
        if not copied and _mounts(device):
            report.note(f"the config partition is damaged; there is no copy, so it is used as it is. {error}")
            return
        report.note(f"the config partition cannot be read and is made anew. {error}")
        run("mkfs.ext4", "-q", "-F", "-L", "config", device)
        mount(device, "config")
        if not copied:
            report.config = "lost"
            report.note("there is no copy of the configuration: the box must be set up again")
    if data_there and (CONFIG_COPY / IDENTITY).exists() and not (CONFIG / IDENTITY).exists():
        put_back_config()
        report.config = "restored"
        report.note("the configuration was put back from its copy")


def _mounts(device: Path) -> bool:
    try:
        mount(device, "config")
    except DiskError:
        return False  # the caller tells why it could not be checked, and makes it anew
    return True


def put_back_config() -> None:
    """Config from its copy on data. Who the box is comes last: a config without it is unfinished, and a power
    cut in between must not let it take the place of the copy. Raises OSError."""
    shutil.copytree(
        CONFIG_COPY,
        CONFIG,
        symlinks=True,
        dirs_exist_ok=True,
        ignore=shutil.ignore_patterns(IDENTITY),
    )
    _copy_owners(CONFIG_COPY, CONFIG)
    os.sync()
    files.write(CONFIG / IDENTITY, (CONFIG_COPY / IDENTITY).read_bytes())


def _copy_owners(source: Path, target: Path) -> None:
    """Give what is below target the owners that it has below source."""
    for path in [target, *target.rglob("*")]:
        original = source / path.relative_to(target)
        if os.path.lexists(original):
            info = original.lstat()
            os.chown(path, info.st_uid, info.st_gid, follow_symlinks=False)


def copy_config() -> None:
    """Renew the copy of /config on data: the new one is complete before the old one goes."""
    fresh = CONFIG_COPY.with_name("config-copy.new")
    old = CONFIG_COPY.with_name("config-copy.old")
    if old.exists() and not CONFIG_COPY.exists():
        old.rename(CONFIG_COPY)  # the power went between the two renames below
    for left in (fresh, old):
        if left.exists():
            shutil.rmtree(left)
    shutil.copytree(CONFIG, fresh, symlinks=True, ignore=shutil.ignore_patterns("lost+found"))
    _copy_owners(CONFIG, fresh)
    os.sync()
    if CONFIG_COPY.exists():
        CONFIG_COPY.rename(old)
    fresh.rename(CONFIG_COPY)
    if old.exists():
        shutil.rmtree(old)
    os.sync()


def keep_machine_id() -> None:
    """The first start's machine-id becomes the box's own."""
    kept = CONFIG / "machine-id"
    if not kept.exists() or not kept.read_text().strip():
        part = kept.with_name("machine-id.new")
        part.write_text(MACHINE_ID.read_text())
        os.sync()
        part.rename(kept)


def bind(listing: str, report: Report) -> None:
    """Mount what the list names: lines `SOURCE TARGET [file|folder]`; a source that is not there is made."""
    for line in listing.splitlines():
        words = line.partition("#")[0].split()
        if not words:
            continue
        source, target, kind = Path(words[0]), Path(words[1]), words[2]
        try:
            if kind == "folder":
                source.mkdir(parents=True, exist_ok=True)
                target.mkdir(parents=True, exist_ok=True)
            elif not source.exists():
                continue
            if not target.is_mount():
                run("mount", "--bind", source, target)
        except (OSError, DiskError) as error:
            report.note(f"{target} could not be taken from {source}: {error}")


def make_folders() -> None:
    """The folders of data, with their owners."""
    for path, mode in FOLDERS:
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(mode)


def start() -> int:
    """All of it, in order; 1 when data or config cannot be used."""
    report = Report()
    began = time.monotonic()
    status = 0
    try:
        disk = boot_disk()
        parts = partitions(disk)
        if first_boot(disk, report):
            report.data = "new"
        if "esp" in parts:
            try:
                check_esp(parts["esp"], report)
                mount(parts["esp"], "esp")
            except (DiskError, OSError) as error:
                report.note(f"the ESP cannot be mounted: {error}")
        data_there = mount_data(parts, report)
        mount_config(parts, report, data_there)
        keep_machine_id()
        if data_there:
            make_folders()
            try:
                copy_config()
            except OSError as error:  # a full disk: the box starts all the same, with the old copy
                report.note(f"the copy of the configuration could not be renewed: {error}")
        else:
            status = 1
        bind(BINDS.read_text(encoding="utf-8"), report)
    except (DiskError, OSError) as error:
        report.note(f"the disk cannot be used: {error}")
        status = 1
    report.write()
    print(f"disk: config {report.config}, data {report.data}, {time.monotonic() - began:.1f} s", flush=True)
    return status


def main(words: Sequence[str]) -> int:
    """`start` at boot, `copy-config` after a change of the configuration."""
    if list(words) == ["start"]:
        return start()
    if list(words) == ["copy-config"]:
        copy_config()
        return 0
    print("usage: python -m image.box.disk start | copy-config", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
