"""What can go wrong with the store, each with a sentence that says what to do."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

READ_ONLY = "the disk takes nothing any more: calls go on, but nothing is stored; restart the box"
LEAST_BYTES = 256 << 10
"""SQLite cannot work on a disk that has less room."""


class StoreError(Exception):
    """The database cannot be used; the text says why and what to do."""


class StoreBusy(StoreError):
    """Another program holds the database; trying again later is right."""


class StoreFull(StoreError):
    """The disk has no room; what is stored is whole."""


class InvalidRow(ValueError):
    """Data that the store refuses. `problems` are sentences for people."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class NotFound(KeyError):
    """There is no such row."""

    def __init__(self, what: str, key: object) -> None:
        super().__init__(f"there is no {what} {key!r}")

    def __str__(self) -> str:
        return str(self.args[0])


def _full(where: str) -> bool:
    try:
        disk = os.statvfs(Path(where).parent)
    except OSError:
        return False
    return disk.f_bavail * disk.f_frsize < LEAST_BYTES


@contextmanager
def speaking_plainly(where: str) -> Iterator[None]:
    """Turn sqlite3's errors into ours. `where`: the database's path, for the sentence."""
    try:
        yield
    except sqlite3.IntegrityError as error:
        raise InvalidRow([f"the database refuses this row: {error}"]) from error
    except (OverflowError, UnicodeEncodeError) as error:
        raise InvalidRow([f"this cannot be stored: {error}"]) from error
    except sqlite3.ProgrammingError:
        raise  # a mistake of ours, not a state of the database
    except sqlite3.OperationalError as error:
        text = str(error)
        if "locked" in text or "busy" in text:
            raise StoreBusy(
                f"the database {where} is locked by another program; close that program or wait, "
                "nothing is lost meanwhile"
            ) from error
        if "full" in text:
            raise StoreFull(f"the disk that holds {where} is full; free some space") from error
        if "readonly" in text or "read-only" in text:
            raise StoreError(f"{where} cannot be written; check its owner and permissions") from error
        if _full(where):  # then SQLite cannot make its shared memory file, and calls that an I/O error
            raise StoreFull(f"the disk that holds {where} is full; free some space") from error
        raise StoreError(f"the database {where} cannot be used ({text}); restore a backup") from error
    except sqlite3.DatabaseError as error:
        raise StoreError(
            f"the database {where} is damaged ({error}); it was left as it is: restore a backup"
        ) from error
