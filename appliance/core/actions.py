"""What the call core wants done: the output of `Switch.step`.

The engine carries them out in order. `port` is a line name or an extension.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Action:
    """Base of everything the core asks for."""


@dataclass(frozen=True)
class PortAction(Action):
    """Something to do at one port."""

    port: str


@dataclass(frozen=True)
class Seize(PortAction):
    """Take a line off hook (answers it when it rings)."""


@dataclass(frozen=True)
class Release(PortAction):
    """Put a line on hook. Also silences it and takes it out of any bridge."""


@dataclass(frozen=True)
class Keep(PortAction):
    """Should the engine die, the line stays off hook, and the next engine is told of it (LineKept)."""

    number: str = ""
    presentation: str = "shown"


@dataclass(frozen=True)
class Ring(PortAction):
    """Ring a telephone until `StopRing` or it is lifted, and show it who calls.
    presentation: "shown", "withheld", "unavailable"."""

    cadence: str = "normal"
    caller_number: str = ""
    caller_name: str = ""
    presentation: str = "shown"


@dataclass(frozen=True)
class StopRing(PortAction):
    """Stop ringing a telephone."""


@dataclass(frozen=True)
class Lamp(PortAction):
    """The message lamp of a telephone (ports that have none stay dark)."""

    on: bool = False


@dataclass(frozen=True)
class Play(PortAction):
    """Play prompts one after the other to a port; replaces what is playing there.
    loop=True repeats for ever (music) and never finishes."""

    token: int = 0
    prompts: tuple[str, ...] = ()
    loop: bool = False


@dataclass(frozen=True)
class PlayTone(PortAction):
    """Play a supervisory tone of the plan's country: "dial", "ringback", "busy",
    "congestion", "howler", "confirm", "error". Replaces what is playing."""

    tone: str = "dial"


@dataclass(frozen=True)
class Quiet(PortAction):
    """Stop prompts, music and tones on a port. Bridges are not touched."""


@dataclass(frozen=True)
class Dial(PortAction):
    """Send digits (0-9 * # A-D, "," = pause of 0.5 s) as DTMF on a line."""

    token: int = 0
    digits: str = ""


@dataclass(frozen=True)
class Flash(PortAction):
    """Hook flash towards the exchange (or an old PBX) on a line."""

    duration_ms: int = 100


@dataclass(frozen=True)
class Watch(PortAction):
    """Which detectors run on a port from now on, subset of WATCHES."""

    for_: frozenset[str] = frozenset()


WATCHES = frozenset({"keys", "progress", "disconnect", "callerid", "answer"})


@dataclass(frozen=True)
class Bridge(Action):
    """Let two ports hear each other (full duplex). Idempotent."""

    a: str
    b: str


@dataclass(frozen=True)
class Unbridge(Action):
    """Undo a `Bridge`. Idempotent."""

    a: str
    b: str


@dataclass(frozen=True)
class StartRecording(Action):
    """Record what `port` hears and says into the recording of `call` (one file per call)."""

    call: str
    port: str


@dataclass(frozen=True)
class PauseRecording(Action):
    """Write nothing until resumed (card data); the file keeps its time line as silence."""

    call: str
    paused: bool


@dataclass(frozen=True)
class StopRecording(Action):
    """Close the recording of `call`; its path and length are put into the record by the engine.

    ended_s_ago: since then an exchange's tone was recorded, which is no part of the call."""

    call: str
    ended_s_ago: float = 0.0


@dataclass(frozen=True)
class Ask(Action):
    """Question to control with a deadline; the answer arrives as `Answered(ref)`.
    question: "caller" {number, line} -> {blocked, vip, customer, name, last_agent};
    "phone_sign_in" {agent, pin} -> {ok, error}."""

    ref: int
    question: str
    data: dict[str, Any]
    deadline_s: float


@dataclass(frozen=True)
class Reply(Action):
    """Outcome of a `Desk` request. error: "" or a code of ERRORS."""

    ref: int
    error: str = ""
    data: dict[str, Any] = field(default_factory=dict)


ERRORS = frozenset(
    {
        "unknown_agent",
        "unknown_phone",
        "phone_in_use",
        "already_signed_in",
        "not_signed_in",
        "phone_off_hook",
        "busy",
        "no_call",
        "not_allowed_in_state",
        "unknown_target",
        "target_busy",
        "no_free_line",
        "number_barred",
        "unknown_verb",
        "bad_request",
        "port_lost",
        "phone_not_connected",
    }
)


@dataclass(frozen=True)
class Publish(Action):
    """Something desks and walls want to know now. topics and data:
    "pop" {agent, phone, call, number, name, presentation, line, queue, keys, direction}: call offered;
    "pop_end" {agent, call, why}; "agent" {agent snapshot}; "notice" {level, code, data}."""

    topic: str
    data: dict[str, Any]


@dataclass(frozen=True)
class SaveRecord(Action):
    """A call has ended (or, final=False, its record has something worth keeping now).
    data: see `appliance.core.record`."""

    call: str
    data: dict[str, Any]
    final: bool = True


@dataclass(frozen=True)
class LogTransition(Action):
    """Every state change, in one format."""

    machine: str
    key: str
    old: str
    event: str
    new: str
