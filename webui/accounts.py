"""Users of the pages: passwords, sign-in, lock-out."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from flask import Flask, session
from flask_login import LoginManager, UserMixin

MIN_PASSWORD = 10
MAX_PASSWORD = 128
BAD_TRIES = 10
LOCK_S = 15 * 60.0
FORGET_S = 60 * 60.0

LANGUAGE_OF_ROW = {"zh": "zh_Hans", "zh_Hans": "zh_Hans", "zh_Hant": "zh_Hant", "en": "en"}

_hasher = PasswordHasher()
_DUMMY = _hasher.hash("compared when the user does not exist, so that both cases take equally long")


def hash_password(password: str) -> str:
    """Argon2id hash with its parameters and salt."""
    return _hasher.hash(password)


def password_fits(stored: str | None, password: str) -> bool:
    """Is this the password? A missing user costs as much time as a wrong password."""
    try:
        return _hasher.verify(stored or _DUMMY, password) and stored is not None
    except (VerifyMismatchError, InvalidHashError):
        return False


class User(UserMixin):  # type: ignore[misc]
    """A signed-in user; `row` is the store's row."""

    def __init__(self, row: dict[str, Any]) -> None:
        self.id = str(row["id"])
        self.username: str = row["username"]
        self.name: str = row["username"]
        self.role: str = row["role"]
        self.agent: str = row.get("agent_number") or ""
        self.language = LANGUAGE_OF_ROW.get(row.get("language") or "", "")
        self.stamp = session_stamp(row)


def session_stamp(row: dict[str, Any]) -> str:
    """Changes with the password, so that a changed password ends other sessions."""
    return str(row.get("password_hash") or "")[-16:]


@dataclass
class _Tries:
    bad: int = 0
    last_s: float = 0.0
    locked_until_s: float = 0.0


class LockOut:
    """Counts bad tries per user name; BAD_TRIES of them lock it for LOCK_S.

    Names that do not exist are counted too, so that the answer tells nothing.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._tries: dict[str, _Tries] = {}
        self._lock = threading.Lock()

    def locked_for_s(self, name: str) -> float:
        """Seconds until the name may be tried again, 0 when it may be now."""
        with self._lock:
            tries = self._tries.get(name.casefold())
            return 0.0 if tries is None else max(0.0, tries.locked_until_s - self._clock())

    def bad(self, name: str) -> bool:
        """Count a bad try; True when this one locked the name."""
        now = self._clock()
        with self._lock:
            for old in [n for n, t in self._tries.items() if now - t.last_s > FORGET_S]:
                del self._tries[old]
            tries = self._tries.setdefault(name.casefold(), _Tries())
            tries.bad += 1
            tries.last_s = now
            if tries.bad < BAD_TRIES:
                return False
            tries.bad = 0
            tries.locked_until_s = now + LOCK_S
            return True

    def good(self, name: str) -> None:
        """Forget the bad tries of a name."""
        with self._lock:
            self._tries.pop(name.casefold(), None)


def install(app: Flask, user_by_id: Callable[[int], dict[str, Any] | None]) -> None:
    """Flask-Login on this application."""
    manager = LoginManager(app)
    manager.session_protection = "basic"
    app.extensions["lockout"] = LockOut()

    @manager.user_loader  # type: ignore[untyped-decorator]
    def load(user_id: str) -> User | None:
        row = user_by_id(int(user_id)) if user_id.isdigit() else None
        if row is None or row.get("disabled"):
            return None
        user = User(row)
        return user if session.get("stamp") == user.stamp else None
