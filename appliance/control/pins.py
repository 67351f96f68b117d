"""Lock-out of guessed PINs on telephones."""

from __future__ import annotations

TRIES = 5
LOCK_S = 300.0


class PinGuard:
    """After five wrong PINs in a row an agent's number is locked for five minutes."""

    def __init__(self) -> None:
        self._wrong: dict[str, int] = {}
        self._until_s: dict[str, float] = {}

    def locked(self, agent: str, now: float) -> bool:
        """Whether no PIN is accepted now."""
        return self._until_s.get(agent, 0.0) > now

    def tried(self, agent: str, problem: str, now: float) -> None:
        """Count the outcome of a check."""
        if problem == "wrong_pin":
            self._wrong[agent] = self._wrong.get(agent, 0) + 1
            if self._wrong[agent] >= TRIES:
                self._wrong.pop(agent)
                self._until_s[agent] = now + LOCK_S
        elif not problem:
            self._wrong.pop(agent, None)
            self._until_s.pop(agent, None)
