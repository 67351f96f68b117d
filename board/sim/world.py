"""What all parts of one simulated office share."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np

from board.api import PortEvent
from board.sim.config import OfficeConfig
from board.sim.country import in_words
from board.sim.levels import BLOCK, RATE_HZ, Float
from board.sim.schedule import Schedule, TimerGroup
from board.sim.tones import Player, ToneTable


def _click() -> Float:
    """Samples of one click: a pulse that dies away within some milliseconds."""
    n = np.arange(BLOCK - 1)
    return np.asarray(6000.0 * np.exp(-n / 12.0) * np.cos(0.6 * n), dtype=np.float32)


class World:
    """Clock, timers, tones and the events on their way to the box."""

    def __init__(self, config: OfficeConfig) -> None:
        self.config = config
        self.country = config.profile
        self.clock = 0
        """Start of the next block: what happens between ticks happens now."""
        self.schedule = Schedule()
        self._tables = {
            name: ToneTable(spec, config.tone_freq_error_percent, config.tone_cadence_error_percent)
            for name, spec in self.country.tones.items()
        }
        self._start = datetime.fromisoformat(config.local_time)
        self._events: list[PortEvent] = []
        self._clicks: list[tuple[int, Player]] = []
        self._click = _click()
        self.active_changed = True
        """Some port has begun or ceased to carry sound."""

    def timers(self) -> TimerGroup:
        """A fresh group of timers."""
        return TimerGroup(self.schedule)

    def tone(self, name: str, start: int) -> Player:
        """The country's tone `name`, or one written out, from clock `start` on."""
        if name not in self._tables and (spec := in_words(name)) is not None:
            off = self.config.tone_freq_error_percent, self.config.tone_cadence_error_percent
            self._tables[name] = ToneTable(spec, *off)
        return Player(start, table=self._tables[name])

    def click(self, port: int, t: int) -> None:
        """The transient that a change of polarity leaves in the sound, at clock `t`."""
        self._clicks.append((port, Player(t, burst=self._click)))

    def take_clicks(self) -> list[tuple[int, Player]]:
        """(port, burst) of all clicks since last time."""
        clicks, self._clicks = self._clicks, []
        return clicks

    def emit(self, event: PortEvent) -> None:
        """Tell the box."""
        self._events.append(event)

    def take_events(self) -> tuple[PortEvent, ...]:
        """All events since last time, oldest first."""
        if not self._events:
            return ()
        events = tuple(self._events)
        self._events.clear()
        return events

    def local_time(self, clock: int) -> datetime:
        """Date and time at `clock`, as the exchange tells it."""
        return self._start + timedelta(seconds=clock / RATE_HZ)
