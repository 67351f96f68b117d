"""Users of the pages: passwords, sign-in, lock-out."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, cast

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from flask import Flask, current_app, session
from flask_login import LoginManager, UserMixin, current_user

from appliance.store import StoreError
from appliance.store.users import Audit
from webui.sessions import Sessions

MIN_PASSWORD = 10
MAX_PASSWORD = 128
BAD_TRIES = 10
LOCK_S = 15 * 60.0
FORGET_S = 60 * 60.0

GOOD, BAD, LOCKED, OPENED = "sign-in", "sign-in refused", "locked out", "lock opened"
WRONG_PASSWORD = "wrong password"

LANGUAGE_OF_ROW = {"zh": "zh_Hans", "zh_Hans": "zh_Hans", "zh_Hant": "zh_Hant", "en": "en"}

_hasher = PasswordHasher()

_COST = f"m={_hasher.memory_cost},t={_hasher.time_cost},p={_hasher.parallelism}"
_DUMMY = f"$argon2id$v=19${_COST}${'A' * 22}${'A' * 43}"
"""Compared when the user does not exist, so that both cases take equally long. It fits no password; it is
written down because making one is as slow as it is meant to be, and the pages shall be there soon."""


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


class LockOut:
    """BAD_TRIES wrong passwords in a row lock a user name for LOCK_S.

    What is counted is the audit log: a restart forgets nothing, and every lock can be looked up. Names
    that do not exist are counted too, so that the answer tells nothing.
    """

    def __init__(self, audit: Callable[[], Audit], clock: Callable[[], float] = time.time) -> None:
        self._audit = audit
        self._clock = clock
        self.one_at_a_time = threading.Lock()
        """Held from looking whether a name is locked until the outcome of the try has been noted."""

    def locked_for_s(self, name: str) -> float:
        """Seconds until the name may be tried again, 0 when it may be now."""
        for last in self._audit().since(name, (LOCKED, OPENED), LOCK_S)[:1]:
            if last["what"] == LOCKED:
                return max(0.0, float(last["at"]) + LOCK_S - self._clock())
        return 0.0

    def this_locks(self, name: str) -> bool:
        """Is the wrong password that is about to be noted the one that locks the name?"""
        bad = 0
        for entry in self._audit().since(name, (BAD, GOOD, LOCKED, OPENED), FORGET_S):
            if entry["what"] != BAD:
                break
            bad += entry["detail"].startswith(WRONG_PASSWORD)
        return bad + 1 >= BAD_TRIES


class Watch:
    """Tells an open stream whether its reader may go on listening: signed in, with the same rights."""

    LOOK_S = 10.0

    def __init__(self, sessions: Sessions, user_by_id: Callable[[int], dict[str, Any] | None]) -> None:
        self._sessions = sessions
        self._user_by_id = user_by_id
        self._user: User = current_user._get_current_object()
        self._session = dict(session)
        self._changes = sessions.changes
        self._looked_s = time.monotonic()

    def over(self) -> bool:
        """Has the session ended, or have the user's rights changed? Looks when there is reason to, and
        now and then."""
        now_s = time.monotonic()
        if self._sessions.changes == self._changes and now_s - self._looked_s < self.LOOK_S:
            return False
        self._changes, self._looked_s = self._sessions.changes, now_s
        if not self._sessions.good(self._session):
            return True
        try:
            row = self._user_by_id(int(self._user.id))
        except StoreError:
            return False  # the call matters more: whoever was in stays until the database is back
        if row is None or row.get("disabled"):
            return True
        now = User(row)
        was = self._user
        return (now.stamp, now.role, now.agent) != (was.stamp, was.role, was.agent)


def sessions() -> Sessions:
    """The sessions of the running application."""
    return cast(Sessions, current_app.extensions["sessions"])


def install(
    app: Flask, user_by_id: Callable[[int], dict[str, Any] | None], audit: Callable[[], Audit]
) -> None:
    """Flask-Login and the lock-out on this application."""
    manager = LoginManager(app)
    manager.session_protection = "basic"
    app.extensions["lockout"] = LockOut(audit)

    sessions = app.extensions["sessions"] = Sessions()

    last_known: dict[str, dict[str, Any] | None] = {}

    @manager.user_loader  # type: ignore[untyped-decorator]
    def load(user_id: str) -> User | None:
        if not user_id.isdigit() or not sessions.good(session):
            return None
        try:
            row = last_known[user_id] = user_by_id(int(user_id))
        except StoreError:
            row = last_known.get(user_id)  # the database is away: whoever was in stays
        if row is None or row.get("disabled"):
            return None
        user = User(row)
        return user if session.get("stamp") == user.stamp else None
