"""The store: one object over all tables, and how it is opened without ever losing anything."""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from appliance.store import customer_csv, fallback, tables
from appliance.store.blacklist import Blacklist
from appliance.store.calls import Calls
from appliance.store.customers import Customers as CustomerTable
from appliance.store.database import (
    APPLICATION_ID,
    BUSY_TIMEOUT_S,
    MAGIC,
    Database,
    connect,
    file_mode,
    look_into,
    opening_lock,
)
from appliance.store.errors import InvalidRow, StoreBusy, StoreError, StoreFull, speaking_plainly
from appliance.store.fallback import FallBack, sync_folder
from appliance.store.flows import Flows
from appliance.store.messages import Messages
from appliance.store.migrations import MIGRATIONS, Migration, migrate, version_of
from appliance.store.numbers import Numbering
from appliance.store.record_copies import CarriedOver, RecordCopies
from appliance.store.settings import Settings
from appliance.store.users import Audit, Claim, Users

log = logging.getLogger(__name__)

_NUMBERED_FOR = "_numbered_for"
"""Row of the settings table: for which country and area code the stored numbers are normalised."""


AWAY = "database-away"
"""A file of this name where the database should be: the disk that holds it could not be read at this start.
No database is made here."""
CARRY_OVER = "carry-over"
"""A file of this name beside the database: it was restored, and calls since then are still to be taken
over from the JSON copies."""


DISK_AWAY = (
    "the data disk cannot be read, so there is no database: calls go on with the last settings, nothing "
    "is stored and nothing can be changed; restart the box, and if this stays, start recovery or replace "
    "the disk"
)


class Customers(CustomerTable):
    """Customers with their calls and with CSV."""

    def __init__(
        self,
        database: Database,
        numbering: Callable[[], Numbering],
        clock: Callable[[], float],
        calls: Calls,
    ) -> None:
        super().__init__(database, numbering, clock)
        self._calls = calls

    def history(self, customer_id: int, limit: int = 50, offset: int = 0) -> list[dict[str, Any]]:
        """The customer's calls, newest first, each with its notes."""
        rows, _ = self._calls.search(customer=customer_id, limit=limit, offset=offset)
        return [row | {"notes": self._calls.notes(row["id"])} for row in rows]

    def import_csv(self, text: str) -> dict[str, Any]:
        """See `customer_csv.import_csv`."""
        return customer_csv.import_csv(self, self._database, text)

    def export_csv(self) -> str:
        """All customers as CSV text."""
        with self._database.frozen():
            return "".join(customer_csv.export_csv(self))


class Store:
    """All tables. May be shared between threads."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock
        self._numbering: tuple[str, Numbering] = ("", Numbering())
        self.settings = Settings(database, clock)
        self.settings.changed = self._setting_changed
        self.lines = tables.Table(database, tables.LINES)
        self.phones = tables.Table(database, tables.PHONES)
        self.agents = tables.Table(database, tables.AGENTS)
        self.queues = tables.Table(database, tables.QUEUES)
        self.flows = Flows(database, clock)
        self.blacklist = Blacklist(database, self.numbering, clock)
        self.calls = Calls(database, self.numbering, clock)
        self.messages = Messages(database, self.numbering, clock)
        self.customers = Customers(database, self.numbering, clock, self.calls)
        self.users = Users(database, clock)
        self.audit = Audit(database, clock)
        self.claim = Claim(database, clock)
        self.fallback: FallBack | None = None
        """Set while this program works on its own copy, because the database is a newer one's."""
        self.returned: FallBack | None = None
        """Set while nobody has dismissed the notice that an older program's time has been merged."""
        self.keep_copies(database.path)

    def keep_copies(self, database: Path) -> None:
        """Copies of calls and messages belong to `database`: in an older program's time not to its own."""
        self.copies = RecordCopies.beside(database)
        self.message_copies = RecordCopies.beside(database, "messages")

    @property
    def path(self) -> Path:
        """The database file."""
        return self._database.path

    @property
    def version(self) -> int:
        """Number of the schema."""
        row = self._database.one("PRAGMA user_version")
        return int(row["user_version"]) if row else 0

    def numbering(self) -> Numbering:
        """How numbers are read here: the settings country and area_code."""
        row = self._database.one(
            "SELECT group_concat(key || value) AS state FROM settings WHERE key IN ('country', 'area_code')"
        )
        state = str(row["state"]) if row else ""
        if self._numbering[0] != state:
            self._numbering = (state, Numbering(self.settings.get("country"), self.settings.get("area_code")))
        return self._numbering[1]

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Several changes as one: all or none. Keep it short."""
        with self._database.write():
            yield

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Several reads of one state: what others write meanwhile is not seen."""
        with self._database.frozen():
            yield

    def check(self) -> None:
        """Read the whole file. Raises StoreError where it is damaged."""
        with speaking_plainly(str(self.path)):
            _quick_check(self._database.raw.conn, self.path)

    def close(self) -> None:
        """Close all connections. Idempotent."""
        self._database.close()

    def renumber(self) -> None:
        """Normalise all stored numbers for the present country and area code, unless that has been done.
        What a power cut interrupts is done by the next `open_store`."""
        state = f"{self.settings.get('country')}/{self.settings.get('area_code')}"
        done = self._database.one("SELECT value FROM settings WHERE key = ?", [_NUMBERED_FOR])
        if done is not None and done["value"] == state:
            return
        self.customers.renumber()
        self.calls.renumber()
        self.messages.renumber()
        with self._database.write() as db:
            db.table("settings").upsert({"key": _NUMBERED_FOR, "value": state, "changed_at": 0.0}, pk="key")

    def save_call(self, record: Mapping[str, Any], final: bool) -> dict[str, Any]:
        """`calls.save`, and for a finished call its JSON copy. The engine keeps the record until this has
        returned, so a power cut in between costs nothing. Raises InvalidRow, StoreError."""
        row = self.calls.save(record, final)
        if final:
            self._keep(self.copies, record)
        return row

    def save_message(self, name: str, told: Mapping[str, Any], final: bool) -> dict[str, Any]:
        """`messages.save`, and the JSON copy of what has ended. Raises InvalidRow, StoreError."""
        row = self.messages.save(name, told, final)
        if final:
            self._keep(self.message_copies, {**told, "id": name})
        return row

    def _keep(self, copies: RecordCopies, record: Mapping[str, Any]) -> None:
        try:
            copies.keep(record, self._clock())
        except OSError as error:
            log.warning("%s is stored, but not its copy: %s", record["id"], error.strerror)

    def prune_copies(self, now: float) -> None:
        """Remove copies that are no longer needed. Raises OSError."""
        self.copies.prune(now)
        self.message_copies.prune(now)

    def _carry(self) -> CarriedOver:
        """What the copies have and this database does not."""
        done = self.copies.carry_over(self.calls)
        done.refused += self.message_copies.carry_over_messages(self.messages).refused
        return done

    def finish_restore(self, path: Path) -> None:
        """Where the database `path` is a backup's: take over what came since, and send nothing that has gone
        out. Under its `opening_lock`. Raises StoreError, OSError; then nothing is sent before it is done."""
        mark = path.with_name(CARRY_OVER)
        if not mark.exists():
            return
        self.messages.unfinished = lambda: self._finish_later(path)
        self._carry()
        self.messages.settle_restored()
        mark.unlink()
        self.messages.unfinished = None

    def _finish_later(self, path: Path) -> None:
        """Another program may have done it meanwhile."""
        with opening_lock(path):
            self.finish_restore(path)

    def carry_over(self, now: float) -> None:
        """In an older program's time: take over what the newer one stored meanwhile, from the JSON copies."""
        state = self.fallback
        if state is None or not state.carry:
            return
        done = self._carry()
        self.fallback = replace(
            state, carry=False, carried=state.carried + done.calls, refused=tuple(done.refused)
        )
        self.fallback.save()

    def merge(self, state: FallBack, database: Path, now: float) -> FallBack:
        """Take back what was done in an older program's time; `state` says where beside `database`.
        Its own database stays."""
        done = self._carry()
        count, refused = done.calls, list(done.refused)
        known = {row["id"] for row in self._database.read("SELECT id FROM calls WHERE final")}
        try:
            trial = fallback.read_trial(state, database, known)
        except StoreBusy:
            raise
        except StoreError as error:
            refused.append(str(error))  # this database is whole: it must not wait for the older one's
            trial = fallback.Trial()
        for record in trial.records:
            try:
                self.calls.save(record)
            except InvalidRow as error:
                refused.append(f"call {record['id']} was not taken ({error})")
                continue
            count += 1
        with self._database.write() as db:
            fallback.add_rows(trial, db.conn)
        customers = 0
        for row in trial.customers:
            try:
                customers += self.customers.add_once(row)
            except InvalidRow as error:
                refused.append(f"customer {row['id']} was not taken ({error})")
        merged = replace(
            state,
            merged_at=now,
            merged_calls=count,
            merged_customers=customers,
            differences=trial.differences,
            refused=tuple(refused),
            seen=False,
        )
        merged.save()
        return merged

    def dismiss_fall_back(self) -> None:
        """Somebody has read what was merged."""
        if self.returned is not None:
            fallback.dismissed(self.returned)
            self.returned = None

    def _setting_changed(self, key: str) -> None:
        if key in ("country", "area_code"):
            self.renumber()


def open_store(
    path: Path,
    clock: Callable[[], float] = time.time,
    busy_timeout_s: float = BUSY_TIMEOUT_S,
    migrations: Sequence[Migration] = MIGRATIONS,
) -> Store:
    """Open the database, making a new one where there never was one, and migrate it.

    A file that is damaged, foreign or empty, or that has gone while its copies are still there, raises
    StoreError and is left as it is. StoreBusy: try again later. A file that is newer than this program is
    left as it is too: the program then works on its own copy (`Store.fallback`, see `fallback`).
    """
    path = Path(path)
    copies = path.parent / "copies"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"cannot make the folder {path.parent}: {error.strerror}") from error
    complete = len(migrations) >= len(MIGRATIONS)
    with opening_lock(path), speaking_plainly(str(path)):
        if not path.exists():
            if path.with_name(AWAY).exists():
                raise StoreError(DISK_AWAY)
            if copies.exists() or path.is_symlink() or path.with_name(path.name + "-wal").exists():
                raise StoreError(
                    f"the database {path} has gone, though this box has had one: restore a backup, or "
                    f"remove {copies} to begin with an empty one"
                )
            _create(path, migrations)
        _check_file(path)
        newer = _migrate(path, copies, migrations, busy_timeout_s)
        if newer:
            own, state = fallback.stand_in(path, len(migrations), newer, clock())
            _check_file(own)
            _migrate(own, copies, migrations, busy_timeout_s)
            store = Store(Database(own, busy_timeout_s), clock)
            store.fallback = state
        else:
            store = Store(Database(path.resolve(), busy_timeout_s), clock)
        store.keep_copies(path)
        if complete:
            try:
                _take_over(store, path, len(migrations), clock())
            except (OSError, StoreFull) as error:  # the next opening does it, or goes on with it
                log.error("what another program stored was not taken over yet: %s", error)
            except BaseException:
                store.close()
                raise
    if complete:
        store.renumber()
    return store


def _take_over(store: Store, path: Path, schema: int, now: float) -> None:
    """Calls of the other program's time: into the older one's copy, or back into the newest."""
    if store.fallback is not None:
        store.carry_over(now)
        return
    store.finish_restore(path)
    for state in fallback.trials(path):
        if state.own_schema >= schema:
            continue
        if not state.merged_at:
            state = store.merge(state, path, now)
        if not state.seen:
            store.returned = state


def _create(path: Path, migrations: Sequence[Migration]) -> None:
    """Make a complete database beside `path` and move it there, so that a power cut leaves none or all."""
    half = path.with_name(path.name + ".new")
    for suffix in ("", "-wal", "-shm", "-journal"):
        half.with_name(half.name + suffix).unlink(missing_ok=True)
    half.touch(mode=file_mode(path.parent))
    db = connect(half)
    try:
        db.conn.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.conn.execute("PRAGMA journal_mode = WAL")
        migrate(db, None, migrations)
    finally:
        db.conn.close()
    with half.open("rb") as file:
        os.fsync(file.fileno())
    half.replace(path)
    sync_folder(path.parent)


def _check_file(path: Path) -> None:
    try:
        with path.open("rb") as file:
            head = file.read(len(MAGIC))
    except OSError as error:
        raise StoreError(f"the database {path} cannot be read: {error.strerror}") from error
    if head != MAGIC:
        what = "is empty" if not head else "is damaged at its beginning"
        raise StoreError(f"the database {path} {what}; it was left as it is: restore a backup")


def _migrate(path: Path, copies: Path, migrations: Sequence[Migration], busy_timeout_s: float) -> int:
    """Check and migrate; returns 0, or the file's schema where that is newer than `migrations` (nothing is
    done then)."""
    with closing(look_into(path, busy_timeout_s)) as conn:
        owner = int(conn.execute("PRAGMA application_id").fetchone()[0])
        version = version_of(conn)
        if owner != APPLICATION_ID:
            raise StoreError(f"{path} is a database of another program; it was left as it is: move it away")
        if version > len(migrations):
            return version
        _quick_check(conn, path)
    db = connect(path, busy_timeout_s)
    try:
        db.conn.execute("PRAGMA journal_mode = WAL")
        migrate(db, copies, migrations, path.stem)
        return 0
    finally:
        db.conn.close()


def _quick_check(conn: sqlite3.Connection, path: Path) -> None:
    finding = conn.execute("PRAGMA quick_check(1)").fetchone()[0]
    if finding != "ok":
        raise StoreError(
            f"the database {path} is damaged ({str(finding).splitlines()[-1]}); it was left as it is: "
            "restore a backup"
        )
