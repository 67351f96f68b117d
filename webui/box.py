"""What the views need of the box behind them: store, control, live hub."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from flask import current_app

from appliance.client import CallFailed, ControlClient, WireError
from appliance.paths import Home
from appliance.store import Store, open_store
from webui.hub import Hub
from webui.sentences import all_in_words, in_words
from webui.tongue import gettext as _


@dataclass
class Box:
    """One per application, in `app.extensions["box"]`."""

    home: Home
    control: ControlClient
    hub: Hub
    _store: Store | None = None
    _file: tuple[int, int] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def store(self) -> Store:
        """The store, opened on first use. Raises StoreError while it cannot be opened."""
        with self._lock:
            if self._store is not None and self._file != _file_of(self.home.database):
                self._store = None  # a backup was restored; the last request that uses the old one closes it
            if self._store is None:
                # Looked at before it is opened: what takes its place meanwhile is noticed next time.
                self._file = _file_of(self.home.database)
                self._store = open_store(self.home.database)
            return self._store

    def close(self) -> None:
        """Stop listening and close the database. Idempotent."""
        self.hub.close()
        with self._lock:
            opened, self._store = self._store, None
        if opened is not None:
            opened.close()


def _file_of(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def box() -> Box:
    """The box of the running application; starts listening to control on first use."""
    found = cast(Box, current_app.extensions["box"])
    found.hub.start()
    return found


def store() -> Store:
    """The store. Raises appliance.store.StoreError: the visitor then sees the maintenance page."""
    return cast(Box, current_app.extensions["box"]).store()


def company() -> str:
    """The customer's name, as the settings have it."""
    return str(store().settings.get("company"))


def plan_changed() -> tuple[str, str]:
    """Tell control that settings were edited; returns (kind of message, sentence) for the user.

    The settings are stored in any case: when control is away it compiles them as soon as it is back.
    """
    try:
        answer: Any = box().control.call("plan_changed")
    except CallFailed as error:
        return "error", _("Saved, but not yet in use: %(problem)s", problem=in_words(str(error)))
    except WireError:
        return "warning", _("Saved. The call service is away; it will use the change as soon as it is back.")
    problems = answer.get("problems") if isinstance(answer, dict) else None
    if problems:
        return "error", _("Saved, but not yet in use: %(problem)s", problem=" ".join(all_in_words(problems)))
    return "success", _("Saved and in use. Calls in progress are not affected.")
