"""The card's side of the protocol over any `Board`: the reference for makers.

Behind it stands the simulated office, so that its sockets have an exchange and
telephones at the other end. It holds no clock and no port.
"""

from __future__ import annotations

import zlib
from collections import OrderedDict, deque
from dataclasses import dataclass

from board import api
from board.linecard import capabilities
from board.linecard import messages as msg
from board.linecard.frames import (
    CARD_PORT,
    CLOCK_MODULUS,
    MOST_PAYLOAD_BYTES,
    VERSION,
    Deframer,
    Frame,
    Kind,
    encode,
)
from board.linecard.messages import Op, Status
from board.linecard.reference.console import Console
from board.linecard.reference.firmware import FirmwareSlot

REPEAT_S = 0.1
EVENT_TRIES = 50
WINDOW = 16
REMEMBERED = 16
"""Replies kept for requests that are repeated."""
WATCHDOG_S = 3.0
"""Without a valid frame for so long, lines are released and ringing stops."""
STAT_EVERY_SAMPLES = 8000
MOST_LOG = 50

Result = tuple[Status, bytes]
_OK: Result = (Status.OK, b"")

_OPS_FXO = (Op.HOOK, Op.DIAL)
_OPS_FXS = (Op.RING, Op.LINEFEED, Op.POLARITY, Op.LAMP)
_CAN = frozenset({"polarity", "battery", "voltage", "onhook-audio", "lamp"})
"""Capabilities that the protocol knows."""


@dataclass
class _Event:
    frame: Frame
    tries: int = 0
    due_s: float = 0.0


class Device:
    """A line card whose sockets are those of `board` (virtual pace: one block per `tick`)."""

    def __init__(self, board: api.Board, serial: str = "REF0001", firmware: str = "1.0.0") -> None:
        self.board = board
        self.serial = serial
        self.firmware = firmware
        self.clock = 0
        self.session: int | None = None
        self.bypass = True
        """The power-failure relay connects a telephone to a line."""
        self.settings: dict[tuple[int, int], int] = {}
        self.requests = 0
        """Requests done, repeats not counted."""
        self._slot = FirmwareSlot()
        self._deframer = Deframer()
        self._out = bytearray()
        self._replies: OrderedDict[tuple[int, int, int, bytes], bytes] = OrderedDict()
        self._events: deque[_Event] = deque()
        self._event_seq = 0
        self._heard_s = 0.0
        self._started: dict[int, int] = {}
        """Command of the board → seq of the request that began it."""
        self._silent: set[int] = set()
        """Commands of our own, of which the host hears nothing."""
        self._at_rest = [True] * len(board.ports)
        self._state: dict[int, dict[type[api.PortEvent], api.PortEvent]] = {}
        self._log: deque[str] = deque(maxlen=MOST_LOG)
        self._reset: msg.ResetReason | None = msg.ResetReason(msg.Reset.POWER_ON, firmware)
        self._console = Console({"ports": self._show_ports, "stat": self._show_stat, "log": self._show_log})
        self._note_seq = 0
        self._packed = b""

    # ------------------------------------------------------------- the wire
    def feed(self, data: bytes, now_s: float) -> None:
        """Bytes from the host."""
        frames = self._deframer.feed(data)
        if self.session is None and not frames:
            self._out += self._console.feed(data)
        for frame in frames:
            if frame.kind is Kind.ACK:
                self._acknowledged(frame)
            elif frame.kind is Kind.REQUEST:
                self._heard_s = now_s
                self._request(frame)

    def outgoing(self) -> bytes:
        """Bytes to send now."""
        out = bytes(self._out)
        self._out.clear()
        return out

    def _request(self, frame: Frame) -> None:
        key = (frame.seq, frame.port, frame.op, frame.payload)
        if key not in self._replies:
            if self.session is None and frame.op not in (Op.HELLO, Op.PING):
                status, data = Status.NOT_NOW, b"say HELLO first"
            else:
                status, data = self._carry_out(frame)
            self.requests += 1
            reply = Frame(Kind.REPLY, frame.seq, frame.port, frame.op, self._clock32, bytes([status]) + data)
            self._replies[key] = encode(reply)
            if len(self._replies) > REMEMBERED:
                self._replies.popitem(last=False)
        self._out += self._replies[key]

    def _acknowledged(self, frame: Frame) -> None:
        for event in list(self._events):
            if event.frame.seq == frame.seq and event.tries:
                self._events.remove(event)

    @property
    def _clock32(self) -> int:
        return self.clock % CLOCK_MODULUS

    # ---------------------------------------------------------------- time
    def tick(self, played: api.Samples, now_s: float) -> api.Samples:
        """Move on by one block: `played` int16 [ports, 160] goes out, what came in is returned."""
        self.board.write(played)
        tick = self.board.read()
        self.clock += api.BLOCK_SAMPLES
        for event in tick.events:
            self._seen(event)
        if self.session is not None and now_s - self._heard_s > WATCHDOG_S:
            self._note(f"no host for {WATCHDOG_S:g} s: lines released")
            self.session = None
            self.bypass = True
            self._events.clear()
            self._rest()
        if self.session is not None and self.clock % STAT_EVERY_SAMPLES == 0:
            self._statistics()
        self._send_events(now_s)
        return tick.audio

    def _send_events(self, now_s: float) -> None:
        for event in list(self._events)[:WINDOW]:
            if now_s < event.due_s:
                continue
            if event.tries >= EVENT_TRIES:
                self._events.remove(event)
                continue
            event.tries += 1
            event.due_s = now_s + REPEAT_S
            self._out += encode(event.frame)

    def _tell(self, port: int, message: msg.Message, clock: int | None = None) -> None:
        if self.session is None:
            return
        at = (self.clock if clock is None else clock) % CLOCK_MODULUS
        frame = Frame(Kind.EVENT, self._event_seq, port, message.OP, at, msg.encode(message))
        self._event_seq = (self._event_seq + 1) % 256
        self._events.append(_Event(frame))

    def _statistics(self) -> None:
        for info in self.board.ports:
            now = self.board.measure(info.index)
            volts, amps = _tenths(now.volts), _tenths(now.milliamps)
            self._send_note(info.index, msg.Stat(volts, amps, -128))

    def _send_note(self, port: int, message: msg.Message) -> None:
        self._note_seq = (self._note_seq + 1) % 256
        self._out += encode(
            Frame(Kind.NOTE, self._note_seq, port, message.OP, self._clock32, msg.encode(message))
        )

    def _note(self, text: str) -> None:
        self._log.append(f"{self.clock}: {text}")
        if self.session is not None:
            self._send_note(CARD_PORT, msg.Log(6, text))

    # ------------------------------------------------------------- requests
    def _carry_out(self, frame: Frame) -> Result:
        try:
            message = msg.decode(frame.op, frame.payload)
        except msg.PayloadError as error:
            known = frame.op in set(Op)
            return (Status.BAD_PAYLOAD if known else Status.UNKNOWN_OP), str(error).encode()
        if frame.port != CARD_PORT and frame.port >= len(self.board.ports):
            return Status.BAD_PORT, f"there is no port {frame.port}".encode()
        match message:
            case msg.Hello():
                return self._hello(message)
            case msg.Caps():
                return Status.OK, self._packed[message.offset : message.offset + MOST_PAYLOAD_BYTES - 1]
            case msg.Ping():
                return _OK if self.session is not None else (Status.NOT_NOW, b"say HELLO first")
            case msg.FwBegin():
                return self._slot.begin(message)
            case msg.FwChunk():
                return self._slot.chunk(message)
            case msg.FwVerify():
                return self._slot.verify()
            case msg.FwBoot():
                if not self._slot.verified:
                    return Status.NOT_NOW, b"no verified firmware"
                self.firmware = self._slot.verified
                self._restart(msg.Reset.UPDATE)
                return _OK
            case msg.Reboot():
                self._restart(msg.Reset.COMMANDED)
                return _OK
            case msg.Relay():
                if message.relay != 0:
                    return Status.NOT_ABLE, b"only relay 0 is fitted"
                self.bypass = bool(message.on)
                return _OK
            case msg.Set():
                return self._set(frame.port, message)
        if frame.port == CARD_PORT:
            return Status.BAD_PORT, b"this needs a port"
        return self._port_request(frame, message)

    def _set(self, port: int, message: msg.Set) -> Result:
        if message.key not in set(msg.Key):
            return Status.NOT_ABLE, f"there is no setting {message.key}".encode()
        if message.key == msg.Key.LOOP_LIMIT_MA and not 20 <= message.value <= 41:
            return Status.BAD_PAYLOAD, b"the current limit lies between 20 and 41 mA"
        self.settings[port, message.key] = message.value
        return _OK

    def _port_request(self, frame: Frame, message: msg.Message) -> Result:
        kind = self.board.ports[frame.port].kind
        wrong = _OPS_FXS if kind is api.PortKind.FXO else _OPS_FXO
        if frame.op in wrong:
            return Status.BAD_PORT, f"{Op(frame.op).name} is not for {kind.value} ports".encode()
        command: api.Command
        match message:
            case msg.Measure():
                return Status.OK, self._measured(frame.port)
            case msg.Linetest():
                return self._linetest(frame, message)
            case msg.Hook(action=msg.HookAction.ON | msg.HookAction.OFF):
                command = api.SetHook(message.action == msg.HookAction.OFF)
            case msg.Hook(action=msg.HookAction.FLASH):
                command = api.FlashHook(message.ms)
            case msg.Ring(cadence_ms=()):
                command = api.StopRinging()
            case msg.Ring():
                command = api.StartRinging(message.cadence_ms)
            case msg.Linefeed(feed=msg.Feed.OPEN) if message.ms:
                command = api.DropBattery(message.ms)
            case msg.Linefeed(feed=msg.Feed.FORWARD | msg.Feed.REVERSE, ms=0):
                command = api.SetPolarity(message.feed == msg.Feed.REVERSE)
            case msg.Linefeed(feed=msg.Feed.ONHOOK_TRANSFER) if message.ms:
                command = api.OnHookTransfer(message.ms)
            case msg.Lamp():
                command = api.MessageLamp(bool(message.on))
            case msg.Polarity():
                command = api.SetPolarity(bool(message.reversed_))
            case msg.Dial():
                command = api.DialPulses(message.digits)
            case _:
                return Status.NOT_ABLE, b"this card cannot do that"
        self._started[self.board.command(frame.port, command)] = frame.seq
        return Status.STARTED, b""

    def _hello(self, message: msg.Hello) -> Result:
        if message.version != VERSION:
            return Status.NOT_ABLE, f"this card speaks version {VERSION}".encode()
        self.session = message.session
        self._out += b"\0"  # Ends what the console may have said.
        self._events.clear()
        self._event_seq = 0
        self._replies.clear()
        self._rest()
        self._packed = capabilities.pack(self.describe())
        if self._reset is not None:
            self._tell(CARD_PORT, self._reset)
            self._reset = None
        for port, events in sorted(self._state.items()):
            for event in events.values():
                self._report(port, event, self.clock)
        return Status.OK, msg.HELLO_REPLY.pack(VERSION, len(self._packed), zlib.crc32(self._packed))

    def describe(self) -> dict[str, object]:
        """The capability dictionary."""
        able = {*_OPS_FXO, *_OPS_FXS, Op.HELLO, Op.CAPS, Op.PING, Op.SET, Op.LINETEST, Op.RELAY, Op.MEASURE}
        able |= {Op.FW_BEGIN, Op.FW_CHUNK, Op.FW_VERIFY, Op.FW_BOOT, Op.REBOOT}
        return {
            "serial": self.serial,
            "name": "Reference line card",
            "firmware": self.firmware,
            "rate": api.SAMPLE_RATE_HZ,
            "ports": [{"kind": info.kind.value, "can": sorted(info.can & _CAN)} for info in self.board.ports],
            "ops": sorted(op.name for op in able),
            "features": ["console", "line-test", "relay", "update"],
        }

    def _restart(self, why: msg.Reset) -> None:
        self.session = None
        self._events.clear()
        self._slot = FirmwareSlot()
        self._reset = msg.ResetReason(why, self.firmware)
        self._rest()

    def _rest(self) -> None:
        """Lines on hook, no telephone rings, lamps dark."""
        for info in self.board.ports:
            rest = api.SetHook(False) if info.kind is api.PortKind.FXO else api.StopRinging()
            self._silent.add(self.board.command(info.index, rest))
            if "lamp" in info.can:
                self._silent.add(self.board.command(info.index, api.MessageLamp(False)))

    def _measured(self, port: int) -> bytes:
        now = self.board.measure(port)
        bits = (now.volts is not None) | (now.milliamps is not None) << 1
        bits |= bool(now.reversed_) << 2 | (now.reversed_ is not None) << 3 | bool(now.off_hook) << 4
        return msg.MEASURED.pack(_tenths(now.volts), _tenths(now.milliamps), bits)

    def _linetest(self, frame: Frame, message: msg.Linetest) -> Result:
        if not message.tests or message.tests >= msg.LineTest.CAPACITANCE << 1:
            return Status.BAD_PAYLOAD, b"no such test"
        now = self.board.measure(frame.port)
        for test in msg.LineTest:
            if message.tests & test:
                quality, value = msg.Quality.UNKNOWN, 0
                if test is msg.LineTest.ROH and now.off_hook is not None:
                    quality = msg.Quality.FAIL if now.off_hook else msg.Quality.PASS
                    value = int(now.off_hook)
                self._tell(frame.port, msg.LinetestResult(test, quality, value))
        self._tell(frame.port, msg.Done(frame.seq))
        return Status.STARTED, b""

    # --------------------------------------------------------------- events
    def _seen(self, event: api.PortEvent) -> None:
        if isinstance(event, api.CommandDone | api.CommandFailed):
            seq = self._started.pop(event.command_id, None)
            self._silent.discard(event.command_id)
            if seq is None:
                return
            if isinstance(event, api.CommandDone):
                self._tell(event.port, msg.Done(seq), event.clock)
            else:
                self._tell(event.port, msg.Failed(seq, event.reason), event.clock)
            return
        self._remember(event)
        self._report(event.port, event, event.clock)

    def _remember(self, event: api.PortEvent) -> None:
        """Keep what a host that comes later has to know."""
        state = self._state.setdefault(event.port, {})
        for kind, ends in _LASTING.items():
            if isinstance(event, ends):
                state.pop(kind, None)
            elif isinstance(event, kind):
                state[kind] = event
        if isinstance(event, api.PolarityReversed) and not event.reversed_:
            state.pop(api.PolarityReversed, None)

    def _report(self, port: int, event: api.PortEvent, clock: int) -> None:
        message: msg.Message
        match event:
            case api.OffHook():
                message = msg.OffHook()
            case api.OnHook():
                message = msg.OnHook()
            case api.Flash():
                message = msg.Flash(event.duration_ms)
            case api.PulseDigit():
                message = msg.Pulse(int(event.digit) or 10, 60, 40)
            case api.RingOn():
                message = msg.RingOn(250, 75)
            case api.RingOff():
                message = msg.RingOff()
            case api.PolarityReversed():
                message = msg.PolarityIs(event.reversed_)
            case api.BatteryLost():
                message = msg.BatteryLost()
            case api.BatteryBack():
                message = msg.BatteryBack()
            case api.PortGone():
                message = msg.PortGone(event.reason)
            case api.PortBack():
                message = msg.PortBack()
            case _:
                raise TypeError(f"no message for {type(event).__name__}")
        self._tell(port, message, clock)

    # -------------------------------------------------------------- console
    def _show_ports(self) -> str:
        return "\n".join(f"{info.index} {info.kind.value}" for info in self.board.ports)

    def _show_stat(self) -> str:
        lines = []
        for info in self.board.ports:
            now = self.board.measure(info.index)
            volts = "unknown" if now.volts is None else f"{now.volts:.1f} V"
            amps = "unknown" if now.milliamps is None else f"{now.milliamps:.1f} mA"
            lines.append(f"{info.index} {volts} {amps}")
        return "\n".join(lines)

    def _show_log(self) -> str:
        return "\n".join(self._log) or "nothing logged"


_LASTING: dict[type[api.PortEvent], tuple[type[api.PortEvent], ...]] = {
    api.OffHook: (api.OnHook, api.PortGone),
    api.RingOn: (api.RingOff, api.PortGone),
    api.BatteryLost: (api.BatteryBack, api.PortGone),
    api.PolarityReversed: (api.PortGone,),
    api.PortGone: (api.PortBack,),
}
"""State that lasts, and what ends it."""


def _tenths(value: float | None) -> int:
    return 0 if value is None else max(-32768, min(32767, round(value * 10)))
