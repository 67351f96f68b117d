"""One voice modem: set up, on hook, taken, voice flowing. Holds no port and no clock.

SETUP ─► ON_HOOK ─SetHook(on)─► SEIZING ─CONNECT─► VOICE ─SetHook(off)─► LEAVING ─► ON_HOOK
  ▲                                                   └─ flash, pulses ─► LEAVING ─► … ─► VOICE
  └── anything that is not answered as it must be (three times; then the port is opened anew)
"""

from __future__ import annotations

import logging
import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import numpy as np

from board.api import (
    BLOCK_SAMPLES,
    CallerIdReported,
    CallStateChanged,
    Command,
    CommandDone,
    CommandFailed,
    DialPulses,
    FlashHook,
    KeyReported,
    LineMeasure,
    PolarityReversed,
    PortEvent,
    Samples,
    SetHook,
    ToneReported,
)
from board.atcard import Rings
from board.atline import QUIET_S, AtLine, Query, Result
from board.elastic import LateSpeech, SampleQueue
from board.modem import callerid
from board.modem.dle import Unshield, shield
from board.modem.formats import Format, choose, read_offers
from board.modem.profiles import PROFILES, TONES, detect

log = logging.getLogger(__name__)

URCS = ("RING", "DRON", "DROF", "CID", "NO CARRIER", "BUSY", "NO DIALTONE", "VCON")
KEYS = "0123456789*#ABCD"
SETUP_TRIES = 3
SETUP_PAUSE_S = 2.0
LEAVE_S = 2.0
"""So long the modem may take to end the stream."""
MOST_LEAVING = 2
EVERY_END = b"\x10!\x10\x03\x10^"
"""All ways to end a stream there are."""
SOUND_STALLED_S = 2.0
STREAM_RETRIES = 3
MOST_UNSAID_BLOCKS = 8
PRIME_BLOCKS = 2
"""Blocks of silence ahead of what is said, so that the modem's own buffer does not run dry."""
MOST_WAITING = 16


class Phase(Enum):
    """Where the modem is."""

    DOWN = "down"
    SETUP = "set-up"
    ON_HOOK = "on hook"
    SEIZING = "seizing"
    VOICE = "voice"
    LEAVING = "leaving"
    TEXT = "text"
    """Off hook without a stream."""


@dataclass
class Counters:
    """What went wrong with the sound, and what the modem saw but we have no use for."""

    underruns: int = 0
    overruns: int = 0
    unsaid_blocks: int = 0
    strange_events: int = 0
    restarts: int = 0


class ModemMachine:
    """The modem behind one serial port."""

    def __init__(self, profile: str = "") -> None:
        """profile: a name of `PROFILES`; "" asks the modem what it is."""
        self._fixed = PROFILES[profile] if profile else None
        self.profile = self._fixed or PROFILES["v253"]
        self.ready = False
        self.trouble = ""
        self.lost_contact = False
        self.events: deque[PortEvent] = deque()
        self.received = SampleQueue()
        self.counters = Counters()
        self.phase = Phase.DOWN
        self.make = ""
        self.line = AtLine(URCS, self._urc, on_dle=self._event, also_urc=callerid.is_caller_id)
        self._format: Format | None = None
        self._odd = b""
        self._steps: deque[tuple[Query, bool, Callable[[Result], None] | None]] = deque()
        self._setup_failures = 0
        self._resume_at_s: float | None = None
        self._unshield = Unshield()
        self._said: deque[bytes] = deque()
        self._speech = LateSpeech()
        self._raw_out = bytearray()
        self._leave_by_s = 0.0
        self._leaving = 0
        self._then: Callable[[], None] | None = None
        self._stream_failures = 0
        self._heard_at_s = 0.0
        self._busy: int | None = None
        """Id of the command being carried out."""
        self._waiting: deque[tuple[int, Command]] = deque()
        self._collector = callerid.Collector()
        self._rings = Rings(self.events)
        self._reversed = False
        self._key = ""
        self._in_key = False
        self._now_s = 0.0

    # --------------------------------------------------------------- Machine
    @property
    def can(self) -> frozenset[str]:
        """Its keys and tones are hints (it takes speech for them): they are looked for in the sound."""
        return frozenset({"callerid"})

    @property
    def streaming(self) -> bool:
        """Sound flows."""
        return self.phase is Phase.VOICE

    def start(self, now_s: float) -> None:
        """The port is open: set the modem up."""
        self._now_s = now_s
        self.lost_contact = False
        self.trouble = ""
        self._setup_failures = 0
        self._begin_setup()

    def stop(self, reason: str) -> None:
        """The port is closed."""
        self._go_down(reason)
        self.phase = Phase.DOWN
        self.lost_contact = False
        self.trouble = reason

    def feed(self, data: bytes, now_s: float) -> None:
        """Bytes from the modem: text, or sound with events in it."""
        self._now_s = now_s
        rest: bytes | None = data
        while rest:
            if self.phase in (Phase.VOICE, Phase.LEAVING):
                rest = self._feed_voice(rest)
            else:
                rest = self.line.feed(rest, now_s)

    def tick(self, now_s: float) -> None:
        """Let time pass."""
        self._now_s = now_s
        self._rings.tick(now_s)
        found = self._collector.tick(now_s)
        if found is not None:
            self._tell_caller(found)
        if self._resume_at_s is not None and now_s >= self._resume_at_s:
            self._resume_at_s = None
            self._begin_setup()
        if self.phase is Phase.VOICE and now_s - self._heard_at_s > SOUND_STALLED_S:
            self._fail("the modem has stopped sending sound")
        elif self.phase is Phase.LEAVING and now_s > self._leave_by_s:
            self._leave_again()
        self.line.tick(now_s)
        if self.line.hung and not self.lost_contact:
            self._fail("the modem does not answer: unplug it and plug it in again")
            self.lost_contact = True

    def outgoing(self, now_s: float) -> bytes:
        """Bytes for the modem."""
        if self.phase in (Phase.VOICE, Phase.LEAVING):
            out = bytes(self._raw_out) + b"".join(self._said)
            self._raw_out.clear()
            self._said.clear()
            return out
        out = bytes(self._raw_out)
        self._raw_out.clear()
        return out + self.line.outgoing(now_s)

    def command(self, number: int, command: Command, now_s: float) -> None:
        """Carry out a command, after those before it."""
        self._now_s = now_s
        if not isinstance(command, SetHook | FlashHook | DialPulses):
            self._refuse(number, f"{type(command).__name__} is not for voice modems")
        elif len(self._waiting) >= MOST_WAITING:
            self._refuse(number, f"{MOST_WAITING} commands wait already")
        else:
            self._waiting.append((number, command))
            self._next()

    def say(self, samples: Samples) -> None:
        """One block for the far end."""
        if self.phase is Phase.SEIZING:
            self._speech.put(samples)
            return
        if self.phase is not Phase.VOICE or self._format is None:
            return
        self._speech.put(samples)
        if len(self._said) >= MOST_UNSAID_BLOCKS:
            self._said.popleft()
            self.counters.unsaid_blocks += 1
        self._said.append(shield(self._format.from_linear(self._speech.take())))

    def farewell(self) -> bytes:
        """End the stream, hang up."""
        end = self.profile.end_stream if self.phase in (Phase.VOICE, Phase.LEAVING) else b""
        return end + f"\r{self.profile.on_hook}\r".encode()

    def measure(self) -> LineMeasure:
        """A modem measures nothing; only the hook is known."""
        off = {Phase.ON_HOOK: False, Phase.VOICE: True, Phase.TEXT: True, Phase.LEAVING: True}
        return LineMeasure(off_hook=off.get(self.phase))

    def describe(self) -> str:
        """Profile and what the modem says of itself."""
        return f"{self.profile.name} {self.make}".strip()

    # ---------------------------------------------------------------- set-up
    def _begin_setup(self) -> None:
        self.phase = Phase.SETUP
        self.ready = False
        self.line.drop_all()
        # A stream that a crash has left open would take ATZ for sound. What ends it is a line of
        # garbage to a modem in command mode; answers to either are waited out.
        self._raw_out[:] = EVERY_END + b"\r"
        self.line.keep_quiet(self._now_s + QUIET_S)
        self._steps.clear()
        self._step("ATZ", needed=True, timeout_s=5.0)
        self._step("ATE0Q0V1", needed=True)
        self._steps.append((Query("ATI0", collect=True), False, self._note_make))
        self._steps.append((Query("ATI3", collect=True), False, self._note_make))
        self._step("AT+FCLASS=8", needed=True)
        self._steps.append((Query("AT+VSM=?", collect=True), True, self._choose_format))
        self.make = ""
        self._run_step()

    def _step(self, text: str, needed: bool, timeout_s: float = 3.0) -> None:
        self._steps.append((Query(text, timeout_s), needed, None))

    def _run_step(self) -> None:
        if not self._steps:
            self._set_up()
            return
        query, needed, use = self._steps.popleft()

        def then(result: Result) -> None:
            if self.phase is not Phase.SETUP:
                return
            if not result.ok and needed:
                self._fail(f"the modem cannot be set up: {result.reason}")
                return
            if use is not None and result.ok:
                use(result)
            if self.phase is Phase.SETUP and self._resume_at_s is None:
                self._run_step()

        self.line.send(query, then)

    def _note_make(self, result: Result) -> None:
        self.make = " ".join(filter(None, (self.make, *result.lines)))
        if result.query.text == "ATI3":
            self.profile = self._fixed or detect(self.make)

    def _choose_format(self, result: Result) -> None:
        lines = [line.removeprefix("+VSM:").strip() for line in result.lines]
        try:
            offer, self._format = choose(read_offers(lines), self.profile.formats, self.profile.wanted)
        except LookupError as error:
            self._fail(f"the modem cannot be used for voice: {error}")
            return
        self._step(f"AT+VSM={offer.number},8000" + ",0" * offer.more, needed=True)
        self._step("AT+VCID=1", needed=False)
        self._step("AT+VIT=0", needed=False)
        for text in self.profile.setup:
            self._step(text, needed=False)
        self._step(self.profile.on_hook, needed=True)

    def _set_up(self) -> None:
        self.phase = Phase.ON_HOOK
        self.ready = True
        self.trouble = ""
        self._setup_failures = 0
        self._next()

    def _fail(self, why: str) -> None:
        """Something needed went wrong: the line is given up, and the modem set up anew."""
        log.warning("modem: %s", why)
        self._go_down(why)
        self.trouble = why
        self._setup_failures += 1
        self.counters.restarts += 1
        self.phase = Phase.SETUP
        if self._setup_failures > SETUP_TRIES:
            self.lost_contact = True
        else:
            self._resume_at_s = self._now_s + SETUP_PAUSE_S

    def _go_down(self, why: str) -> None:
        self.ready = False
        self._rings.stop()
        self._resume_at_s = None
        self._then = None
        self._said.clear()
        self._raw_out.clear()
        self._steps.clear()
        if self._busy is not None:
            self._refuse(self._busy, why)
            self._busy = None
        while self._waiting:
            self._refuse(self._waiting.popleft()[0], why)
        unanswered = self.line.unanswered
        self.line.drop_all()
        self.line.unanswered = unanswered

    # -------------------------------------------------------------- commands
    def _next(self) -> None:
        if self._busy is not None or not self._waiting or not self.ready:
            return
        self._busy, command = self._waiting.popleft()
        match command:
            case SetHook(True) if self.phase is Phase.ON_HOOK:
                self.phase = Phase.SEIZING
                self._stream_failures = 0
                self._speech.clear()
                self._rings.stop()
                finals = frozenset({"VCON"})
                self.line.send(Query(self.profile.off_hook, 5.0, finals=finals), self._seized)
            case SetHook(False) if self.phase is Phase.VOICE:
                self._leave(self._put_down)
            case FlashHook(duration_ms) if self.phase is Phase.VOICE:
                centis = max(1, min(255, round(duration_ms / 10)))
                self._leave(lambda: self._in_text((f"ATS29={centis}", False), ("AT+VTS=!", True)))
            case DialPulses(digits) if self.phase is Phase.VOICE:
                self._leave(lambda: self._in_text((f"ATDP{digits};", True)))
            case SetHook():
                self._done()  # it is so already
            case _:
                self._failed("the line is on hook: take it first")

    def _seized(self, result: Result) -> None:
        if self.phase is not Phase.SEIZING:
            return
        if result.ok:
            self._open_stream()
        else:
            self.phase = Phase.ON_HOOK
            self._failed(f"the line could not be taken: {result.reason}")

    def _open_stream(self) -> None:
        self.line.send(Query("AT+VTR", 5.0, stream=True), self._stream_open)

    def _stream_open(self, result: Result) -> None:
        if result.status == "CONNECT" and self._format is not None:
            self.phase = Phase.VOICE
            self.received.clear()
            self._odd = b""
            self._unshield = Unshield()
            self._said.clear()
            self._raw_out.clear()
            silence = self._format.from_linear(np.zeros(BLOCK_SAMPLES, np.int16))
            self._said.extend([shield(silence)] * PRIME_BLOCKS)
            self._heard_at_s = self._now_s
            self._done()
            return
        why = f"the modem does not open its voice stream: {result.reason}"
        if self._busy is None:
            self._fail(why)
            return
        self.phase = Phase.TEXT
        self._failed(why)
        self._put_down()

    def _put_down(self) -> None:
        self.phase = Phase.TEXT
        self.line.send(Query(self.profile.on_hook, 5.0), self._is_down)

    def _is_down(self, result: Result) -> None:
        if self.phase is not Phase.TEXT:
            return
        if not result.ok:
            self._fail(f"the line could not be released: {result.reason}")
            return
        self.phase = Phase.ON_HOOK
        self._done()

    def _in_text(self, *texts: tuple[str, bool]) -> None:
        """Commands (and whether they must succeed) between two pieces of the stream."""
        todo = deque(texts)

        def then(result: Result | None) -> None:
            if self.phase is not Phase.TEXT:
                return
            if result is not None and not result.ok and needed:
                self._failed(result.reason)
                self._open_stream()
            elif todo:
                run()
            else:
                self._open_stream()

        needed = False

        def run() -> None:
            nonlocal needed
            text, needed = todo.popleft()
            self.line.send(Query(text, 10.0), then)

        run()

    def _done(self) -> None:
        if self._busy is not None:
            self.events.append(CommandDone(0, 0, self._busy))
            self._busy = None
        self._next()

    def _failed(self, why: str) -> None:
        if self._busy is not None:
            self._refuse(self._busy, why)
            self._busy = None
        self._next()

    def _refuse(self, number: int, why: str) -> None:
        self.events.append(CommandFailed(0, 0, number, why))

    # ---------------------------------------------------------------- stream
    def _leave(self, then: Callable[[], None]) -> None:
        """End the stream, then go on."""
        self.phase = Phase.LEAVING
        self._then = then
        self._leaving = 1
        self._said.clear()
        self._raw_out += self.profile.end_stream
        self._leave_by_s = self._now_s + LEAVE_S

    def _leave_again(self) -> None:
        """The modem has not ended the stream: the other ways there are, then set it up anew."""
        if self._leaving >= MOST_LEAVING:
            self._fail("the modem does not end its voice stream")
            return
        self._leaving += 1
        self._raw_out += EVERY_END
        self._leave_by_s = self._now_s + LEAVE_S

    def _feed_voice(self, data: bytes) -> bytes | None:
        sound, events, rest = self._unshield.feed(data)
        if sound and self.phase is Phase.VOICE:
            self._heard_at_s = self._now_s
            self._hear(sound)
        for code in events:
            self._event(code)
        if rest is None:
            return None
        asked = self.phase is Phase.LEAVING
        self.phase = Phase.TEXT
        after, self._then = self._then, None
        if not asked or after is None:
            self._reopen_stream()
            return rest

        def then(result: Result) -> None:
            # Whether it said OK or nothing: the stream is over.
            if self.phase is Phase.TEXT:
                after()

        self.line.await_result(Query("", 1.0, finals=frozenset({"VCON", "NO CARRIER"})), then, self._now_s)
        return rest

    def _reopen_stream(self) -> None:
        """The modem ended the stream by itself: some do so when they believe the line is dead."""
        self._stream_failures += 1
        if self._stream_failures > STREAM_RETRIES:
            self._fail("the modem keeps ending its voice stream")
            return
        # What was on its way to the far end is now a line of garbage to the modem: end that line,
        # and let its answer pass.
        self._said.clear()
        self._raw_out += b"\r"
        self.line.keep_quiet(self._now_s + QUIET_S)
        self._open_stream()

    def _hear(self, sound: bytes) -> None:
        if self._format is None:
            return
        sound = self._odd + sound
        whole = len(sound) - len(sound) % self._format.octets
        self._odd = sound[whole:]
        self.received.put(self._format.to_linear(sound[:whole]))

    # ---------------------------------------------------------------- events
    def _urc(self, text: str) -> None:
        if text.startswith("RING"):
            self._ring()
        elif callerid.is_caller_id(text):
            found = self._collector.line(text, self._now_s)
            if found is not None:
                self._tell_caller(found)

    def _ring(self) -> None:
        if self.phase in (Phase.ON_HOOK, Phase.SETUP):
            self._rings.burst(self._now_s)

    def _tell_caller(self, found: callerid.CallerId) -> None:
        self.events.append(CallerIdReported(0, 0, found.number, found.name, found.presentation))

    def _event(self, code: str) -> None:
        """One `<DLE> x`, in the stream or between the text; "X…" with the text of a complex event."""
        if len(code) > 1:
            for text in filter(None, re.split(r"[\r\n]+", code[1:])):
                self._urc(text.strip())
            return
        if code in KEYS:
            if not (self._in_key and code == self._key):
                self.events.append(KeyReported(0, 0, code))
            self._key = code
            return
        match self.profile.events.get(code, ""):
            case "ring":
                self._ring()
            case "key-begins":
                self._in_key, self._key = True, ""
            case "key-ends":
                self._in_key = False
            case "loop-break" if self.phase in (Phase.VOICE, Phase.LEAVING, Phase.TEXT):
                self.events.append(CallStateChanged(0, 0, "ended", cue="battery"))
            case "polarity":
                self._reversed = not self._reversed
                self.events.append(PolarityReversed(0, 0, self._reversed))
            case "underrun":
                self.counters.underruns += 1
            case "overrun":
                self.counters.overruns += 1
            case "bad-format":
                self._fail("the modem refuses the sample format")
            case tone if tone in TONES:
                self.events.append(ToneReported(0, 0, tone))
            case _:
                self.counters.strange_events += 1
