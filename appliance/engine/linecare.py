"""Looks after the lines: what their voltage and hum say, and how well each of them works.

    volts   0 … 3          nothing is plugged in
            3 … 10         another telephone on the line is off hook
            above 20       idle
    Measured twice a second while we are on hook and nothing rings; two equal readings count.

Figures per line are kept on disk, by socket, so that they outlive a restart; a line that has once
reversed its polarity at an answer is known for it from then on.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from appliance.core import events as core
from appliance.engine import kept
from appliance.engine.ports import NO_BATTERY, Port
from board import api
from dsp.meters import LineMeters

log = logging.getLogger(__name__)

RATE_HZ = api.SAMPLE_RATE_HZ
POLL_TICKS = 25
SETTLE_SAMPLES = RATE_HZ * 3 // 2
"""After our own hanging up and after ringing the voltage takes its time."""
LOOP_SAMPLES = RATE_HZ
"""Loop current must flow so soon after we have gone off hook."""
LEARN_SAMPLES = RATE_HZ * 15
"""A voice so soon after a reversal shows that the reversal was the answer."""

UNPLUGGED_V = 3.0
ELSEWHERE_V = 10.0
IDLE_V = 20.0
MOVED_V = 12.0
"""An idle line whose voltage is so far from its usual one is about to do something."""
NO_LOOP_V = 30.0
NO_LOOP_MA = 5.0

HUM_DBM0 = -35.0
HUM_SECONDS = 3
HUM_PAUSE_S = 60
HUM_PAUSES_DB = 6.0
NO_SOUND_DBM0 = -90.0
SPEECH_DBM0 = -45.0
"""Seconds louder than this count for the level of a line."""
SMOOTHING = 0.1
GOOD_CALL_S = 10.0
FIGURES = "the figures of the lines"
SAVE_S = 60

Float = NDArray[np.float32]
Measure = Callable[[Port], api.LineMeasure | None]


@dataclass
class LineFigures:
    """How well one line works. None: not known yet."""

    polarity_learned: bool = False
    calls: int = 0
    """From outside."""
    caller_ids: int = 0
    rings_before_caller_id: int | None = None
    """Of the last caller ID; 0: it came before the first ring."""
    hang_ups: dict[str, int] = field(default_factory=dict)
    """By what they were seen by."""
    hang_up_latency_s: float | None = None
    tone_latency_s: float | None = None
    """The same, of those seen by a disconnect tone."""
    level_dbm0: float | None = None
    hum_dbm0: float | None = None
    noise_dbm0: float | None = None
    erl_db: float | None = None
    clipped: int = 0
    last_good_call: float | None = None
    """Unix seconds of the end of the last call of ten seconds or more."""


_ROUNDED = (
    *("level_dbm0", "hum_dbm0", "noise_dbm0", "erl_db"),
    *("hang_up_latency_s", "tone_latency_s", "last_good_call"),
)


@dataclass
class _State:
    """What is known of a line just now."""

    volts: float | None = None
    milliamps: float | None = None
    usual_v: float | None = None
    reading: str = ""
    repeated: int = 0
    told_elsewhere: str = ""
    """The name under which the core was told of a parallel telephone."""
    no_loop_told: bool = False
    hang_up_told: bool = False
    rings: int = 0
    hum_seconds: int = 0
    hum_pause: int = 0


class _Second(NamedTuple):
    """What the meters say of one line's last second."""

    level_dbm0: float
    clipped: int
    erl_db: float
    """NaN: not known."""
    hum_50_dbm0: float
    hum_60_dbm0: float
    noise_dbm0: float


def _seconds(meters: LineMeters) -> Iterator[_Second]:
    """Of each line, in the order of the meters."""
    return map(_Second, *(getattr(meters, name).tolist() for name in _Second._fields))


class LineCare:
    """All lines of the box. The tick thread alone uses it."""

    def __init__(self, ports: Sequence[Port], rows: int, path: Path, measure: Measure) -> None:
        """ports: the table's (may grow to `rows`). measure: None when the card has just been lost.
        path: where the figures are kept."""
        self._ports, self._measure, self._path = ports, measure, path
        self._metered: list[Port] = []
        """The lines, in the order of the meters: telephones and free rows are not measured."""
        self._rows: NDArray[np.intp] | slice = slice(0)
        """Their rows; where they lie together, what is heard of them need not be copied."""
        self._looked_at = 0
        """Ports that were there when the lines were looked for."""
        self._meters = LineMeters(0)
        self._states = [_State() for _ in range(rows)]
        self._figures: dict[str, LineFigures] = _load(path)
        self._tick = 0
        self._seconds = 0
        self._changed = False

    # ------------------------------------------------------------------ ticks
    def tick(self, now: int, heard: Float, sent: Float, bridged: NDArray[np.bool_]) -> list[core.Event]:
        """What the lines show. now: engine clock; heard, sent: float32 [rows, 160], echo and all."""
        out: list[core.Event] = []
        self._tick += 1
        if self._looked_at != len(self._ports):
            self._take_ports()
        if self._metered and self._meters.process(heard[self._rows], sent[self._rows]):
            self._seconds += 1
            for port, second in zip(self._metered, _seconds(self._meters), strict=True):
                if port.name and not port.gone:
                    self._listen(port, second, bool(bridged[port.row]), out)
        for port in self._ports[self._tick % POLL_TICKS :: POLL_TICKS]:
            if port.is_line and "voltage" in port.info.can and self._may_measure(port):
                self._look(port, now, out)
        return [event for event in out if isinstance(event, core.PortSignal) and event.port]

    def _take_ports(self) -> None:
        """Cards were added: their lines are measured with the others, from a new second on."""
        self._looked_at = len(self._ports)
        self._metered = [port for port in self._ports if port.is_line]
        rows = np.array([port.row for port in self._metered], np.intp)
        together = rows.size > 0 and rows[-1] - rows[0] + 1 == rows.size
        self._rows = slice(int(rows[0]), int(rows[-1]) + 1) if together else rows
        self._meters = LineMeters(len(self._metered))

    def _may_measure(self, port: Port) -> bool:
        return not port.gone or port.gone == NO_BATTERY

    def _look(self, port: Port, now: int, out: list[core.Event]) -> None:
        state = self._states[port.row]
        found = self._measure(port)
        if found is None:
            return
        state.volts, state.milliamps = found.volts, found.milliamps
        if found.volts is None:
            return
        volts = abs(found.volts)
        if port.in_use:
            self._look_at_loop(port, state, now, out)
        elif now - port.released_at >= SETTLE_SAMPLES and not port.ringer.active:
            self._look_at_rest(port, state, volts, now, out)

    def _look_at_loop(self, port: Port, state: _State, now: int, out: list[core.Event]) -> None:
        volts, milliamps = state.volts, state.milliamps
        if state.no_loop_told or volts is None or milliamps is None:
            return
        if now - port.seized_at >= LOOP_SAMPLES and abs(volts) >= NO_LOOP_V and milliamps < NO_LOOP_MA:
            state.no_loop_told = True
            log.warning("line %s: off hook, but no loop current flows", port.name)
            out.append(core.LineTrouble(port.name, "no_loop"))

    def _look_at_rest(self, port: Port, state: _State, volts: float, now: int, out: list[core.Event]) -> None:
        reading = (
            "unplugged"
            if volts < UNPLUGGED_V
            else "elsewhere"
            if volts < ELSEWHERE_V
            else "idle"
            if volts >= IDLE_V
            else ""
        )
        state.repeated = state.repeated + 1 if reading == state.reading else 1
        state.reading = reading
        usual = state.usual_v
        if reading == "idle" and now - port.rang_at >= SETTLE_SAMPLES:
            if usual is not None and abs(volts - usual) > MOVED_V:
                out.append(core.LineStirred(port.name))
            state.usual_v = volts if usual is None else usual + SMOOTHING * (volts - usual)
        if state.repeated < 2:
            return
        if reading == "elsewhere" and state.told_elsewhere != port.name and not port.gone:
            state.told_elsewhere = port.name
            log.info("line %s: another telephone is off hook (%.0f V)", port.name, volts)
            out.append(core.LineElsewhere(port.name, True))
        elif reading in ("idle", "unplugged") and state.told_elsewhere:
            state.told_elsewhere = ""
            out.append(core.LineElsewhere(port.name, False))
        if "battery" in port.info.can:
            return  # the card tells by itself, and faster
        if reading == "unplugged" and not port.gone:
            port.gone = NO_BATTERY
            out.append(core.PortLost(port.name, NO_BATTERY))
        elif reading in ("idle", "elsewhere") and port.gone == NO_BATTERY:
            port.gone = ""
            out.append(core.PortReady(port.name))

    def _listen(self, port: Port, second: _Second, bridged: bool, out: list[core.Event]) -> None:
        """A second of this line is over."""
        figures, state = self.figures(port), self._states[port.row]
        if port.in_use:
            figures.clipped += second.clipped
            if second.level_dbm0 > SPEECH_DBM0:
                figures.level_dbm0 = _smooth(figures.level_dbm0, second.level_dbm0)
            if not bridged and math.isfinite(second.erl_db):
                figures.erl_db = second.erl_db
        hum_dbm0, noise_dbm0 = max(second.hum_50_dbm0, second.hum_60_dbm0), second.noise_dbm0
        state.hum_pause = max(0, state.hum_pause - 1)
        if noise_dbm0 < hum_dbm0 - HUM_PAUSES_DB or hum_dbm0 < NO_SOUND_DBM0:
            state.hum_seconds = 0  # low voices have pauses, hum has none
            return
        figures.hum_dbm0 = _smooth(figures.hum_dbm0, hum_dbm0)
        figures.noise_dbm0 = _smooth(figures.noise_dbm0, noise_dbm0)
        state.hum_seconds = state.hum_seconds + 1 if hum_dbm0 > HUM_DBM0 else 0
        if state.hum_seconds >= HUM_SECONDS and not state.hum_pause:
            state.hum_seconds, state.hum_pause = 0, HUM_PAUSE_S
            log.warning("line %s: mains hum of %.0f dBm0", port.name, hum_dbm0)
            out.append(core.LineTrouble(port.name, "hum"))

    # ----------------------------------------------------------------- events
    def note(self, port: Port, event: core.Event, now: int) -> None:
        """Learn from what is about to be told to the core. now: engine clock."""
        state, figures = self._states[port.row], self.figures(port)
        match event:
            case core.RingStarted():
                state.rings += 1
            case core.CallerIdSeen():
                figures.rings_before_caller_id = state.rings
                self._changed = True
            case core.FarEndAnswered(_, "voice"):
                self._learn(port, figures, now)
            case core.FarEndGone(_, cue, latency_s):
                self._note_hang_up(port, state, figures, cue, latency_s)

    def _learn(self, port: Port, figures: LineFigures, now: int) -> None:
        in_this_call = port.reversed_at > port.seized_at
        if in_this_call and now - port.reversed_at <= LEARN_SAMPLES and not figures.polarity_learned:
            figures.polarity_learned = True
            port.polarity_learned = True
            self._changed = True
            log.info("line %s: reverses its polarity at the answer; that counts from now on", port.name)

    def _note_hang_up(
        self, port: Port, state: _State, figures: LineFigures, cue: str, latency_s: float
    ) -> None:
        first = not state.hang_up_told
        also = "" if first else "also "
        log.info("line %s: hang-up %sseen by %s, %.2f s after it", port.name, also, cue, latency_s)
        if first:
            state.hang_up_told = True
            figures.hang_ups[cue] = figures.hang_ups.get(cue, 0) + 1
            figures.hang_up_latency_s = _smooth(figures.hang_up_latency_s, latency_s)
            if cue == "tone":
                figures.tone_latency_s = _smooth(figures.tone_latency_s, latency_s)
            self._changed = True

    def seized(self, port: Port, now: int) -> None:
        """The line was taken."""
        port.seized_at = now
        state = self._states[port.row]
        state.no_loop_told = state.hang_up_told = False
        state.hum_seconds = state.hum_pause = 0

    def released(self, port: Port, now: int) -> None:
        """The line was put on hook: what is off hook elsewhere has to be told again."""
        port.released_at = now
        self._states[port.row].told_elsewhere = ""
        self._states[port.row].repeated = 0

    def record(self, port: Port, data: dict[str, Any], unix_s: float) -> None:
        """A call on this line is over. data: its record, in core seconds."""
        figures, state = self.figures(port), self._states[port.row]
        if data.get("direction") == "in":
            figures.calls += 1
            figures.caller_ids += any(step.get("what") == "callerid" for step in data.get("steps", ()))
        if data.get("cue") == "silence":
            figures.hang_ups["silence"] = figures.hang_ups.get("silence", 0) + 1
            log.info("line %s: nobody was heard any more, the call was ended", port.name)
        state.rings = 0
        began = data.get("answered_at") or data.get("connected_at")
        if began is not None and data["ended_at"] - began >= GOOD_CALL_S:
            figures.last_good_call = unix_s
        self._changed = True

    # ------------------------------------------------------------------ facts
    def figures(self, port: Port) -> LineFigures:
        """Of the socket; made when there are none."""
        found = self._figures.get(port.info.name)
        if found is None:
            found = self._figures[port.info.name] = LineFigures()
        port.polarity_learned = found.polarity_learned
        return found

    def report(self) -> list[dict[str, Any]]:
        """All lines that the plan uses, for `health`."""
        rows = []
        for port in self._ports:
            if not (port.is_line and port.name):
                continue
            figures, state = self.figures(port), self._states[port.row]
            share = round(100 * figures.caller_ids / figures.calls) if figures.calls else None
            row = {
                "id": port.name,
                "port": port.info.name,
                "volts": state.volts,
                "milliamps": state.milliamps,
                "caller_id_percent": share,
                **vars(figures),
                "hang_ups": dict(figures.hang_ups),
            }
            for name in _ROUNDED:
                if isinstance(value := row[name], float):
                    row[name] = round(value, 2)
            rows.append(row)
        return rows

    def unsaved(self, at_end: bool = False) -> Callable[[], None] | None:
        """A job that writes the figures to disk, once a minute when they have changed."""
        if not self._changed or not (at_end or self._seconds >= SAVE_S):
            return None
        self._changed, self._seconds = False, 0
        data = {socket: asdict(figures) for socket, figures in self._figures.items()}
        return lambda: kept.save(self._path, data, FIGURES)


def _smooth(old: float | None, new: float) -> float:
    return new if old is None else old + SMOOTHING * (new - old)


def _load(path: Path) -> dict[str, LineFigures]:
    """Figures of earlier runs; what makes no sense is begun anew, and logged."""
    known = {one.name for one in fields(LineFigures)}
    found = {}
    for socket, row in kept.load(path, FIGURES).items():
        try:
            found[socket] = LineFigures(**{key: value for key, value in row.items() if key in known})
        except (AttributeError, TypeError) as error:
            log.error("%s of socket %s make no sense (%s): begun anew", FIGURES, socket, error)
    return found
