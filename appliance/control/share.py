"""The share of the network that backups are copied to.

The system daemon of the flashed box mounts it for the time of one job. Its settings are in the database
(`share.*`); the password is in a file of its own, which no page, no backup and no support bundle has.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from appliance.client import CallFailed, WireError
from appliance.control.box_system import System
from appliance.control.effects import Message
from appliance.control.gate import Gate
from appliance.paths import Home
from appliance.services import backup, backup_key, copies
from appliance.services.apart import Apart, Lost
from appliance.services.backup_errors import BackupError
from appliance.store import StoreError

log = logging.getLogger(__name__)

RETRY_S = 3600.0
"""After a copy that failed. A look every five minutes would lock a user out whose password has changed."""
OPEN_S = CLOSE_S = 120.0
"""Longer than the system daemon waits for a server."""
WHOSE = ("server", "name", "user", "domain")
"""Settings that a password belongs to: it is not handed to another server."""


class Share:
    """The share, as its settings say."""

    def __init__(self, home: Home, gate: Gate, system: System, wall_clock: Callable[[], float]) -> None:
        self._home = home
        self._gate = gate
        self._system = system
        self._clock = wall_clock
        self._apart = Apart()
        self._tried: Message | None = None
        self._problem: Message | None = None
        self._listed: list[Message] | None = None
        self._left_open = True  # as far as anybody knows: control may have died in the middle of a copy

    # ------------------------------------------------------------------ settings
    def setting(self, name: str) -> Any:
        """The setting share.`name`. Raises BackupError while the database is away."""
        store = self._gate.store
        if store is None:
            raise BackupError("store_away", "the database cannot be used at present")
        return store.settings.get(f"share.{name}")

    @property
    def name(self) -> str:
        r"""As it is noted in backups: //server/share/folder."""
        return "/".join(("/", *(str(self.setting(one)) for one in ("server", "name", "folder")))).rstrip("/")

    def set_password(self, params: Message) -> Message:
        """Keep the password, for the server and user of the present settings; "" takes it away."""
        kept = self._whose() | {"password": str(params.get("password", ""))}
        half = self._home.share_password.with_suffix(".part")
        half.unlink(missing_ok=True)
        handle = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(kept, file)
            file.flush()
            os.fsync(handle)
        half.replace(self._home.share_password)
        return {}

    def _whose(self) -> Message:
        return {one: self.setting(one) for one in WHOSE}

    def _password(self) -> str | None:
        """None where none was typed for these settings."""
        try:
            kept = json.loads(self._home.share_password.read_text(encoding="utf-8"))
            return str(kept["password"]) if {one: kept[one] for one in WHOSE} == self._whose() else None
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.error("the password of the share cannot be read: %s", error)
            return None

    def summary(self) -> Message:
        """{there, name, has_password, tried: {at, free, problem}, problem, listed}; there: can it be used
        here at all; free: bytes; listed: None until somebody has asked."""
        try:
            known = {"name": self.name if self.setting("server") else "", "has_password": self.has_password}
        except (BackupError, StoreError):
            known = {"name": "", "has_password": False}
        return known | {
            "there": self._system.there,
            "tried": self._tried,
            "problem": self._problem,
            "listed": self._listed,
        }

    @property
    def has_password(self) -> bool:
        """Is there one for the present settings?"""
        return self._password() is not None

    # ---------------------------------------------------------------------- use
    @contextmanager
    def opened(self) -> Iterator[copies.Place]:
        """The share, mounted meanwhile. Raises BackupError."""
        if not self._system.there:
            raise BackupError("no_daemon", "a share of the network can be used on the flashed box only")
        wanted = self._whose() | {"password": self._password()}
        if not wanted["server"] or not wanted["name"]:
            raise BackupError("share_unset", "no share was named yet: write its server and name")
        if wanted["password"] is None:
            if wanted["user"]:
                raise BackupError("share_no_password", "the password of the share is missing: type it again")
            wanted["password"] = ""
        try:
            found = self._system.call("share.open", wanted, OPEN_S)
            place = copies.Place("share", self.name, Path(found["path"]), str(self.setting("folder")))
        except CallFailed as error:
            detail = str(error.details.get("params", {}).get("detail", ""))
            raise BackupError(error.code, str(error), detail) from error
        except WireError as error:
            raise BackupError("daemon_away", str(error)) from error
        try:
            yield place
        finally:
            self._let_go()

    def _let_go(self) -> None:
        self._left_open = False
        try:
            self._system.call("share.close", {}, CLOSE_S)
        except WireError as error:
            log.warning("the share was not let go of: %s", error)

    def try_it(self) -> None:
        """Write and read a little there. Raises BackupError; the outcome is in `summary`."""
        self._tried = None
        try:
            with self.opened() as place:
                free = self._apart.run("probe", place)
        except BackupError as error:
            self._tried = {"at": self._clock(), "free": 0, "problem": error.as_dict()}
            raise
        self._tried = {"at": self._clock(), "free": free, "problem": None}
        self._problem = None  # what was due is tried again at once

    def look(self) -> None:
        """List the backups there, for `summary`. Raises BackupError."""
        self._listed = None
        own = backup_key.load(self._home)
        with self.opened() as place:
            self._listed = self._apart.run("listed", place, own_key=own.public if own else "")

    def copy(self, path: Path, step: backup.Step) -> None:
        """Copy a backup there. Raises BackupError."""
        with self.opened() as place:
            self._apart.run("copy", place, step, path=str(path))

    def fetch(self, name: str, step: backup.Step) -> Path:
        """Bring a backup from there to the folder of uploads. Raises BackupError, OSError."""
        target = self._home.uploads / Path(name).name  # whatever was asked for: half of it is removed below
        self._home.uploads.mkdir(mode=0o770, exist_ok=True)
        with self.opened() as place:
            try:
                self._apart.run("fetch", place, step, name=name, target=str(target))
            except Lost:
                target.unlink(missing_ok=True)
                raise
        return target

    # -------------------------------------------------------------------- daily
    def due(self) -> backup.Backup | None:
        """The newest daily backup, when it is to be copied there and has not been."""
        if self._left_open and self._system.there:
            self._let_go()
        if not self._system.there or not self.setting("copy"):
            self._problem = None
            return None
        if self._problem and 0 <= self._clock() - self._problem["at"] < RETRY_S:
            return None
        found = backup.automatic(self._home.backups, self._clock())
        newest = next((one for one in found if one.verified_at and not one.problem), None)
        return newest if newest is not None and self.name not in newest.copies else None

    def copy_daily(self, made: backup.Backup, keep: int, step: backup.Step) -> None:
        """Copy the daily backup there; what goes wrong is in `problem`."""
        try:
            with self.opened() as place:
                most = int(self.setting("keep"))
                self._apart.run("copy_daily", place, step, path=str(made.path), keep=keep, most=most)
            self._problem = None
        except BackupError as error:
            log.error("copying the daily backup to the share: %s", error)
            since = self._problem["since"] if self._problem else self._clock()
            self._problem = error.as_dict() | {"at": self._clock(), "since": since}

    @property
    def problem(self) -> Message:
        """Why the last daily copy failed: {code, text, since}; {} when it did not."""
        return self._problem or {}
