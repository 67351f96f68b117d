"""Backups: one encrypted file with database, prompts and settings of the box, recordings by choice.

    backups/zongji-20261128-030000.zjb         the backup
    backups/zongji-20261128-030000.zjb.json    when it was last proved to be whole, where copies went
    backups/*.part                             what a power cut left; removed by the next one

It is proved when it is made: decrypted again from the disk and compared with its hashes.
"""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Any

from appliance.paths import Home, config_folder
from appliance.services import backup_file, budget
from appliance.services.backup_errors import BackupError
from appliance.services.backup_file import Header, Member
from appliance.services.backup_key import BackupKey
from appliance.services.checks.model import CLOCK_SET_S, ahead
from appliance.store import fallback
from appliance.store.database import look_into
from appliance.store.migrations import MIGRATIONS

log = logging.getLogger(__name__)

SUFFIX = ".zjb"
DATABASE = "db/zongji.db"
CONFIG_FILES = ("network.json", "hostname", "engine.env")
"""Of the box's own settings; never the TLS key, the SSH keys or the recovery key itself."""

Step = Callable[[str, int, int], None]
"""Told (what is being done, bytes so far, bytes in all)."""


def quiet(step: str, done: int, total: int) -> None:
    """A `Step` that tells nobody."""


@dataclass(frozen=True)
class Backup:
    """A backup file and what is known about it. verified_at: Unix seconds, 0 = never; problem: why the
    last proof failed, or why its header cannot be read (header None then)."""

    path: Path
    header: Header | None
    verified_at: float = 0.0
    problem: str = ""
    copies: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain data for pages and tools; the wrapped key stays inside."""
        header = asdict(self.header) if self.header else {}
        header["passphrase"] = bool(header.get("passphrase"))
        return {
            **header,
            "name": self.path.name,
            "verified_at": self.verified_at,
            "problem": self.problem,
            "copies": list(self.copies),
        }


# ------------------------------------------------------------------------- looking
def catalogue(folder: Path, now: float) -> list[Backup]:
    """The backups in a folder, newest first. Those of a time still to come were made while the clock was
    ahead: they are the last, so that they neither pass for the newest nor crowd out others.
    now: Unix seconds."""

    def age(one: Backup) -> tuple[bool, float, str]:
        made_at = one.header.made_at if one.header else 0.0
        return not ahead(made_at, now) and one.header is not None, made_at, one.path.name

    return sorted((look(path) for path in folder.glob(f"*{SUFFIX}")), key=age, reverse=True)


def automatic(folder: Path, now: float) -> list[Backup]:
    """Those of the `catalogue` that were made by themselves."""
    return [one for one in catalogue(folder, now) if one.header and one.header.automatic]


def look(path: Path) -> Backup:
    """One backup as its header and its note tell."""
    try:
        note = json.loads(_note(path).read_text(encoding="utf-8"))
        known = Backup(
            path, None, float(note["verified_at"]), str(note["problem"]), tuple(map(str, note["copies"]))
        )
    except (OSError, ValueError, KeyError, TypeError):
        known = Backup(path, None)  # not proved, as far as anybody knows
    try:
        return replace(known, header=backup_file.read_header(path))
    except BackupError as error:
        return replace(known, problem=str(error), verified_at=0.0)


def _note(path: Path) -> Path:
    return path.with_name(path.name + ".json")


def _save_note(backup: Backup) -> None:
    note = {"verified_at": backup.verified_at, "problem": backup.problem, "copies": list(backup.copies)}
    half = _note(backup.path).with_suffix(".part")
    half.write_text(json.dumps(note, ensure_ascii=False), encoding="utf-8")
    half.replace(_note(backup.path))


def find(home: Home, name: str) -> Path:
    """The backup of this name on the box. Raises BackupError("not_found")."""
    path = home.backups / name
    if not name.endswith(SUFFIX) or "/" in name or not path.is_file():
        raise BackupError("not_found", f"there is no backup {name!r} on the box")
    return path


# -------------------------------------------------------------------------- making
def members_of(home: Home, database: Path, config: Path | None, recordings: bool) -> Iterator[Member]:
    """What goes in, in the order in which it is needed."""
    yield Member(DATABASE, database)
    for path in sorted(home.prompts.rglob("*")):
        if path.is_file():
            yield Member(f"prompts/{path.relative_to(home.prompts).as_posix()}", path)
    for name in CONFIG_FILES if config else ():
        assert config is not None
        if (config / name).is_file():
            yield Member(f"config/{name}", config / name)
    if recordings:
        for path in sorted(home.recordings.rglob("*.wav")):
            yield Member(f"recordings/{path.relative_to(home.recordings).as_posix()}", path)


def make(
    home: Home,
    key: BackupKey,
    *,
    now: float,
    version: str,
    box: str = "",
    recordings: bool = False,
    automatic: bool = False,
    passphrase: str = "",
    step: Step = quiet,
) -> Backup:
    """Make a backup and prove it. Raises BackupError; then there is no new backup and nothing else has
    changed. now: Unix seconds."""
    config = config_folder()
    source = database_of(home)
    snapshot = home.backups / "database.part"
    try:
        home.backups.mkdir(parents=True, exist_ok=True)
        clear_parts(home.backups)
        size = size_of(source) * 2 + size_of(home.prompts) + (size_of(home.recordings) if recordings else 0)
        budget.require(home.backups, size + 5_000_000, "the backup")
        step("database", 0, size)
        schema = copy_checked(source, snapshot)
        header = Header(now, version, schema, box, key.public, recordings, automatic)
        if passphrase:
            header = replace(header, passphrase=backup_file.wrap_key(key, passphrase))
        path = _free_name(home.backups, now)
        half = path.with_suffix(".part")
        with half.open("w+b") as file:
            half.chmod(0o640)
            backup_file.write(
                file,
                header,
                key,
                members_of(home, snapshot, config, recordings),
                lambda done: step("writing", done, size),
            )
            file.flush()
            os.fsync(file.fileno())
        verify(half, key, lambda what, done, _total: step(what, done, size))
        half.replace(path)
        fallback.sync_folder(home.backups)
        made = Backup(path, backup_file.read_header(path), now)
        _save_note(made)
        return made
    except OSError as error:
        raise BackupError("disk", f"the backup cannot be written: {error.strerror or error}") from error
    finally:
        clear_parts(home.backups)


def clear_parts(folder: Path) -> None:
    """Remove what is half made."""
    for path in folder.glob("*.part"):
        path.unlink(missing_ok=True)


def database_of(home: Home) -> Path:
    """The database that this program works on: in an older program's time its own copy."""
    for state in fallback.trials(home.database):
        if state.own_schema == len(MIGRATIONS) and not state.merged_at:
            return Path(state.folder) / home.database.name
    return home.database


def copy_checked(source: Path, target: Path) -> int:
    """A consistent copy of a database that is in use, proved; returns its schema. Raises BackupError,
    OSError."""
    target.unlink(missing_ok=True)
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    os.close(descriptor)
    try:
        with (
            closing(look_into(source, 30)) as live,
            closing(sqlite3.connect(target)) as copy,
        ):
            live.backup(copy)
            finding = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
            if finding != "ok":
                raise sqlite3.DatabaseError(str(finding).splitlines()[-1])
            copy.execute("PRAGMA journal_mode = DELETE")
            return int(copy.execute("PRAGMA user_version").fetchone()[0])
    except sqlite3.Error as error:
        raise BackupError(
            "database_damaged",
            f"the database cannot be copied ({error}); a backup of it would be worth nothing: restore the "
            "last good one",
        ) from error


def _free_name(folder: Path, now: float) -> Path:
    stem = time.strftime("zongji-%Y%m%d-%H%M%S", time.localtime(now))
    tried = [folder / f"{stem}{more}{SUFFIX}" for more in ("", *(f"-{n}" for n in range(2, 100)))]
    return next(path for path in tried if not path.exists())


def size_of(path: Path) -> int:
    """Bytes of a database with its write-ahead log, or of all files in a folder."""
    if path.is_file():
        wal = path.with_name(path.resolve().name + "-wal")
        return path.stat().st_size + (wal.stat().st_size if wal.exists() else 0)
    return sum(one.stat().st_size for one in path.rglob("*") if one.is_file())


# ------------------------------------------------------------------------- proving
def verify(path: Path, key: BackupKey, step: Step = quiet) -> Header:
    """Decrypt all of it and compare every hash. Raises BackupError."""
    header = backup_file.read_header(path)

    def pass_over(name: str, content: IO[bytes]) -> None:
        while content.read(backup_file.CHUNK):
            pass

    return backup_file.read(path, key, pass_over, lambda done: step("verifying", done, header.content_bytes))


def verify_and_note(path: Path, key: BackupKey, now: float, step: Step = quiet) -> Backup:
    """Prove a backup and write down the outcome. Raises BackupError when it is not good."""
    known = look(path)
    try:
        verify(path, key, step)
    except BackupError as error:
        _save_note(replace(known, verified_at=0.0, problem=str(error)))
        raise
    good = replace(known, verified_at=now, problem="")
    _save_note(good)
    return good


# ------------------------------------------------------------------------- keeping
def prune(home: Home, keep: int, now: float) -> list[str]:
    """Remove the oldest automatic backups beyond `keep`; returns their names. The newest that was proved
    stays whatever its age, and so do all that people have made. now: Unix seconds."""
    good = automatic(home.backups, now)
    proved = next((one for one in good if one.verified_at and not one.problem), None)
    gone = [one for one in good[max(1, keep) :] if one is not proved]
    for one in gone:
        delete(one.path)
    return [one.path.name for one in gone]


def note_copy(path: Path, where: str) -> None:
    """Write down that there is a copy of this backup at `where`. Raises OSError."""
    known = look(path)
    if known.header is not None and where not in known.copies:
        _save_note(replace(known, copies=(*known.copies, where)))


def delete(path: Path) -> None:
    """Remove a backup. Raises BackupError."""
    try:
        path.unlink()
        _note(path).unlink(missing_ok=True)
    except OSError as error:
        raise BackupError("disk", f"{path.name} cannot be deleted: {error.strerror}") from error


# ------------------------------------------------------------------------ schedule
def due(home: Home, now: float, hour: int) -> bool:
    """Is it time for the daily backup? Not before the clock has been set. now: Unix seconds. One of a time
    a little ahead counts, as it does for `prune`; one of a clock that was ahead never."""
    if now < CLOCK_SET_S:
        return False
    local = time.localtime(now)
    start = time.mktime((local.tm_year, local.tm_mon, local.tm_mday, hour, 0, 0, 0, 0, -1))
    if now < start:
        start -= 86400.0
    made = [one.header.made_at for one in automatic(home.backups, now) if one.header]
    return not any(start <= at and not ahead(at, now) for at in made)
