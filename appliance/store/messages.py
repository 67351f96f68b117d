"""Short messages: what came in, what goes out and what became of it, by the other side's number."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Mapping
from typing import Any

from appliance.store.database import Database
from appliance.store.errors import InvalidRow, NotFound
from appliance.store.numbers import Numbering, digits_of, looks_like_number
from appliance.store.renumber import renumber
from appliance.store.text_index import for_query

STATES = ("received", "queued", "sent", "delivered", "failed")
SORTS = ("at", "peer", "messages", "unread", "state")
"""What conversations can be sorted by."""
MAX_CHARS = 4900
"""Of a message that is sent: 32 parts in the GSM alphabet; in Chinese it is less, and the card says so."""
REPORT_S = 7 * 86400.0
"""A status report that comes later than this belongs to another message of the same reference."""
RESTORED = "a backup was restored that does not know what became of it"
NOT_DELIVERED = "the network could not deliver it"
_ID = re.compile(r"[A-Za-z0-9._:-]{1,80}")
_CUSTOMER = (
    "(SELECT c.id FROM customer_phones p JOIN customers c ON c.id = p.customer_id"
    " WHERE p.normal = m.normal AND m.normal != '' ORDER BY c.updated_at DESC, c.id DESC LIMIT 1)"
)


class Messages:
    """A row: id, direction ("in", "out"), state (STATES), reason, unsure (it may have gone out), line,
    line_number, port (socket), number (as written), peer (one per conversation), text, missing (parts that
    never came), who (wrote it), at (came in, or was written; Unix seconds), sent_at (the network took it),
    settled_at (its fate was known), read_at, again (id of the message that was sent instead),
    customer, customer_name."""

    def __init__(
        self, database: Database, numbering: Callable[[], Numbering], clock: Callable[[], float]
    ) -> None:
        self._database = database
        self._numbering = numbering
        self._clock = clock
        self.unfinished: Callable[[], None] | None = None
        """Finishes a restore: before that nobody knows what has gone out, and nothing is sent."""

    # ---------------------------------------------------------- from the engine
    def save(self, name: str, told: Mapping[str, Any], final: bool) -> dict[str, Any]:
        """Store what the engine tells: the same again changes nothing. told: `kind` is "received", "sent" or
        "report". Returns the message concerned; {} for a report that belongs to none. Raises InvalidRow."""
        _check(name, told)
        with self._database.write():
            if told["kind"] == "received":
                self._received(name, told)
            elif told["kind"] == "sent":
                self._fate(name, told, final)
            else:
                name = self._reported(name, told)
            return self.get(name) or {}

    def _received(self, name: str, told: Mapping[str, Any]) -> None:
        self._insert(
            {
                "id": name,
                "direction": "in",
                "state": "received",
                "port": told["port"],
                "number": told["number"],
                "text": told["text"],
                "missing": int(told["missing"]),
                "at": float(told["at"]),
                "sent_at": told["sent_at"],
            }
        )

    def _fate(self, name: str, told: Mapping[str, Any], final: bool) -> None:
        if self.get(name) is None:  # a backup was restored that does not know it yet
            self._insert(
                {
                    **{key: told[key] for key in ("number", "text", "port")},
                    **{"id": name, "direction": "out", "state": "queued", "at": float(told["at"])},
                }
            )
        if not final:
            return
        done = {
            "state": told["state"],
            "reason": told["reason"],
            "unsure": int(bool(told.get("unsure"))),
            "refs": json.dumps(told.get("references", [])),
            "settled_at": float(told["at"]),
            **({"sent_at": float(told["at"])} if told["state"] == "sent" else {}),
            **self._line(str(told["port"])),
        }
        if self._update(name, done, "AND state = 'queued'"):
            self._apply_reports(name)

    def _reported(self, name: str, told: Mapping[str, Any]) -> str:
        normal, at = self._numbering().normalise(str(told["number"])), float(told["at"])
        found = self._database.one(
            "SELECT id FROM messages WHERE direction = 'out' AND port = ? AND normal = ? AND at <= ?"
            " AND at > ? AND EXISTS (SELECT 1 FROM json_each(refs) WHERE value = ?) ORDER BY at DESC LIMIT 1",
            [told["port"], normal, at, at - REPORT_S, told["reference"]],
        )
        report = {
            **{"id": name, "port": told["port"], "normal": normal, "reference": told["reference"]},
            **{"state": told["state"], "at": at, "message": found["id"] if found else ""},
        }
        with self._database.write() as db:
            db.table("message_reports").insert(report, pk="id", ignore=True)
        if found:
            self._apply_reports(found["id"])
        return str(found["id"]) if found else ""

    def _apply_reports(self, name: str) -> None:
        """Delivered when every part is, failed when one is. It may come before its reference is known."""
        row = self._database.one("SELECT * FROM messages WHERE id = ?", [name])
        assert row is not None
        references = json.loads(row["refs"])
        with self._database.write() as db:
            db.execute(
                "UPDATE message_reports SET message = ? WHERE message = '' AND port = ? AND normal = ?"
                " AND at >= ? AND reference IN (SELECT value FROM json_each(?))",
                [name, row["port"], row["normal"], row["at"], row["refs"]],
            )
        reports = self._database.read(
            "SELECT reference, state, at FROM message_reports WHERE message = ? ORDER BY at", [name]
        )
        states = {report["reference"]: report["state"] for report in reports}
        if not references or row["state"] not in ("sent", "delivered"):
            return
        if "failed" in states.values():
            fate = {"state": "failed", "reason": NOT_DELIVERED, "settled_at": reports[-1]["at"]}
            self._update(name, fate)
        elif all(states.get(one) == "delivered" for one in references):
            self._update(name, {"state": "delivered", "settled_at": reports[-1]["at"]})

    # ------------------------------------------------------------------ sending
    def write(self, number: str, text: str, who: str, line: str = "") -> dict[str, Any]:
        """A message to be sent, on the disk when this returns. Returns it with `dial`; raises InvalidRow,
        StoreError.
        line: id of the line to send by, "" for the one that the other side wrote to last, or any."""
        problems = []
        dial = self._numbering().normalise(number) if looks_like_number(number) else ""
        if not dial:
            problems.append(f"{number[:40]!r} is not a telephone number: write digits")
        if not text.strip() or len(text) > MAX_CHARS:
            problems.append(f"a message must have from 1 to {MAX_CHARS} characters")
        if problems:
            raise InvalidRow(problems)
        self._finish_restore()
        with self._database.write():
            port = self._database.one("SELECT port FROM lines WHERE id = ?", [line])
            port = port or self._database.one(
                "SELECT port FROM messages WHERE peer = ? AND direction = 'in' ORDER BY at DESC LIMIT 1",
                [dial],
            )
            name = f"out-{int(self._clock() * 1000)}-{secrets.token_hex(4)}"
            self._insert(
                {
                    **{"id": name, "direction": "out", "state": "queued", "number": number.strip()},
                    **{"text": text, "who": who, "at": self._clock(), "port": port["port"] if port else ""},
                }
            )
            return self._for_engine(name)

    def write_again(self, name: str, who: str) -> dict[str, Any]:
        """Send a message that failed once more, as a new one. Raises NotFound, InvalidRow,
        StoreError."""
        self._finish_restore()
        with self._database.write():
            old = self._database.one("SELECT * FROM messages WHERE id = ? AND direction = 'out'", [name])
            if old is None:
                raise NotFound("message", name)
            if old["state"] != "failed" or old["again"]:
                raise InvalidRow(["only a message that failed can be sent again, and only once"])
            new = self.write(old["number"], old["text"], who, old["line"])
            self._update(name, {"again": new["id"]})
            return new

    def unsent(self) -> list[dict[str, Any]]:
        """Messages whose fate is not known, oldest first, as the engine wants them. Raises StoreError."""
        self._finish_restore()
        rows = self._database.read("SELECT id FROM messages WHERE state = 'queued' ORDER BY at, id")
        return [self._for_engine(row["id"]) for row in rows]

    def _finish_restore(self) -> None:
        if self.unfinished is not None:
            self.unfinished()
            self.unfinished = None

    def settle_restored(self) -> None:
        """After a backup was restored: what it calls queued may have gone out long ago. A person decides."""
        with self._database.write() as db:
            db.execute(
                "UPDATE messages SET state = 'failed', unsure = 1, reason = ?, settled_at = ?"
                " WHERE state = 'queued'",
                [RESTORED, self._clock()],
            )

    def _for_engine(self, name: str) -> dict[str, Any]:
        row = self.get(name)
        assert row is not None
        return row | {"dial": row["normal"]}

    # ------------------------------------------------------------------ reading
    def get(self, name: str) -> dict[str, Any] | None:
        """One message, or None."""
        rows = self._rows("m.id = ?", [name], "m.id", 1, 0)
        return rows[0] if rows else None

    def thread(self, number: str, limit: int = 200, offset: int = 0) -> list[dict[str, Any]]:
        """The newest messages from and to a number in any spelling (or a sender's word), oldest first."""
        return self._rows("m.peer = ?", [self.peer(number)], "m.at DESC, m.id DESC", limit, offset)[::-1]

    def of_customer(self, customer: int, limit: int = 50) -> list[dict[str, Any]]:
        """Messages from and to all numbers of a customer, newest first."""
        where = "m.normal != '' AND m.normal IN (SELECT normal FROM customer_phones WHERE customer_id = ?)"
        return self._rows(where, [customer], "m.at DESC, m.id DESC", limit, 0)

    def search(self, limit: int = 50, offset: int = 0, **wanted: Any) -> tuple[list[dict[str, Any]], int]:
        """(messages, total) that fit, newest first. wanted: text, direction, state, unread, since, until."""
        where, params = self._where(**wanted)
        total = self._database.one(f"SELECT count(*) AS n FROM messages m WHERE {where}", params)
        return self._rows(where, params, "m.at DESC, m.id DESC", limit, offset), total["n"] if total else 0

    def conversations(
        self, limit: int = 50, offset: int = 0, sort: str = "at", descending: bool = True, **wanted: Any
    ) -> tuple[list[dict[str, Any]], int]:
        """(conversations, total): the newest fitting message of each number, with `messages` (how many fit)
        and `unread`. wanted: as in `search`. ValueError for a sort that is not in SORTS."""
        if sort not in SORTS:
            raise ValueError(f"conversations are not sorted by {sort!r}; use one of: {', '.join(SORTS)}")
        where, params = self._where(**wanted)
        order = "DESC" if descending else "ASC"
        rows = self._database.read(
            # With max() the other columns are those of the newest message (SQLite, "bare columns").
            f"SELECT m.*, max(m.at) AS at, count(*) AS messages, {_CUSTOMER} AS customer,"
            " sum(m.direction = 'in' AND m.read_at IS NULL) AS unread"
            f" FROM messages m WHERE {where} GROUP BY m.peer"
            f" ORDER BY {sort} {order}, at DESC LIMIT ? OFFSET ?",
            [*params, max(0, min(limit, 1000)), max(0, offset)],
        )
        total = self._database.one(
            f"SELECT count(DISTINCT m.peer) AS n FROM messages m WHERE {where}", params
        )
        return self._named(rows), total["n"] if total else 0

    def unread(self) -> int:
        """How many messages came in that nobody has read."""
        row = self._database.one(
            "SELECT count(*) AS n FROM messages WHERE direction = 'in' AND read_at IS NULL"
        )
        return int(row["n"]) if row else 0

    def read(self, number: str, until: float) -> int:
        """What came in from there up to then (Unix seconds) has been read; returns how many were new."""
        with self._database.write() as db:
            return int(
                db.execute(
                    "UPDATE messages SET read_at = ? WHERE peer = ? AND direction = 'in'"
                    " AND read_at IS NULL AND at <= ?",
                    [self._clock(), self.peer(number), until],
                ).rowcount
            )

    def peer(self, number: str) -> str:
        """What names the conversation with a number in any spelling, or with a sender's word."""
        normal = self._numbering().normalise(number) if looks_like_number(number) else ""
        return normal or number.strip().casefold()

    def renumber(self) -> None:
        """Normalise all numbers anew (the country or area code has changed), some at a time."""
        renumber(self._database, "messages", self._numbered)

    # ------------------------------------------------------------------- inside
    def _where(
        self,
        text: str = "",
        direction: str = "",
        state: str = "",
        unread: bool = False,
        since: float | None = None,
        until: float | None = None,
    ) -> tuple[str, list[Any]]:
        conditions, params = ["1"], list[Any]()
        for column, wanted in (("direction = ?", direction), ("state = ?", state)):
            if wanted:
                conditions.append(f"m.{column}")
                params.append(wanted)
        for column, moment in (("at >= ?", since), ("at < ?", until)):
            if moment is not None:
                conditions.append(f"m.{column}")
                params.append(moment)
        if unread:
            conditions.append("m.direction = 'in' AND m.read_at IS NULL")
        for term in [text] if looks_like_number(text) else text.split()[:12]:
            like = "%" + re.sub(r"([%_\\])", r"\\\1", term) + "%"
            either = [r"m.text LIKE ? ESCAPE '\'", r"m.number LIKE ? ESCAPE '\'"]
            params += [like, like]
            if query := for_query(term):
                either.append(
                    "m.normal IN (SELECT normal FROM customer_phones WHERE normal != '' AND customer_id IN"
                    " (SELECT rowid FROM customers_fts WHERE customers_fts MATCH ?))"
                )
                params.append(query)
            if looks_like_number(term):
                either.append("m.spellings LIKE ?")
                params.append(f"%{digits_of(term)}%")
            conditions.append(f"({' OR '.join(either)})")
        return " AND ".join(conditions), params

    def _rows(
        self, where: str, params: list[Any], order: str, limit: int, offset: int
    ) -> list[dict[str, Any]]:
        rows = self._database.read(
            f"SELECT m.*, {_CUSTOMER} AS customer FROM messages m WHERE {where}"
            f" ORDER BY {order} LIMIT ? OFFSET ?",
            [*params, max(0, min(limit, 1000)), max(0, offset)],
        )
        return self._named(rows)

    def _named(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        wanted = sorted({row["customer"] for row in rows if row["customer"] is not None})
        names = {
            row["id"]: row["name"] or row["company"]
            for row in self._database.read(
                "SELECT id, name, company FROM customers WHERE id IN (SELECT value FROM json_each(?))",
                [json.dumps(wanted)],
            )
        }
        hidden = ("spellings", "refs")
        return [
            {key: value for key, value in row.items() if key not in hidden}
            | {"unsure": bool(row["unsure"]), "customer_name": names.get(row["customer"], "")}
            for row in rows
        ]

    def _insert(self, given: dict[str, Any]) -> None:
        row = {
            **{"reason": "", "unsure": 0, "who": "", "missing": 0, "refs": "[]", "again": ""},
            **given,
            **self._numbered(str(given["number"])),
            **self._line(str(given["port"])),
        }
        with self._database.write() as db:
            db.table("messages").insert(row, pk="id", ignore=True)

    def _numbered(self, number: str) -> dict[str, str]:
        normal = self._numbering().normalise(number) if looks_like_number(number) else ""
        spellings = self._numbering().spellings(number) if normal else ""
        return {"peer": self.peer(number), "normal": normal, "spellings": spellings}

    def _line(self, port: str) -> dict[str, str]:
        """Our side: the line in this socket, as it is now."""
        line = self._database.one("SELECT id, number FROM lines WHERE port = ?", [port])
        return {
            "port": port,
            "line": line["id"] if line else "",
            "line_number": line["number"] if line else "",
        }

    def _update(self, name: str, changes: dict[str, Any], only: str = "") -> bool:
        sets = ", ".join(f"{column} = ?" for column in changes)
        with self._database.write() as db:
            done = db.execute(f"UPDATE messages SET {sets} WHERE id = ? {only}", [*changes.values(), name])
            return int(done.rowcount) == 1


_NEEDED: dict[str, dict[str, type | tuple[type, ...]]] = {
    "received": {"port": str, "number": str, "text": str, "missing": int, "at": (int, float)},
    "sent": {"port": str, "number": str, "text": str, "state": str, "at": (int, float)},
    "report": {"port": str, "number": str, "reference": int, "state": str, "at": (int, float)},
}


def _check(name: str, told: Mapping[str, Any]) -> None:
    """Raises InvalidRow when it is no message."""
    needed = _NEEDED.get(str(told.get("kind")))
    if needed is None or not _ID.fullmatch(name):
        raise InvalidRow([f"message {name!r}: it is of no known kind, or its id is none"])
    wrong = [key for key, kind in needed.items() if not isinstance(told.get(key), kind)]
    if told["kind"] == "sent" and told.get("state") not in ("queued", "sent", "failed"):
        wrong.append("state")
    if wrong:
        raise InvalidRow([f"message {name}: {', '.join(wrong)} cannot be so"])
