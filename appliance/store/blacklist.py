"""The blacklist: who is not let in, and how often they tried (P1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from appliance.store.database import Database, insert
from appliance.store.errors import InvalidRow, NotFound
from appliance.store.fields import Field, check_row
from appliance.store.numbers import Numbering, digits_of

FIELDS = (
    Field("pattern", "text", low=1, high=40, help='A number, a beginning with "*", or "withheld"'),
    Field("action", "choice", "ignore", choices=("ignore", "drop", "message"), help="What the caller gets"),
    # The plan wants one whatever the action: an empty one would hold up all settings.
    Field(
        "prompt", "text", "sorry_blocked", low=1, pattern=r"[A-Za-z0-9_-]{1,64}", meaning="a prompt's name"
    ),
    Field("note", "text", "", high=500, help="Why"),
)


class Blacklist:
    """Rows {id, pattern, action, prompt, note, added_at, hits}; hits: calls refused so far."""

    def __init__(
        self, database: Database, numbering: Callable[[], Numbering], clock: Callable[[], float]
    ) -> None:
        self._database = database
        self._numbering = numbering
        self._clock = clock

    def list(self) -> list[dict[str, Any]]:
        """All entries, newest first."""
        rows = self._database.read("SELECT * FROM blacklist ORDER BY id DESC")
        return [row | {"hits": self._hits(row["pattern"])} for row in rows]

    def get(self, entry_id: int) -> dict[str, Any] | None:
        """The entry, or None."""
        row = self._database.one("SELECT * FROM blacklist WHERE id = ?", [entry_id])
        return row | {"hits": self._hits(row["pattern"])} if row else None

    def put(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Add an entry, or change the one whose `id` is given. Raises InvalidRow, NotFound."""
        data = {key: value for key, value in row.items() if key in {f.name for f in FIELDS}}
        unknown = set(row) - set(data) - {"id", "added_at", "hits"}
        if unknown:
            raise InvalidRow([f"blacklist has no field {name!r}" for name in sorted(unknown)])
        with self._database.write() as db:
            old: Mapping[str, Any] = {}
            if row.get("id") is not None:
                found = self.get(int(row["id"]))
                if found is None:
                    raise NotFound("blacklist entry", row["id"])
                old = found
            checked = check_row("blacklist", FIELDS, data, old)
            checked["pattern"] = self._pattern(checked["pattern"])
            twin = self._database.one("SELECT id FROM blacklist WHERE pattern = ?", [checked["pattern"]])
            if twin and twin["id"] != old.get("id"):
                raise InvalidRow([f"{checked['pattern']} is already on the blacklist"])
            if old:
                db.table("blacklist").update(old["id"], checked)
                entry_id = int(old["id"])
            else:
                checked["added_at"] = self._clock()
                entry_id = insert(db, "blacklist", checked)
            stored = self.get(entry_id)
            assert stored is not None
            return stored

    def delete(self, entry_id: int) -> None:
        """Remove an entry. Raises NotFound."""
        with self._database.write() as db:
            if self._database.one("SELECT id FROM blacklist WHERE id = ?", [entry_id]) is None:
                raise NotFound("blacklist entry", entry_id)
            db.table("blacklist").delete(entry_id)

    def match(self, number: str) -> dict[str, Any] | None:
        """The entry that refuses a call from `number` ("" = withheld), or None. A whole number on the
        list refuses every spelling of it."""
        normal = self._numbering().normalise(number)
        forms = self._numbering().spellings(number).split()
        for row in self._database.read("SELECT * FROM blacklist ORDER BY id"):
            pattern = str(row["pattern"])
            if pattern == "withheld":
                hit = not normal
            elif pattern.endswith("*"):
                hit = any(form.startswith(pattern[:-1]) for form in forms)
            else:
                hit = bool(normal) and self._numbering().normalise(pattern) == normal
            if hit:
                return row
        return None

    def _pattern(self, text: str) -> str:
        if text.lower() == "withheld":
            return "withheld"
        digits = digits_of(text)
        if not digits:
            raise InvalidRow(
                [f'blacklist: {text!r} is not a number, a beginning such as "0755*", or "withheld"']
            )
        if "*" in text.rstrip("*"):
            raise InvalidRow([f'blacklist: in {text!r} the "*" may only stand at the end'])
        return digits + ("*" if text.endswith("*") else "")

    def _hits(self, pattern: str) -> int:
        if pattern == "withheld":
            where, params = "normal = ''", []
        elif pattern.endswith("*"):
            where, params = "(' ' || spellings) LIKE ?", [f"% {pattern[:-1]}%"]
        else:
            where, params = "normal = ?", [self._numbering().normalise(pattern)]
        row = self._database.one(
            f"SELECT count(*) AS n FROM calls WHERE end_reason = 'blocked' AND {where}", params
        )
        return int(row["n"]) if row else 0
