"""Lines, telephones, agents and queues: rows that the plan is compiled from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from appliance.store.database import Database
from appliance.store.errors import InvalidRow, NotFound
from appliance.store.fields import Field, check_row

ID = r"[a-z][a-z0-9_-]{0,31}"
ID_MEANING = "a short name of small letters, digits, - and _"
WORK_NUMBER = r"[0-9]{2,8}"
PROMPT = r"[A-Za-z0-9_-]{1,64}"


@dataclass(frozen=True)
class TableSchema:
    """A table of configuration rows. The first field is its key."""

    table: str
    what: str
    fields: tuple[Field, ...]

    @property
    def key(self) -> str:
        """Name of the key field."""
        return self.fields[0].name


LINES = TableSchema(
    "lines",
    "line",
    (
        Field("id", "text", pattern=r"L[1-9][0-9]{0,3}", meaning='"L" and a number', help="L1, L2, …"),
        Field("port", "text", low=1, help="Socket of a card, card-id/index"),
        Field("number", "text", "", high=40, help="Public number of the line"),
        Field("label", "text", "", high=60, help="What people call the line"),
        Field("group", "text", "all", low=1, high=40, help="Lines of one group share their duty"),
        Field("flow", "text", "main", pattern=ID, meaning=ID_MEANING, help="Flow that answers"),
        Field("extension", "text", "", pattern=r"[0-9]{2,6}", meaning="an extension", help="Straight to it"),
        Field("fallback_queue", "text", "", pattern=ID, meaning=ID_MEANING, help="When nobody answers there"),
        Field("inbound", "bool", True, help="Answer calls"),
        Field("outbound", "bool", True, help="May be taken for calls out"),
        Field("answer_after_rings", "int", 2, 1, 10, help="Answer at this ring at the latest"),
        Field(
            "battery_drop_is_hangup", "bool", True, help="The exchange drops the feed when the caller goes"
        ),
        Field("polarity", "bool", False, help="The exchange reverses polarity on answer and hang-up"),
        Field("automatic_gain", "bool", True, help="Callers are brought to a common loudness"),
    ),
)

PHONES = TableSchema(
    "phones",
    "telephone",
    (
        Field("ext", "text", pattern=r"[0-9]{2,6}", meaning="2 to 6 digits", help="Extension, 801, 802, …"),
        Field("port", "text", low=1, help="Socket of a card, card-id/index"),
        Field("label", "text", "", high=60, help="Where it stands"),
        Field("automatic_gain", "bool", False, help="Whoever speaks here is brought to a common loudness"),
    ),
)

AGENTS = TableSchema(
    "agents",
    "agent",
    (
        Field("number", "text", pattern=WORK_NUMBER, meaning="2 to 8 digits", help="Work number, 1001, …"),
        Field("name", "text", low=1, high=60, help="Name shown to colleagues"),
        Field("queues", "list", (), pattern=ID, meaning=ID_MEANING, help="Queues that the agent serves"),
        Field("outbound", "bool", True, help="May dial outside"),
        Field("pin_hash", "text", "", high=300, help="Hash of the PIN for signing in on a telephone"),
    ),
)

QUEUES = TableSchema(
    "queues",
    "queue",
    (
        Field("id", "text", pattern=ID, meaning=ID_MEANING, help="Short name, sales"),
        Field("name", "text", low=1, high=60, help="Name shown to people"),
        Field("strategy", "choice", "longest_idle", choices=("longest_idle",), help="Who is offered a call"),
        Field("weight", "int", 0, 0, 100, help="A heavier queue is served first by an agent of several"),
        Field("ring_s", "real", 20.0, 5, 120, help="Seconds a telephone rings before the next is tried"),
        Field("wrap_up_s", "real", 15.0, 0, 3600, help="Seconds for finishing work after a call"),
        Field("max_wait_s", "real", 0.0, 0, 7200, help="Longest wait in seconds, 0 = no limit"),
        Field("max_waiting", "int", 0, 0, 1000, help="Most callers waiting, 0 = no limit"),
        Field("misses_allowed", "int", 2, 1, 20, help="Missed calls before the agent becomes not ready"),
        Field(
            "music", "text", "music", pattern=PROMPT, meaning="a prompt's name", help="Heard while waiting"
        ),
        Field("announce_every_s", "real", 60.0, 0, 600, help="Seconds between announcements, 0 = none"),
        Field(
            "announce", "text", "please_wait", pattern=PROMPT, meaning="a prompt's name", help="The sentence"
        ),
        Field("overflow", "text", "", pattern=PROMPT, meaning="a prompt's name", help="Heard when sent away"),
        Field("answer_when_nobody", "bool", True, help="Callers may wait although nobody is signed in"),
    ),
)


class Table:
    """Rows of one schema; validated on the way in, typed on the way out."""

    def __init__(self, database: Database, schema: TableSchema) -> None:
        self._database = database
        self.schema = schema

    def list(self) -> list[dict[str, Any]]:
        """All rows in natural order (L2 before L10)."""
        key = self.schema.key
        rows = self._database.read(f"SELECT * FROM {self.schema.table} ORDER BY length({key}), {key}")
        return [self._typed(row) for row in rows]

    def get(self, key: str) -> dict[str, Any] | None:
        """The row, or None."""
        row = self._database.one(f"SELECT * FROM {self.schema.table} WHERE {self.schema.key} = ?", [key])
        return self._typed(row) if row else None

    def put(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Add or change a row; fields that are not given keep their value. Returns the row as stored.
        Raises InvalidRow with a sentence for every problem."""
        with self._database.write() as db:
            key = row.get(self.schema.key)
            old = self.get(key) if isinstance(key, str) else None
            checked = check_row(self.schema.what, self.schema.fields, row, old or {})
            if "port" in checked:
                self._check_port(checked)
            columns = {name: json.dumps(v) if isinstance(v, list) else v for name, v in checked.items()}
            db.table(self.schema.table).upsert(columns, pk=self.schema.key)
            return checked

    def delete(self, key: str) -> None:
        """Remove a row. Raises NotFound."""
        with self._database.write() as db:
            if self.get(key) is None:
                raise NotFound(self.schema.what, key)
            db.table(self.schema.table).delete(key)

    def _check_port(self, row: Mapping[str, Any]) -> None:
        for table, key, what in (("lines", "id", "line"), ("phones", "ext", "telephone")):
            other = self._database.one(f"SELECT {key} AS key FROM {table} WHERE port = ?", [row["port"]])
            if other and (table != self.schema.table or other["key"] != row[self.schema.key]):
                raise InvalidRow([f"port {row['port']} already belongs to {what} {other['key']}"])

    def _typed(self, row: dict[str, Any]) -> dict[str, Any]:
        typed: dict[str, Any] = {}
        for field in self.schema.fields:
            value = row[field.name]
            if field.kind == "bool":
                value = bool(value)
            elif field.kind == "list":
                value = json.loads(value)
            typed[field.name] = value
        return typed
