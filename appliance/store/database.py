"""The connection: one per thread, each with the same pragmas, and short write transactions."""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
import stat
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from appliance.store.errors import READ_ONLY, StoreError, speaking_plainly
from appliance.store.library import sqlite_utils

BUSY_TIMEOUT_S = 5.0
"""How long a statement waits for another program before `StoreBusy`."""

APPLICATION_ID = 0x5A4F4E47
"""`PRAGMA application_id` of our databases ("ZONG")."""

MAGIC = b"SQLite format 3\x00"
"""First bytes of every SQLite file (SQLite database file format, 1.3)."""

Params = Sequence[Any] | dict[str, Any]


def insert(db: sqlite_utils.Database, table: str, row: dict[str, Any]) -> int:
    """Add a row to a table with an integer key `id`; returns the key."""
    key = db.table(table).insert(row, pk="id").last_pk
    assert isinstance(key, int)
    return key


def _in_transaction(db: sqlite_utils.Database) -> bool:
    return db.conn.in_transaction


class _Handle:
    """What a thread owns. Kept weakly by `Database`, so that it goes with its thread."""

    def __init__(self, db: sqlite_utils.Database) -> None:
        self.db = db
        self.pid = os.getpid()

    def __del__(self) -> None:
        self.db.conn.close()


def connect(path: Path, busy_timeout_s: float = BUSY_TIMEOUT_S) -> sqlite_utils.Database:
    """Open `path` (which must exist) with the pragmas that every connection of ours has."""
    uri = f"{path.resolve().as_uri()}?mode=rw"
    conn = sqlite3.connect(uri, uri=True, timeout=busy_timeout_s, check_same_thread=False)
    try:
        conn.execute("PRAGMA foreign_keys = ON")
        conn.execute("PRAGMA synchronous = FULL")
        return sqlite_utils.Database(conn, recursive_triggers=False, execute_plugins=False)
    except BaseException:
        conn.close()
        raise


def look_into(path: Path, busy_timeout_s: float = BUSY_TIMEOUT_S) -> sqlite3.Connection:
    """Open `path` for reading alone. Whoever closes a database that he may write copies its write-ahead log
    into it (sqlite.org/wal.html, 2.2): a damaged file would be changed by being looked at. Where a power cut
    has left a rollback journal, only a writer can take the half change back."""
    path = path.resolve()
    mode = "rw" if path.with_name(f"{path.name}-journal").exists() else "ro"
    return sqlite3.connect(f"{path.as_uri()}?mode={mode}", uri=True, timeout=busy_timeout_s)


class Database:
    """Connections to one file. Safe to share between threads; each gets its own connection."""

    def __init__(self, path: Path, busy_timeout_s: float = BUSY_TIMEOUT_S) -> None:
        self.path = path
        self.busy_timeout_s = busy_timeout_s
        self._local = threading.local()
        self._handles: weakref.WeakSet[_Handle] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._closed = False

    @property
    def raw(self) -> sqlite_utils.Database:
        """This thread's sqlite-utils database. Raises StoreError."""
        if self._closed:
            raise StoreError("the store has been closed")
        handle: _Handle | None = getattr(self._local, "handle", None)
        if handle is None or handle.pid != os.getpid():
            with speaking_plainly(str(self.path)):
                handle = _Handle(connect(self.path, self.busy_timeout_s))
            self._local.handle = handle
            with self._lock:
                self._handles.add(handle)
        return handle.db

    def read(self, sql: str, params: Params = ()) -> list[dict[str, Any]]:
        """All rows of a query as dicts. Raises StoreError."""
        with speaking_plainly(str(self.path)):
            return list(self.raw.query(sql, params))

    def one(self, sql: str, params: Params = ()) -> dict[str, Any] | None:
        """First row of a query, or None."""
        rows = self.read(sql, params)
        return rows[0] if rows else None

    @contextmanager
    def write(self) -> Iterator[sqlite_utils.Database]:
        """A short write transaction: all of it is on the disk at the end, or none of it.
        Nested use joins the outer transaction. Raises StoreBusy, StoreError, InvalidRow."""
        db = self.raw
        with speaking_plainly(str(self.path)):
            if _in_transaction(db):
                yield db
                return
            db.conn.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.conn.execute("COMMIT")
            except BaseException:
                db.rollback()  # does nothing when the error has ended the transaction already
                raise

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Reads inside see one state of the database. Joins a transaction that is open already."""
        db = self.raw
        with speaking_plainly(str(self.path)):
            if _in_transaction(db):
                yield
                return
            db.conn.execute("BEGIN")
            try:
                yield
            finally:
                db.rollback()

    def close(self) -> None:
        """Close the connections of all threads. Idempotent."""
        self._closed = True
        with self._lock:
            for handle in list(self._handles):
                handle.db.conn.close()
            self._handles.clear()


def file_mode(folder: Path) -> int:
    """Mode of files made in `folder`: our user's alone, and the group's where the folder is shared with it
    (set-group-id and group-writable, as on the flashed box). Raises OSError."""
    shared = stat.S_ISGID | stat.S_IWGRP
    return 0o660 if folder.stat().st_mode & shared == shared else 0o600


@contextmanager
def opening_lock(path: Path) -> Iterator[None]:
    """Only one process at a time creates or migrates the database `path`."""
    try:
        descriptor = os.open(
            path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, file_mode(path.parent)
        )
    except OSError as error:
        if error.errno == errno.EROFS:
            raise StoreError(READ_ONLY) from error
        raise StoreError(
            f"cannot write in {path.parent}: {error.strerror}; check the folder's owner"
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
