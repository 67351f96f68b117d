"""A database per schema: what an older program works on while a newer database is kept for the newer one.

    db/zongji.db                      the newest schema; an older program never changes it
    db/copies/zongji-before-4.db      schema 3, as it was just before migration 4
    db/schema-3/zongji.db             what a program that knows 3 works on: made from that copy
    db/schema-3/state.json            since when, for which newer schema, what has been merged

Every step can be cut off and is done again by the next opening: files appear by rename, and the state is
written last. The newer program goes on with its own file and merges what was done meanwhile.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from appliance.store.database import MAGIC, connect, file_mode, look_into
from appliance.store.errors import StoreError, speaking_plainly
from appliance.store.library import sqlite_utils
from appliance.store.migrations import version_of

STATE = "state.json"

COMPARED = {
    "settings": "key",
    "lines": "id",
    "phones": "ext",
    "agents": "number",
    "queues": "id",
    "users": "username",
    "blacklist": "pattern",
    "flows": "id",
    "flow_versions": "flow_id || '/' || version",
    "customers": "id",
}
"""Tables in which people make changes, and what names a row."""


@dataclass(frozen=True)
class FallBack:
    """An older program's time with its own copy. Times in Unix seconds.

    carried: calls that came from the JSON copies of records; refused: sentences about copies that did not
    fit; merged_at: when the newer program took everything back (0: not yet); differences: "table key" of
    what people changed meanwhile and the newer database does not have; seen: somebody dismissed the notice.
    """

    own_schema: int
    newer_schema: int
    since: float
    carry: bool = True
    carried: int = 0
    refused: tuple[str, ...] = ()
    merged_at: float = 0.0
    merged_calls: int = 0
    merged_customers: int = 0
    differences: tuple[str, ...] = ()
    seen: bool = False
    folder: str = field(default="", compare=False)

    def save(self) -> None:
        """Write the state, complete on the disk when this returns. Raises OSError."""
        path = Path(self.folder) / STATE
        half = path.with_suffix(".part")
        with half.open("w", encoding="utf-8") as file:
            json.dump(asdict(self) | {"folder": ""}, file, ensure_ascii=False)
            file.flush()
            os.fsync(file.fileno())
        half.replace(path)
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Names in `folder` are on the disk when this returns. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def load(folder: Path) -> FallBack | None:
    """The state in `folder`, None where there is none or it is not readable (it is then begun anew)."""
    try:
        found = json.loads((folder / STATE).read_text(encoding="utf-8"))
        for name in ("refused", "differences"):
            found[name] = tuple(found[name])
        return FallBack(**(found | {"folder": str(folder)}))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def trials(database: Path) -> list[FallBack]:
    """Every older program's time beside `database`, lowest schema first."""
    folders = [path for path in database.parent.glob("schema-*") if (path / database.name).exists()]
    states = [load(folder) or _state_lost(folder) for folder in folders]
    return sorted((state for state in states if state), key=lambda state: state.own_schema)


def _state_lost(folder: Path) -> FallBack | None:
    number = folder.name.removeprefix("schema-")
    return FallBack(int(number), 0, 0.0, folder=str(folder)) if number.isdecimal() else None


# ------------------------------------------------------------------ falling back
def stand_in(database: Path, own_schema: int, newer_schema: int, now: float) -> tuple[Path, FallBack]:
    """The database that a program of `own_schema` works on instead of the newer `database`, and its state.
    Call it under the opening lock. Raises StoreError where there is no fitting copy."""
    folder = database.parent / f"schema-{own_schema}"
    own = folder / database.name
    try:
        if not own.exists():
            source = database.parent / "copies" / f"{database.stem}-before-{own_schema + 1}.db"
            check_copy(source, own_schema, newer_schema)
            folder.mkdir(exist_ok=True)
            half = own.with_suffix(".part")
            shutil.copyfile(source, half)
            half.chmod(file_mode(database.parent))
            with half.open("rb") as file:
                os.fsync(file.fileno())
            half.replace(own)
            sync_folder(folder)
        state = load(folder)
        if state is None or state.merged_at or state.newer_schema != newer_schema:
            state = FallBack(own_schema, newer_schema, now, folder=str(folder))
            state.save()
    except OSError as error:
        raise StoreError(
            f"the copy of the database for this version cannot be made in {folder}: {error.strerror}; "
            "free some space, or install the newer version again"
        ) from error
    return own, state


def check_copy(source: Path, own_schema: int, newer_schema: int) -> None:
    """Raise StoreError unless `source` is a whole database of this schema."""
    problem = ""
    if not _is_database(source):
        problem = "is missing or no database"
    else:
        with speaking_plainly(str(source)), closing(look_into(source)) as conn:
            if version_of(conn) != own_schema:
                problem = f"has schema {version_of(conn)}"
            elif conn.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
                problem = "is damaged"
    if problem:
        raise StoreError(
            f"the database was written by a newer version of this program (schema {newer_schema}, this one "
            f"knows {own_schema}), and the copy made before that, {source.name}, {problem}; install the "
            "newer version again, or restore a backup that was made before it"
        )


def _is_database(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except FileNotFoundError:
        return False


# ----------------------------------------------------------------- going forward
@dataclass
class Trial:
    """What an older program's database holds that a newer one may not. differences: "table key" of rows
    that people changed; the rest are rows."""

    records: list[dict[str, Any]] = field(default_factory=list)
    marks: list[tuple[Any, ...]] = field(default_factory=list)
    notes: list[tuple[Any, ...]] = field(default_factory=list)
    audit: list[tuple[Any, ...]] = field(default_factory=list)
    messages: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    customers: list[dict[str, Any]] = field(default_factory=list)
    differences: tuple[str, ...] = ()


MESSAGES = ("messages", "message_reports")
NOTE = ("call_id", "agent", "at", "text")
AUDIT = ("at", "who", "what", "detail")


def read_trial(state: FallBack, database: Path, known: set[str]) -> Trial:
    """Read the older program's database. `known`: finished calls that the newer one has.
    Raises StoreError."""
    own = Path(state.folder) / database.name
    base = database.parent / "copies" / f"{database.stem}-before-{state.own_schema + 1}.db"
    with speaking_plainly(str(own)):
        db = connect(own)
        try:
            trial = Trial()
            for row in db.query("SELECT * FROM calls WHERE final"):
                if row["id"] not in known:
                    lists = {name: json.loads(row[name]) for name in ("agents", "steps")}
                    trial.records.append(row | lists | {"customer": None})
            trial.marks = db.conn.execute(
                "SELECT starred, outcome, id FROM calls WHERE starred OR outcome != ''"
            ).fetchall()
            trial.notes = db.conn.execute(f"SELECT {', '.join(NOTE)} FROM call_notes ORDER BY id").fetchall()
            trial.audit = db.conn.execute(f"SELECT {', '.join(AUDIT)} FROM audit ORDER BY id").fetchall()
            there = {row[0] for row in db.conn.execute("SELECT name FROM sqlite_master")}
            for table in MESSAGES:
                if table in there:
                    trial.messages[table] = list(db.query(f"SELECT * FROM {table}"))
            if base.exists():
                db.conn.execute("ATTACH ? AS base", [str(base)])
                _compare(db, trial)
            else:
                trial.differences = (f"unknown: {base.name} is missing",)
            return trial
        finally:
            db.conn.close()


def _compare(db: sqlite_utils.Database, trial: Trial) -> None:
    tables = {row[0] for row in db.conn.execute("SELECT name FROM base.sqlite_master")}
    names = [name for table, key in COMPARED.items() if table in tables for name in _changed(db, table, key)]
    if "customers" in tables:
        trial.customers = _added_customers(db)
    added = {f"customers {row['id']}" for row in trial.customers}
    trial.differences = tuple(name for name in names if name not in added)


def _changed(db: sqlite_utils.Database, table: str, key: str) -> list[str]:
    quiet = {"last_login_at", "id"} if table == "users" else set()
    columns = [row[1] for row in db.conn.execute(f"PRAGMA main.table_info({table})")]
    listed = ", ".join(f'"{name}"' for name in columns if name not in quiet)
    names = set()
    for here, there in (("main", "base"), ("base", "main")):
        sql = (
            f"SELECT {key} FROM (SELECT {listed} FROM {here}.{table}"
            f" EXCEPT SELECT {listed} FROM {there}.{table})"
        )
        names |= {f"{table} {row[0]}" for row in db.conn.execute(sql) if not str(row[0]).startswith("_")}
    return sorted(names)


def _added_customers(db: sqlite_utils.Database) -> list[dict[str, Any]]:
    rows = list(
        db.query("SELECT * FROM customers WHERE id NOT IN (SELECT id FROM base.customers) ORDER BY id")
    )
    phones = "SELECT number, label FROM customer_phones WHERE customer_id = ? ORDER BY position"
    return [row | {"phones": list(db.query(phones, [row["id"]]))} for row in rows]


def add_rows(trial: Trial, target: sqlite3.Connection) -> None:
    """Notes, stars, outcomes, short messages and the audit log into the newer database, on an open write
    transaction. Doing it again changes nothing."""
    target.executemany(
        "UPDATE calls SET starred = max(starred, ?),"
        " outcome = CASE WHEN outcome = '' THEN ? ELSE outcome END WHERE id = ?",
        trial.marks,
    )
    for table, columns, rows in (("call_notes", NOTE, trial.notes), ("audit", AUDIT, trial.audit)):
        names = ", ".join(columns)
        same = " AND ".join(f"{name} IS ?" for name in columns)
        marks = ", ".join("?" for _ in columns)
        target.executemany(
            f"INSERT INTO {table} ({names}) SELECT {marks}"
            f" WHERE NOT EXISTS (SELECT 1 FROM {table} WHERE {same})",
            [(*row, *row) for row in rows],
        )
    for table, found in trial.messages.items():
        has = {row[1] for row in target.execute(f"PRAGMA table_info({table})")}
        for row in found:
            if row.get("state") not in (None, "queued"):  # its fate is known there, not yet here
                target.execute(f"DELETE FROM {table} WHERE id = ? AND state = 'queued'", [row["id"]])
            known = [name for name in row if name in has]
            target.execute(
                f"INSERT OR IGNORE INTO {table} ({', '.join(known)})"
                f" VALUES ({', '.join('?' for _ in known)})",
                [row[name] for name in known],
            )


def dismissed(state: FallBack) -> FallBack:
    """The state after somebody has read the notice."""
    changed = replace(state, seen=True)
    changed.save()
    return changed
