"""What an installer wants to know of one port: is the line, or the telephone, well?

A line is taken, its dial tone heard and measured, its echo measured, and it is put back on
hook. A telephone is rung and shown a caller; whoever lifts it presses some keys, speaks, hears
himself and hangs up. Both leave the port as they found it, whatever happens.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from appliance.engine.callerdisplay import Caller, CallerDisplays
from appliance.engine.ports import Port
from board import api
from dsp.countries import tone_table
from dsp.dtmf import DtmfReceiver
from dsp.levels import SILENCE_DBM0, dbm0_from_rms, rms_from_dbm0
from dsp.meters import LineMeters
from dsp.progress import ProgressDetector

RATE_HZ = api.SAMPLE_RATE_HZ
BLOCK = api.BLOCK_SAMPLES
TICK_S = BLOCK / RATE_HZ

ANSWER_S = 2.0
"""A card must carry out a command so soon."""
DIAL_TONE_S = 5.0
LOOK_S = 0.3
"""After taking the line, before its current is measured."""
WEAK_DBM0 = -30.0
HUM_DBM0 = -35.0
NO_LOOP_MA = 10.0
PROBE_DBM0 = -15.0
PROBE_HZ = (1000.0, 3000.0)
"""Above every country's dial tone."""
LEAST_ERL_DB = 6.0
PERSON_S = 20.0
KEYS_S = 20.0
LEAST_KEYS = 3
SPEAK_S = 4.0
ECHO_TICKS = 25
DISPLAY = Caller("12345678", "TEST")
DISPLAY_S = 8.0
"""The slowest country's caller display, and the first ring after it."""
HEARD_DBM0 = -45.0

Samples = NDArray[np.int16]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. passed: None when the card cannot tell."""

    what: str
    passed: bool | None
    text: str
    value: float | None = None
    unit: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Plain data."""
        plain: dict[str, Any] = {"what": self.what, "passed": self.passed, "text": self.text}
        if self.value is not None:
            plain |= {"value": round(self.value, 1), "unit": self.unit}
        return plain


class Person(Protocol):
    """Who does what the test asks for, at the telephone."""

    def lift(self) -> None:
        """The telephone rings: lift it."""

    def press(self) -> None:
        """Press 1, 2 and 3."""

    def speak(self) -> None:
        """Speak; you hear yourself half a second later."""

    def hang_up(self) -> None:
        """Hang up."""


class Wiring:
    """One port of a card: ticks go through here."""

    def __init__(self, board: api.Board, port: api.PortInfo) -> None:
        self.board, self.port = board, port
        self._out = np.zeros((len(board.ports), BLOCK), np.int16)
        self.heard: Samples = np.zeros(BLOCK, np.int16)
        self.events: list[api.PortEvent] = []
        self.seconds = 0.0

    def tick(self, say: Samples | None = None) -> None:
        """One tick: `say` int16 [160] to the port. Raises BoardError when the card is lost."""
        self._out[self.port.index] = 0 if say is None else say
        tick = self.board.read()
        self.board.write(self._out)
        self.heard = tick.audio[self.port.index]
        self.events = [event for event in tick.events if event.port == self.port.index]
        self.seconds += TICK_S

    def run(self, seconds: float) -> NDArray[np.float32]:
        """Ticks of silence; what was heard, float32 [n]."""
        heard = []
        for _ in range(max(1, round(seconds / TICK_S))):
            self.tick()
            heard.append(self.heard.astype(np.float32))
        return np.concatenate(heard)

    def command(self, command: api.Command) -> str:
        """Give a command and wait for its result: "" or why it failed."""
        number = self.board.command(self.port.index, command)
        for _ in range(round(ANSWER_S / TICK_S)):
            self.tick()
            for event in self.events:
                if isinstance(event, api.CommandDone) and event.command_id == number:
                    return ""
                if isinstance(event, api.CommandFailed) and event.command_id == number:
                    return event.reason
        return f"the card did not answer within {ANSWER_S:g} s"

    def until(self, kind: type[api.PortEvent], within_s: float) -> float | None:
        """Seconds until such an event; None when none came."""
        for n in range(round(within_s / TICK_S)):
            self.tick()
            if any(isinstance(event, kind) for event in self.events):
                return n * TICK_S
        return None


Tell = Callable[[Finding], None]


def test_port(wiring: Wiring, country: str, person: Person, tell: Tell) -> list[Finding]:
    """Test one port; `tell` hears of each finding at once. Raises BoardError when the card is lost."""
    found: list[Finding] = []

    def note(finding: Finding) -> None:
        found.append(finding)
        tell(finding)

    wiring.run(0.1)
    if wiring.port.kind is api.PortKind.FXO:
        _test_line(wiring, country, note)
    else:
        _test_telephone(wiring, country, person, note)
    return found


test_port.__test__ = False  # type: ignore[attr-defined]


# ------------------------------------------------------------------------ lines
def _test_line(wiring: Wiring, country: str, note: Tell) -> None:
    volts = _line_voltage(wiring, note)
    if volts is False:
        return
    problem = wiring.command(api.SetHook(True))
    if problem:
        note(Finding("off_hook", False, f"the line cannot be taken: {problem}"))
        wiring.command(api.SetHook(False))
        return
    try:
        _loop(wiring, note)
        if _dial_tone(wiring, country, note):
            _hum(wiring, note)
            _echo(wiring, note)
    finally:
        problem = wiring.command(api.SetHook(False))
    note(_on_hook_again(wiring, problem))


def _line_voltage(wiring: Wiring, note: Tell) -> bool | None:
    """False: the test cannot go on."""
    for _ in range(75):  # some cards measure once a second
        volts = wiring.board.measure(wiring.port.index).volts
        if volts is not None:
            break
        wiring.tick()
    if volts is None:
        note(Finding("voltage", None, "this card does not measure the line voltage"))
        return None
    size = abs(volts)
    if size < 3:
        note(Finding("voltage", False, f"{size:.0f} V: no line is plugged in", size, "V"))
        return False
    if size < 10:
        text = f"{size:.0f} V: another telephone on this line is off hook, hang it up first"
        note(Finding("voltage", False, text, size, "V"))
        return False
    good = size >= 20
    text = f"{size:.0f} V on hook" + ("" if good else ": too low for an idle line, check the cable")
    note(Finding("voltage", good, text, size, "V"))
    return good or None


def _loop(wiring: Wiring, note: Tell) -> None:
    wiring.run(LOOK_S)
    milliamps = wiring.board.measure(wiring.port.index).milliamps
    if milliamps is None:
        note(Finding("loop", None, "taken; this card does not measure the loop current"))
    elif milliamps < NO_LOOP_MA:
        text = f"off hook, but only {milliamps:.0f} mA flow: check cable and contacts"
        note(Finding("loop", False, text, milliamps, "mA"))
    else:
        note(Finding("loop", True, f"taken, {milliamps:.0f} mA loop current", milliamps, "mA"))


def _dial_tone(wiring: Wiring, country: str, note: Tell) -> bool:
    detector = ProgressDetector(1, country)
    for _ in range(round(DIAL_TONE_S / TICK_S)):
        wiring.tick()
        events = detector.process(wiring.heard.astype(np.float32)[None, :])
        dial = [event for event in events if event.tone == "dial" and event.phase == "start"]
        if dial:
            after_s = LOOK_S + dial[0].start_samples / RATE_HZ
            tone = wiring.run(0.5)
            level = dbm0_from_rms(float(np.sqrt(np.mean(tone**2))))
            strong = level >= WEAK_DBM0
            text = f"dial tone after {after_s:.1f} s, {level:.1f} dBm0" + ("" if strong else ": too weak")
            note(Finding("dial_tone", strong, text, level, "dBm0"))
            return True
    text = (
        f"no dial tone within {DIAL_TONE_S:g} s: is the line in service, and the country ({country}) right?"
    )
    note(Finding("dial_tone", False, text))
    return False


def _hum(wiring: Wiring, note: Tell) -> None:
    meters = LineMeters(1)
    meters.process(wiring.run(1.0)[None, :])
    hum = max(float(meters.hum_50_dbm0[0]), float(meters.hum_60_dbm0[0]))
    good = hum < HUM_DBM0
    text = f"mains hum {hum:.0f} dBm0" + (
        "" if good else ": check earthing, and mains cables beside the line"
    )
    note(Finding("hum", good, text, hum, "dBm0"))


def _echo(wiring: Wiring, note: Tell) -> None:
    """Echo return loss: band noise goes out, and how much of it comes back is measured beside dial tone."""
    sent = _band(np.random.default_rng(5).standard_normal(RATE_HZ).astype(np.float32))
    sent *= rms_from_dbm0(PROBE_DBM0) / np.sqrt(np.mean(sent**2))
    blocks = np.rint(sent).astype(np.int16).reshape(-1, BLOCK)
    quiet = _band(wiring.run(0.5))
    heard = []
    for block in blocks:
        wiring.tick(block)
        heard.append(wiring.heard.astype(np.float32))
    back = _band(np.concatenate(heard)[RATE_HZ // 5 :])
    power = max(float(np.mean(back**2)) - float(np.mean(quiet**2)), 1e-3)
    erl = 10 * float(np.log10(np.mean(sent**2) / power))
    good = erl >= LEAST_ERL_DB
    text = f"echo return loss {erl:.0f} dB" + (
        "" if good else ": too little, set the impedance of the country"
    )
    note(Finding("echo", good, text, erl, "dB"))


def _band(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Only what lies in PROBE_HZ."""
    spectrum = np.fft.rfft(x)
    hz = np.fft.rfftfreq(len(x), 1 / RATE_HZ)
    spectrum[(hz < PROBE_HZ[0]) | (hz > PROBE_HZ[1])] = 0
    return np.fft.irfft(spectrum, len(x)).astype(np.float32)


def _on_hook_again(wiring: Wiring, problem: str) -> Finding:
    if problem:
        return Finding("on_hook", False, f"the line was not released: {problem}")
    wiring.run(1.5)
    volts = wiring.board.measure(wiring.port.index).volts
    if volts is not None and abs(volts) < 20:
        return Finding(
            "on_hook", False, f"released, but the line stays at {abs(volts):.0f} V", abs(volts), "V"
        )
    return Finding("on_hook", True, "on hook again")


# ------------------------------------------------------------------- telephones
def _test_telephone(wiring: Wiring, country: str, person: Person, note: Tell) -> None:
    problem, lifted = _ring(wiring, country)
    if problem:
        note(Finding("ring", False, f"the telephone cannot be rung: {problem}"))
        return
    if "onhook-audio" in wiring.port.can and not lifted:
        text = f"if the telephone has a display, it shows {DISPLAY.number} and {DISPLAY.name} now"
        note(Finding("display", None, text))
    person.lift()
    took = 0.0 if lifted else wiring.until(api.OffHook, PERSON_S)
    wiring.command(api.StopRinging())
    if took is None:
        text = f"nobody answered within {PERSON_S:g} s: does it ring, and is it plugged in?"
        note(Finding("ring", False, text))
        return
    note(Finding("ring", True, f"rang, and lifting was seen after {took:.1f} s", took, "s"))
    _keys(wiring, person, note)
    _loopback(wiring, person, note)
    person.hang_up()
    on_hook = wiring.until(api.OnHook, PERSON_S) is not None
    text = "hanging up was seen" if on_hook else f"hanging up was not seen within {PERSON_S:g} s"
    note(Finding("on_hook", on_hook, text))


def _ring(wiring: Wiring, country: str) -> tuple[str, bool]:
    """Ring, and show a caller: (why it failed, lifted before it was asked for)."""
    port = Port(0, 0, wiring.port.index, wiring.port)
    numbers: dict[int, api.Command] = {}

    def send(port: Port, command: api.Command) -> int:
        number = wiring.board.command(port.index, command)
        numbers[number] = command
        return number

    displays = CallerDisplays(send)
    said = np.zeros((1, BLOCK), np.float32)
    clock = 0
    displays.ring(port, DISPLAY, country, tone_table(country).ring_ms, time.time(), clock)
    rings = False
    for _ in range(round(DISPLAY_S / TICK_S)):
        wiring.tick(said[0].astype(np.int16))
        clock += BLOCK
        for event in wiring.events:
            displays.note(port, event, clock)
            if isinstance(event, api.OffHook):
                return "", True
            if isinstance(event, api.CommandFailed):
                if isinstance(numbers.get(event.command_id), api.StartRinging):
                    displays.end(port)
                    return event.reason, False
            elif isinstance(event, api.CommandDone):
                rings = rings or isinstance(numbers.get(event.command_id), api.StartRinging)
        if rings and not displays.pending:
            return "", False
        said[:] = 0.0
        displays.add_to(said, clock)
    displays.end(port)
    return f"the card did not answer within {DISPLAY_S:g} s", False


def _keys(wiring: Wiring, person: Person, note: Tell) -> None:
    wiring.run(0.5)
    person.press()
    receiver, keys = DtmfReceiver(1), ""
    for _ in range(round(KEYS_S / TICK_S)):
        wiring.tick()
        for event in receiver.process(wiring.heard.astype(np.float32)[None, :]):
            keys += event.digit if event.phase == "down" else ""
        for pulse in wiring.events:
            if isinstance(pulse, api.PulseDigit):
                keys += pulse.digit
        if len(keys) >= LEAST_KEYS:
            break
    good = len(keys) >= LEAST_KEYS
    text = f"keys heard: {keys}" if good else f"keys heard: {keys or 'none'}, three were asked for"
    note(Finding("keys", good, text))


def _loopback(wiring: Wiring, person: Person, note: Tell) -> None:
    """What the telephone says comes back to it half a second later."""
    wiring.run(0.5)
    person.speak()
    past: list[Samples] = []
    loudest = SILENCE_DBM0
    for _ in range(round(SPEAK_S / TICK_S)):
        say = past.pop(0) if len(past) >= ECHO_TICKS else None
        wiring.tick(say)
        past.append(wiring.heard.copy())
        if say is None:  # later the room and the hybrid return our own sound
            block = wiring.heard.astype(np.float32)
            loudest = max(loudest, dbm0_from_rms(float(np.sqrt(np.mean(block**2)))))
    good = loudest > HEARD_DBM0
    text = (
        f"voice heard, {loudest:.0f} dBm0, and played back"
        if good
        else "no voice was heard: check the handset"
    )
    note(Finding("loopback", good, text, loudest, "dBm0"))
