"""What can happen to the call core: the input of `Switch.step`.

`port` is the name of a line ("L1", "L2", …) or the extension of a telephone
("801", …) as the plan names them. Times are the `now` given to `step`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Event:
    """Base of everything the core reacts to."""


# ------------------------------------------------------- signals on a port
@dataclass(frozen=True)
class PortSignal(Event):
    """Something seen or finished at one port."""

    port: str


@dataclass(frozen=True)
class RingStarted(PortSignal):
    """A ring burst began on a line."""


@dataclass(frozen=True)
class RingStopped(PortSignal):
    """A ring burst ended on a line."""


@dataclass(frozen=True)
class CallerIdSeen(PortSignal):
    """Caller identification was decoded (checksum valid). number is "" when not given.
    presentation: "shown", "withheld" or "unavailable". latency_s: how long ago its last bit was heard."""

    number: str = ""
    name: str = ""
    presentation: str = "shown"
    latency_s: float = 0.0


@dataclass(frozen=True)
class LineKept(PortSignal):
    """The line is off hook since before this engine began: in a call that the engine before had answered and
    not survived (see `actions.Keep`)."""

    number: str = ""
    presentation: str = "shown"


@dataclass(frozen=True)
class Lifted(PortSignal):
    """A telephone went off hook."""


@dataclass(frozen=True)
class HungUp(PortSignal):
    """A telephone went on hook."""


@dataclass(frozen=True)
class Flashed(PortSignal):
    """Hook flash on a telephone."""


@dataclass(frozen=True)
class KeyPressed(PortSignal):
    """A key, by DTMF or dial pulse: one of 0-9 * # A-D."""

    key: str = ""


@dataclass(frozen=True)
class ToneHeard(PortSignal):
    """A call-progress tone was recognised on a line: "dial", "ringback", "busy",
    "congestion", "sit", "voice", "silence", "fax-cng", "fax-ced". over: it has ended."""

    tone: str = ""
    over: bool = False


@dataclass(frozen=True)
class FaxHeard(PortSignal):
    """A fax machine or modem on a line. tone: "fax-cng" (it calls; bursts: how many of them in a row),
    "fax-ced" (it has answered) or "modem"."""

    tone: str = ""
    bursts: int = 1


@dataclass(frozen=True)
class LineSilent(PortSignal):
    """In the conversation on a line neither side has been heard for `quiet_s`, or one of them is again."""

    silent: bool = True
    quiet_s: float = 0.0


@dataclass(frozen=True)
class FarEndGone(PortSignal):
    """The party on the line has hung up. cue: "tone" (disconnect tone recognised),
    "battery" (feed dropped), "polarity" (reversal back), "dialtone" (dial tone returned),
    "signalled" (the network says so: cellular). Before the answer: the caller has given up.
    latency_s: how long ago it really happened, as far as the cue tells."""

    cue: str = ""
    latency_s: float = 0.0


@dataclass(frozen=True)
class FarEndAnswered(PortSignal):
    """The called party answered. how: "polarity" (seen), "signalled" (by the network: seen),
    "voice" or "ringback", which has stopped (inferred)."""

    how: str = ""


@dataclass(frozen=True)
class PortLost(PortSignal):
    """The port vanished or its line has no battery."""

    reason: str = ""


@dataclass(frozen=True)
class PortReady(PortSignal):
    """The port is usable (again)."""


@dataclass(frozen=True)
class LineElsewhere(PortSignal):
    """Another telephone on the same line is off hook, or no longer."""

    in_use: bool = True


@dataclass(frozen=True)
class LineStirred(PortSignal):
    """Polarity or voltage of an idle line has changed: a call may be about to ring."""


@dataclass(frozen=True)
class LineTrouble(PortSignal):
    """The line does not work as it should. reason: "no_loop" (off hook, but no current flows)
    or "hum" (mains hum so loud that keys and tones are not heard reliably)."""

    reason: str = ""


# ------------------------------------------------------- results of actions
@dataclass(frozen=True)
class PlayFinished(PortSignal):
    """The prompts of `Play(token)` have been heard to the end, or `error` says why not."""

    token: int = 0
    error: str = ""


@dataclass(frozen=True)
class DialFinished(PortSignal):
    """All digits of `Dial(token)` have been sent."""

    token: int = 0


@dataclass(frozen=True)
class Answered(Event):
    """Reply to an `Ask`; data is None when the deadline passed unanswered."""

    ref: int = 0
    data: dict[str, Any] | None = None


# ------------------------------------------------------- wishes of people
@dataclass(frozen=True)
class Desk(Event):
    """A request from a desktop or supervisor, already authenticated by control.

    verb: one of DESK_VERBS; agent: the agent's number; ref: correlates the `Reply`.
    args by verb:
      sign_in {phone}; sign_out {}; ready {}; not_ready {reason}; wrap_up_done {}; wrap_up_extend {};
      hang_up {}; hold {}; retrieve {}; transfer {to} (extension, agent number or queue id);
      dial {number, customer?}; force_not_ready {reason}; force_sign_out {}; drop_call {call};
      record_pause {}; record_resume {}
    """

    verb: str = ""
    agent: str = ""
    ref: int = 0
    args: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SignedInBefore:
    """An agent who was signed in when the engine before ended. ready: to be given calls; else the reason why
    not."""

    agent: str
    phone: str
    ready: bool
    reason: str = ""


@dataclass(frozen=True)
class AgentsBack(Event):
    """Whom an earlier engine had signed in: they need not do it again."""

    agents: tuple[SignedInBefore, ...] = ()


DESK_VERBS = frozenset(
    {
        "sign_in",
        "sign_out",
        "ready",
        "not_ready",
        "wrap_up_done",
        "wrap_up_extend",
        "hang_up",
        "hold",
        "retrieve",
        "transfer",
        "dial",
        "force_not_ready",
        "force_sign_out",
        "drop_call",
        "record_pause",
        "record_resume",
    }
)


@dataclass(frozen=True)
class PlanChanged(Event):
    """New compiled settings; calls in progress keep the flow version they started with."""

    plan: Any = None


@dataclass(frozen=True)
class Tick(Event):
    """Nothing happened; only time passed (timers may be due)."""
