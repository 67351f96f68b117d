"""Who may use the pages, what they did, and the code that claims a new box."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from appliance.store.database import Database, insert
from appliance.store.errors import InvalidRow, NotFound
from appliance.store.fields import Field, check_row

ROLES = ("admin", "supervisor", "agent")
FIELDS = (
    Field(
        "username", "text", pattern=r"[^\s/:]{1,40}", meaning="up to 40 characters without blanks, / and :"
    ),
    Field("password_hash", "text", low=1, high=500),
    Field("role", "choice", choices=ROLES),
    Field("agent_number", "text", "", pattern=r"[0-9]{2,8}", meaning="a work number"),
    Field("language", "text", "zh", pattern=r"[A-Za-z]{2,3}([_-][A-Za-z]{2,4})?", meaning="a language code"),
    Field("disabled", "bool", False),
)
Rows = list[dict[str, Any]]
CODE_DIGITS = 8
TRIES_PER_LOCK = 5
LOCK_S = 600.0


class Users:
    """A row is {id, the FIELDS, created_at, last_login_at}. Passwords come here only as hashes."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    def create(
        self, username: str, password_hash: str, role: str, agent_number: str = "", language: str = "zh"
    ) -> dict[str, Any]:
        """Add a user. Raises InvalidRow (also when the name is taken, in any case)."""
        given = {"username": username, "password_hash": password_hash, "role": role}
        given |= {"agent_number": agent_number, "language": language}
        row = check_row("user", FIELDS, given, {})
        with self._database.write() as db:
            if self.by_username(row["username"]):
                raise InvalidRow([f"there is already a user {row['username']!r}"])
            user_id = insert(db, "users", row | {"created_at": self._clock()})
            stored = self.get(user_id)
            assert stored is not None
            return stored

    def get(self, user_id: int) -> dict[str, Any] | None:
        """The user, or None."""
        return _typed(self._database.one("SELECT * FROM users WHERE id = ?", [user_id]))

    def by_username(self, username: str) -> dict[str, Any] | None:
        """The user of this name in any case, or None."""
        return _typed(self._database.one("SELECT * FROM users WHERE username = ?", [username.strip()]))

    def list(self) -> list[dict[str, Any]]:
        """All users by name."""
        rows = self._database.read("SELECT * FROM users ORDER BY username")
        return [row | {"disabled": bool(row["disabled"])} for row in rows]

    def update(self, user_id: int, data: Mapping[str, Any]) -> dict[str, Any]:
        """Change the given FIELDS, or `last_login_at`. Raises InvalidRow, NotFound. The last admin can
        be neither demoted nor disabled."""
        with self._database.write() as db:
            old = self.get(user_id)
            if old is None:
                raise NotFound("user", user_id)
            row = check_row("user", FIELDS, {k: v for k, v in data.items() if k != "last_login_at"}, old)
            other = self.by_username(row["username"])
            if other and other["id"] != user_id:
                raise InvalidRow([f"there is already a user {row['username']!r}"])
            if row["role"] != "admin" or row["disabled"]:
                self._keep_an_admin(old)
            if "last_login_at" in data:
                row["last_login_at"] = float(data["last_login_at"])
            db.table("users").update(user_id, row)
            stored = self.get(user_id)
            assert stored is not None
            return stored

    def delete(self, user_id: int) -> None:
        """Remove a user. Raises NotFound, InvalidRow for the last admin."""
        with self._database.write() as db:
            old = self.get(user_id)
            if old is None:
                raise NotFound("user", user_id)
            self._keep_an_admin(old)
            db.table("users").delete(user_id)

    def count(self) -> int:
        """How many users there are."""
        row = self._database.one("SELECT count(*) AS n FROM users")
        return int(row["n"]) if row else 0

    def _keep_an_admin(self, leaving: Mapping[str, Any]) -> None:
        admins = self._database.read("SELECT id FROM users WHERE role = 'admin' AND NOT disabled")
        if [row["id"] for row in admins] == [leaving["id"]]:
            raise InvalidRow(["the last administrator cannot be removed; make another one first"])


def _typed(row: dict[str, Any] | None) -> dict[str, Any] | None:
    return row | {"disabled": bool(row["disabled"])} if row else None


class Audit:
    """Who did what, when (P3)."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    def add(self, who: str, what: str, detail: str = "") -> None:
        """Append an entry."""
        with self._database.write() as db:
            db.table("audit").insert({"at": self._clock(), "who": who, "what": what, "detail": detail[:2000]})

    def list(self, limit: int = 100, offset: int = 0, who: str = "", what: str = "") -> list[dict[str, Any]]:
        """Entries {id, at, who, what, detail}, newest first."""
        return self.search(limit=limit, offset=offset, who=who, what=what)[0]

    def search(
        self,
        text: str = "",
        also: Sequence[str] = (),
        who: str = "",
        what: str = "",
        limit: int = 100,
        offset: int = 0,
        oldest_first: bool = False,
    ) -> tuple[Rows, int]:
        """Entries that fit all that is given, and how many there are in all. text: any part of who, what or
        detail; also: whats that count as fitting it (their words in the reader's language do)."""
        where = ["(?1 = '' OR who = ?1 COLLATE NOCASE)", "(?2 = '' OR what = ?2)"]
        params: list[Any] = [who, what]
        if text:
            places = ", ".join("?" for _ in also)
            where.append(
                f"(instr(lower(who || char(10) || what || char(10) || detail), ?3) OR what IN ({places}))"
            )
            params += [text.lower(), *also]
        condition = " AND ".join(where)
        rows = self._database.read(
            f"SELECT * FROM audit WHERE {condition} ORDER BY id {'ASC' if oldest_first else 'DESC'}"
            f" LIMIT {max(0, int(limit))} OFFSET {max(0, int(offset))}",
            params,
        )
        total = self._database.one(f"SELECT count(*) AS n FROM audit WHERE {condition}", params)
        return rows, int(total["n"]) if total else 0

    def since(self, who: str, whats: Sequence[str], seconds: float) -> Rows:
        """What `who` (in any case) did of these kinds in the last `seconds`, newest first, at most 100."""
        now = self._clock()
        return self._database.read(
            "SELECT * FROM audit WHERE who = ? COLLATE NOCASE AND at > ? AND at <= ?"
            f" AND what IN ({', '.join('?' for _ in whats)}) ORDER BY id DESC LIMIT 100",
            [who, now - seconds, now, *whats],
        )


class Claim:
    """The one-time code that makes whoever reads it on the console the first administrator.

    It lives until the first administrator exists. After five wrong tries it is replaced by a new one
    and nothing is accepted for ten minutes.
    """

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    def code(self) -> str | None:
        """The code, made when there is none yet; None once the box has been claimed."""
        if self._claimed():
            return None
        row = self._row()
        if row is None:
            with self._database.write() as db:
                row = self._row()
                if row is None:
                    row = {"id": 1, "code": _new_code(), "wrong": 0, "locked_until": 0.0}
                    db.table("claim").insert(row, pk="id")
        return str(row["code"])

    def locked_s(self) -> float:
        """Seconds until another try is accepted; 0.0 when one is accepted now. A lock that would last longer
        than it can was made while the clock was ahead, and is none."""
        row = self._row()
        left = float(row["locked_until"]) - self._clock() if row else 0.0
        return left if 0.0 < left <= LOCK_S else 0.0

    def use(self, code: str) -> bool:
        """Whether this is the code; a right one is used up. Create the administrator next: should that
        fail, a new code is made."""
        given = code.strip().replace(" ", "").replace("-", "")
        if self._claimed() or self.code() is None:
            return False
        with self._database.write() as db:
            row = self._row()
            if row is None or self.locked_s() > 0:
                return False
            if hmac.compare_digest(_digest(given), _digest(row["code"])):
                db.table("claim").delete(1)
                return True
            change: dict[str, Any] = {"wrong": row["wrong"] + 1}
            if change["wrong"] >= TRIES_PER_LOCK:
                change = {"wrong": 0, "code": _new_code(), "locked_until": self._clock() + LOCK_S}
            db.table("claim").update(1, change)
            return False

    def _claimed(self) -> bool:
        return self._database.one("SELECT id FROM users WHERE role = 'admin'") is not None

    def _row(self) -> dict[str, Any] | None:
        return self._database.one("SELECT * FROM claim WHERE id = 1")


def _new_code() -> str:
    return f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}d}"


def _digest(code: str) -> bytes:
    return hashlib.sha256(code.encode()).digest()
