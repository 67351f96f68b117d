"""Keeping time: how long ticks take, which are late, and when rubbish is collected.

A block is due every 20 ms. The earliest arrival seen so far tells where the
card's beats lie; a tick that ends more than 20 ms after its beat is late:

    beat      |------20 ms------|------20 ms------|
    arrival    ^read                               late: ended after the next beat
    work       [=======]         [===================]
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

TICK_S = 0.02
RATE_HZ = 8000
WINDOW = 50
"""Ticks in one report (a second)."""
DRIFT_PER_TICK_S = TICK_S * 200e-6
"""A card's clock may run 200 ppm slower than ours without its ticks being called late."""
STRETCH_TICKS = 15_000
"""Five minutes: `lately` is the stretch that goes on and the one before it."""
TELL_EVERY_S = 10.0
"""A machine in trouble gets one line every ten seconds, not fifty a second."""
BEHIND_S = 2 * TICK_S
FAR_BEHIND_S = 5.0
"""No card keeps so much sound: whoever is further behind has lost it, whether a card says so or not."""
WAITED_S = TICK_S / 4
"""A block that lies ready is read in less."""
COLLECT_EVERY_S = 300.0
SWITCH_INTERVAL_S = 0.0005
"""A helper thread holds the interpreter no longer than this before the tick gets it back."""


@dataclass
class _Stretch:
    ticks: int = 0
    late: int = 0
    latest_ms: float = 0.0


class Stopwatch:
    """Measures ticks. Without `beats` (the virtual clock) no tick can be late."""

    def __init__(self) -> None:
        self.beats = False
        self.ticks = 0
        self.late = 0
        self.shed = 0
        """Ticks in which echo was not cancelled because the engine was behind."""
        self.dropped = 0
        """Ticks that never were: their sound was gone when the engine came to them."""
        self.worst_ms = 0.0
        self.latest_ms = 0.0
        """Greatest lateness against the beat, past the 20 ms that a tick has."""
        self._stretches = (_Stretch(), _Stretch())
        self._costs_ms = [0.0] * WINDOW
        self._beat_s: float | None = None
        self._begin_s = 0.0
        self._due_s = 0.0
        self._told_s = -TELL_EVERY_S
        self._marks: list[tuple[str, float]] = []

    @property
    def behind(self) -> bool:
        """Whether this tick began so late that what can wait should wait."""
        return self.beats and self._begin_s - self._due_s > BEHIND_S

    def shed_now(self) -> bool:
        """Whether to leave out what a call can do without; counted."""
        self.shed += self.behind
        return self.behind

    def skip(self, samples: int) -> None:
        """So many samples before the next block are gone; the beats lie that much later from now on."""
        if samples and self._beat_s is not None:
            self.dropped += round(samples / RATE_HZ / TICK_S)
            self._beat_s += samples / RATE_HZ

    def start(self, samples: int, waited_s: float = 0.0) -> None:
        """The block that begins at `samples` has arrived; so long it was waited for."""
        self._begin_s = now_s = time.perf_counter()
        self._marks.clear()
        self._marks.append(("events", now_s))
        expected_s = samples / RATE_HZ
        if self._beat_s is None:
            self._beat_s = now_s - expected_s
        self._beat_s = min(self._beat_s + DRIFT_PER_TICK_S, now_s - expected_s)
        gone_s = now_s - expected_s - self._beat_s
        # Who had to wait has nothing left to work off: the sound in between is gone, told or not.
        if self.beats and gone_s > (TICK_S if waited_s > WAITED_S else FAR_BEHIND_S):
            self.skip(round(gone_s * RATE_HZ))
        self._due_s = self._beat_s + expected_s

    def mark(self, what: str) -> None:
        """From here on the tick does this."""
        self._marks.append((what, time.perf_counter()))

    def stop(self) -> None:
        """The tick is over."""
        end_s = time.perf_counter()
        cost_ms = (end_s - self._begin_s) * 1000
        self._costs_ms[self.ticks % WINDOW] = cost_ms
        self.ticks += 1
        if self._stretches[1].ticks == STRETCH_TICKS:
            self._stretches = (self._stretches[1], _Stretch())
        stretch = self._stretches[1]
        stretch.ticks += 1
        self.worst_ms = max(self.worst_ms, cost_ms)
        if not self.beats:
            return
        late_ms = (end_s - self._due_s - TICK_S) * 1000
        if late_ms > 0:
            self.late += 1
            self.latest_ms = max(self.latest_ms, late_ms)
            stretch.late += 1
            stretch.latest_ms = max(stretch.latest_ms, late_ms)
            if end_s - self._told_s > TELL_EVERY_S:
                self._told_s = end_s
                text = "tick %d is %.1f ms late (%d late ones so far): %s"
                log.warning(text, self.ticks, late_ms, self.late, self._story(end_s))

    def left_s(self) -> float:
        """Time until the next block is due."""
        return self._due_s + TICK_S - time.perf_counter()

    def report(self) -> dict[str, Any]:
        """Figures of the last second and since the start, and the late ticks of the last five to ten minutes
        (`lately`); times in milliseconds."""
        costs = sorted(self._costs_ms[: min(self.ticks, WINDOW)] or [0.0])
        return {
            "ticks": self.ticks,
            "late": self.late,
            "latest_ms": round(self.latest_ms, 3),
            "lately": {
                "ticks": sum(one.ticks for one in self._stretches),
                "late": sum(one.late for one in self._stretches),
                "latest_ms": round(max(one.latest_ms for one in self._stretches), 3),
            },
            "shed": self.shed,
            "dropped": self.dropped,
            "p50_ms": round(costs[len(costs) // 2], 3),
            "p99_ms": round(costs[int(0.99 * (len(costs) - 1))], 3),
            "worst_ms": round(self.worst_ms, 3),
        }

    def _story(self, end_s: float) -> str:
        ends = [at for _, at in self._marks[1:]] + [end_s]
        parts = [
            f"{what} {(end - at) * 1000:.1f} ms" for (what, at), end in zip(self._marks, ends, strict=True)
        ]
        waited_ms = (self._begin_s - self._due_s) * 1000
        return f"began {waited_ms:.1f} ms after its beat, " + ", ".join(parts)


class Rubbish:
    """Garbage collection at moments of our own choosing.

    A full collection of everything loaded takes many ticks, so what is loaded at
    the start is frozen, and the rest is collected when no call is up.
    """

    def __init__(self) -> None:
        gc.collect()
        gc.freeze()
        gc.disable()
        self._last_s = time.monotonic()

    def tick_done(self, idle: bool, left_s: float) -> None:
        """After a tick with `left_s` until the next block; `idle`: no call is up."""
        now_s = time.monotonic()
        if left_s < TICK_S / 2:
            return
        if idle and now_s - self._last_s > COLLECT_EVERY_S / 10:
            self._last_s = now_s
            gc.collect()
        elif now_s - self._last_s > COLLECT_EVERY_S:
            self._last_s = now_s
            gc.collect(1)

    def close(self) -> None:
        """Back to how Python does it by itself."""
        gc.enable()
        gc.unfreeze()


def hurry_threads() -> None:
    """Let helper threads give way quickly."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)


TASKS = Path("/proc/self/task")


class RealTime:
    """Real-time scheduling of this process: the tick's thread first, its helpers right behind it.

    A helper that another program pushes aside while it holds the interpreter would hold up the tick. Threads
    that begin later have the priority of who began them, which may be the tick: `look` puts them behind it.
    """

    def __init__(self, priority: int = 50) -> None:
        self._priority = priority
        self._own = threading.get_native_id()
        self._settled: set[int] = set()
        self._on = False

    def begin(self) -> str:
        """Ask for it; "" or why it was refused. This thread is the tick's."""
        try:
            self._settle()
        except PermissionError:
            return (
                "real-time scheduling is not permitted: start as root, or allow it with "
                "LimitRTPRIO= (systemd) or rtprio in /etc/security/limits.conf"
            )
        except OSError as error:
            return f"real-time scheduling is not available: {error.strerror}"
        self._on = True
        return ""

    def look(self) -> None:
        """Put threads that are new behind the tick. Now and then; nothing where it was refused."""
        if not self._on:
            return
        try:
            self._settle()
        except OSError as error:
            self._on = False
            log.error("new threads keep the priority of the tick: %s", error)

    def _settle(self) -> None:
        there = {int(task.name) for task in TASKS.iterdir()}
        for task in there - self._settled:
            level = self._priority if task == self._own else self._priority - 10
            # A thread may end meanwhile.
            with contextlib.suppress(ProcessLookupError):
                os.sched_setscheduler(task, os.SCHED_FIFO, os.sched_param(level))
        self._settled = there
