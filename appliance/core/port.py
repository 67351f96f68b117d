"""Ports of the core: a phone-company line and a telephone, with their states and events."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from appliance.core.events import CallerIdSeen
from appliance.core.plan import LinePlan, PhonePlan


class LineState(Enum):
    """A phone-company line."""

    IDLE = "idle"
    RINGING = "ringing"
    SEIZED = "seized"
    FAULT = "fault"
    ELSEWHERE = "elsewhere"
    """Another telephone on the same line is off hook: ours to answer, not to take."""
    QUARANTINED = "quarantined"
    """It has failed too often: not taken for calls out until a check finds it well. Calls in are answered."""
    CHECKING = "checking"
    """Off hook by ourselves, to hear whether it is well again."""


class LineEvent(Enum):
    """What can happen to a line."""

    RING_ON = "ring_on"
    RING_OFF = "ring_off"
    CALLER_ID = "caller_id"
    SEIZE = "seize"
    RELEASE = "release"
    LOST = "lost"
    READY = "ready"
    TAKEN_ELSEWHERE = "taken_elsewhere"
    FREE_ELSEWHERE = "free_elsewhere"
    STIRRED = "stirred"
    TROUBLE = "trouble"
    TONE = "tone"
    CHECK = "check"
    CHECKED = "checked"
    KEPT = "kept"


@dataclass(eq=False)
class Line:
    """One line and who has it."""

    machine = "line"

    plan: LinePlan
    state: LineState = LineState.IDLE
    since: float = 0.0
    call: str = ""
    rang_at: float = float("-inf")
    """End of the last sign of ringing, for the glare guard."""
    released_at: float = float("-inf")
    early_id: CallerIdSeen | None = None
    """Caller ID that came before the first ring (DTMF), and when."""
    early_id_at: float = float("-inf")
    stirred_at: float = float("-inf")
    """Last change of polarity or voltage while idle."""
    failures: int = 0
    """Failures in a row."""
    troubled: bool = False
    """A failure has been counted since the line was taken."""
    bad: str = ""
    """Why it is in quarantine; "" when it is not."""
    next_check_s: float = 0.0
    heard_dial_tone: bool = False
    """In this check."""

    @property
    def key(self) -> str:
        """Name in the log."""
        return self.plan.id


class PhoneState(Enum):
    """A telephone. `OFF_HOOK`: lifted, but nobody there for it (busy tone until it is hung up)."""

    IDLE = "idle"
    RINGING = "ringing"
    COLLECTING = "dialling"
    IN_CALL = "talking"
    OFF_HOOK = "off_hook"
    HOWLER = "howler"
    FAULT = "fault"


class PhoneEvent(Enum):
    """What can happen to a telephone."""

    LIFTED = "lifted"
    HUNG_UP = "hung_up"
    FLASHED = "flashed"
    KEY = "key"
    RING = "ring"
    STOP = "stop"
    JOIN = "join"
    LEAVE = "leave"
    CONSULT = "consult"
    TIMER = "timer"
    LOST = "lost"
    READY = "ready"


@dataclass(eq=False)
class Phone:
    """One telephone: `call` is the call it is in or that it holds while dialling."""

    machine = "phone"

    plan: PhonePlan
    state: PhoneState = PhoneState.IDLE
    since: float = 0.0
    call: str = ""
    digits: str = ""
    busy_with_code: bool = False
    """A code or refused number is done with: further keys mean nothing until a flash or hanging up."""
    signing_in: str = ""
    """Agent whose PIN control is checking."""

    @property
    def key(self) -> str:
        """Name in the log."""
        return self.plan.ext
