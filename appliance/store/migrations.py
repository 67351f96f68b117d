"""Numbered migrations. The database carries its number in `PRAGMA user_version`.

A migration that has shipped is never edited: a change is a new one at the end.
Each runs in one transaction, after a copy of the database has been put beside it.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from appliance.store.database import file_mode
from appliance.store.library import sqlite_utils

Migration = Sequence[str]
"""SQL statements, run in order."""

PEOPLE_AND_SETTINGS: Migration = (
    "CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL, changed_at REAL NOT NULL) STRICT",
    """CREATE TABLE settings_history (
        id INTEGER PRIMARY KEY, key TEXT NOT NULL, at REAL NOT NULL, who TEXT NOT NULL,
        old TEXT NOT NULL, new TEXT NOT NULL) STRICT""",
    """CREATE TABLE users (
        id INTEGER PRIMARY KEY, username TEXT NOT NULL UNIQUE COLLATE NOCASE, password_hash TEXT NOT NULL,
        role TEXT NOT NULL CHECK (role IN ('admin', 'supervisor', 'agent')),
        agent_number TEXT NOT NULL DEFAULT '', language TEXT NOT NULL DEFAULT 'zh',
        disabled INTEGER NOT NULL DEFAULT 0, created_at REAL NOT NULL, last_login_at REAL) STRICT""",
    """CREATE TABLE audit (
        id INTEGER PRIMARY KEY, at REAL NOT NULL, who TEXT NOT NULL, what TEXT NOT NULL,
        detail TEXT NOT NULL) STRICT""",
    """CREATE TABLE claim (
        id INTEGER PRIMARY KEY CHECK (id = 1), code TEXT NOT NULL, wrong INTEGER NOT NULL DEFAULT 0,
        locked_until REAL NOT NULL DEFAULT 0) STRICT""",
    """CREATE TABLE lines (
        id TEXT PRIMARY KEY, port TEXT NOT NULL UNIQUE, number TEXT NOT NULL, label TEXT NOT NULL,
        "group" TEXT NOT NULL, flow TEXT NOT NULL, extension TEXT NOT NULL, fallback_queue TEXT NOT NULL,
        inbound INTEGER NOT NULL, outbound INTEGER NOT NULL, answer_after_rings INTEGER NOT NULL,
        battery_drop_is_hangup INTEGER NOT NULL, polarity INTEGER NOT NULL) STRICT""",
    """CREATE TABLE phones (
        ext TEXT PRIMARY KEY, port TEXT NOT NULL UNIQUE, label TEXT NOT NULL) STRICT""",
    """CREATE TABLE agents (
        number TEXT PRIMARY KEY, name TEXT NOT NULL, queues TEXT NOT NULL, outbound INTEGER NOT NULL,
        pin_hash TEXT NOT NULL) STRICT""",
    """CREATE TABLE queues (
        id TEXT PRIMARY KEY, name TEXT NOT NULL, strategy TEXT NOT NULL, weight INTEGER NOT NULL,
        ring_s REAL NOT NULL, wrap_up_s REAL NOT NULL, max_wait_s REAL NOT NULL,
        max_waiting INTEGER NOT NULL, misses_allowed INTEGER NOT NULL, music TEXT NOT NULL,
        announce_every_s REAL NOT NULL, announce TEXT NOT NULL, overflow TEXT NOT NULL,
        answer_when_nobody INTEGER NOT NULL) STRICT""",
    """CREATE TABLE blacklist (
        id INTEGER PRIMARY KEY, pattern TEXT NOT NULL UNIQUE, action TEXT NOT NULL, prompt TEXT NOT NULL,
        note TEXT NOT NULL, added_at REAL NOT NULL) STRICT""",
    """CREATE TABLE flows (
        id TEXT PRIMARY KEY, title TEXT NOT NULL, published INTEGER NOT NULL DEFAULT 0) STRICT""",
    """CREATE TABLE flow_versions (
        flow_id TEXT NOT NULL REFERENCES flows (id) ON DELETE CASCADE, version INTEGER NOT NULL,
        definition TEXT NOT NULL, at REAL NOT NULL, who TEXT NOT NULL,
        PRIMARY KEY (flow_id, version)) STRICT""",
    """CREATE TABLE flow_publications (
        id INTEGER PRIMARY KEY, flow_id TEXT NOT NULL REFERENCES flows (id) ON DELETE CASCADE,
        version INTEGER NOT NULL, at REAL NOT NULL, who TEXT NOT NULL) STRICT""",
)

CUSTOMERS: Migration = (
    """CREATE TABLE customers (
        id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, company TEXT NOT NULL,
        address TEXT NOT NULL, terminal_address TEXT NOT NULL, notes TEXT NOT NULL,
        vip INTEGER NOT NULL, kind TEXT NOT NULL, created_at REAL NOT NULL,
        updated_at REAL NOT NULL) STRICT""",
    """CREATE TABLE customer_phones (
        id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL REFERENCES customers (id) ON DELETE CASCADE,
        position INTEGER NOT NULL, number TEXT NOT NULL, label TEXT NOT NULL,
        normal TEXT NOT NULL, spellings TEXT NOT NULL) STRICT""",
    "CREATE INDEX customer_phones_normal ON customer_phones (normal)",
    "CREATE INDEX customer_phones_customer ON customer_phones (customer_id)",
    "CREATE VIRTUAL TABLE customers_fts USING fts5 (body, tokenize = 'ascii')",
)

CALLS: Migration = (
    """CREATE TABLE calls (
        id TEXT PRIMARY KEY, final INTEGER NOT NULL, direction TEXT NOT NULL, line TEXT NOT NULL,
        line_number TEXT NOT NULL, caller_number TEXT NOT NULL, caller_name TEXT NOT NULL,
        caller_presentation TEXT NOT NULL, called_number TEXT NOT NULL, queue TEXT NOT NULL,
        agent TEXT NOT NULL, agents TEXT NOT NULL, phone TEXT NOT NULL,
        customer INTEGER REFERENCES customers (id) ON DELETE SET NULL, flow TEXT NOT NULL,
        keys TEXT NOT NULL, started_at REAL NOT NULL, answered_at REAL, queued_at REAL,
        connected_at REAL, ended_at REAL, wait_s REAL NOT NULL, talk_s REAL NOT NULL,
        hold_s REAL NOT NULL, end_reason TEXT NOT NULL, cue TEXT NOT NULL, answer_seen TEXT NOT NULL,
        detail TEXT NOT NULL, recording TEXT NOT NULL, recording_s REAL NOT NULL, steps TEXT NOT NULL,
        number TEXT NOT NULL, normal TEXT NOT NULL, spellings TEXT NOT NULL,
        starred INTEGER NOT NULL DEFAULT 0, outcome TEXT NOT NULL DEFAULT '',
        saved_at REAL NOT NULL) STRICT""",
    "CREATE INDEX calls_started ON calls (started_at)",
    "CREATE INDEX calls_number ON calls (number)",
    "CREATE INDEX calls_normal ON calls (normal, started_at)",
    "CREATE INDEX calls_customer ON calls (customer, started_at)",
    "CREATE INDEX calls_agent ON calls (agent, started_at)",
    """CREATE TABLE call_notes (
        id INTEGER PRIMARY KEY, call_id TEXT NOT NULL, agent TEXT NOT NULL, at REAL NOT NULL,
        text TEXT NOT NULL) STRICT""",
    "CREATE INDEX call_notes_call ON call_notes (call_id)",
)

MESSAGES: Migration = (
    """CREATE TABLE messages (
        id TEXT PRIMARY KEY, direction TEXT NOT NULL CHECK (direction IN ('in', 'out')),
        state TEXT NOT NULL CHECK (state IN ('received', 'queued', 'sent', 'delivered', 'failed')),
        reason TEXT NOT NULL, unsure INTEGER NOT NULL, line TEXT NOT NULL, line_number TEXT NOT NULL,
        port TEXT NOT NULL, number TEXT NOT NULL, peer TEXT NOT NULL, normal TEXT NOT NULL,
        spellings TEXT NOT NULL, text TEXT NOT NULL, missing INTEGER NOT NULL, refs TEXT NOT NULL,
        who TEXT NOT NULL, at REAL NOT NULL, sent_at REAL, settled_at REAL, read_at REAL,
        again TEXT NOT NULL) STRICT""",
    "CREATE INDEX messages_at ON messages (at)",
    "CREATE INDEX messages_peer ON messages (peer, at)",
    "CREATE INDEX messages_normal ON messages (normal, at)",
    "CREATE INDEX messages_queued ON messages (at) WHERE state = 'queued'",
    "CREATE INDEX messages_unread ON messages (at) WHERE direction = 'in' AND read_at IS NULL",
    """CREATE TABLE message_reports (
        id TEXT PRIMARY KEY, port TEXT NOT NULL, normal TEXT NOT NULL, reference INTEGER NOT NULL,
        state TEXT NOT NULL, at REAL NOT NULL, message TEXT NOT NULL) STRICT""",
    "CREATE INDEX message_reports_message ON message_reports (message)",
)

GAIN: Migration = (
    "ALTER TABLE lines ADD COLUMN automatic_gain INTEGER NOT NULL DEFAULT 1",
    "ALTER TABLE phones ADD COLUMN automatic_gain INTEGER NOT NULL DEFAULT 0",
)

MIGRATIONS: tuple[Migration, ...] = (PEOPLE_AND_SETTINGS, CUSTOMERS, CALLS, MESSAGES, GAIN)


def version_of(conn: sqlite3.Connection) -> int:
    """Number of the last migration that was applied."""
    return int(conn.execute("PRAGMA user_version").fetchone()[0])


def copy_database(db: sqlite_utils.Database, to: Path) -> None:
    """A consistent copy of the open database at `to`, complete on the disk when this returns."""
    to.parent.mkdir(parents=True, exist_ok=True)
    half = to.with_name(to.name + ".part")
    half.unlink(missing_ok=True)
    half.touch(mode=file_mode(to.parent.parent))
    target = sqlite3.connect(half)
    try:
        db.conn.backup(target)
    finally:
        target.close()
    with half.open("rb") as file:
        os.fsync(file.fileno())
    half.replace(to)
    folder = os.open(to.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def migrate(
    db: sqlite_utils.Database,
    copies: Path | None,
    migrations: Sequence[Migration] = MIGRATIONS,
    stem: str = "zongji",
) -> int:
    """Bring `db` up to the last of `migrations`; returns how many were applied.

    copies: folder for the copy taken before each; None for a database that holds nothing yet.
    """
    applied = 0
    for number in range(version_of(db.conn), len(migrations)):
        if copies is not None:
            copy_database(db, copies / f"{stem}-before-{number + 1}.db")
        db.conn.execute("BEGIN IMMEDIATE")
        try:
            for statement in migrations[number]:
                db.conn.execute(statement)
            db.conn.execute(f"PRAGMA user_version = {number + 1}")
            db.conn.execute("COMMIT")
        except BaseException:
            db.conn.execute("ROLLBACK")
            raise
        applied += 1
    return applied
