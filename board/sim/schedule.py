"""Timers of the simulated office, in samples of the card's clock."""

from __future__ import annotations

import heapq
from collections.abc import Callable

Due = Callable[[int], None]
"""What a timer does; its argument is the clock at which it was due."""


class Timer:
    """One pending timer; `cancel` it when it has lost its meaning."""

    __slots__ = ("_what", "cancelled", "due")

    def __init__(self, due: int, what: Due) -> None:
        self.due = due
        self.cancelled = False
        self._what = what

    def cancel(self) -> None:
        """Never fire. Idempotent."""
        self.cancelled = True

    def fire(self) -> None:
        """Do what it was set for, unless cancelled."""
        if not self.cancelled:
            self.cancelled = True
            self._what(self.due)


class Schedule:
    """All timers of one office. Equal due times fire in the order they were set."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Timer]] = []
        self._count = 0
        self._now = 0

    def at(self, due: int, what: Due) -> Timer:
        """Fire `what` at clock `due`, or at once if that has passed."""
        timer = Timer(max(due, self._now), what)
        self._count += 1
        heapq.heappush(self._heap, (timer.due, self._count, timer))
        return timer

    def run(self, until: int) -> None:
        """Fire everything that is due before clock `until`."""
        heap = self._heap
        while heap and heap[0][0] < until:
            due, _, timer = heapq.heappop(heap)
            self._now = max(self._now, due)
            timer.fire()
        self._now = until


class TimerGroup:
    """Timers that belong to one state of one thing and end with it."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        self._timers: list[Timer] = []
        self._prune_at = 16

    def at(self, due: int, what: Due) -> Timer:
        """Like `Schedule.at`."""
        if len(self._timers) >= self._prune_at:
            self._timers = [timer for timer in self._timers if not timer.cancelled]
            self._prune_at = max(16, 2 * len(self._timers))
        timer = self._schedule.at(due, what)
        self._timers.append(timer)
        return timer

    def cancel(self) -> None:
        """Cancel all that are pending."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
