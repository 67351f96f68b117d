"""The DAHDI kernel interface: request numbers, structures, event and signalling codes.

Source: `include/dahdi/user.h` of DAHDI-Linux. A request number is Linux's usual
packing, `direction << 30 | size << 16 | 0xDA << 8 | number`; the size is part of
it, so a structure of the wrong length is refused by the kernel as an unknown
request. This holds for x86 and ARM (not for MIPS, PowerPC, SPARC).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

_CODE = 0xDA
_WRITE = 1
_READ = 2


def _request(direction: int, number: int, size: int) -> int:
    return direction << 30 | size << 16 | _CODE << 8 | number


def _io_w(number: int, size: int = 4) -> int:
    return _request(_WRITE, number, size)


def _io_r(number: int, size: int = 4) -> int:
    return _request(_READ, number, size)


def _io_wr(number: int, size: int = 4) -> int:
    return _request(_READ | _WRITE, number, size)


# ----------------------------------------------------------------- structures
PARAMS = struct.Struct("<12i40s11iI")
SPAN_INFO = struct.Struct("<i20s40s3i4i5I7i40s40s40s40sii6s")
BUFFER_INFO = struct.Struct("<6i")
CHANNEL_CONFIG = struct.Struct("<i40s4i16s")
TONE_ZONE_HEADER = struct.Struct("<2i16i40s")
DIAL_OPERATION = struct.Struct("<i256s")
RING_CADENCE = struct.Struct("<16i")
LINE_STATS = struct.Struct("<3i")
DYNAMIC_SPAN = struct.Struct("<20s40s3i")
NUMBER = struct.Struct("<i")

# ------------------------------------------------------------------- requests
FLUSH = _io_w(3)
GET_PARAMS = _io_wr(5, PARAMS.size)
SET_PARAMS = _io_w(5, PARAMS.size)
HOOK = _io_w(7)
GETEVENT = _io_r(8)
SPANSTAT = _io_wr(10, SPAN_INFO.size)
CHANCONFIG = _io_w(19, CHANNEL_CONFIG.size)
SETTONEZONE = _io_w(22)
LOADZONE = _io_w(25, TONE_ZONE_HEADER.size)
SET_BUFINFO = _io_w(27, BUFFER_INFO.size)
DIAL = _io_w(31, DIAL_OPERATION.size)
SPECIFY = _io_w(38)
SETLAW = _io_w(39)
SETLINEAR = _io_w(40)
SETCADENCE = _io_w(42, RING_CADENCE.size)
ONHOOKTRANSFER = _io_w(51)
WCTDM_GET_STATS = _io_r(60, LINE_STATS.size)
DYNAMIC_CREATE = _io_wr(80, DYNAMIC_SPAN.size)
DYNAMIC_DESTROY = _io_w(81, DYNAMIC_SPAN.size)
SETPOLARITY = _io_w(92)
VMWI = _io_wr(94)
VMWI_CONFIG = _io_w(95)
STARTUP = _io_w(99)
BUFFER_EVENTS = _io_w(105)

# --------------------------------------------------------------------- values
ELAST = 500
"""errno of read and write while an event waits: fetch it, then try again."""

HOOK_ONHOOK, HOOK_OFFHOOK, HOOK_WINK, HOOK_FLASH, HOOK_START, HOOK_RING, HOOK_RINGOFF = range(7)
FLUSH_READ, FLUSH_WRITE, FLUSH_EVENT = 1, 2, 4
POLICY_IMMEDIATE = 0
LAW_DEFAULT = 0
DIAL_REPLACE, DIAL_CANCEL = 2, 3
VMWI_LAMP = 4
"""High-voltage alternating current for a neon lamp, what most message lamps are."""

SIG_FXSKS = 0x2004
"""Kewlstart on a socket for a line (we signal as a telephone): the only one that tells battery drops."""
SIG_FXSLS = 0x2001
SIG_FXOKS = 0x1020
"""Kewlstart on a socket for a telephone (we signal as an exchange)."""
SIG_FXOLS = 0x1008

ALARM_NOT_OPEN = 1 << 5
"""Alarm of a span that is being taken away: the kernel gives programs a second to let go of it."""

TX_ONHOOK, TX_OFFHOOK = range(2)
RX_ONHOOK, RX_OFFHOOK, RX_START, RX_RING, RX_INITIAL = range(5)
"""Values of `Params.rx_hook`: for a line, on hook means "no battery"."""

MOST_SPANS = 128
MOST_CHANNELS = 1024
MOST_CADENCE = 16

(
    EVENT_NONE,
    EVENT_ONHOOK,
    EVENT_RINGOFFHOOK,
    EVENT_WINKFLASH,
    EVENT_ALARM,
    EVENT_NOALARM,
) = range(6)
EVENT_DIALCOMPLETE = 9
EVENT_RINGERON, EVENT_RINGEROFF, EVENT_HOOKCOMPLETE, EVENT_BITSCHANGED, EVENT_PULSE_START = range(10, 15)
EVENT_POLARITY, EVENT_RINGBEGIN, EVENT_EC_DISABLED, EVENT_REMOVED = range(17, 21)
EVENT_READ_OVERRUN, EVENT_WRITE_UNDERRUN = 29, 30
EVENT_PULSEDIGIT = 1 << 16
"""Or-ed with the digit's ASCII code."""


def _text(raw: bytes) -> str:
    return raw.split(b"\0", 1)[0].decode("utf-8", "replace")


@dataclass
class Params:
    """`dahdi_params`: state and timing of one channel; times in milliseconds."""

    channel: int = 0
    span: int = 0
    position: int = 0
    """1 for the first channel of its span."""
    signalling: int = 0
    can_signal: int = 0
    """Signallings that the hardware can do, as a set of bits."""
    rx_off_hook: int = 0
    rx_bits: int = 0
    tx_bits: int = 0
    tx_hook: int = 0
    rx_hook: int = RX_INITIAL
    law: int = 0
    idle_bits: int = 0
    name: str = ""
    prewink_ms: int = 0
    preflash_ms: int = 0
    wink_ms: int = 0
    flash_ms: int = 0
    start_ms: int = 0
    rx_wink_ms: int = 0
    rx_flash_ms: int = 0
    debounce_ms: int = 0
    pulse_break_ms: int = 0
    pulse_make_ms: int = 0
    pulse_after_ms: int = 0
    alarms: int = 0

    @classmethod
    def unpack(cls, data: bytes | bytearray) -> Params:
        """From the kernel's bytes."""
        values = list(PARAMS.unpack(data))
        values[12] = _text(values[12])
        return cls(*values)

    def pack(self) -> bytearray:
        """To the kernel's bytes."""
        values = list(vars(self).values())
        values[12] = self.name.encode()[:39]
        return bytearray(PARAMS.pack(*values))


@dataclass(frozen=True)
class SpanInfo:
    """What matters of `dahdi_spaninfo`."""

    number: int
    name: str
    description: str
    alarms: int
    channels: int
    location: str
    manufacturer: str
    device_type: str

    @classmethod
    def unpack(cls, data: bytes | bytearray) -> SpanInfo:
        """From the kernel's bytes."""
        values = SPAN_INFO.unpack(data)
        return cls(
            number=values[0],
            name=_text(values[1]),
            description=_text(values[2]),
            alarms=values[3],
            channels=values[18],
            location=_text(values[23]),
            manufacturer=_text(values[24]),
            device_type=_text(values[25]),
        )


def span_query(number: int) -> bytearray:
    """`dahdi_spaninfo` that asks for a span."""
    data = bytearray(SPAN_INFO.size)
    NUMBER.pack_into(data, 0, number)
    return data


def number(value: int) -> bytearray:
    """An `int` argument."""
    return bytearray(NUMBER.pack(value))


def buffers(count: int, block_samples: int) -> bytearray:
    """`dahdi_bufferinfo`: play at once, `count` buffers of `block_samples` each way."""
    return bytearray(BUFFER_INFO.pack(POLICY_IMMEDIATE, POLICY_IMMEDIATE, count, block_samples, 0, 0))


def channel_config(channel: int, signalling: int) -> bytearray:
    """`dahdi_chanconfig`: the channel is its own master, the law is the hardware's."""
    return bytearray(CHANNEL_CONFIG.pack(channel, b"", signalling, LAW_DEFAULT, channel, 0, b""))


def ring_cadence(cadence_ms: Sequence[int]) -> bytearray:
    """`dahdi_ring_cadence` from on, off, on, off …; ValueError when the kernel cannot ring so."""
    if not cadence_ms or len(cadence_ms) % 2 or len(cadence_ms) > MOST_CADENCE:
        raise ValueError(f"ring cadence {tuple(cadence_ms)} is not 1 to 8 pairs of on, off")
    if min(cadence_ms) < 20 or max(cadence_ms) > 60000:
        raise ValueError(f"ring cadence {tuple(cadence_ms)} is not between 20 and 60000 ms")
    return bytearray(RING_CADENCE.pack(*cadence_ms, *[0] * (MOST_CADENCE - len(cadence_ms))))


def tone_zone(zone: int, name: str, cadence_ms: Sequence[int]) -> bytearray:
    """`dahdi_tone_def_header` of a zone without tones.

    The kernel neither rings nor dials before a channel has a zone; our tones come from above.
    """
    cadence = [*cadence_ms, *[0] * (MOST_CADENCE - len(cadence_ms))]
    return bytearray(TONE_ZONE_HEADER.pack(0, zone, *cadence, name.encode()[:39]))


def dial(operation: int, digits: str) -> bytearray:
    """`dahdi_dialoperation`; `digits` begin with P for pulses."""
    return bytearray(DIAL_OPERATION.pack(operation, digits.encode("ascii")[:255]))


def dynamic_span(driver: str, address: str, channels: int) -> bytearray:
    """`dahdi_dynamic_span` that gives no timing."""
    return bytearray(DYNAMIC_SPAN.pack(driver.encode(), address.encode(), channels, 0, 0))
