"""The disconnect tone of each line, learned from the ends of its calls (`dsp.learn`).

    tick ─► tail of the line ─┐ a call ends
                              └─► helper: which tone was last? ─► memory of the line ─► trusted?
    tick ◄─ the line's detector listens for it too ◄─ network built ◄──────────────────┘

Kept on disk by socket, so that it outlives a restart. Nothing here takes long on the tick:
the looking and the building are jobs of a helper thread, which only waits for a helper process.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from appliance.engine import kept
from appliance.engine.ports import Port
from appliance.engine.tails import Tails
from appliance.engine.worker import Worker
from board import api
from dsp.learn import CallEnd, Ending, Learned, Observation, ToneLearner, agree, ending, in_table
from dsp.linescan import LearnedTone, network

log = logging.getLogger(__name__)

SHORTEST_SAMPLES = 2 * api.SAMPLE_RATE_HZ
"""Three bursts of the fastest tone need about as long."""
GONE = ("tone", "battery", "polarity", "dialtone")
"""Cues that show the far side to have gone; silence proves less."""
LAST_DIGITS = 4
"""So much of a number tells two callers apart; more is not kept here."""
WHAT = "what was learned of disconnect tones"

Study = Callable[[NDArray[np.int16]], Ending | None]


class LineTones:
    """What all lines have learned. The tick thread alone uses it."""

    def __init__(
        self, ports: Sequence[Port], rows: int, path: Path, helper: Worker, study: Study = ending
    ) -> None:
        """ports: the table's (may grow to `rows`). path: where the ends of calls are kept.
        study: finds the tone at a call's end; called by `helper`."""
        self._ports, self._path, self._helper, self._study = ports, path, helper, study
        self._tails = Tails(rows)
        self._learners = _load(path)
        self._found: deque[tuple[str, CallEnd]] = deque()
        self._ready: deque[tuple[str, str, LearnedTone | None]] = deque()
        self._country = ""
        self._used: dict[str, LearnedTone] = {}
        self._reports: dict[str, dict[str, Any] | None] = {}
        """By socket, until something changes: health asks every second, and comparing the ends of a line's
        calls takes half a millisecond."""
        self._changed = False

    # ------------------------------------------------------------------ ticks
    def restart(self, port: Port) -> None:
        """A call begins on this line."""
        self._tails.restart(port.row)

    def tap(self, heard: NDArray[np.float32], power: NDArray[np.float32], rows: NDArray[np.intp]) -> None:
        """What the lines (`rows`) that are off hook say: see `Tails.tap`."""
        if rows.size:
            self._tails.tap(heard, power, rows)

    def call_ended(self, port: Port, record: dict[str, Any]) -> None:
        """A call on this line is over: its end is looked at, by and by."""
        if record.get("answered_at") is None or "call-state" in port.info.can:
            return
        tail = self._tails.of(port.row)
        self._tails.restart(port.row)
        if len(tail) < SHORTEST_SAMPLES:
            return
        other = "caller_number" if record.get("direction") == "in" else "called_number"
        caller = str(record.get(other) or "")[-LAST_DIGITS:]
        gone = record.get("cue") in GONE
        socket = port.info.name

        def look() -> None:
            found = self._study(tail)
            if found is not None:
                end = CallEnd(found.tone, found.lasted_s, found.followed, gone, caller)
                self._found.append((socket, end))

        self._helper.submit(look)

    def settle(self) -> list[tuple[Port, LearnedTone | None]]:
        """Lines that have another tone to listen for from now on (None: the country's alone)."""
        while self._found:
            socket, end = self._found.popleft()
            if self._learners.setdefault(socket, ToneLearner()).add(end):
                self._changed = True
                self._reports.pop(socket, None)
                self._judge(socket)
        out: list[tuple[Port, LearnedTone | None]] = []
        while self._ready:
            socket, country, tone = self._ready.popleft()
            if country == self._country and self._used.get(socket) == tone:
                out += [(port, tone) for port in self._ports if port.info.name == socket]
        return out

    def use_country(self, country: str) -> None:
        """The lines belong to a network of this country: what its table has need not be learned."""
        if country != self._country:
            self._country = country
            self._used.clear()
            self._reports.clear()
            for socket in self._learners:
                self._judge(socket)
                self.report(socket)

    def added(self, ports: Sequence[Port]) -> None:
        """These ports are new: what their sockets have learned in earlier runs is told of by `settle`."""
        for port in ports:
            if (tone := self.used(port)) is not None:
                self._make_ready(port.info.name, tone)

    def _judge(self, socket: str) -> None:
        """Begin or cease to use what a line has learned."""
        learned = self._learners[socket].learned()
        used = self._used.get(socket)
        wanted = None
        if learned is not None and learned.trusted and not in_table(learned.tone, self._country):
            wanted = self._like(socket, learned)
        if wanted == used:
            return
        if wanted is None:
            self._used.pop(socket)
            self._ready.append((socket, self._country, None))
            log.info("socket %s: the disconnect tone that was learned is not trusted any more", socket)
            return
        self._used[socket] = wanted
        log.info("socket %s: has learned that %s means a hang-up", socket, in_words(wanted))
        self._make_ready(socket, wanted)

    def _make_ready(self, socket: str, tone: LearnedTone) -> None:
        country = self._country

        def build() -> None:
            network(country, tone)  # kept by its cache: on the tick it costs nothing then
            self._ready.append((socket, country, tone))

        self._helper.submit(build)

    def _like(self, socket: str, learned: Learned) -> LearnedTone:
        """The tone to listen for: one that is used already, on this line or another one of the same
        exchange, where it is the same; each different one costs a little of every tick."""
        own = self._used.get(socket)
        known = ([own] if own else []) + list(self._used.values())
        for tone in known:
            if agree(learned.tone, Observation(tone.frequencies_hz, tone.on_ms, tone.off_ms, 0.0)):
                return tone
        return learned.to_hear

    # ------------------------------------------------------------------ facts
    def used(self, port: Port) -> LearnedTone | None:
        """What the line's detector should listen for, beside the country's tones."""
        return self._used.get(port.info.name)

    def report(self, socket: str) -> dict[str, Any] | None:
        """For `health`: tone, level, confidence 0…1, calls that ended so, and what is made of it: "used",
        "table" (the country's own, `name`), or "learning" (not yet sure)."""
        if socket not in self._reports:
            self._reports[socket] = self._describe(socket)
        return self._reports[socket]

    def _describe(self, socket: str) -> dict[str, Any] | None:
        learner = self._learners.get(socket)
        learned = learner.learned() if learner else None
        if learned is None:
            return None
        name = in_table(learned.tone, self._country)
        return {
            "frequencies_hz": [round(hz) for hz in learned.tone.frequencies_hz],
            "on_ms": round(learned.tone.on_ms, -1),
            "off_ms": round(learned.tone.off_ms, -1),
            "level_dbm0": round(learned.tone.level_dbm0, 1),
            "confidence": learned.confidence,
            "ends": learned.ends,
            "name": name,
            "state": "used" if socket in self._used else "table" if name and learned.trusted else "learning",
        }

    def unsaved(self) -> Callable[[], None] | None:
        """A job that writes what has been learned to disk, when there is something new."""
        if not self._changed:
            return None
        self._changed = False
        data = {socket: [end.plain() for end in one.ends] for socket, one in self._learners.items()}
        return lambda: kept.save(self._path, data, WHAT)


def in_words(tone: LearnedTone) -> str:
    """For the log: "480+620 Hz, 300/300 ms"."""
    hz = "+".join(f"{f:.0f}" for f in tone.frequencies_hz)
    return f"{hz} Hz, " + (f"{tone.on_ms:.0f}/{tone.off_ms:.0f} ms" if tone.off_ms else "continuous")


def _load(path: Path) -> dict[str, ToneLearner]:
    """What earlier runs have learned; what makes no sense is learned anew, and logged."""
    found = {}
    for socket, ends in kept.load(path, WHAT).items():
        try:
            found[socket] = ToneLearner(CallEnd.from_plain(end) for end in ends)
        except (KeyError, TypeError, ValueError) as error:
            log.error("%s on socket %s makes no sense (%s): learned anew", WHAT, socket, error)
    return found
