"""What a card is: the one interface every hardware back-end implements.

A card moves blocks of samples and hook/ring events. It knows nothing of
cadences to be recognised, caller ID to be decoded or calls: those sit above,
so that all back-ends share one tested implementation.

Time is the card's own sample clock (`clock`, int, 8000 per second, starting at
0 when the card is opened); wall time never appears here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE_HZ = 8000
BLOCK_SAMPLES = 160
"""Samples per port in one tick (20 ms)."""

Samples = NDArray[np.int16]


class BoardError(Exception):
    """A card could not be opened or driven; the text says what to do."""


class PortKind(Enum):
    """Which side of the line we are."""

    FXO = "FXO"
    """We are the telephone: a phone-company line plugs in here."""
    FXS = "FXS"
    """We are the exchange: an agent's telephone plugs in here."""


@dataclass(frozen=True)
class PortInfo:
    """One socket of a card. `index` is its row in the card's sample matrix."""

    index: int
    kind: PortKind
    name: str
    """Stable address of the port, `card-id/index`."""
    can: frozenset[str] = frozenset()
    """Capabilities: "polarity", "battery", "voltage", "onhook-audio", "lamp".
    Of cards that do more themselves: "callerid" (CallerIdReported), "keys" (KeyReported is
    trustworthy: keys need not be looked for in the sound), "call-state" (CallStateChanged),
    "dials" (DialNumber: the port takes whole numbers and has no dial tone), "sms", "radio".
    "onhook-audio": a line is heard while on hook; a telephone hears us while on hook (OnHookTransfer).
    "breaks": the card tells an R key from a pulse digit (ReadBreaks).
    "keeps": a line that we hold can outlive this program (KeepLine, LineKept).
    What is not listed is unknown and is never reported as good."""


# --------------------------------------------------------------------- events
@dataclass(frozen=True)
class PortEvent:
    """Something seen at a port. `clock`: card sample count at which it happened."""

    port: int
    clock: int


@dataclass(frozen=True)
class OffHook(PortEvent):
    """FXS: the telephone was lifted (this is also how ringing is tripped)."""


@dataclass(frozen=True)
class OnHook(PortEvent):
    """FXS: the telephone was hung up (already told apart from flash and pulses)."""


@dataclass(frozen=True)
class Flash(PortEvent):
    """FXS: hook flash of `duration_ms`; 0 when the card does not tell how long it was."""

    duration_ms: int = 0


@dataclass(frozen=True)
class PulseDigit(PortEvent):
    """FXS: one digit dialled by loop interruptions, "0".."9"."""

    digit: str = ""


@dataclass(frozen=True)
class RingOn(PortEvent):
    """FXO: ring voltage appeared (start of one burst)."""


@dataclass(frozen=True)
class RingOff(PortEvent):
    """FXO: ring voltage went away (end of one burst)."""


@dataclass(frozen=True)
class PolarityReversed(PortEvent):
    """FXO: tip and ring changed places; `reversed_` is the state from now on."""

    reversed_: bool = False


@dataclass(frozen=True)
class BatteryLost(PortEvent):
    """FXO: no feed voltage (a short gap is calling-party control, a lasting one
    is an unplugged line: the layer above decides by time)."""


@dataclass(frozen=True)
class BatteryBack(PortEvent):
    """FXO: feed voltage is there again."""


@dataclass(frozen=True)
class LineKept(PortEvent):
    """FXO: the line was off hook when the card was opened: the program before was in a call on it and had
    asked for that (KeepLine). `note` is what it left with it."""

    note: str = ""


@dataclass(frozen=True)
class PortGone(PortEvent):
    """The port no longer exists (card pulled, fault). `reason` is for people."""

    reason: str = ""


@dataclass(frozen=True)
class PortBack(PortEvent):
    """A port that had gone can be used again, on-hook and silent."""


@dataclass(frozen=True)
class CommandDone(PortEvent):
    """The command with this id has taken effect."""

    command_id: int = 0


@dataclass(frozen=True)
class CommandFailed(PortEvent):
    """The command with this id did not take effect; `reason` is for people."""

    command_id: int = 0
    reason: str = ""


# ---- events of cards that understand calls themselves (voice modems, cellular modules)
@dataclass(frozen=True)
class CallerIdReported(PortEvent):
    """FXO: the card has decoded who is calling. presentation: "shown", "withheld", "unavailable"."""

    number: str = ""
    name: str = ""
    presentation: str = "shown"


@dataclass(frozen=True)
class KeyReported(PortEvent):
    """FXO: the card has heard a key, one of 0-9 * # A-D."""

    key: str = ""


@dataclass(frozen=True)
class ToneReported(PortEvent):
    """FXO: the card believes to hear something: "dial", "busy", "congestion", "ringback", "sit",
    "silence", "answer-tone", "fax-cng". Modems take speech for tones now and then: a hint only."""

    tone: str = ""


@dataclass(frozen=True)
class CallStateChanged(PortEvent):
    """FXO: how the call on this port stands, as the network signals it.

    state: "dialling", "alerting" (the called telephone rings), "connected", "ended".
    cue, with "ended": "signalled", or "battery" (loop current break seen by a modem).
    cause, with "ended": "busy", "no_answer", "congestion" or "" (unknown or normal).
    """

    state: str = ""
    cue: str = "signalled"
    cause: str = ""


@dataclass(frozen=True)
class RadioState:
    """What a cellular module knows of its network. None and "" are "unknown".

    sim: "ready", "absent", "pin", "puk", "failed". registration: "home", "roaming", "searching",
    "denied", "off".
    """

    sim: str = ""
    registration: str = ""
    signal_dbm: int | None = None


@dataclass(frozen=True)
class RadioChanged(PortEvent):
    """Cellular: SIM, registration or signal (by 6 dB or more) are other than before."""

    radio: RadioState = RadioState()


@dataclass(frozen=True)
class SmsReceived(PortEvent):
    """Cellular: a short message, put together from all its parts.

    number: the sender, or a word when it is no number. sent_unix_s: the centre's time stamp.
    missing: parts that never came (their text is left out). receipt: names the message as the network
    delivered it, the same each time; the card keeps its copy, and tells the message again when it is
    opened anew, until SmsStored says that it is safe elsewhere.
    """

    number: str = ""
    text: str = ""
    sent_unix_s: float | None = None
    missing: int = 0
    receipt: str = ""


@dataclass(frozen=True)
class SmsSent(PortEvent):
    """Cellular: the result of SendSms: the network has taken all parts; `references` by part."""

    command_id: int = 0
    references: tuple[int, ...] = ()


@dataclass(frozen=True)
class SmsFailed(PortEvent):
    """Cellular: the result of SendSms when it could not be sent (whole); `reason` is for people.
    unsure: the module was given it and has not answered: it may have gone out."""

    command_id: int = 0
    reason: str = ""
    unsure: bool = False


@dataclass(frozen=True)
class SmsReported(PortEvent):
    """Cellular: status report of one part. state: "delivered", "pending" or "failed"."""

    number: str = ""
    reference: int = 0
    state: str = ""


# ------------------------------------------------------------------- commands
@dataclass(frozen=True)
class SetHook:
    """FXO: take (`off_hook=True`) or release the line."""

    off_hook: bool


@dataclass(frozen=True)
class StartRinging:
    """FXS: ring the telephone. `cadence_ms`: on, off, on, off … repeated."""

    cadence_ms: tuple[int, ...] = (1000, 4000)


@dataclass(frozen=True)
class StopRinging:
    """FXS: stop ringing."""


@dataclass(frozen=True)
class KeepLine:
    """FXO with "keeps", after SetHook: should this program die, whoever opens the card next gets the line as
    it is, and this note (LineKept). It holds until the line is put on hook."""

    note: str = ""


@dataclass(frozen=True)
class FlashHook:
    """FXO: open the loop for `duration_ms`, then close it again."""

    duration_ms: int


@dataclass(frozen=True)
class DialPulses:
    """FXO: dial by loop interruptions."""

    digits: str


@dataclass(frozen=True)
class SetPolarity:
    """FXS: feed the telephone with normal or reversed polarity."""

    reversed_: bool


@dataclass(frozen=True)
class DropBattery:
    """FXS: remove the feed for `duration_ms` (tells the set that the far end has gone)."""

    duration_ms: int


@dataclass(frozen=True)
class OnHookTransfer:
    """FXS with "onhook-audio": let the telephone hear us on hook for `duration_ms` (its caller display)."""

    duration_ms: int


@dataclass(frozen=True)
class MessageLamp:
    """FXS with "lamp": the message lamp of the telephone."""

    on: bool


@dataclass(frozen=True)
class ReadBreaks:
    """FXS with "breaks": how a single break of about 100 ms is to be read, until the set is hung up:
    as the digit 1 (`dialling`) or as the R key. Without this the card goes by what the set has just done."""

    dialling: bool


@dataclass(frozen=True)
class DialNumber:
    """FXO that "dials": call this number (digits, * # and a leading +). Done when the network has taken
    it; how the call goes on comes as CallStateChanged."""

    number: str


@dataclass(frozen=True)
class SendKeys:
    """FXO that "dials": send these keys to the far end of the call, by signalling."""

    keys: str


@dataclass(frozen=True)
class SendSms:
    """FXO with "sms": send a text of any length. Its result is SmsSent or SmsFailed.
    report: ask the network for status reports."""

    number: str
    text: str
    report: bool = False


@dataclass(frozen=True)
class SmsStored:
    """FXO with "sms": the message of this receipt (SmsReceived) is safe: delete the card's copy."""

    receipt: str


Command = (
    SetHook
    | KeepLine
    | StartRinging
    | StopRinging
    | FlashHook
    | DialPulses
    | SetPolarity
    | DropBattery
    | OnHookTransfer
    | MessageLamp
    | ReadBreaks
    | DialNumber
    | SendKeys
    | SendSms
    | SmsStored
)


# ----------------------------------------------------------------------- card
@dataclass(frozen=True)
class LineMeasure:
    """What a port measures now; None is "unknown"."""

    volts: float | None = None
    milliamps: float | None = None
    reversed_: bool | None = None
    off_hook: bool | None = None
    radio: RadioState | None = None


@dataclass(frozen=True)
class Tick:
    """One block from a card.

    clock: sample count of the first sample of `audio`.
    audio: int16 linear [ports, BLOCK_SAMPLES].
    events: what happened up to the end of this block, each with its own clock.
    lost: samples missing before this block (0 when all is well).
    """

    clock: int
    audio: Samples
    events: tuple[PortEvent, ...] = ()
    lost: int = 0


@dataclass(frozen=True)
class CardCaps:
    """What a card can do as a whole."""

    rate_hz: int = SAMPLE_RATE_HZ
    block_samples: int = BLOCK_SAMPLES
    firmware: str = ""
    features: frozenset[str] = field(default_factory=frozenset)


class Board(Protocol):
    """One card. Not thread-safe: the engine's tick thread owns it.

    A card may have `echo_blocks`: what is written is played so many blocks after the next one that is read
    begins (0 without it), and what the line returns of it comes that much later.
    """

    @property
    def id(self) -> str:
        """Stable name (serial number or bus path), never an enumeration index."""

    @property
    def caps(self) -> CardCaps:
        """What the card can do as a whole."""

    @property
    def ports(self) -> Sequence[PortInfo]:
        """Its sockets; the index of each is its row in the sample matrix."""

    def read(self) -> Tick:
        """Next block; blocks until the card has it. Raises BoardError when the card is lost."""

    def write(self, audio: Samples) -> None:
        """Samples int16 [ports, BLOCK_SAMPLES] to be played in the next block."""

    def command(self, port: int, command: Command) -> int:
        """Queue a command; returns its id. Its result comes as an event."""

    def measure(self, port: int) -> LineMeasure:
        """Voltage and current as the card reads them; what it cannot read is None."""

    def close(self) -> None:
        """Release the hardware. Idempotent."""
