"""A database that is newer than this program: who signs in as administrator is all that is changed in it.

The recovery system is the one that was flashed; the system that it recovers may have been updated since.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from appliance.store import fallback
from appliance.store.database import connect
from appliance.store.errors import speaking_plainly
from appliance.store.migrations import MIGRATIONS, version_of


class NewerDatabase:
    """The accounts of an open one. stand_in: this version has worked on a copy of its own meanwhile."""

    def __init__(self, conn: sqlite3.Connection, stand_in: bool) -> None:
        self._conn = conn
        self.stand_in = stand_in

    def administrators(self) -> dict[str, int]:
        """Name -> id."""
        found = self._conn.execute("SELECT username, id FROM users WHERE role = 'admin' ORDER BY username")
        return {str(name): int(number) for name, number in found}

    def set_password(self, user: int, password_hash: str) -> None:
        """From now on this one fits, once all is closed without an error."""
        words = "UPDATE users SET password_hash = ?, disabled = 0 WHERE id = ?"
        self._conn.execute(words, (password_hash, user))

    def note(self, at: float, who: str, what: str, detail: str) -> None:
        """A line in the log of changes."""
        words = "INSERT INTO audit (at, who, what, detail) VALUES (?, ?, ?, ?)"
        self._conn.execute(words, (at, who, what, detail))


@contextmanager
def newer_database(path: Path) -> Iterator[NewerDatabase | None]:
    """The database where this program does not know its schema yet, else None. Raises StoreError, also where
    its accounts are not those that this program knows: nothing is changed then."""
    with speaking_plainly(str(path)):
        db = connect(path)
        with closing(db.conn) as conn:
            if version_of(conn) <= len(MIGRATIONS):
                yield None
                return
            trials = fallback.trials(path)
            yield NewerDatabase(conn, any(one.own_schema == len(MIGRATIONS) for one in trials))
            conn.commit()
