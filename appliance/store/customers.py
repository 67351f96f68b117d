"""Customers and their telephone numbers (F1-F3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from appliance.store.database import Database, insert
from appliance.store.errors import InvalidRow, NotFound
from appliance.store.fields import Field, check_row
from appliance.store.numbers import Numbering, digits_of, looks_like_number
from appliance.store.renumber import renumber
from appliance.store.text_index import for_index, for_query

FIELDS = (
    Field("name", "text", "", high=100, help="Name"),
    Field("company", "text", "", high=200, help="Company"),
    Field("address", "text", "", high=500, help="Address"),
    Field("terminal_address", "text", "", high=500, help="Where the service is installed"),
    Field("notes", "text", "", high=20_000, help="Notes"),
    Field("vip", "bool", False, help="Important customer"),
    Field("kind", "text", "", high=40, help="Type or stage: potential, new, old, …"),
)
MAX_PHONES = 20
NAMES = frozenset(field.name for field in FIELDS)
SORTS = ("name", "company", "address", "kind", "updated_at")
"""What customers can be sorted by."""


class Customers:
    """A row is {id, the FIELDS, created_at, updated_at, phones: [{number, label, normal}]}."""

    def __init__(
        self, database: Database, numbering: Callable[[], Numbering], clock: Callable[[], float]
    ) -> None:
        self._database = database
        self._numbering = numbering
        self._clock = clock

    def search(
        self,
        text: str = "",
        limit: int = 50,
        offset: int = 0,
        *,
        sort: str = "updated_at",
        descending: bool = True,
    ) -> tuple[list[dict[str, Any]], int]:
        """Customers that match every word of `text` in name, company, addresses, notes or kind, or any
        part of a telephone number in any spelling; newest change first, or by a column of SORTS (ValueError
        for another). Returns (rows, total)."""
        if sort not in SORTS:
            raise ValueError(f"customers are not sorted by {sort!r}; use one of: {', '.join(SORTS)}")
        order = "DESC" if descending else "ASC"
        where, params = self._where(text)
        rows = self._database.read(
            f"SELECT * FROM customers c WHERE {where} ORDER BY {sort} COLLATE NOCASE {order}, id {order}"
            " LIMIT ? OFFSET ?",
            [*params, max(0, min(limit, 1000)), max(0, offset)],
        )
        total = self._database.one(f"SELECT count(*) AS n FROM customers c WHERE {where}", params)
        return self._with_phones(rows), int(total["n"]) if total else 0

    def get(self, customer_id: int) -> dict[str, Any] | None:
        """The customer, or None."""
        rows = self._database.read("SELECT * FROM customers WHERE id = ?", [customer_id])
        return self._with_phones(rows)[0] if rows else None

    def by_phone(self, number: str) -> dict[str, Any] | None:
        """The customer whom this number in any spelling belongs to (the last changed of several), or None."""
        normal = self._numbering().normalise(number)
        if not normal:
            return None
        rows = self._database.read(
            "SELECT c.* FROM customers c JOIN customer_phones p ON p.customer_id = c.id WHERE p.normal = ?"
            " ORDER BY c.updated_at DESC, c.id DESC LIMIT 1",
            [normal],
        )
        return self._with_phones(rows)[0] if rows else None

    def add(self, data: Mapping[str, Any]) -> int:
        """Add a customer; returns the id. Raises InvalidRow."""
        row, phones = self._checked(data, {})
        if phones is None:
            phones = []
        if not row["name"] and not row["company"] and not phones:
            raise InvalidRow(["customer: give at least a name, a company or a telephone number"])
        now = self._clock()
        with self._database.write() as db:
            customer_id = insert(db, "customers", row | {"created_at": now, "updated_at": now})
            self._put_phones(customer_id, phones)
            self._index(customer_id)
        return customer_id

    def add_once(self, data: Mapping[str, Any]) -> bool:
        """Add a customer unless one with the same name, company and telephone numbers is there."""
        numbers = [phone["number"] for phone in data["phones"]]
        for row in self._database.read(
            "SELECT id FROM customers WHERE name = ? AND company = ?", [data["name"], data["company"]]
        ):
            known = self.get(row["id"])
            if known is not None and [phone["number"] for phone in known["phones"]] == numbers:
                return False
        self.add({name: data[name] for name in (*NAMES, "phones")} | {"vip": bool(data["vip"])})
        return True

    def update(self, customer_id: int, data: Mapping[str, Any]) -> dict[str, Any]:
        """Change the given fields (`phones` replaces all numbers). Raises InvalidRow, NotFound."""
        with self._database.write() as db:
            old = self.get(customer_id)
            if old is None:
                raise NotFound("customer", customer_id)
            row, phones = self._checked(data, old)
            db.table("customers").update(customer_id, row | {"updated_at": self._clock()})
            if phones is not None:
                self._put_phones(customer_id, phones)
            self._index(customer_id)
            stored = self.get(customer_id)
            assert stored is not None
            return stored

    def delete(self, customer_id: int) -> None:
        """Remove a customer; the calls stay, without it. Raises NotFound."""
        with self._database.write() as db:
            if self.get(customer_id) is None:
                raise NotFound("customer", customer_id)
            db.table("customers").delete(customer_id)
            db.execute("DELETE FROM customers_fts WHERE rowid = ?", [customer_id])

    def count(self) -> int:
        """How many customers there are."""
        row = self._database.one("SELECT count(*) AS n FROM customers")
        return int(row["n"]) if row else 0

    def renumber(self) -> None:
        """Normalise all numbers anew (the country or area code has changed), some at a time."""
        renumber(self._database, "customer_phones", self._numbering().forms)

    # ------------------------------------------------------------------ inside
    def _where(self, text: str) -> tuple[str, list[Any]]:
        terms = [text] if looks_like_number(text) else text.split()[:12]
        conditions, params = ["1"], list[Any]()
        for term in terms:
            either = []
            query = for_query(term)
            if query:
                either.append("c.id IN (SELECT rowid FROM customers_fts WHERE customers_fts MATCH ?)")
                params.append(query)
            if looks_like_number(term):
                either.append(
                    "c.id IN (SELECT customer_id FROM customer_phones WHERE spellings LIKE ? OR normal = ?)"
                )
                params += [f"%{digits_of(term)}%", self._numbering().normalise(term)]
            conditions.append(f"({' OR '.join(either)})" if either else "0")
        return " AND ".join(conditions), params

    def _checked(
        self, data: Mapping[str, Any], old: Mapping[str, Any]
    ) -> tuple[dict[str, Any], list[dict[str, str]] | None]:
        problems: list[str] = []
        row: dict[str, Any] = {}
        try:
            row = check_row("customer", FIELDS, {k: v for k, v in data.items() if k != "phones"}, old)
        except InvalidRow as error:
            problems += error.problems
        phones: list[dict[str, str]] | None = None
        if "phones" in data:
            try:
                phones = self._checked_phones(data["phones"])
            except InvalidRow as error:
                problems += error.problems
        if problems:
            raise InvalidRow(problems)
        return row, phones

    def _checked_phones(self, given: Any) -> list[dict[str, str]]:
        if not isinstance(given, Sequence) or isinstance(given, str):
            raise InvalidRow(["customer: phones must be a list of {number, label}"])
        phones: dict[str, dict[str, str]] = {}
        problems = []
        for entry in given:
            number = entry.get("number") if isinstance(entry, Mapping) else entry
            label = entry.get("label", "") if isinstance(entry, Mapping) else ""
            if not isinstance(number, str) or not isinstance(label, str):
                problems.append(f"customer: {entry!r} is not a telephone number")
                continue
            number, label = number.strip(), label.strip()[:40]
            normal = self._numbering().normalise(number)
            if not number and not label:
                continue  # an empty row of a form
            if not normal or len(number) > 60:
                problems.append(f"customer: {number[:60]!r} is not a telephone number")
                continue
            phones.setdefault(normal, {"number": number, "label": label})
        if len(phones) > MAX_PHONES:
            problems.append(f"customer: at most {MAX_PHONES} telephone numbers")
        if problems:
            raise InvalidRow(problems)
        return list(phones.values())

    def _put_phones(self, customer_id: int, phones: Sequence[Mapping[str, str]]) -> None:
        numbering = self._numbering()
        with self._database.write() as db:
            db.execute("DELETE FROM customer_phones WHERE customer_id = ?", [customer_id])
            for position, phone in enumerate(phones):
                db.execute(
                    "INSERT INTO customer_phones (customer_id, position, number, label, normal, spellings)"
                    " VALUES (?, ?, ?, ?, ?, ?)",
                    [
                        customer_id,
                        position,
                        phone["number"],
                        phone["label"],
                        numbering.normalise(phone["number"]),
                        numbering.spellings(phone["number"]),
                    ],
                )

    def _index(self, customer_id: int) -> None:
        with self._database.write() as db:
            row = self.get(customer_id)
            assert row is not None
            texts = [
                row[name] for name in ("name", "company", "address", "terminal_address", "notes", "kind")
            ]
            body = for_index(*texts, *(phone["label"] for phone in row["phones"]))
            db.execute("DELETE FROM customers_fts WHERE rowid = ?", [customer_id])
            db.execute("INSERT INTO customers_fts (rowid, body) VALUES (?, ?)", [customer_id, body])

    def _with_phones(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if not rows:
            return []
        marks = ",".join("?" * len(rows))
        phones: dict[int, list[dict[str, str]]] = {row["id"]: [] for row in rows}
        for phone in self._database.read(
            f"SELECT customer_id, number, label, normal FROM customer_phones WHERE customer_id IN ({marks})"
            " ORDER BY customer_id, position",
            [row["id"] for row in rows],
        ):
            phones[phone.pop("customer_id")].append(phone)
        return [row | {"vip": bool(row["vip"]), "phones": phones[row["id"]]} for row in rows]
