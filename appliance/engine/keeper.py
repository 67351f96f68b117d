"""Lines in a call, held by systemd while the engine is started anew (see `board.keep`).

    engine                              systemd                      next engine
    caller is answered  ── FDSTORE ──►  holds a copy of the line
    dies                                ···                          ◄── LISTEN_FDS ── found off hook
    caller hangs up     ─ FDSTOREREMOVE ►  closes it

The note goes with the name of the descriptor, so nothing has to be written while calls go on.
"""

from __future__ import annotations

import logging
import os
import threading
from urllib.parse import quote, unquote

from appliance import notify
from board.keep import Left

log = logging.getLogger(__name__)

BETWEEN = ","
"""Between name and note; a colon is systemd's own."""
MOST_NAME = 255
PATIENCE_TICKS = 60 * 50
"""A card may come late; what is not taken within a minute is let go, so that its line is free again."""


class SystemdKeeper:
    """Systemd's store of descriptors."""

    def __init__(self) -> None:
        """Takes what systemd has held for us: once in a process, before any other is started."""
        self._lock = threading.Lock()
        self._left: dict[str, tuple[str, int]] = {}
        self._put: dict[str, str] = {}
        """Name -> the same with its note, of what systemd holds."""
        self._untold: set[str] = set()
        """What systemd must let go and has not been told yet."""
        self._ticks = 0
        self.failing = False
        """The engine ends because of a failure: what is held stays held."""
        for name, fd in notify.take_descriptors().items():
            self._left[name.partition(BETWEEN)[0]] = (name, fd)
        if self._left:
            log.warning("calls go on from before: %s", ", ".join(sorted(self._left)))

    def take(self, name: str) -> Left | None:
        """See `board.keep.Keeper`."""
        with self._lock:
            full, fd = self._left.pop(name, ("", -1))
            if not full:
                return None
            self._let_go(full)
        return Left(fd, unquote(full.partition(BETWEEN)[2]))

    def put(self, name: str, fd: int, note: str) -> None:
        """See `board.keep.Keeper`."""
        full = f"{name}{BETWEEN}{quote(note, safe='')}"
        with self._lock:
            self._drop(name)
            if len(full) > MOST_NAME or not notify.keep(fd, full):
                log.warning("%s is not kept: the call on it ends with the engine", name)
                return
            self._untold.discard(full)
            self._put[name] = full

    def drop(self, name: str) -> None:
        """See `board.keep.Keeper`."""
        with self._lock:
            self._drop(name)

    def leaves(self, name: str) -> bool:
        """See `board.keep.Keeper`."""
        return self.failing and name in self._put

    def tick(self) -> None:
        """Once per tick: tell systemd again what it did not take, and give up what nobody takes."""
        self._ticks += 1
        if not self._untold and not (self._left and self._ticks > PATIENCE_TICKS):
            return
        with self._lock:
            if self._ticks > PATIENCE_TICKS:
                for name, (full, fd) in self._left.items():
                    log.warning("%s was kept, and no card has it: let go", name)
                    os.close(fd)
                    self._untold.add(full)
                self._left.clear()
            for full in list(self._untold):
                self._let_go(full)

    def _drop(self, name: str) -> None:
        full = self._put.pop(name, None)
        if full is not None:
            self._let_go(full)

    def _let_go(self, full: str) -> None:
        if notify.keep_no_more(full):
            self._untold.discard(full)
        else:
            self._untold.add(full)
