"""Restoring a backup: made ready beside, shown, swapped in by renames, finished after a power cut.

    restore/state.json   step: "unpacking" ─► "ready" ─► "swapping" ─► "done"
                                    └─────────────┴► discarded; nothing has changed
    restore/new/         what will be in place afterwards
    db/zongji-<stamp>.db the restored database; db/zongji.db becomes a link to it
    db/replaced-<stamp>/ what was there before

A program that still has the old database open keeps it, with its own write-ahead log: the new one has
another real name, so that neither can touch the other's.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import sqlite3
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import IO, Any

from appliance.paths import Home, config_folder
from appliance.services import backup, backup_file, budget
from appliance.services.backup_errors import BackupError
from appliance.services.backup_file import Header
from appliance.services.backup_key import BackupKey
from appliance.store import StoreError, open_store
from appliance.store.database import file_mode, look_into, opening_lock
from appliance.store.fallback import sync_folder
from appliance.store.migrations import MIGRATIONS
from appliance.store.store import CARRY_OVER

log = logging.getLogger(__name__)

KEEP_REPLACED = 2
COUNTED = ("customers", "calls", "users", "agents", "lines", "queues", "flows")


@dataclass(frozen=True)
class Restore:
    """Where a restore stands. now, then: rows per table before and in the backup (now is empty where the
    present database cannot be read); prompts, recordings: files that come with it; sealed: a box that has
    the recovery key has made it."""

    step: str
    stamp: str
    source: str
    made_at: float
    version: str
    now: dict[str, int] = field(default_factory=dict)
    then: dict[str, int] = field(default_factory=dict)
    prompts: int = 0
    recordings: int = 0
    config: tuple[str, ...] = ()
    last_call_at: float = 0.0
    sealed: bool = False

    def save(self, home: Home) -> None:
        """Write the state, complete on the disk when this returns. Raises OSError."""
        home.restore.mkdir(parents=True, exist_ok=True)
        path = home.restore / "state.json"
        half = path.with_suffix(".part")
        with half.open("w", encoding="utf-8") as file:
            json.dump(asdict(self), file, ensure_ascii=False)
            file.flush()
            os.fsync(file.fileno())
        half.replace(path)
        sync_folder(home.restore)


def state_of(home: Home) -> Restore | None:
    """The restore that is under way or was the last one; None where there is none."""
    try:
        found = json.loads((home.restore / "state.json").read_text(encoding="utf-8"))
        return Restore(**(found | {"config": tuple(found["config"])}))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        log.error("the state of a restore cannot be read (%s): it is begun anew", error)
        return None


# ----------------------------------------------------------------------- preparing
def prepare(home: Home, path: Path, key: BackupKey, step: backup.Step = backup.quiet) -> Restore:
    """Unpack, prove and migrate a backup beside what is there; nothing is replaced yet.
    Raises BackupError."""
    header = backup_file.read_header(path)
    if header.schema > len(MIGRATIONS):
        raise BackupError(
            "newer_schema",
            f"{path.name} was made by version {header.version}, which is newer than this one (schema "
            f"{header.schema}, this one knows {len(MIGRATIONS)}): install that version first, then restore",
        )
    present = state_of(home)
    if present is not None and present.step == "swapping":
        raise BackupError("busy", "another restore is being finished; try again in a minute")
    kept = backup.size_of(backup.database_of(home))  # a copy of it stays
    budget.require(home.root, 2 * header.content_bytes + kept + 5_000_000, "restoring")
    stamp = f"{int(header.made_at)}-{os.urandom(3).hex()}"
    state = Restore("unpacking", stamp, path.name, header.made_at, header.version, sealed=header.sealed)
    try:
        discard(home)
        state.save(home)
        new = home.restore / "new"
        _unpack(path, key, new, header, step)
        step("migrating", 0, 0)
        state = _counted(home, state, new)
        state = replace(state, step="ready")
        state.save(home)
        return state
    except OSError as error:
        discard(home)
        raise BackupError("disk", f"the backup cannot be unpacked: {error.strerror or error}") from error
    except StoreError as error:
        discard(home)
        raise BackupError(
            "database_damaged", f"the database in {path.name} cannot be used: {error}"
        ) from error
    except BackupError:
        discard(home)
        raise


def _unpack(path: Path, key: BackupKey, new: Path, header: Header, step: backup.Step) -> None:
    new.mkdir(parents=True)
    mode = file_mode(new.parent.parent)

    def take(name: str, content: IO[bytes]) -> None:
        if name.partition("/")[0] not in ("db", "prompts", "recordings", "config"):
            return  # of a later version: proved, not needed
        target = new / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as file:
            shutil.copyfileobj(content, file, backup_file.CHUNK)
            file.flush()
            os.fsync(file.fileno())
        target.chmod(mode)

    backup_file.read(path, key, take, lambda done: step("unpacking", done, header.content_bytes))
    for folder in [new, *(one for one in new.rglob("*") if one.is_dir())]:
        sync_folder(folder)
    if not (new / backup.DATABASE).is_file():
        raise BackupError("tampered", f"{path.name} has no database in it")


def _counted(home: Home, state: Restore, new: Path) -> Restore:
    store = open_store(new / backup.DATABASE)  # runs the migrations
    store.close()
    then, last = _counts(new / backup.DATABASE)
    try:
        now, _ = _counts(backup.database_of(home))
    except sqlite3.Error:
        now = {}  # that is why it is being restored
    return replace(
        state,
        now=now,
        then=then,
        last_call_at=last,
        prompts=sum(1 for one in (new / "prompts").rglob("*.wav")),
        recordings=sum(1 for one in (new / "recordings").rglob("*.wav")),
        config=tuple(sorted(one.name for one in (new / "config").glob("*"))),
    )


def _counts(database: Path) -> tuple[dict[str, int], float]:
    with closing(look_into(database)) as db:
        counts = {table: int(db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]) for table in COUNTED}
        last = db.execute("SELECT coalesce(max(started_at), 0) FROM calls").fetchone()[0]
        return counts, float(last)


def discard(home: Home) -> None:
    """Forget what was made ready. Nothing that was there has changed. Raises OSError."""
    state = state_of(home)
    if state is not None and state.step == "swapping":
        raise BackupError("busy", "the restore is being finished and cannot be given up any more")
    (home.restore / "state.json").unlink(missing_ok=True)
    _remove(home.restore)


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


# ------------------------------------------------------------------------ swapping
def commit(home: Home, with_config: bool = False) -> Restore:
    """Put in place what was made ready. Cut off at any point, `resume` finishes it. Raises BackupError."""
    state = state_of(home)
    if state is None or state.step != "ready":
        raise BackupError("not_ready", "no backup has been made ready; choose one first")
    try:
        if not with_config:
            _remove(home.restore / "new" / "config")
        state = replace(state, step="swapping", config=state.config if with_config else ())
        state.save(home)
    except OSError as error:
        raise BackupError(
            "disk", f"the restore cannot begin: {error.strerror}; nothing was changed"
        ) from error
    return _finish(home, state)


def resume(home: Home) -> Restore | None:
    """After a start: finish a swap that was cut off, forget a preparation that was. Raises BackupError."""
    state = state_of(home)
    try:
        if state is None:
            _remove(home.restore)
            return None
        if state.step == "swapping":
            log.warning("a restore was cut off; it is finished now")
            return _finish(home, state)
        if state.step == "unpacking":
            log.warning("a restore was cut off while it was unpacked; nothing was changed")
            discard(home)
            return None
        if state.step == "done":
            _remove(home.restore / "new")
            tidy(home)
    except OSError as error:
        raise BackupError("disk", f"the restore cannot be finished: {error.strerror or error}") from error
    return state


def _finish(home: Home, state: Restore) -> Restore:
    """Every step may have been done already."""
    new = home.restore / "new"
    try:
        home.create()
        _swap_database(home, new, state.stamp)
        _swap_folder(new / "prompts", home.prompts, home.restore / "old-prompts")
        _add_recordings(new / "recordings", home.recordings)
        _put_config(new / "config")
        done = replace(state, step="done")
        done.save(home)
        _remove(new)
        _remove(home.restore / "old-prompts")
        tidy(home, keep_open=True)
        return done
    except (OSError, StoreError) as error:
        raise BackupError(
            "disk", f"the restore stopped half way ({error}); it goes on at the next start, nothing is lost"
        ) from error


def _swap_database(home: Home, new: Path, stamp: str) -> None:
    database, folder = home.database, home.database.parent
    fresh = folder / f"{database.stem}-{stamp}.db"
    kept = folder / f"replaced-{stamp}"
    with opening_lock(database):
        if database.is_symlink() and database.readlink() == Path(fresh.name):
            return
        _keep_aside(database, kept)
        for trial in folder.glob("schema-*"):
            trial.replace(kept / trial.name)
        staged = new / backup.DATABASE
        if staged.exists():
            staged.replace(fresh)
        copies = folder / "copies"
        copies.mkdir(exist_ok=True)
        for copy in (new / "db" / "copies").glob("*.db"):
            copy.replace(copies / copy.name)
        (folder / CARRY_OVER).touch()
        sync_folder(copies)
        link = folder / f"{database.name}.link"
        link.unlink(missing_ok=True)
        link.symlink_to(fresh.name)
        sync_folder(folder)
        link.replace(database)
        sync_folder(folder)


def _keep_aside(database: Path, kept: Path) -> None:
    """A copy of the present database in `kept`; where it is damaged, the very file."""
    if (kept / "complete").exists():
        return
    kept.mkdir(exist_ok=True)
    for path in kept.glob("*.db*"):  # cut off: it may be the log that the present database uses
        path.unlink()
    target = kept / database.name
    if database.exists():
        try:
            backup.copy_checked(database, target)
            with target.open("rb") as file:
                os.fsync(file.fileno())
        except BackupError as error:
            log.warning("%s: it is kept as it is", error)
            source = database.resolve()
            for suffix in ("", "-wal"):
                _keep_file(source.with_name(source.name + suffix), target.with_name(target.name + suffix))
    (kept / "complete").touch()
    sync_folder(kept)


def _keep_file(source: Path, target: Path) -> None:
    """Another name for a damaged file, because a disk that fails does not let all of it be read. Nothing
    writes there under either name but programs that still have it open. What cannot be kept at all is told
    in the log: a restore that never ends would help nobody."""
    for keep in (os.link, shutil.copyfile):
        try:
            target.unlink(missing_ok=True)  # half a copy
            keep(source, target)
            return
        except FileNotFoundError:
            return
        except OSError as error:
            log.error("%s cannot be kept by %s: %s", source, keep.__name__, error.strerror or error)


def _swap_folder(new: Path, target: Path, old: Path) -> None:
    if not new.exists():
        return
    if target.exists() and not old.exists():
        target.replace(old)
    _remove(target)
    new.replace(target)
    sync_folder(target.parent)


def _add_recordings(new: Path, target: Path) -> None:
    """Recordings are added; one that is there already is never touched."""
    for path in sorted(new.rglob("*.wav")):
        place = target / path.relative_to(new)
        place.parent.mkdir(parents=True, exist_ok=True)
        if not place.exists():
            path.replace(place)


def _put_config(new: Path) -> None:
    config = config_folder()
    if config is None or not new.exists():
        return
    for path in sorted(new.glob("*")):
        if path.name in backup.CONFIG_FILES:
            half = config / f"{path.name}.part"
            shutil.copyfile(path, half)
            with half.open("rb") as file:
                os.fsync(file.fileno())
            half.replace(config / path.name)
    sync_folder(config)


def tidy(home: Home, keep_open: bool = False) -> None:
    """Remove databases that were replaced longer ago than the last KEEP_REPLACED times. keep_open: other
    programs may still have the one before open. Raises OSError."""
    folder = home.database.parent
    replaced = sorted(folder.glob("replaced-*"), key=lambda path: path.stat().st_mtime)
    for old in replaced[:-KEEP_REPLACED]:
        _remove(old)
    if keep_open or not home.database.is_symlink():
        return
    used = home.database.readlink().name
    for path in folder.glob(f"{home.database.stem}-*.db*"):
        if not path.name.startswith(used):
            path.unlink()
    for suffix in ("-wal", "-shm"):
        with suppress(FileNotFoundError):
            home.database.with_name(home.database.name + suffix).unlink()


def summary(state: Restore | None) -> dict[str, Any] | None:
    """Plain data for pages."""
    return asdict(state) if state is not None else None
