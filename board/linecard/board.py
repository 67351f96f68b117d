"""A line card as `board.api.Board`: sound paces, the serial port controls, the link keeps its state.

sound lost              the card is lost: BoardError; open it again when it is back
control port lost,      every port goes (PortGone with the reason), sound keeps the pace;
silent or garbled       the port is tried again every two seconds; then every port is back
"""

from __future__ import annotations

import logging
import random
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from board import api
from board.api import BLOCK_SAMPLES, BoardError, Samples
from board.door import Door
from board.linecard import messages as msg
from board.linecard.capabilities import Capabilities
from board.linecard.clockfit import ClockFit
from board.linecard.events import event_of, request_of, trouble_of
from board.linecard.frames import CARD_PORT
from board.linecard.link import Answer, Link, Said, State
from board.linecard.pairing import find_card
from board.linecard.serialline import SerialLine
from board.linecard.sound import Sound

log = logging.getLogger(__name__)

HELLO_S = 3.0
"""A card that has not introduced itself by then cannot be opened."""
BLOCK_WAIT_S = 1.2
"""Longer than the sound device may be silent before it is lost."""
MOST_EARLY_SAMPLES = 5 * BLOCK_SAMPLES
"""An event may be ahead of the audio by so much; then it is told at once."""
REOPEN_S = 2.0
MOST_HASTY = 16
MEASURE_EVERY_S = 1.0

TestTold = Callable[[msg.LinetestResult | msg.Done | msg.Failed], None]


class LinecardBoard:
    """One card. `now_s` and `sleep_s` are for tests."""

    def __init__(
        self,
        serial: str,
        pcm: str,
        now_s: Callable[[], float] = time.monotonic,
        sleep_s: Callable[[float], None] = time.sleep,
        door: Door[SerialLine] | None = None,
    ) -> None:
        """serial: control port; pcm: ALSA device. Raises BoardError.

        door: with a time of its own, the port is opened anew and closed at once unless a door is given.
        """
        self._serial_name, self._pcm_name = serial, pcm
        self._now_s, self._sleep_s = now_s, sleep_s
        self._door: Door[SerialLine] = door or Door(serial, threaded=now_s is time.monotonic)
        self._line: SerialLine | None = SerialLine(serial)
        self._link = Link(random.getrandbits(32))
        try:
            self._caps = self._greet()
            self._id = self._caps.serial
            self._ports = self._caps.port_infos(self._id)
            self._sound = Sound(pcm, len(self._ports), now_s)
        except BoardError:
            self._line.close()
            raise
        self._clock = 0
        self._fit = ClockFit()
        self._sessions = self._link.counters.sessions
        self._present = True
        self._reopen_s = 0.0
        self._last_command = 0
        self._commands: dict[int, tuple[int, int]] = {}
        """Request → (command, port), until the card has answered."""
        self._started: dict[int, tuple[int, int]] = {}
        """Seq of a request that takes time → (command, port)."""
        self._hasty: dict[int, tuple[msg.Done | msg.Failed, int]] = {}
        """Results that overtook the reply."""
        self._requests: dict[int, Callable[[Answer], None]] = {}
        self._later: deque[api.PortEvent] = deque()
        self._measures = [api.LineMeasure()] * len(self._ports)
        self._measure_due_s = [0.0] * len(self._ports)
        self._testing: dict[int, TestTold] = {}
        """Port → who is told of its line test."""
        self._tests: dict[int, int] = {}
        """Seq of a line test that goes on → its port."""
        self._open = True

    def _greet(self) -> Capabilities:
        """HELLO and the capabilities."""
        assert self._line is not None
        until_s = self._now_s() + HELLO_S
        self._link.start(self._now_s())
        while not self._link.up:
            now_s = self._now_s()
            if now_s > until_s or self._link.state is State.DOWN:
                why = self._link.why_down or "it does not introduce itself"
                raise BoardError(f"the card on {self._serial_name} cannot be used: {why}")
            self._link.poll(now_s)
            self._line.write(self._link.outgoing())
            self._link.feed(self._line.read(), now_s)
            if not self._link.up:
                self._sleep_s(0.002)
        assert self._link.capabilities is not None
        return self._link.capabilities

    # ------------------------------------------------------------ the card
    @property
    def id(self) -> str:
        """The card's serial number."""
        return self._id

    @property
    def caps(self) -> api.CardCaps:
        """What the card says it can do."""
        return api.CardCaps(firmware=self._caps.firmware, features=self._caps.features)

    @property
    def ports(self) -> Sequence[api.PortInfo]:
        """In the order of the card's capability dictionary."""
        return self._ports

    @property
    def name(self) -> str:
        """The product, as the card calls itself."""
        return self._caps.name

    @property
    def control_up(self) -> bool:
        """The control port works."""
        return self._present

    def health(self) -> dict[str, Any]:
        """Counters of sound and control line since the card was opened."""
        return {
            **asdict(self._sound.counters),
            **asdict(self._link.counters),
            "control": self._link.state.value,
        }

    # ----------------------------------------------------------------- ticks
    def wait(self, timeout_s: float) -> bool:
        """Whether a block is there within `timeout_s`. Raises BoardError when the card is lost."""
        self._need_open()
        return self._sound.wait(timeout_s)

    def waiting(self) -> int:
        """Samples captured and not yet read. Raises BoardError when the card is lost."""
        self._need_open()
        return self._sound.waiting()

    def read(self) -> api.Tick:
        """Next block; waits for it. Raises BoardError when the sound is lost."""
        self._need_open()
        if not self._sound.wait(BLOCK_WAIT_S):
            raise BoardError(f"sound device {self._pcm_name} gives no samples")
        audio, lost = self._sound.read()
        clock = self._clock + lost
        if lost:
            self._fit.forget()
        self._clock = clock + BLOCK_SAMPLES
        events = self._converse()
        return api.Tick(clock, audio.astype(np.int16), tuple(events), lost)

    def write(self, audio: Samples) -> None:
        """Samples int16 [ports, 160] for the next block; BoardError for any other shape or type."""
        self._need_open()
        shape = (len(self._ports), BLOCK_SAMPLES)
        if audio.shape != shape or audio.dtype != np.int16:
            raise BoardError(
                f"write needs int16 samples {list(shape)}, not {audio.dtype} {list(audio.shape)}"
            )
        self._sound.write(audio)

    def command(self, port: int, command: api.Command) -> int:
        """Send a command; its result comes as an event."""
        self._need_open()
        if not 0 <= port < len(self._ports):
            raise BoardError(f"port {port} does not exist: ports are 0 to {len(self._ports) - 1}")
        self._last_command += 1
        try:
            message = request_of(command, self._ports[port].kind)
        except ValueError as error:
            self._fail(port, self._last_command, str(error))
            return self._last_command
        request = self._link.request(port, message, self._now_s())
        self._commands[request] = (self._last_command, port)
        self._flush()
        return self._last_command

    def request(self, port: int, message: msg.Message, answered: Callable[[Answer], None]) -> None:
        """Any other request (settings, firmware); `answered` is called in a later `read`."""
        self._need_open()
        self._requests[self._link.request(port, message, self._now_s())] = answered
        self._flush()

    def line_test(self, port: int, tests: msg.LineTest, told: TestTold) -> None:
        """Let the card test a line; `told` gets each result, then Done or Failed, in later `read`s."""
        self._need_open()
        if not 0 <= port < len(self._ports):
            raise BoardError(f"port {port} does not exist: ports are 0 to {len(self._ports) - 1}")
        if port in self._testing:
            told(msg.Failed(0, "a test of this port goes on already"))
            return
        self._testing[port] = told

        def answered(answer: Answer) -> None:
            if answer.status is msg.Status.STARTED:
                self._tests[answer.seq] = port
                if (hasty := self._hasty.pop(answer.seq, None)) is not None:
                    self._finished(*hasty)
            elif self._testing.pop(port, None) is not None:
                told(msg.Failed(answer.seq, answer.reason))

        self.request(port, msg.Linetest(tests), answered)

    def measure(self, port: int) -> api.LineMeasure:
        """What the card last said of the port, at most about a second old; asks anew."""
        self._need_open()
        if not 0 <= port < len(self._ports):
            raise BoardError(f"port {port} does not exist: ports are 0 to {len(self._ports) - 1}")
        now_s = self._now_s()
        if self._present and now_s >= self._measure_due_s[port]:
            self._measure_due_s[port] = now_s + MEASURE_EVERY_S
            self.request(port, msg.Measure(), lambda answer: self._measured(port, answer))
        return self._measures[port]

    def _measured(self, port: int, answer: Answer) -> None:
        if answer.status is not msg.Status.OK or len(answer.data) != msg.MEASURED.size:
            self._measures[port] = api.LineMeasure()
            return
        volts, milliamps, bits = msg.MEASURED.unpack(answer.data)
        self._measures[port] = api.LineMeasure(
            volts / 10 if bits & 1 else None,
            milliamps / 10 if bits & 2 else None,
            bool(bits & 4) if bits & 8 else None,
            bool(bits & 16),
        )

    def close(self) -> None:
        """Release both devices. Idempotent."""
        if self._open:
            self._open = False
            self._sound.close()
            if self._line is not None:
                self._line.close()
            self._door.shut(SerialLine.close)

    def _need_open(self) -> None:
        if not self._open:
            raise BoardError(f"line card {self._id} has been closed: open it again")

    # --------------------------------------------------------------- control
    def _converse(self) -> list[api.PortEvent]:
        """Move the control line on; events up to the end of the block just read."""
        now_s = self._now_s()
        try:
            self._exchange(now_s)
        except BoardError as error:
            if self._line is not None:
                self._door.close(self._line.close)
                self._line = None
            self._reopen_s = now_s + REOPEN_S
            self._link.drop(str(error), now_s)
        self._take_answers()
        events = self._follow_state()
        while self._link.said:
            self._hear(self._link.said.popleft())
        ready = [event for event in self._later if event.clock <= self._clock]
        self._later = deque(event for event in self._later if event.clock > self._clock)
        return events + ready

    def _exchange(self, now_s: float) -> None:
        if self._line is None:
            if now_s < self._reopen_s:
                return
            if not self._door.opening and not self._door.busy:
                self._door.open(lambda: SerialLine(self._serial_name))
            self._line = self._door.take() if self._door.opening else None
            if self._line is None:
                return
        while data := self._line.read():
            self._link.feed(data, now_s)
            if len(data) < 1024:
                break
        if self._link.last_clock is not None:
            self._fit.note(self._link.last_clock[0], self._clock + self._sound.waiting())
            self._link.last_clock = None
        self._link.poll(now_s)
        self._line.write(self._link.outgoing())

    def _flush(self) -> None:
        """Send now rather than with the next block."""
        if self._line is None:
            return
        try:
            self._line.write(self._link.outgoing())
        except BoardError as error:
            self._link.drop(str(error), self._now_s())

    def _follow_state(self) -> list[api.PortEvent]:
        """Ports go and come back with the control line."""
        up = self._link.up
        fresh = self._link.counters.sessions != self._sessions
        if self._present and (not up or fresh):
            self._present = False
            why = self._link.why_down or "the card has started anew"
            log.error("line card %s: %s", self._id, why)
            # What the card said of a moment to come is void; what became of commands is not.
            failed = [event for event in self._later if isinstance(event, api.CommandFailed)]
            self._later = deque(failed)
            for command, port in self._started.values():
                self._fail(port, command, why)
            self._started.clear()
            for told_of in list(self._testing.values()):
                told_of(msg.Failed(0, why))
            self._testing.clear()
            self._tests.clear()
            self._hasty.clear()
            self._measures = [api.LineMeasure()] * len(self._ports)
            told = list(self._later)
            self._later.clear()
            return [*told, *(api.PortGone(info.index, self._clock, why) for info in self._ports)]
        if not self._present and up:
            caps = self._link.capabilities
            assert caps is not None
            if caps.serial != self._id or caps.ports != self._caps.ports:
                self._link.drop(f"another card ({caps.serial}) is on {self._serial_name}", self._now_s())
                return []
            self._present = True
            self._caps = caps
            self._sessions = self._link.counters.sessions
            self._fit.forget()
            log.warning("line card %s: the control port works again", self._id)
            return [api.PortBack(info.index, self._clock) for info in self._ports]
        return []

    def _take_answers(self) -> None:
        while self._link.answers:
            answer = self._link.answers.popleft()
            if (other := self._requests.pop(answer.request, None)) is not None:
                other(answer)
                continue
            command, port = self._commands.pop(answer.request)
            if answer.status is msg.Status.STARTED:
                self._started[answer.seq] = (command, port)
                if (hasty := self._hasty.pop(answer.seq, None)) is not None:
                    self._finished(*hasty)
            elif answer.status is msg.Status.OK:
                self._later.append(api.CommandDone(port, self._clock, command))
            else:
                self._fail(port, command, answer.reason)

    def _fail(self, port: int, command: int, reason: str) -> None:
        self._later.append(api.CommandFailed(port, self._clock, command, reason))

    def _hear(self, said: Said) -> None:
        message = said.message
        if trouble := trouble_of(message):
            where = "" if said.port == CARD_PORT else f", port {said.port}"
            log.warning("line card %s%s: %s", self._id, where, trouble)
        if isinstance(message, msg.Log):
            log.info("line card %s says: %s", self._id, message.text)
        clock = self._fit.ours(said.clock, self._clock + MOST_EARLY_SAMPLES)
        if isinstance(message, msg.LinetestResult) and (told := self._testing.get(said.port)):
            told(message)
        elif isinstance(message, msg.Done | msg.Failed):
            self._finished(message, clock)
        elif said.port < len(self._ports):
            event = event_of(message, said.port, clock)
            if event is not None:
                # Never before what has been told already: the layers above count on the order.
                newest = max((e.clock for e in self._later if e.port == said.port), default=0)
                self._later.append(replace(event, clock=max(clock, newest)))

    def _finished(self, message: msg.Done | msg.Failed, clock: int) -> None:
        if (tested := self._tests.pop(message.seq, None)) is not None:
            self._testing.pop(tested)(message)
            return
        if message.seq not in self._started:
            # The reply that said STARTED was lost on the way and will be repeated.
            self._hasty[message.seq] = (message, clock)
            if len(self._hasty) > MOST_HASTY:
                del self._hasty[next(iter(self._hasty))]
            return
        command, port = self._started.pop(message.seq)
        if isinstance(message, msg.Done):
            self._later.append(api.CommandDone(port, clock, command))
        else:
            self._later.append(api.CommandFailed(port, clock, command, message.reason))


def open_linecard(rest: str) -> LinecardBoard:
    """`serial=/dev/ttyACM0,pcm=hw:2` or the serial number of a card that is plugged in."""
    if "=" not in rest:
        import pyudev

        found = find_card(pyudev.Context(), rest)
        return LinecardBoard(found.tty, found.pcm)
    given = {}
    for part in rest.split(",", 1) if rest.startswith("serial=") else [rest]:
        key, equals, value = part.partition("=")
        if key not in ("serial", "pcm") or not equals or not value:
            raise BoardError(f"linecard:{rest}: write it like linecard:serial=/dev/ttyACM0,pcm=hw:2")
        given[key] = value
    if set(given) != {"serial", "pcm"}:
        raise BoardError(f"linecard:{rest}: write it like linecard:serial=/dev/ttyACM0,pcm=hw:2")
    return LinecardBoard(given["serial"], given["pcm"])
