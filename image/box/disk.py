"""The box's disk: grows the data partition at first boot, checks, mends and mounts config, data and ESP.

Runs once, early, before anything else wants /data; puts clock and time zone right, too. Nothing is ever
formatted but a data partition that bears the image's own blank mark and a config partition that cannot be
read (its copy on data is put back; where data is not there either, nothing is formatted).
Whatever the disk does, the box takes calls: what cannot be mounted is a small folder in memory instead.
What was found stands in /run/zongji/disk.json:

    {"config": "ok|repaired|restored|lost|memory|defaults", "data": "ok|new|repaired|unreadable|missing",
     "full": false, "small": false, "notes": [...]}
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from image.box import clock
from image.box.configcopy import IDENTITY, ConfigCopy
from image.box.places import Places

BOOT_ENV = Path("/run/zongji/boot.env")
REPORT = Path("/run/zongji/disk.json")
BINDS = Path("/usr/lib/zongji/binds")
SYS_BLOCK = Path("/sys/class/block")
MACHINE_ID = Path("/run/zongji/machine-id")
ESP, CONFIG, DATA = Path("/boot/esp"), Path("/config"), Path("/data")
CONFIG_COPY = DATA / "system" / "config-copy"
BLANK = "5A0F6A1B-7A6F-4E67-8A69-B1A4C0DA7A00"
"""PARTUUID of a data partition that nobody has used yet; genimage gives it, the first boot takes it away."""
OPTIONS = {
    "esp": (ESP, "vfat", "noatime,umask=0077,nosuid,nodev,noexec,errors=continue"),
    "config": (CONFIG, "ext4", "noatime,nosuid,nodev,noexec,errors=remount-ro"),
    "data": (DATA, "ext4", "noatime,nosuid,nodev"),
}
"""Where each partition is mounted, as what and how."""
WANTED_BYTES = 4 * 10**9
HOME = DATA / "zongji"
FOLDERS = (
    (DATA / "system", 0o750),
    (DATA / "log", 0o755),
    (DATA / "log" / "journal", 0o755),
    (HOME, 0o750),
    (HOME / "run", 0o750),
)
"""What is needed before tmpfiles makes the others."""
DATABASE_AWAY = HOME / "db" / "database-away"
"""Says to the store (`appliance.store.store.AWAY`): there is a database, but this folder is not its own."""
MEMORY = "mode=0755,nosuid,nodev,size=56M"
"""Less than the recorder leaves free: calls go on and their records are kept, but none is recorded."""
RESERVE = Path("system/reserve")
RESERVE_BYTES = 16 << 20
"""Given up when the disk is full: without room SQLite cannot even open a database, and nobody could delete
anything on the pages."""
FULL_BYTES = 8 << 20
CHECK_S = 600.0
"""A check that takes longer than this has met a disk that does not answer."""


class DiskError(Exception):
    """A partition cannot be used; the text says which and why."""


@dataclass
class Report:
    """What was found and done."""

    config: str = "ok"
    data: str = "ok"
    full: bool = False
    small: bool = False
    """The disk has less than WANTED_BYTES."""
    notes: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        """Keep a sentence and tell it to the journal and the console."""
        self.notes.append(text)
        print(f"Zongji: {text}", flush=True)

    def write(self, path: Path) -> None:
        """Leave it for the pages."""
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(asdict(self))
        path.write_text(text, encoding="utf-8")


def run(*command: object, accept: Sequence[int] = (0,)) -> str:
    """What a program printed. Raises DiskError for an exit status that is not accepted."""
    done = _run(command)
    if done.returncode not in accept:
        said = f"{done.stdout.strip()} {done.stderr.strip()}".strip()[-500:]
        raise DiskError(f"{' '.join(map(str, command))} ended with {done.returncode}: {said}")
    return done.stdout


def _run(command: Sequence[object]) -> subprocess.CompletedProcess[str]:
    words = [str(part) for part in command]
    try:
        return subprocess.run(words, capture_output=True, text=True, check=False, timeout=CHECK_S)
    except subprocess.TimeoutExpired as error:
        raise DiskError(f"{' '.join(words)} did not end in {CHECK_S:g} s") from error


def boot_disk(boot_env: Path = BOOT_ENV) -> str:
    """Kernel name of the disk that was started from, such as sda. Raises DiskError."""
    match = re.search(r"^DISK=(\S+)$", boot_env.read_text(encoding="utf-8"), re.MULTILINE)
    if match is None:
        raise DiskError(f"{boot_env} does not name the disk")
    return match[1]


def partitions(disk: str, sys_block: Path = SYS_BLOCK) -> dict[str, Path]:
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


def sectors(disk: str) -> int:
    """Size of a disk in sectors of 512 bytes. Raises OSError, ValueError."""
    return int((SYS_BLOCK / disk / "size").read_text())


def measure(disk: str, report: Report) -> None:
    """Is the disk as large as is wanted? Raises OSError, ValueError."""
    size = sectors(disk) * 512
    report.small = size < WANTED_BYTES
    if report.small:
        report.note(f"the disk has {size / 1e9:.1f} GB; {WANTED_BYTES / 1e9:g} GB are wanted")


def first_boot(disk: str, report: Report) -> bool:
    """Grow and format a blank data partition; True when that was to do. May be cut and repeated."""
    device = Path("/dev") / disk
    dump = run("sfdisk", "--dump", device)
    table = grown_table(dump, sectors(disk))
    if table is None:
        return False
    report.note("first start: the data partition takes the rest of the disk")
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
    done = _run(["e2fsck", "-p", device])
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
        report.note(f"the data partition cannot be read; it is not made anew. {error}")
        return False
    if report.data != "new":
        report.data = state
    return True


def mount_memory(target: Path) -> None:
    """A small folder in memory where a partition cannot be used. Raises DiskError."""
    if not target.is_mount():
        run("mount", "-t", "tmpfs", "-o", MEMORY, "tmpfs", target)


def data_in_memory(report: Report) -> None:
    """The box works on without its data: calls with the plan that /config keeps, no database, no recordings.
    Raises DiskError, OSError."""
    mount_memory(DATA)
    DATABASE_AWAY.parent.mkdir(parents=True)
    DATABASE_AWAY.touch()
    report.note("calls go on with the last settings, from memory: NOTHING IS STORED until the disk is mended")


def mount_config(parts: dict[str, Path], report: Report, data_there: bool) -> None:
    """Check and mount config. One that cannot be read is made anew, from its copy on data if there is one.
    Raises DiskError, OSError; then config is not mounted."""
    device = parts.get("config")
    if device is None:
        raise DiskError("this disk has no config partition")
    try:
        report.config = check(device)
        mount(device, "config")
    except DiskError as error:
        copied = data_there and config_copy().usable
        if not copied and _mounts(device):
            report.note(f"the config partition is damaged; there is no copy, so it is used as it is. {error}")
            return
        if not data_there:
            # The next start may find the copy: a new box made now would take its place then.
            raise
        report.note(f"the config partition cannot be read and is made anew. {error}")
        run("mkfs.ext4", "-q", "-F", "-L", "config", device)
        mount(device, "config")
        if not copied:
            report.config = "lost"
            report.note("there is no copy of the configuration: the box must be set up again")
    if data_there:
        _complete_config(report)


def _complete_config(report: Report) -> None:
    """What the config partition has lost comes from its copy, if there is one."""
    copy = config_copy()
    if not copy.usable:
        return
    try:
        if copy.ahead:
            copy.catch_up()
        elif not (CONFIG / IDENTITY).exists():
            copy.put_back()
        elif report.config != "repaired" or not copy.put_back_missing():
            return
    except OSError:
        run("umount", CONFIG)  # it is not the whole of it
        raise
    report.config = "restored"
    report.note("the configuration was put back from its copy")


def config_in_memory(report: Report, data_there: bool) -> None:
    """No config partition can be used: its copy on data serves, and is renewed by every change.
    Raises DiskError, OSError."""
    mount_memory(CONFIG)
    report.config = "defaults"
    if not data_there or not config_copy().usable:
        report.note(
            "there is no copy of the configuration: the box has its defaults until the disk is mended"
        )
        return
    config_copy().put_back()
    config_copy().go_ahead()
    report.config = "memory"
    report.note("the configuration is in memory, from its copy on data")


def _mounts(device: Path) -> bool:
    try:
        mount(device, "config")
    except DiskError:
        return False  # the caller tells why it could not be checked, and makes it anew
    return True


def config_copy() -> ConfigCopy:
    """The copy of /config on /data."""
    return ConfigCopy(CONFIG, CONFIG_COPY)


def keep_room(data: Path) -> bool:
    """Give the reserve of the data partition up where it is full, make it where there is plenty; is it full?
    Raises OSError."""
    reserve = data / RESERVE
    found = os.statvfs(data)
    free = found.f_bavail * found.f_frsize
    if free < FULL_BYTES:
        reserve.unlink(missing_ok=True)
        return True
    if free > 16 * RESERVE_BYTES and not reserve.exists():
        half = reserve.with_suffix(".new")
        with half.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, RESERVE_BYTES)
        half.rename(reserve)
    return False


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


def expect_database(report: Report) -> None:
    """A box that has had settings never begins with an empty database because its own is gone: the store
    refuses to make one where its folder of copies is. Raises OSError."""
    database = HOME / "db" / "zongji.db"
    if (CONFIG / "plan.json").exists() and not os.path.lexists(database):
        (database.parent / "copies").mkdir(parents=True, exist_ok=True)
        report.note("the database of this box has gone: restore a backup")


def make_folders() -> None:
    """The folders of data, with their owners."""
    for path, mode in FOLDERS:
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(mode)


def start() -> int:
    """All of it, in order; 1 when /data or /config are not even in memory."""
    report = Report()
    began = time.monotonic()
    parts: dict[str, Path] = {}
    with noting(report, "the disk cannot be used"):
        disk = boot_disk()
        with noting(report, "the size of the disk is not known"):
            measure(disk, report)
        parts = partitions(disk)
        if first_boot(disk, report):
            report.data = "new"
    with noting(report, "the ESP cannot be mounted"):
        if "esp" in parts:
            check_esp(parts["esp"], report)
            mount(parts["esp"], "esp")
    data_there = mount_data(parts, report)
    if not data_there:
        with noting(report, "not even a folder in memory can be had for data"):
            data_in_memory(report)
    else:
        with noting(report, "the copy of the configuration cannot be used"):
            config_copy().settle()
    with noting(report, "the config partition cannot be used"):
        mount_config(parts, report, data_there)
    if not CONFIG.is_mount():
        with noting(report, "not even a folder in memory can be had for config"):
            config_in_memory(report, data_there)
    with noting(report, "the machine's id could not be kept"):
        keep_machine_id()
    with noting(report, "folders could not be made"):
        make_folders()
    if data_there:
        with noting(report, "the copy of the configuration could not be renewed"):
            expect_database(report)
            report.full = keep_room(DATA)
            if report.full:
                report.note("the data partition is full: calls go on and are not recorded; delete something")
            config_copy().renew()
        with noting(report, "sockets lie on the disk"):
            # A disk that takes nothing any more must not keep the engine from being started anew.
            mount_run()
        bind(BINDS.read_text(encoding="utf-8"), report)
    with noting(report, "clock and time zone cannot be set"):
        clock.at_boot(Places())  # before the engine and control look at it
    report.write(REPORT)
    print(f"disk: config {report.config}, data {report.data}, {time.monotonic() - began:.1f} s", flush=True)
    return 0 if DATA.is_mount() and CONFIG.is_mount() else 1


@contextmanager
def noting(report: Report, what: str) -> Iterator[None]:
    """Whatever goes wrong with the disk is told, and must not keep the rest from being tried."""
    try:
        yield
    except (DiskError, OSError, ValueError, LookupError) as error:
        report.note(f"{what}: {error}")


def mount_run() -> None:
    """Sockets and locks of the product are in memory. Raises DiskError."""
    if not (HOME / "run").is_mount():
        run("mount", "-t", "tmpfs", "-o", "mode=0750,nosuid,nodev,noexec,size=4M", "tmpfs", HOME / "run")


def main(words: Sequence[str]) -> int:
    """`start`, at boot."""
    if list(words) == ["start"]:
        return start()
    print("usage: python -m image.box.disk start", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
