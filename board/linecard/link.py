"""The host's end of the control line: sessions, answers, repeats. Holds no clock and no port.

    hello ─► caps, caps, … ─► up ─(no answer to a request or a ping)─► down ─(after a pause)─► hello

Requests are repeated every 100 ms, at most five times, and the card does each one
once. Events arrive in the order of their seq, repeated by the card until acknowledged:
one that does not come within half a second is given up and counted.
"""

from __future__ import annotations

import zlib
from collections import deque
from dataclasses import dataclass, field
from enum import Enum

from board.linecard import messages as msg
from board.linecard.capabilities import MOST_PACKED_BYTES, Capabilities, CapsError, unpack
from board.linecard.frames import CARD_PORT, VERSION, Deframer, Frame, Kind, encode

REPEAT_S = 0.1
TRIES = 5
PING_EVERY_S = 0.5
PAUSE_S = 2.0
"""Between a link that went down and the next HELLO."""
WINDOW = 8
"""Requests under way at once; more wait."""
MOST_WAITING = 1024
EVENT_GAP_S = 0.5
MOST_EARLY = 64

NO_ANSWER = "the card's control port does not answer: check its cable and power"


class State(Enum):
    """Of the link."""

    HELLO = "hello"
    CAPS = "caps"
    UP = "up"
    DOWN = "down"


@dataclass(frozen=True)
class Answer:
    """What became of a request. `request`: its number; status None: the card never answered."""

    request: int
    op: msg.Op
    port: int
    seq: int
    status: msg.Status | None
    data: bytes = b""

    @property
    def reason(self) -> str:
        """Why it was refused, for people."""
        if self.status is None:
            return NO_ANSWER
        words = self.data.decode("utf-8", "replace")
        return words or f"the card says {self.status.name.lower().replace('_', ' ')}"


@dataclass(frozen=True)
class Said:
    """An event or note of the card. `clock`: its sample counter modulo 2**32."""

    clock: int
    port: int
    message: msg.Message


@dataclass
class Counters:
    """Everything that went wrong on the wire since the start."""

    bad_frames: int = 0
    bad_payloads: int = 0
    repeats: int = 0
    unanswered: int = 0
    events_lost: int = 0
    sessions: int = 0


@dataclass
class _Request:
    number: int
    op: msg.Op
    port: int
    payload: bytes
    seq: int = 0
    tries: int = 0
    due_s: float = 0.0


@dataclass
class Link:
    """One control line. Feed it bytes and time, send what `outgoing` gives."""

    session: int
    """Any number that differs from the last session's."""
    host: str = "zongji"
    state: State = State.HELLO
    why_down: str = ""
    capabilities: Capabilities | None = None
    counters: Counters = field(default_factory=Counters)
    answers: deque[Answer] = field(default_factory=deque)
    said: deque[Said] = field(default_factory=deque)
    last_clock: tuple[int, float] | None = None
    """Sample counter of the newest frame of the card and when it arrived."""
    _deframer: Deframer = field(default_factory=Deframer)
    _out: bytearray = field(default_factory=bytearray)
    _seq: int = 0
    _numbers: int = 0
    _under_way: dict[int, _Request] = field(default_factory=dict)
    _waiting: deque[_Request] = field(default_factory=deque)
    _early: dict[int, Said | None] = field(default_factory=dict)
    _event_seq: int = 0
    _gap_since_s: float | None = None
    _heard_s: float = 0.0
    _pinging: bool = False
    _resume_s: float = 0.0
    _packed: bytearray = field(default_factory=bytearray)
    _packed_bytes: int = 0
    _packed_crc: int = 0

    @property
    def up(self) -> bool:
        """Requests can be made."""
        return self.state is State.UP

    # ------------------------------------------------------------- outwards
    def start(self, now_s: float) -> None:
        """Say HELLO: everything before is forgotten on both sides."""
        self.counters.sessions += 1
        self.session = (self.session + 1) % (1 << 32)
        self.state = State.HELLO
        self._abandon()
        self._early.clear()
        self._event_seq = 0
        self._gap_since_s = None
        self._heard_s = now_s
        self._pinging = False
        self._out.clear()
        self._out += b"\0"
        self._send(self._new(CARD_PORT, msg.Hello(VERSION, self.session, self.host)), now_s)

    def request(self, port: int, message: msg.Message, now_s: float) -> int:
        """Send a request; returns the number under which its `Answer` will come.

        Answered at once as unanswered when the link is not up or too much waits already.
        """
        one = self._new(port, message)
        if self.state is not State.UP or len(self._waiting) >= MOST_WAITING:
            self.answers.append(Answer(one.number, one.op, port, 0, None))
        else:
            self._waiting.append(one)
            self._fill_window(now_s)
        return one.number

    def outgoing(self) -> bytes:
        """Bytes to send now."""
        out = bytes(self._out)
        self._out.clear()
        return out

    def poll(self, now_s: float) -> None:
        """Repeat what is due, ping a silent card, begin anew after a pause."""
        if self.state is State.DOWN:
            if now_s >= self._resume_s:
                self.start(now_s)
            return
        for one in list(self._under_way.values()):
            if now_s < one.due_s:
                continue
            if one.tries >= TRIES:
                self.counters.unanswered += 1
                self.drop(NO_ANSWER, now_s)
                return
            self.counters.repeats += 1
            self._send(one, now_s)
        self._skip_gap(now_s)
        if self.state is State.UP and not self._pinging and now_s - self._heard_s >= PING_EVERY_S:
            self._pinging = True
            self._send(self._new(CARD_PORT, msg.Ping()), now_s)

    def drop(self, why: str, now_s: float) -> None:
        """The line is of no use now: all requests fail, and after a pause comes a new HELLO."""
        self.state = State.DOWN
        self.why_down = why
        self._resume_s = now_s + PAUSE_S
        self._abandon()
        self._out.clear()

    # -------------------------------------------------------------- inwards
    def feed(self, data: bytes, now_s: float) -> None:
        """Bytes from the card."""
        for frame in self._deframer.feed(data):
            if self.state is State.DOWN:
                continue
            if frame.kind is Kind.REPLY:
                self._reply(frame, now_s)
            elif frame.kind is Kind.EVENT and self.state is not State.HELLO:
                self._event(frame, now_s)
            elif frame.kind is Kind.NOTE and self.state is State.UP:
                self._hear(frame, now_s)
                if (said := self._read(frame)) is not None:
                    self.said.append(said)
        self.counters.bad_frames = self._deframer.bad

    def _hear(self, frame: Frame, now_s: float) -> None:
        self._heard_s = now_s
        self.last_clock = (frame.clock, now_s)

    def _reply(self, frame: Frame, now_s: float) -> None:
        one = self._under_way.get(frame.seq)
        if one is None or one.op != frame.op:
            return
        try:
            status = msg.Status(frame.payload[0])
        except (IndexError, ValueError):
            self.counters.bad_payloads += 1
            return
        self._hear(frame, now_s)
        del self._under_way[frame.seq]
        data = frame.payload[1:]
        if one.op is msg.Op.HELLO:
            self._hello_answered(status, data, now_s)
        elif one.op is msg.Op.CAPS:
            self._caps_answered(status, data, now_s)
        elif one.op is msg.Op.PING:
            self._pinging = False
            if status is not msg.Status.OK:
                self.drop("the card has started anew", now_s)
                return
        else:
            self.answers.append(Answer(one.number, one.op, one.port, one.seq, status, data))
        self._fill_window(now_s)

    def _hello_answered(self, status: msg.Status, data: bytes, now_s: float) -> None:
        if status is not msg.Status.OK or len(data) != msg.HELLO_REPLY.size:
            self.drop(f"the card refuses to begin a session: {data.decode('utf-8', 'replace')}", now_s)
            return
        version, self._packed_bytes, self._packed_crc = msg.HELLO_REPLY.unpack(data)
        if version != VERSION or self._packed_bytes > MOST_PACKED_BYTES:
            self.drop(f"the card speaks protocol version {version}, this box {VERSION}: update one", now_s)
            return
        self.state = State.CAPS
        self._packed.clear()
        self._send(self._new(CARD_PORT, msg.Caps(0)), now_s)

    def _caps_answered(self, status: msg.Status, data: bytes, now_s: float) -> None:
        self._packed += data
        if status is not msg.Status.OK or not data or len(self._packed) > self._packed_bytes:
            self.drop("the card does not send its capabilities: update its firmware", now_s)
        elif len(self._packed) < self._packed_bytes:
            self._send(self._new(CARD_PORT, msg.Caps(len(self._packed))), now_s)
        elif zlib.crc32(self._packed) != self._packed_crc:
            self.drop("the capabilities of the card arrived damaged", now_s)
        else:
            try:
                self.capabilities = unpack(bytes(self._packed))
            except CapsError as error:
                self.drop(f"{error}: update the card's firmware", now_s)
                return
            self.state = State.UP

    def _event(self, frame: Frame, now_s: float) -> None:
        ahead = (frame.seq - self._event_seq) % 256
        if ahead < 128 and ahead >= MOST_EARLY:
            return  # not acknowledged: the card repeats it when there is room
        self._hear(frame, now_s)
        self._out += encode(Frame(Kind.ACK, frame.seq, frame.port, frame.op))
        if ahead >= 128 or frame.seq in self._early:
            return  # a repeat: our acknowledgement was lost
        self._early[frame.seq] = self._read(frame)
        self._in_order()
        self._gap_since_s = (self._gap_since_s or now_s) if self._early else None

    def _in_order(self) -> None:
        while self._event_seq in self._early:
            said = self._early.pop(self._event_seq)
            self._event_seq = (self._event_seq + 1) % 256
            if said is not None:
                self.said.append(said)

    def _skip_gap(self, now_s: float) -> None:
        if self._gap_since_s is None or now_s - self._gap_since_s < EVENT_GAP_S:
            return
        missing = min((seq - self._event_seq) % 256 for seq in self._early)
        self.counters.events_lost += missing
        self._event_seq = (self._event_seq + missing) % 256
        self._in_order()
        self._gap_since_s = now_s if self._early else None

    def _read(self, frame: Frame) -> Said | None:
        try:
            return Said(frame.clock, frame.port, msg.decode(frame.op, frame.payload))
        except msg.PayloadError:
            self.counters.bad_payloads += 1
            return None

    # ------------------------------------------------------------- requests
    def _new(self, port: int, message: msg.Message) -> _Request:
        self._numbers += 1
        return _Request(self._numbers, message.OP, port, msg.encode(message))

    def _fill_window(self, now_s: float) -> None:
        while self._waiting and len(self._under_way) < WINDOW:
            self._send(self._waiting.popleft(), now_s)

    def _send(self, one: _Request, now_s: float) -> None:
        if not one.tries:
            # At most WINDOW + 1 numbers are taken, so this ends.
            while True:
                self._seq = (self._seq + 1) % 256
                if self._seq not in self._under_way:
                    break
            one.seq = self._seq
            self._under_way[one.seq] = one
        one.tries += 1
        one.due_s = now_s + REPEAT_S
        self._out += encode(Frame(Kind.REQUEST, one.seq, one.port, one.op, 0, one.payload))

    def _abandon(self) -> None:
        own = (msg.Op.HELLO, msg.Op.CAPS, msg.Op.PING)
        for one in [*self._under_way.values(), *self._waiting]:
            if one.op not in own:
                self.answers.append(Answer(one.number, one.op, one.port, one.seq, None))
        self._under_way.clear()
        self._waiting.clear()
        self._pinging = False
