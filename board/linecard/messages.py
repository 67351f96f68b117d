"""What a line card and its host say to each other: operations and the layout of their payloads.

docs/linecard-protocol.md is the text for makers; a test compares the two.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, fields
from enum import IntEnum, IntFlag
from typing import Any, ClassVar, TypeVar, dataclass_transform


class PayloadError(ValueError):
    """A payload that does not fit its operation."""


class Op(IntEnum):
    """Operation byte. Requests below 0x40, events below 0x60, notes from there."""

    HELLO = 0x01
    CAPS = 0x02
    PING = 0x03
    SET = 0x04
    HOOK = 0x10
    RING = 0x11
    LINEFEED = 0x12
    POLARITY = 0x13
    TONE = 0x14
    DIAL = 0x15
    METER = 0x16
    LINETEST = 0x17
    RELAY = 0x18
    MEASURE = 0x19
    LAMP = 0x1A
    FW_BEGIN = 0x30
    FW_CHUNK = 0x31
    FW_VERIFY = 0x32
    FW_BOOT = 0x33
    REBOOT = 0x34
    OFF_HOOK = 0x40
    ON_HOOK = 0x41
    FLASH = 0x42
    PULSE = 0x43
    RING_ON = 0x44
    RING_OFF = 0x45
    POLARITY_IS = 0x46
    BATTERY_LOST = 0x47
    BATTERY_BACK = 0x48
    FEED = 0x49
    PARALLEL = 0x4A
    OVERCURRENT = 0x4B
    THERMAL = 0x4C
    POWER = 0x4D
    CALLER_ID = 0x4E
    PORT_GONE = 0x4F
    PORT_BACK = 0x50
    DONE = 0x51
    FAILED = 0x52
    LINETEST_RESULT = 0x53
    FAULT = 0x54
    RESET_REASON = 0x55
    STAT = 0x60
    LOG = 0x61


class Status(IntEnum):
    """First byte of a reply."""

    OK = 0
    STARTED = 1
    """It takes time: a DONE or FAILED event with this seq follows."""
    UNKNOWN_OP = 2
    BAD_PAYLOAD = 3
    BAD_PORT = 4
    NOT_NOW = 5
    NOT_ABLE = 6
    BUSY = 7
    VERIFY_FAILED = 8


class Key(IntEnum):
    """What SET can set; the unit of the value is in the name."""

    COUNTRY = 1
    """Two ASCII letters, first letter in the higher byte."""
    IMPEDANCE_OHM = 2
    """600 or 900; 0: the country's complex impedance."""
    RX_GAIN_TENTHS_DB = 3
    TX_GAIN_TENTHS_DB = 4
    RING_TENTHS_HZ = 5
    RING_VRMS = 6
    RING_DC_V = 7
    LOOP_LIMIT_MA = 8
    FLASH_MIN_MS = 9
    FLASH_MAX_MS = 10
    PULSE_MIN_MS = 11
    PULSE_MAX_MS = 12
    ONHOOK_MONITOR = 13
    HYBRID_TAP = 14
    """Number of the tap in the upper 16 bits, coefficient (signed) in the lower."""


class HookAction(IntEnum):
    """First field of HOOK."""

    ON = 0
    OFF = 1
    FLASH = 2


class Feed(IntEnum):
    """First field of LINEFEED."""

    OPEN = 0
    FORWARD = 1
    REVERSE = 2
    ONHOOK_TRANSFER = 3


class LineTest(IntFlag):
    """Tests of GR-909 and the capacitance, as bits of LINETEST."""

    HEMF = 1
    """Hazardous foreign voltage, 0.1 V."""
    FEMF = 2
    """Foreign voltage, 0.1 V."""
    RFLT = 4
    """Resistive fault, ohm."""
    ROH = 8
    """Receiver off hook: 1 yes, 0 no."""
    RINGERS = 16
    """Ringer equivalence, 0.01 REN."""
    CAPACITANCE = 32
    """Capacitance tip to ring, nF."""


class Quality(IntEnum):
    """How far a test result can be trusted. UNKNOWN is never shown as good."""

    UNKNOWN = 0
    PASS = 1
    FAIL = 2


class Reset(IntEnum):
    """Why the card started."""

    POWER_ON = 0
    COMMANDED = 1
    WATCHDOG = 2
    BROWN_OUT = 3
    FAULT = 4
    UPDATE = 5


@dataclass(frozen=True)
class Message:
    """A payload. `FIXED`: struct layout of the first fields; `TAIL`: how a last field is written.

    TAIL is "", "text" (UTF-8), "bytes" or "u16s" (numbers of 16 bits) and fills the rest.
    """

    OP: ClassVar[Op]
    FIXED: ClassVar[str] = ""
    TAIL: ClassVar[str] = ""


Made = TypeVar("Made", bound=Message)
BY_OP: dict[Op, type[Message]] = {}


@dataclass_transform(frozen_default=True)
def _message(op: Op, fixed: str = "", tail: str = "") -> Callable[[type[Made]], type[Made]]:
    """Class decorator: make it a frozen dataclass and list it."""

    def make(cls: type[Made]) -> type[Made]:
        done = dataclass(frozen=True)(cls)
        done.OP, done.FIXED, done.TAIL = op, "<" + fixed, tail
        BY_OP[op] = done
        return done

    return make


# ------------------------------------------------------------------- requests
@_message(Op.HELLO, "BI", "text")
class Hello(Message):
    """Begins a session; the card comes to rest and reports what is not at rest."""

    version: int
    session: int
    host: str


@_message(Op.CAPS, "H")
class Caps(Message):
    """Next piece of the capability dictionary."""

    offset: int


@_message(Op.PING)
class Ping(Message):
    """Are you there? The reply carries the sample clock."""


@_message(Op.SET, "Bi")
class Set(Message):
    """One setting of a port, or of all ports with port 0xFF."""

    key: int
    value: int


@_message(Op.HOOK, "BH")
class Hook(Message):
    """FXO: take, release or flash the line."""

    action: int
    ms: int


@_message(Op.RING, "I", "u16s")
class Ring(Message):
    """FXS: ring with this cadence (on, off, … ms, repeated) from sample `at` (0: now); empty: stop."""

    at: int
    cadence_ms: tuple[int, ...]


@_message(Op.LINEFEED, "BH")
class Linefeed(Message):
    """FXS: feed of the line; with `ms` it returns to what it was."""

    feed: int
    ms: int


@_message(Op.LAMP, "B")
class Lamp(Message):
    """FXS: message lamp of the telephone, dark (0) or lit (1)."""

    on: int


@_message(Op.POLARITY, "B")
class Polarity(Message):
    """FXS: normal (0) or reversed (1)."""

    reversed_: int


@_message(Op.TONE, "HHhh", "u16s")
class Tone(Message):
    """Tone made by the card, without the host's audio; both frequencies 0: stop."""

    hz1: int
    hz2: int
    level1_tenths_dbm0: int
    level2_tenths_dbm0: int
    cadence_ms: tuple[int, ...]


@_message(Op.DIAL, "BBH", "text")
class Dial(Message):
    """FXO: dial by pulses."""

    break_ms: int
    make_ms: int
    gap_ms: int
    digits: str


@_message(Op.METER, "HHHH")
class Meter(Message):
    """FXS: metering pulses; count 0 stops them."""

    hz: int
    on_ms: int
    period_ms: int
    count: int


@_message(Op.LINETEST, "H")
class Linetest(Message):
    """Measure the line; each result is a LINETEST_RESULT event, then DONE."""

    tests: int


@_message(Op.RELAY, "BB")
class Relay(Message):
    """Switch a relay; relay 0 is the power-failure bypass."""

    relay: int
    on: int


@_message(Op.MEASURE)
class Measure(Message):
    """What the port measures now; the reply carries `Measured`."""


@_message(Op.FW_BEGIN, "I32s", "text")
class FwBegin(Message):
    """Firmware follows: its size, its SHA-256 and the version it will report."""

    size: int
    sha256: bytes
    version: str


@_message(Op.FW_CHUNK, "I", "bytes")
class FwChunk(Message):
    """A piece of it, in order."""

    offset: int
    data: bytes


@_message(Op.FW_VERIFY)
class FwVerify(Message):
    """Compare what was received with the hash."""


@_message(Op.FW_BOOT)
class FwBoot(Message):
    """Start the verified firmware."""


@_message(Op.REBOOT)
class Reboot(Message):
    """Start anew with the present firmware."""


# --------------------------------------------------------------------- events
@_message(Op.OFF_HOOK)
class OffHook(Message):
    """FXS: lifted."""


@_message(Op.ON_HOOK)
class OnHook(Message):
    """FXS: hung up."""


@_message(Op.FLASH, "H")
class Flash(Message):
    """FXS: hook flash."""

    ms: int


@_message(Op.PULSE, "BBB")
class Pulse(Message):
    """FXS: one dialled digit as a count of breaks (10 is the digit 0)."""

    count: int
    break_ms: int
    make_ms: int


@_message(Op.RING_ON, "HH")
class RingOn(Message):
    """FXO: ring voltage appeared. 0: not measured."""

    tenths_hz: int
    vrms: int


@_message(Op.RING_OFF)
class RingOff(Message):
    """FXO: ring voltage went away."""


@_message(Op.POLARITY_IS, "B")
class PolarityIs(Message):
    """FXO: polarity changed; 1 is reversed."""

    reversed_: int


@_message(Op.BATTERY_LOST)
class BatteryLost(Message):
    """FXO: no feed."""


@_message(Op.BATTERY_BACK)
class BatteryBack(Message):
    """FXO: feed again."""


@_message(Op.FEED, "hh")
class FeedChanged(Message):
    """Line voltage or current changed."""

    tenths_v: int
    tenths_ma: int


@_message(Op.PARALLEL, "B")
class Parallel(Message):
    """FXO: another telephone on the line is up (1) or down again (0)."""

    present: int


@_message(Op.OVERCURRENT)
class Overcurrent(Message):
    """FXS: too much current; the card has limited or cut the feed."""


@_message(Op.THERMAL, "b")
class Thermal(Message):
    """The chip is too hot."""

    celsius: int


@_message(Op.POWER, "H")
class Power(Message):
    """A supply is out of range."""

    millivolts: int


@_message(Op.CALLER_ID, "", "bytes")
class CallerId(Message):
    """FXO: caller-ID bytes that the card has decoded."""

    data: bytes


@_message(Op.PORT_GONE, "", "text")
class PortGone(Message):
    """The port cannot be used."""

    reason: str


@_message(Op.PORT_BACK)
class PortBack(Message):
    """The port can be used again."""


@_message(Op.DONE, "B")
class Done(Message):
    """The STARTED request `seq` has taken effect."""

    seq: int


@_message(Op.FAILED, "B", "text")
class Failed(Message):
    """The STARTED request `seq` has not taken effect."""

    seq: int
    reason: str


@_message(Op.LINETEST_RESULT, "HBi")
class LinetestResult(Message):
    """One result."""

    test: int
    quality: int
    value: int


@_message(Op.FAULT, "H", "text")
class Fault(Message):
    """Something is broken on the card."""

    code: int
    text: str


@_message(Op.RESET_REASON, "B", "text")
class ResetReason(Message):
    """Sent once after each start: why, and the firmware's version."""

    reason: int
    firmware: str


# ---------------------------------------------------------------------- notes
@_message(Op.STAT, "hhb")
class Stat(Message):
    """Once a second for every port: voltage, current, temperature (-128: not measured)."""

    tenths_v: int
    tenths_ma: int
    celsius: int


@_message(Op.LOG, "B", "text")
class Log(Message):
    """A line for the log: level as in syslog (RFC 5424)."""

    level: int
    text: str


# ----------------------------------------------------------- data of replies
HELLO_REPLY = struct.Struct("<BHI")
"""version, bytes of compressed capabilities, their CRC-32."""
MEASURED = struct.Struct("<hhB")
"""0.1 V, 0.1 mA, bits: 1 voltage known, 2 current known, 4 reversed, 8 polarity known, 16 off hook."""
FW_NEXT = struct.Struct("<I")
"""Offset the card waits for."""


# -------------------------------------------------------------------- coding
_TAILS: dict[str, Callable[[Any], bytes]] = {
    "": bytes,
    "bytes": bytes,
    "text": str.encode,
    "u16s": lambda numbers: struct.pack(f"<{len(numbers)}H", *numbers),
}


def encode(message: Message) -> bytes:
    """The payload. Raises PayloadError when a value does not fit its field."""
    values = [getattr(message, f.name) for f in fields(message)]
    tail: Any = values.pop() if message.TAIL else b""
    try:
        return struct.pack(message.FIXED, *values) + _TAILS[message.TAIL](tail)
    except (struct.error, UnicodeEncodeError) as error:
        raise PayloadError(f"{message.OP.name}: a value does not fit: {error}") from error


def decode(op: int, payload: bytes) -> Message:
    """The message with this operation. Raises PayloadError."""
    try:
        kind = BY_OP[Op(op)]
    except ValueError:
        raise PayloadError(f"operation 0x{op:02x} does not exist") from None
    size = struct.calcsize(kind.FIXED)
    if len(payload) < size or (not kind.TAIL and len(payload) != size):
        raise PayloadError(f"{kind.OP.name}: a payload of {len(payload)} bytes")
    values: list[Any] = list(struct.unpack_from(kind.FIXED, payload))
    tail = payload[size:]
    if kind.TAIL == "text":
        try:
            values.append(tail.decode())
        except UnicodeDecodeError:
            raise PayloadError(f"{kind.OP.name}: the text is no UTF-8") from None
    elif kind.TAIL == "bytes":
        values.append(tail)
    elif kind.TAIL == "u16s":
        if len(tail) % 2:
            raise PayloadError(f"{kind.OP.name}: half a number at the end")
        values.append(struct.unpack(f"<{len(tail) // 2}H", tail))
    return kind(*values)
