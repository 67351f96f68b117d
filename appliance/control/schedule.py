"""Jobs that come round: when each is due, and that none runs twice at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass
class _Job:
    run: Callable[[], Any]
    every_s: float
    due_s: float
    running: bool = False


class Schedule:
    """Named jobs with their periods."""

    def __init__(self) -> None:
        self._jobs: dict[str, _Job] = {}

    def add(self, name: str, every_s: float, first_s: float, run: Callable[[], Any]) -> None:
        """`run` is due at `first_s` and then `every_s` after each end."""
        self._jobs[name] = _Job(run, every_s, first_s)

    def start_due(self, now: float) -> list[tuple[str, Callable[[], Any]]]:
        """Jobs that shall run now; each counts as running until `finished`."""
        due = [(name, job) for name, job in self._jobs.items() if not job.running and job.due_s <= now]
        for _, job in due:
            job.running = True
        return [(name, job.run) for name, job in due]

    def finished(self, name: str, now: float) -> None:
        """A job has ended, well or badly."""
        job = self._jobs[name]
        job.running = False
        job.due_s = now + job.every_s

    def due(self) -> float | None:
        """When the next job is due, None while all of them run."""
        return min((job.due_s for job in self._jobs.values() if not job.running), default=None)
