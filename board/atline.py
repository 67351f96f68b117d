"""One AT command line: commands out, answers and unsolicited results in. Holds no port and no clock.

Terms are those of V.250 and 3GPP TS 27.007: a *final result* ends the answer to a
command, *information text* comes before it, an *unsolicited result code* (URC) may
come at any moment, also between the two. Voice modems (V.253) mix `<DLE> x` event
pairs into the text as well.

A modem may answer late, wrongly or never. One command is on the line at a time;
one that is not answered in time fails with TIMEOUT, the line is left quiet for a
moment, and a late OK is not taken for the answer to the next question.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

DLE = 0x10
ESC = b"\x1b"
CTRL_Z = b"\x1a"

QUIET_S = 0.5
"""After a command that was not answered: so long nothing is sent, and what comes is not an answer."""
MOST_LINE_BYTES = 2048
MOST_WAITING = 64
HUNG_TIMEOUTS = 3
"""So many unanswered commands in a row mean that nobody is there any more."""

TIMEOUT = "TIMEOUT"
OK = "OK"
_FINALS = frozenset({OK, "ERROR"})
_ERROR_HEADS = ("+CME ERROR:", "+CMS ERROR:")
DIAL_FINALS = frozenset({"NO CARRIER", "BUSY", "NO ANSWER", "NO DIALTONE", "NO DIAL TONE", "VCON"})
"""Further final results of commands that make a call; at other times they are unsolicited."""


@dataclass(frozen=True)
class Query:
    """One command.

    text: without the closing CR. prefix: how the lines of its answer begin ("+CSQ:"); with a
    prefix an OK without such a line, after an unanswered command, is not believed.
    collect: lines without a prefix belong to the answer too (ATI, the PDU after +CMGR).
    finals: further final results. body: what follows the `> ` prompt (+CMGS), Ctrl-Z is added.
    stream: a CONNECT ends the text; what follows is raw.
    empty_ok: an OK alone is a good answer although there is a prefix (empty list).
    takes: for answers that look like unsolicited results: whether this line is the answer.
    """

    text: str
    timeout_s: float = 3.0
    prefix: str = ""
    collect: bool = False
    finals: frozenset[str] = frozenset()
    body: bytes = b""
    stream: bool = False
    empty_ok: bool = False
    takes: Callable[[str], bool] | None = None


@dataclass(frozen=True)
class Result:
    """How a command ended. status: "OK", "ERROR", "TIMEOUT", "CONNECT", "BUSY" …
    detail: what came with an error ("+CME ERROR: 10"). lines: information text."""

    query: Query
    status: str
    lines: tuple[str, ...] = ()
    detail: str = ""

    @property
    def ok(self) -> bool:
        """Whether it did what was asked."""
        return self.status in (OK, "CONNECT", "VCON")

    @property
    def reason(self) -> str:
        """Why not, for people."""
        if self.status == TIMEOUT:
            return f"no answer to {self.query.text}"
        return f"{self.query.text} was answered with {self.detail or self.status}"


Then = Callable[[Result], None]


@dataclass
class Counters:
    """What went wrong on the line since the start."""

    timeouts: int = 0
    strange_lines: int = 0
    late_answers: int = 0
    long_lines: int = 0


@dataclass
class AtLine:
    """Feed it bytes and time; send what `outgoing` gives.

    urcs: beginnings of unsolicited lines. two_line_urcs: those followed by one more line (+CMT).
    also_urc: tells further unsolicited lines that have no beginning of their own.
    on_dle: called with the x of each `<DLE> x` pair; None when DLE has no meaning.
    """

    urcs: Sequence[str]
    on_urc: Callable[[str], None]
    two_line_urcs: Sequence[str] = ()
    on_dle: Callable[[str], None] | None = None
    also_urc: Callable[[str], bool] | None = None
    counters: Counters = field(default_factory=Counters)
    unanswered: int = 0
    """Commands in a row that were not answered."""
    _queue: deque[tuple[Query, Then | None]] = field(default_factory=deque)
    _now: tuple[Query, Then | None] | None = None
    _lines: list[str] = field(default_factory=list)
    _due_s: float = 0.0
    _quiet_until_s: float = 0.0
    _owed: int = 0
    _body_sent: bool = False
    _first_half: str = ""
    _buffer: bytearray = field(default_factory=bytearray)
    _dle_pending: bool = False
    _out: bytearray = field(default_factory=bytearray)

    # ------------------------------------------------------------------ out
    def send(self, query: Query, then: Then | None = None) -> None:
        """Queue a command; `then` is called with its result. OverflowError when 64 wait already."""
        if len(self._queue) >= MOST_WAITING:
            raise OverflowError(f"{MOST_WAITING} commands wait already")
        self._queue.append((query, then))

    def await_result(self, query: Query, then: Then | None, now_s: float) -> None:
        """Expect a final result of something that was not sent as a command (the end of a raw stream)."""
        assert self._now is None, "a command is under way"
        self._now = (query, then)
        self._lines.clear()
        self._body_sent = False
        self._due_s = now_s + query.timeout_s

    def keep_quiet(self, until_s: float) -> None:
        """Send nothing until then, and take nothing for an answer."""
        self._quiet_until_s = until_s

    def outgoing(self, now_s: float) -> bytes:
        """Bytes to be sent now; starts the next command when the line is free."""
        if self._now is None and self._queue and now_s >= self._quiet_until_s:
            self._now = self._queue.popleft()
            query = self._now[0]
            self._lines.clear()
            self._body_sent = False
            self._due_s = now_s + query.timeout_s
            self._out += query.text.encode("ascii", "replace") + b"\r"
        out = bytes(self._out)
        self._out.clear()
        return out

    @property
    def idle(self) -> bool:
        """Nothing is under way and nothing waits."""
        return self._now is None and not self._queue

    @property
    def hung(self) -> bool:
        """Whether nobody seems to be there any more."""
        return self.unanswered >= HUNG_TIMEOUTS

    def drop_all(self) -> None:
        """Forget everything under way and waiting, without results: the port is opened anew."""
        self._queue.clear()
        self._now = None
        self._lines.clear()
        self._buffer.clear()
        self._out.clear()
        self._first_half = ""
        self._dle_pending = False
        self._owed = self.unanswered = 0
        self._quiet_until_s = 0.0

    # ------------------------------------------------------------------- in
    def tick(self, now_s: float) -> None:
        """Let time pass: a command whose time is over fails."""
        if self._now is None or now_s < self._due_s:
            return
        if self._now[0].body:
            self._out += ESC
        self.counters.timeouts += 1
        self.unanswered += 1
        self._owed += 1
        self._quiet_until_s = now_s + QUIET_S
        self._finish(TIMEOUT)

    def feed(self, data: bytes, now_s: float) -> bytes:
        """Take what was received. Returns what came after a CONNECT that begins a raw stream."""
        for at, byte in enumerate(data):
            if self._dle_pending:
                self._dle_pending = False
                if self.on_dle is not None:
                    self.on_dle(chr(byte))
            elif byte == DLE and self.on_dle is not None:
                self._dle_pending = True
            elif byte == 13 and self._stream_begins():
                pass  # its LF still belongs to the text, not to the stream
            elif byte in b"\r\n":
                if self._buffer and self._line(now_s):
                    return data[at + 1 :]
            elif len(self._buffer) < MOST_LINE_BYTES:
                if byte != 0:
                    self._buffer.append(byte)
                if byte == 0x3E:
                    self._prompt()
            else:
                self.counters.long_lines += 1
                self._buffer.clear()
        return b""

    def _stream_begins(self) -> bool:
        return self._now is not None and self._now[0].stream and self._buffer.startswith(b"CONNECT")

    def _prompt(self) -> None:
        if self._now is None or not self._now[0].body or self._body_sent or self._buffer.strip() != b">":
            return
        self._buffer.clear()
        self._body_sent = True
        self._out += self._now[0].body + CTRL_Z

    def _line(self, now_s: float) -> bool:
        """One whole line; True when it begins a raw stream."""
        text = bytes(self._buffer).decode("latin-1").strip()
        self._buffer.clear()
        if not text:
            return False
        if self._first_half:
            first, self._first_half = self._first_half, ""
            self.on_urc(f"{first}\n{text}")
        elif self._now is None:
            self._unasked(text)
        else:
            return self._answer(self._now[0], text)
        return False

    def _answer(self, query: Query, text: str) -> bool:
        detail = text if text.startswith(_ERROR_HEADS) else ""
        status = "ERROR" if detail else text
        if text.startswith("CONNECT") and query.stream:
            self.unanswered = 0
            self._finish("CONNECT")
            return True
        if status in _FINALS or status in query.finals:
            if self._owed and status == OK and query.prefix and not self._lines and not query.empty_ok:
                self._owed -= 1
                self.counters.late_answers += 1
                return False
            self._owed = self.unanswered = 0
            self._finish(status, detail)
        elif text == query.text:
            pass  # echo, before it was switched off
        elif query.prefix and text.startswith(query.prefix) and (query.takes is None or query.takes(text)):
            self._lines.append(text)
        elif self._is_urc(text):
            self._unasked(text)
        elif query.collect:
            self._lines.append(text)
        else:
            self.counters.strange_lines += 1
        return False

    def _is_urc(self, text: str) -> bool:
        if text.startswith((*self.urcs, *self.two_line_urcs)):
            return True
        return self.also_urc is not None and self.also_urc(text)

    def _unasked(self, text: str) -> None:
        if self.two_line_urcs and text.startswith(tuple(self.two_line_urcs)):
            self._first_half = text
        elif self._is_urc(text):
            self.on_urc(text)
        elif self._owed and (text in _FINALS or text.startswith(_ERROR_HEADS)):
            self._owed -= 1
            self.counters.late_answers += 1
        else:
            self.counters.strange_lines += 1

    def _finish(self, status: str, detail: str = "") -> None:
        assert self._now is not None
        query, then = self._now
        lines = tuple(self._lines)
        self._now = None
        self._lines.clear()
        if then is not None:
            then(Result(query, status, lines, detail))


def fields(line: str) -> list[str]:
    """Values of an information line, `+CLCC: 1,1,4,0,0,"10086",129`: quotes removed, commas in them kept."""
    _, colon, rest = line.partition(":")
    text = rest if colon else line
    out: list[str] = []
    word, quoted = "", False
    for char in text.strip():
        if char == '"':
            quoted = not quoted
        elif char == "," and not quoted:
            out.append(word.strip())
            word = ""
        else:
            word += char
    out.append(word.strip())
    return out
