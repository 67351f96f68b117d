"""Copies of backups away from the box: on USB sticks and on a share of the network.

Both are folders that are mounted. A copy is read back before it counts; until then its name ends in .part.
"""

from __future__ import annotations

import errno
import logging
import os
import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from appliance.services import backup, backup_file, budget
from appliance.services.backup import Backup, Step, quiet
from appliance.services.backup_errors import BackupError
from appliance.store import fallback

log = logging.getLogger(__name__)

FOLDER = "zongji-backups"
MAX_LISTED = 100
PROBE_BYTES = 65_536
SYNC_BYTES = 64 * backup_file.CHUNK
"""So much is copied before it has to be on the disk there. At the end of a large copy a slow disk would be
busy for minutes, and whoever waits could not tell it from one that has gone."""

FULL, BAD, SMALL_FILES, READ_ONLY, GONE = "full", "bad", "small_files", "read_only", "gone"
MEANS = {
    errno.ENOSPC: FULL,
    errno.EDQUOT: FULL,
    errno.EFBIG: SMALL_FILES,
    errno.EACCES: READ_ONLY,
    errno.EPERM: READ_ONLY,
    errno.EROFS: READ_ONLY,
}
SAID = {
    ("stick", FULL): ("no_space", "the USB stick has no room for this; delete something on it"),
    ("stick", BAD): (
        "stick_bad",
        "what was read back from the USB stick differs from what was written: use another",
    ),
    ("stick", SMALL_FILES): (
        "stick_small_files",
        "the USB stick is formatted so that a file may not be larger than 4 GB; make the backup without "
        "recordings, or format the stick as exFAT or ext4",
    ),
    ("stick", GONE): ("stick_gone", "the USB stick failed while being used; put it in again"),
    ("share", FULL): ("share_full", "the share has no room for this; delete something on it"),
    ("share", BAD): ("share_bad", "what was read back from the share differs from what was written"),
    ("share", SMALL_FILES): (
        "share_small_files",
        "the share takes no file of this size; make the backup without recordings",
    ),
    ("share", READ_ONLY): ("share_read_only", "the user of the share may not write there"),
    ("share", GONE): ("share_gone", "the connection to the share was lost"),
}
"""Kind of place, what happened -> code and sentence of the BackupError."""


@dataclass(frozen=True)
class Place:
    """Where copies are. kind: "stick" or "share"; name: how a backup notes it; mount: where it is mounted;
    folder: where below that copies are put."""

    kind: str
    name: str
    mount: Path
    folder: str = FOLDER

    @property
    def path(self) -> Path:
        """The folder with the copies."""
        return self.mount / self.folder

    def problem(self, what: str, reason: str = "") -> BackupError:
        """What happened here as an error for people."""
        code, text = SAID.get((self.kind, what), SAID[self.kind, GONE])
        return BackupError(code, f"{text} ({reason})" if reason else text)

    def failed(self, error: OSError) -> BackupError:
        """The same from what the system says."""
        return self.problem(MEANS.get(error.errno or 0, GONE), error.strerror or str(error))


def stick(mount: Path) -> Place:
    """The USB stick that is mounted here."""
    return Place("stick", mount.name, mount)


# ------------------------------------------------------------------------- looking
def listed(place: Place, own_key: str = "") -> list[dict[str, Any]]:
    """The backups there, newest names first: {name, size (bytes), at (Unix seconds), box, own}; `own` when
    the box with the public key `own_key` made it. Raises BackupError."""
    try:
        found = [one for folder in {place.mount, place.path} for one in _inside(folder, backup.SUFFIX)]
        found.sort(key=lambda path: path.name, reverse=True)
        return [_row(path, own_key) for path in found[:MAX_LISTED]]
    except OSError as error:
        raise place.failed(error) from error


def _inside(folder: Path, suffix: str) -> list[Path]:
    """Unlike a glob it does not pass over a folder that may not be read. Raises OSError."""
    try:
        return [path for path in folder.iterdir() if path.name.endswith(suffix)]
    except FileNotFoundError:
        return []


def _row(path: Path, own_key: str) -> dict[str, Any]:
    about = path.stat()
    header = backup.look(path).header
    return {
        "name": path.name,
        "size": about.st_size,
        "at": about.st_mtime,
        "box": header.box if header else "",
        "own": header is not None and header.key == own_key,
    }


def find(place: Place, name: str) -> Path:
    """The backup of this name there. Raises BackupError, "not_found" where there is none."""
    try:
        for path in (place.path / name, place.mount / name) if "/" not in name else ():
            if path.is_file():
                return path
    except OSError as error:
        raise place.failed(error) from error
    raise BackupError("not_found", f"there is no backup {name!r} on {place.name}")


# ------------------------------------------------------------------------- copying
def copy(path: Path, place: Place, step: Step = quiet) -> Path:
    """Copy a backup there and read it back. Raises BackupError; a half copy is removed, or named .part where
    the place has gone."""
    size = path.stat().st_size
    target = place.path / path.name
    ending = _half_ending(path)
    half = target.with_name(target.name + ending)
    try:
        if not _fits(place, size):
            raise place.problem(FULL, f"{size / 1e6:.0f} MB are needed")
        place.path.mkdir(parents=True, exist_ok=True)
        for old in _inside(place.path, ending):
            old.unlink()  # this box left it half copied when the place went away
        with half.open("wb") as file:

            def poured(done: int) -> None:
                if done % SYNC_BYTES == 0:
                    _sync(file)
                step("copying", done, size)

            _pour(path, file.write, poured)
            _sync(file)
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        if not _same(path, half, lambda done: step("verifying", done, size)):
            half.unlink()
            raise place.problem(BAD)
        half.replace(target)
        fallback.sync_folder(place.path)
    except OSError as error:
        _drop(half)
        raise place.failed(error) from error
    try:
        backup.note_copy(path, place.name)
    except OSError as error:
        raise BackupError("disk", f"the copy of {path.name} cannot be noted: {error.strerror}") from error
    return target


def copy_daily(made: Backup, place: Place, keep: int, most: int = 0, step: Step = quiet) -> None:
    """Copy the daily backup there; the oldest daily ones of this box make room where there is none, all but
    the newest `keep`. most: how many of them stay there (0: all). Raises BackupError."""
    make_room(place, made, keep)
    copy(made.path, place, step)
    if most:
        _remove(place, _daily_ones(place, made)[most:])


def make_room(place: Place, wanted: Backup, keep: int) -> list[str]:
    """Where there is no room for one more, remove the oldest automatic backups of this box, all but the
    newest `keep`, as far as needed; returns their names. Raises BackupError."""
    gone: list[str] = []
    try:
        for one in _daily_ones(place, wanted)[: max(1, keep) - 1 : -1]:
            if _fits(place, wanted.path.stat().st_size):
                break
            gone += _remove(place, [one])
    except OSError as error:
        raise place.failed(error) from error
    return gone


def fetch(place: Place, name: str, target: Path, step: Step = quiet) -> None:
    """Copy a backup from there to the file `target`. Raises BackupError; then there is no such file."""
    source = find(place, name)
    try:
        size = source.stat().st_size
        budget.require(target.parent, size, "the copy")
        with target.open("wb") as file:

            def write(chunk: bytes) -> None:
                try:
                    file.write(chunk)
                except OSError as error:
                    raise BackupError("disk", f"{name} cannot be written: {error.strerror}") from error

            _pour(source, write, lambda done: step("copying", done, size))
    except OSError as error:
        target.unlink(missing_ok=True)
        raise place.failed(error) from error
    except BackupError:
        target.unlink(missing_ok=True)
        raise


def probe(place: Place) -> int:
    """Write a little there, read it back and remove it; free bytes. Raises BackupError."""
    file = place.path / f"zongji-test-{secrets.token_hex(4)}.part"
    wrote = secrets.token_bytes(PROBE_BYTES)
    try:
        place.path.mkdir(parents=True, exist_ok=True)
        with file.open("wb") as opened:
            opened.write(wrote)
            _sync(opened)
        read = file.read_bytes()
        file.unlink()
        free = shutil.disk_usage(place.mount).free
    except OSError as error:
        _drop(file)
        raise place.failed(error) from error
    if read != wrote:
        raise place.problem(BAD)
    return free


def _daily_ones(place: Place, own: Backup) -> list[Backup]:
    """The automatic backups there that the box made which made `own`, newest first, as seen when that was
    made."""
    assert own.header is not None
    found = backup.automatic(place.path, own.header.made_at)
    return [one for one in found if one.header and one.header.key == own.header.key]


def _remove(place: Place, those: list[Backup]) -> list[str]:
    for one in those:
        try:
            one.path.unlink()
        except OSError as error:
            raise place.failed(error) from error
        log.info("%s: %s was removed to make room", place.name, one.path.name)
    return [one.path.name for one in those]


def _fits(place: Place, size: int) -> bool:
    return shutil.disk_usage(place.mount).free >= size + 1_000_000


def _pour(source: Path, write: Callable[[bytes], object], progress: Callable[[int], None]) -> None:
    done = 0
    with source.open("rb") as file:
        while chunk := file.read(backup_file.CHUNK):
            write(chunk)
            done += len(chunk)
            progress(done)


def _sync(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _same(one: Path, other: Path, progress: Callable[[int], None]) -> bool:
    done = 0
    with one.open("rb") as first, other.open("rb") as second:
        while True:
            chunk = first.read(backup_file.CHUNK)
            if chunk != second.read(backup_file.CHUNK):
                return False
            if not chunk:
                return True
            done += len(chunk)
            progress(done)


def _half_ending(path: Path) -> str:
    """What the names of half copies of this box end in: several boxes may have one folder."""
    header = backup.look(path).header
    return f".{header.key[-8:]}.part" if header else ".part"


def _drop(half: Path) -> None:
    try:
        half.unlink(missing_ok=True)
    except OSError as error:
        log.warning("%s could not be removed: %s", half, error)
