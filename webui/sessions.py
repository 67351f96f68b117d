"""Sessions that are over: a cookie that was signed out opens nothing any more, and open streams end.

The cookie holds all of a session; what it cannot hold is that somebody has ended it. Ended ones are
remembered here until they would have expired anyway. There is one web process.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from flask import Flask
from flask.sessions import SecureCookieSessionInterface, SessionMixin

LONGEST_S = 7 * 86400.0
"""A session ends after this at the latest; one that is not used ends much earlier (SESSION_H)."""


class Cookies(SecureCookieSessionInterface):
    """Browsers keep the cookie as long as they like; how long it is good is decided here, by one clock.

    An end reckoned by a box whose clock has never been set is long past for the browser: nobody could sign
    in, and so nobody could set the clock.
    """

    def get_expiration_time(self, app: Flask, session: SessionMixin) -> datetime | None:
        """The end that a browser is told."""
        return datetime(2100, 1, 1, tzinfo=UTC) if session.permanent else None


def begin(session: MutableMapping[str, Any]) -> None:
    """Mark a session that begins now."""
    session["sid"] = secrets.token_urlsafe(12)
    session["began"] = time.time()


@dataclass
class Sessions:
    """`changes` counts whatever may end a session, so that streams know when to look."""

    clock: Callable[[], float] = time.time
    changes: int = 0
    _ended: dict[str, float] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def end(self, sid: str) -> None:
        """This session has been signed out."""
        now = self.clock()
        with self._lock:
            self._ended = {known: at for known, at in self._ended.items() if now - at < LONGEST_S}
            self._ended[sid] = now
            self.changes += 1

    def rights_changed(self) -> None:
        """A user was changed, disabled or deleted: whoever is signed in is looked up anew."""
        with self._lock:
            self.changes += 1

    def good(self, session: MutableMapping[str, Any]) -> bool:
        """May this cookie's session go on?"""
        sid, began = session.get("sid"), session.get("began")
        if not isinstance(sid, str) or not isinstance(began, int | float):
            return False
        with self._lock:
            return sid not in self._ended and self.clock() - began < LONGEST_S
