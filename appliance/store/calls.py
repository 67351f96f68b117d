"""Call records, their notes and stars."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from appliance.store.database import Database, insert
from appliance.store.errors import InvalidRow, NotFound
from appliance.store.numbers import Numbering, digits_of, looks_like_number
from appliance.store.renumber import renumber
from appliance.store.text_index import for_query

_TEXTS = (
    *("direction", "line", "line_number", "caller_number", "caller_name", "caller_presentation"),
    *("called_number", "queue", "agent", "phone", "flow", "keys", "end_reason", "cue", "answer_seen"),
    *("detail", "recording"),
)
_TIMES = ["answered_at", "queued_at", "connected_at", "ended_at"]
_SECONDS = ["wait_s", "talk_s", "hold_s", "recording_s"]
_ID = re.compile(r"[A-Za-z0-9._:-]{1,80}")
MAX_NOTE_CHARS = 20_000
SORTS = ("started_at", "number", "line", "queue", "agent", "wait_s", "talk_s", "end_reason")
"""What calls can be sorted by."""


class Calls:
    """A row is the call record of `appliance.core.record` (agents and steps as lists), with
    `number` (the outside party's), `customer_name`, `starred`, `outcome`, `final` added."""

    def __init__(
        self, database: Database, numbering: Callable[[], Numbering], clock: Callable[[], float]
    ) -> None:
        self._database = database
        self._numbering = numbering
        self._clock = clock

    def save(self, record: Mapping[str, Any], final: bool = True) -> dict[str, Any]:
        """Store a record; the same record again changes nothing, and a record that was not final is
        replaced by a later one (never the other way round). Star, outcome and notes stay.
        The customer is found by the outside number unless the record names one. Raises InvalidRow."""
        row = self._columns(record)
        with self._database.write() as db:
            old = self._database.one("SELECT * FROM calls WHERE id = ?", [row["id"]])
            if old is not None and old["final"] and not final:
                return self._typed(old)
            row["customer"] = self._customer(record.get("customer"), row["normal"], old)
            row |= {"final": int(final), "saved_at": self._clock()}
            db.table("calls").upsert(row, pk="id")
            stored = self._database.one("SELECT * FROM calls WHERE id = ?", [row["id"]])
            assert stored is not None
            return self._typed(stored)

    def search(
        self,
        text: str = "",
        number: str = "",
        agent: str = "",
        queue: str = "",
        direction: str = "",
        since: float | None = None,
        until: float | None = None,
        with_recording: bool | None = None,
        starred: bool | None = None,
        limit: int = 50,
        offset: int = 0,
        *,
        customer: int | None = None,
        line: str = "",
        end_reason: str = "",
        sort: str = "started_at",
        descending: bool = True,
    ) -> tuple[list[dict[str, Any]], int]:
        """Calls that fit all that is given as (rows, total), newest first, or by a column of SORTS
        (ValueError for another). since, until: Unix seconds, until excluded. number: any part, any
        spelling. text: customer, caller, notes, outcome, number, id."""
        conditions, params = ["1"], list[Any]()

        def also(condition: str, *values: Any) -> None:
            conditions.append(condition)
            params.extend(values)

        for column, wanted in (("queue", queue), ("direction", direction), ("line", line)):
            if wanted:
                also(f"c.{column} = ?", wanted)
        if end_reason:
            also("c.end_reason = ?", end_reason)
        if agent:
            also("(c.agent = ? OR EXISTS (SELECT 1 FROM json_each(c.agents) WHERE value = ?))", agent, agent)
        if since is not None:
            also("c.started_at >= ?", since)
        if until is not None:
            also("c.started_at < ?", until)
        if with_recording is not None:
            also("c.recording != ''" if with_recording else "c.recording = ''")
        if starred is not None:
            also("c.starred = ?", int(starred))
        if customer is not None:
            also("c.customer = ?", customer)
        if number:
            digits = digits_of(number)
            normal = self._numbering().normalise(number)
            also(
                "(c.spellings LIKE ? OR c.normal = ?)" if digits else "0",
                *([f"%{digits}%", normal] if digits else []),
            )
        for term in [text] if looks_like_number(text) else text.split()[:12]:
            also(*self._text_condition(term))
        if sort not in SORTS:
            raise ValueError(f"calls are not sorted by {sort!r}; use one of: {', '.join(SORTS)}")
        where = " AND ".join(conditions)
        order = "DESC" if descending else "ASC"
        rows = self._database.read(
            "SELECT c.*, p.name AS customer_name FROM calls c LEFT JOIN customers p ON p.id = c.customer"
            f" WHERE {where} ORDER BY c.{sort} {order}, c.started_at DESC, c.id {order} LIMIT ? OFFSET ?",
            [*params, max(0, min(limit, 1000)), max(0, offset)],
        )
        total = self._database.one(f"SELECT count(*) AS n FROM calls c WHERE {where}", params)
        return [self._typed(row) for row in rows], int(total["n"]) if total else 0

    def get(self, call_id: str) -> dict[str, Any] | None:
        """The call with `notes` [{id, agent, at, text}] in order and `steps`, or None."""
        row = self._database.one(
            "SELECT c.*, p.name AS customer_name FROM calls c LEFT JOIN customers p ON p.id = c.customer"
            " WHERE c.id = ?",
            [call_id],
        )
        return self._typed(row) | {"notes": self.notes(call_id)} if row else None

    def notes(self, call_id: str) -> list[dict[str, Any]]:
        """Notes of a call, also of one whose record has not arrived yet."""
        return self._database.read(
            "SELECT id, agent, at, text FROM call_notes WHERE call_id = ? ORDER BY id", [call_id]
        )

    def note(self, call_id: str, agent: str, text: str) -> int:
        """Save a note, possibly before the record of the call is there. Returns the note's id."""
        text = text.strip()
        if not text or len(text) > MAX_NOTE_CHARS:
            raise InvalidRow([f"a note must have from 1 to {MAX_NOTE_CHARS} characters"])
        if not _ID.fullmatch(call_id):
            raise InvalidRow([f"{call_id!r} is no call"])
        with self._database.write() as db:
            note = {"call_id": call_id, "agent": agent, "at": self._clock(), "text": text}
            return insert(db, "call_notes", note)

    def star(self, call_id: str, starred: bool) -> None:
        """Mark as important: its recording is never deleted by retention (E8). Raises NotFound."""
        self._update(call_id, "starred", int(starred))

    def outcome(self, call_id: str, outcome: str) -> None:
        """What came of the call, in the agent's words or a code. Raises NotFound, InvalidRow."""
        if len(outcome) > 200:
            raise InvalidRow(["an outcome must not be longer than 200 characters"])
        self._update(call_id, "outcome", outcome.strip())

    def recording_gone(self, call_id: str) -> None:
        """The recording was deleted (retention). Raises NotFound."""
        self._update(call_id, "recording", "")

    def recordings(self, before: float | None = None, limit: int = 1000) -> list[dict[str, Any]]:
        """{id, recording, started_at} of finished calls that are not starred and have a recording,
        oldest first. before: only calls that started earlier than this (Unix seconds)."""
        return self._database.read(
            "SELECT id, recording, started_at FROM calls WHERE recording != '' AND NOT starred AND final"
            " AND (?1 IS NULL OR started_at < ?1) ORDER BY started_at, id LIMIT ?2",
            [before, limit],
        )

    def last_agent(self, normal: str) -> str:
        """Who last talked with this normalised outside number, "" when nobody (B7)."""
        row = self._database.one(
            "SELECT agent FROM calls WHERE normal = ? AND agent != '' AND connected_at IS NOT NULL"
            " ORDER BY started_at DESC LIMIT 1",
            [normal],
        )
        return str(row["agent"]) if row and normal else ""

    def contacts(
        self, normal: str, customer: int | None, limit: int = 5, exclude: str = ""
    ) -> list[dict[str, Any]]:
        """Last calls with a customer, or with a number whose customer is unknown, with their notes."""
        if customer is None and not normal:
            return []
        where, key = ("customer = ?", customer) if customer is not None else ("normal = ?", normal)
        rows = self._database.read(
            "SELECT id, direction, started_at, agent, queue, talk_s, end_reason, outcome,"
            " recording != '' AS recorded FROM calls"
            f" WHERE {where} AND id != ? ORDER BY started_at DESC LIMIT ?",
            [key, exclude, limit],
        )
        return [row | {"recorded": bool(row["recorded"]), "notes": self.notes(row["id"])} for row in rows]

    def renumber(self) -> None:
        """Normalise all numbers anew (the country or area code has changed), some at a time."""
        renumber(self._database, "calls", self._numbering().forms)

    # ------------------------------------------------------------------ inside
    def _text_condition(self, term: str) -> tuple[Any, ...]:
        like = "%" + re.sub(r"([%_\\])", r"\\\1", term) + "%"
        either = [
            r"c.caller_name LIKE ? ESCAPE '\'",
            r"c.outcome LIKE ? ESCAPE '\'",
            r"c.id IN (SELECT call_id FROM call_notes WHERE text LIKE ? ESCAPE '\')",
            "c.id = ?",
        ]
        params: list[Any] = [like, like, like, term]
        query = for_query(term)
        if query:
            either.append("c.customer IN (SELECT rowid FROM customers_fts WHERE customers_fts MATCH ?)")
            params.append(query)
        if looks_like_number(term):
            either.append("c.spellings LIKE ? OR c.normal = ?")
            params += [f"%{digits_of(term)}%", self._numbering().normalise(term)]
        return (f"({' OR '.join(either)})", *params)

    def _columns(self, record: Mapping[str, Any]) -> dict[str, Any]:
        problems = []
        call_id = record.get("id")
        if not isinstance(call_id, str) or not _ID.fullmatch(call_id):
            raise InvalidRow([f"call record: {call_id!r} is no id"])
        row: dict[str, Any] = {"id": call_id}
        for name in _TEXTS:
            value = record.get(name, "")
            if not isinstance(value, str) or len(value) > 2000:
                problems.append(f"call record {call_id}: {name} must be text, not {value!r:.80}")
            row[name] = value
        for name in ("started_at", *_TIMES, *_SECONDS):
            value = record.get(name, None if name in _TIMES else 0.0)
            if value is None and name in _TIMES:
                row[name] = None
            elif isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                problems.append(f"call record {call_id}: {name} must be a number, not {value!r:.80}")
            else:
                row[name] = float(value)
        for name in ("agents", "steps"):
            value = record.get(name, [])
            if not isinstance(value, list):
                problems.append(f"call record {call_id}: {name} must be a list, not {value!r:.80}")
            row[name] = json.dumps(value, ensure_ascii=False)
        if row["direction"] not in ("in", "out", "internal"):
            problems.append(f"call record {call_id}: direction must be in, out or internal")
        if problems:
            raise InvalidRow(problems)
        number = {"in": row["caller_number"], "out": row["called_number"]}.get(row["direction"], "")
        return row | {"number": number} | self._numbering().forms(number)

    def _customer(self, named: Any, normal: str, old: Mapping[str, Any] | None) -> int | None:
        for wanted in (named, old["customer"] if old else None):
            if isinstance(wanted, int) and self._database.one(
                "SELECT id FROM customers WHERE id = ?", [wanted]
            ):
                return wanted
        found = normal and self._database.one(
            "SELECT c.id FROM customers c JOIN customer_phones p ON p.customer_id = c.id WHERE p.normal = ?"
            " ORDER BY c.updated_at DESC, c.id DESC LIMIT 1",
            [normal],
        )
        return int(found["id"]) if found else None

    def _update(self, call_id: str, column: str, value: Any) -> None:
        with self._database.write() as db:
            if db.execute(f"UPDATE calls SET {column} = ? WHERE id = ?", [value, call_id]).rowcount != 1:
                raise NotFound("call", call_id)

    @staticmethod
    def _typed(row: dict[str, Any]) -> dict[str, Any]:
        typed = {key: value for key, value in row.items() if key not in ("spellings", "saved_at")}
        return typed | {
            "agents": json.loads(row["agents"]),
            "steps": json.loads(row["steps"]),
            "starred": bool(row["starred"]),
            "final": bool(row["final"]),
        }
