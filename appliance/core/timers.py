"""Timers of the call core: names with a due time, no clock of their own."""

from __future__ import annotations

Key = tuple[str, str, str]
"""(kind of owner, owner, what is due): ("call", "c7", "ring")."""


class Timers:
    """Pending timers. Those due together come out in the order in which they were set."""

    def __init__(self) -> None:
        self._due: dict[Key, tuple[float, int]] = {}
        self._count = 0
        self._next: float | None = None
        """The earliest due time, asked for in every tick; worked out anew after each change."""
        self._changed = False

    def set(self, key: Key, due: float) -> None:
        """Due at `due` (the `now` of step); replaces a pending timer of the same name."""
        self._count += 1
        self._due[key] = (due, self._count)
        self._changed = True

    def cancel(self, key: Key) -> None:
        """Forget it, if it is pending."""
        self._changed |= self._due.pop(key, None) is not None

    def cancel_all(self, kind: str, owner: str) -> None:
        """Forget every timer of one owner."""
        for key in [key for key in self._due if key[:2] == (kind, owner)]:
            self.cancel(key)

    def due_at(self, key: Key) -> float | None:
        """When it is due; None when it is not pending."""
        return self._due[key][0] if key in self._due else None

    def next_due(self) -> float | None:
        """The earliest due time of all."""
        if self._changed:
            self._changed = False
            self._next = min(due for due, _ in self._due.values()) if self._due else None
        return self._next

    def pop(self, now: float) -> Key | None:
        """The earliest timer that is due by `now`, taken out; None when there is none."""
        ready = [(when, key) for key, when in self._due.items() if when[0] <= now]
        if not ready:
            return None
        key = min(ready)[1]
        self.cancel(key)
        return key
