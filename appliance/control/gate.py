"""The way to the store: opened when it can be, tried again while it cannot, never replaced."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from appliance.control.effects import Effect, Work
from appliance.store import Store, StoreBusy, StoreError

RETRY_S = 3.0
LOOK_S = 5.0
"""How often we look whether the file is still the one that we have open (a restored backup is another)."""


class Gate:
    """Holds the open store, or the sentence that says why there is none."""

    def __init__(self, path: Path, open_store: Callable[[Path], Store]) -> None:
        self._path = path
        self._open = open_store
        self._opening = False
        self._next_s = 0.0
        self._inode: tuple[int, int] | None = None
        self.store: Store | None = None
        self.problem = "the database has not been opened yet"

    def tick(self, now: float) -> list[Effect]:
        """Open it, or look after it."""
        if self._opening or now < self._next_s:
            return []
        if self.store is None:
            self._opening = True
            return [Work("write", "open", lambda: self._open(self._path))]
        self._next_s = now + LOOK_S
        if _inode(self._path) != self._inode:
            self.failed(StoreError(f"the database {self._path} has been replaced or removed"), now)
            self._next_s = now
        return []

    def due(self) -> float:
        """When `tick` has something to do."""
        return self._next_s

    def opened(self, store: Store | None, error: BaseException | None, now: float) -> bool:
        """Outcome of the work "open"; True when there is a store now."""
        self._opening = False
        if store is None:
            self.problem = str(error)
            self._next_s = now + RETRY_S
            return False
        self.store, self.problem = store, ""
        self._inode = _inode(self._path)
        self._next_s = now + LOOK_S
        return True

    def failed(self, error: StoreError, now: float) -> None:
        """Work on the store ended with this error. A lock is waited out; anything else means that the
        file is closed, checked and opened again."""
        if isinstance(error, StoreBusy) or self.store is None:
            return
        self.store = None  # work that still runs ends on it; its connections close with the last of it
        self.problem = str(error)
        self._next_s = now + RETRY_S

    def reopen(self, now: float) -> list[Effect]:
        """The file has been replaced on purpose: close what is open, open what is there."""
        self.failed(StoreError("the database is being opened anew"), now)
        self._next_s = now
        return self.tick(now)

    def close(self) -> None:
        """Close the store. Idempotent."""
        if self.store is not None:
            self.store.close()
            self.store = None


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
