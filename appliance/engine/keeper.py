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

STOP_PATIENCE_S = 1.0
"""At the end there are no calls that would have to wait for systemd."""


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
        self._failing = False
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
            # Systemd holds a file once, by its first name: that must have gone before.
            self._drop(name)
            free = not any(old.partition(BETWEEN)[0] == name for old in self._untold)
            if not free or len(full) > MOST_NAME or not notify.keep(fd, full):
                log.warning("%s is not kept: the call on it ends with the engine", name)
                return
            self._put[name] = full

    def drop(self, name: str) -> None:
        """See `board.keep.Keeper`."""
        with self._lock:
            self._drop(name)

    def leaves(self, name: str) -> bool:
        """See `board.keep.Keeper`."""
        return self._failing and name in self._put

    def tick(self) -> None:
        """Once per tick: tell systemd again what it did not take, and give up what nobody takes."""
        self._ticks += 1
        if not self._untold and not (self._left and self._ticks > PATIENCE_TICKS):
            return
        with self._lock:
            if self._ticks > PATIENCE_TICKS:
                self._give_up()
            for full in list(self._untold):
                self._let_go(full)

    def close(self, failing: bool) -> None:
        """The engine is about to end. failing: nobody has asked for it, and what is held stays held."""
        self._failing = failing
        if not failing:
            with self._lock:
                self._give_up()
                for full in list(self._untold):
                    self._let_go(full, STOP_PATIENCE_S)

    def _give_up(self) -> None:
        """Close what nobody has taken: systemd's copy first, so that it never waits for a card that hangs."""
        for name, (full, fd) in self._left.items():
            log.warning("%s was kept, and no card has it: let go", name)
            self._let_go(full)
            threading.Thread(target=os.close, args=(fd,), name=f"closing {name}", daemon=True).start()
        self._left.clear()

    def _drop(self, name: str) -> None:
        full = self._put.pop(name, None)
        if full is not None:
            self._let_go(full)

    def _let_go(self, full: str, patience_s: float = 0.0) -> None:
        told = notify.keep_no_more(full, patience_s)
        (self._untold.discard if told else self._untold.add)(full)
