"""A call: its states, what can happen to it, its two parties and its clockwork of wait, talk and hold."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from appliance.core.ivr import FlowRun
from appliance.core.plan import BlockRule, Plan
from appliance.core.record import CallRecord


class CallState(Enum):
    """Where a call is. `ENDED` is left by nothing."""

    NEW = "new"
    RINGING = "ringing"  # inbound, not answered yet
    IGNORED = "ignored"  # rings, and will never be answered
    IVR = "ivr"
    QUEUED = "queued"
    OFFERED = "offered"  # waits while an agent's telephone rings
    EXTENSION = "extension"  # one given telephone rings
    TRANSFER = "transfer"  # handed over by someone: one given telephone rings
    TALKING = "talking"
    HELD = "held"
    CLOSING = "closing"  # hears the last words, then the line is released
    PHONE_FIRST = "phone_first"  # click to dial: our own telephone rings first
    SEIZING = "seizing"  # waits for dial tone
    DIALLING = "dialling"
    PROGRESS = "progress"  # digits are out, waits for the answer
    ENDED = "ended"


class CallEvent(Enum):
    """What can happen to a call."""

    BEGIN = "begin"
    RING_ON = "ring_on"
    RING_OFF = "ring_off"
    RING_GONE = "ring_gone"
    CALLER_ID = "caller_id"
    ROUTED = "routed"
    KEY = "key"
    PLAYED = "played"
    STEP_TIMER = "step_timer"
    ANNOUNCE = "announce"
    WAITED_OUT = "waited_out"
    OFFER = "offer"
    RANG_OUT = "rang_out"
    LIFTED = "lifted"
    TONE = "tone"
    DIALLED = "dialled"
    FAR_ANSWERED = "far_answered"
    FAR_GONE = "far_gone"
    NEAR_GONE = "near_gone"
    LINE_LOST = "line_lost"
    PHONE_LOST = "phone_lost"
    HOLD = "hold"
    RETRIEVE = "retrieve"
    TRANSFER = "transfer"
    HANG_UP = "hang_up"
    DROP = "drop"
    TOO_LONG = "too_long"
    FAX = "fax"
    SILENT = "silent"
    SILENT_OUT = "silent_out"


WAITING = frozenset({CallState.QUEUED, CallState.OFFERED, CallState.EXTENSION})
CONNECTED = frozenset({CallState.TALKING, CallState.HELD, CallState.TRANSFER})

PUBLIC_STATE = {
    CallState.NEW: "ringing",
    CallState.RINGING: "ringing",
    CallState.IGNORED: "blocked",
    CallState.IVR: "ivr",
    CallState.CLOSING: "ivr",
    CallState.QUEUED: "queued",
    CallState.OFFERED: "offered",
    CallState.EXTENSION: "offered",
    CallState.TRANSFER: "offered",
    CallState.TALKING: "talking",
    CallState.HELD: "held",
    CallState.PHONE_FIRST: "dialling",
    CallState.SEIZING: "dialling",
    CallState.DIALLING: "dialling",
    CallState.PROGRESS: "out_ringing",
    CallState.ENDED: "idle",
}
"""How desks and walls call it (docs/architecture.md, live snapshot)."""


@dataclass(eq=False)
class Call:
    """One call. `far` is the party that is served (a line, or the telephone that called inside);
    `near` is the telephone that serves it; `target` is a telephone that rings for it."""

    machine = "call"

    id: str
    record: CallRecord
    plan: Plan
    """The plan the call began with: its flow does not change under way."""
    state: CallState = CallState.NEW
    since: float = 0.0
    far: str = ""
    near: str = ""
    target: str = ""
    bridged: bool = False
    recording: bool = False

    # inbound, before the answer
    rings: int = 0
    known: bool = False
    """Caller ID is complete."""
    routed: bool = False
    ask: int = 0
    """Reference of the open question to control; 0 when none is open."""
    block: BlockRule | None = None
    vip: bool = False
    kept: bool = False
    """It has outlived an engine."""

    # menu and queue
    run: FlowRun | None = None
    queue_node: dict[str, Any] = field(default_factory=dict)
    no_answer_node: str = ""
    queue_since: float | None = None
    tried: set[str] = field(default_factory=set)

    nodes_noted: int = 0
    hops: int = 0
    """Flow steps since the caller last heard a prompt: many of them are a circle."""
    failed_words: int = 0
    """Prompts in a row that could not be played."""
    music_on: bool = False
    announcing: bool = False

    fax: bool = False
    """A fax or modem was heard on the line."""
    silent_since: float = 0.0
    """When somebody was last heard, in a conversation that has fallen silent."""

    # transfer
    sender: str = ""
    """Telephone that handed the call over, to which it returns."""
    returning: bool = False

    # outbound
    number: str = ""
    emergency: bool = False
    lines_tried: set[str] = field(default_factory=set)
    failure: str = ""
    """Reason of ending that is settled before the call is over."""
    wanted: str = ""
    """Line that is being made free for this call."""
    dial_token: int = 0
    hears_ringback: bool = False

    @property
    def key(self) -> str:
        """Name in the log."""
        return self.id

    @property
    def direction(self) -> str:
        """ "in", "out" or "internal"."""
        return self.record.direction

    @property
    def waits_since(self) -> float:
        """What first in first out goes by."""
        return self.queue_since if self.queue_since is not None else self.record.started_at

    def ports(self) -> tuple[str, ...]:
        """Every port that the call occupies."""
        return tuple(port for port in (self.far, self.near, self.target) if port)

    def note(self, now: float, what: str, **data: Any) -> None:
        """Add a step to the record."""
        self.record.steps.append({"at": now, "what": what, **data})

    def settle_times(self, until: float) -> None:
        """Add the time spent in the present state to wait, talk or hold."""
        spent_s = max(0.0, until - self.since)
        if self.state in WAITING and self.direction == "in":
            self.record.wait_s += spent_s
        elif self.state is CallState.TALKING:
            self.record.talk_s += spent_s
        elif self.state in (CallState.HELD, CallState.TRANSFER):
            self.record.hold_s += spent_s
