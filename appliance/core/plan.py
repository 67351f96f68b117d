"""The plan: everything the engine needs to know, compiled from the settings by control.

Plain data that survives JSON. `Plan.from_dict` validates; an unknown key, a wrong
type, an out-of-range value or a name that points nowhere raises `PlanError`
whose text names the place and says what to do.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


class PlanError(ValueError):
    """A plan or flow that cannot be used. `problems` are sentences for people."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class LinePlan:
    """One phone-company line. id "L1".. ; port: board port name ("sim/0")."""

    id: str
    port: str
    number: str = ""
    """The public number of the line, shown and reported as the dialled number (A8)."""
    label: str = ""
    group: str = "all"
    flow: str = "main"
    """Flow that answers; "" with `extension` set sends the line straight to a telephone (A4)."""
    extension: str = ""
    fallback_queue: str = ""
    """Where a straight line goes when its extension does not answer."""
    inbound: bool = True
    outbound: bool = True
    answer_after_rings: int = 2
    """Answer at this ring at the latest; earlier once caller ID is complete."""
    battery_drop_is_hangup: bool = True
    polarity: bool = False
    """This line reverses polarity on answer and hang-up."""


@dataclass(frozen=True)
class PhonePlan:
    """One telephone. ext "801"..; port: board port name ("sim/8")."""

    ext: str
    port: str
    label: str = ""


@dataclass(frozen=True)
class AgentPlan:
    """One agent. number: the work number ("1001")."""

    number: str
    name: str
    queues: tuple[str, ...] = ()
    outbound: bool = True


@dataclass(frozen=True)
class QueuePlan:
    """One queue. strategy: "longest_idle" (others come later and are refused by validation)."""

    id: str
    name: str
    strategy: str = "longest_idle"
    weight: int = 0
    ring_s: float = 20.0
    wrap_up_s: float = 15.0
    max_wait_s: float = 0.0
    """0 = no limit; otherwise the caller goes to `overflow_node`'s target."""
    max_waiting: int = 0
    """0 = no limit."""
    misses_allowed: int = 2
    music: str = "music"
    announce_every_s: float = 60.0
    announce: str = "please_wait"
    overflow: str = ""
    """Prompt played before hanging up when full / waited too long / nobody signed in; "" = "sorry_busy"."""
    answer_when_nobody: bool = True
    """Callers may wait although nobody is signed in."""


@dataclass(frozen=True)
class BlockRule:
    """Blacklist entry. pattern: digits, "*" at the end matches any rest; "withheld" matches no number.
    action: "ignore" (never answer), "drop" (answer and hang up), "message" (answer, play, hang up)."""

    pattern: str
    action: str = "ignore"
    prompt: str = "sorry_blocked"


@dataclass(frozen=True)
class OutsidePlan:
    """Dialling out from telephones."""

    prefix: str = "9"
    """Digit(s) for an outside line; "" = anything that is not an extension goes out."""
    emergency: tuple[str, ...] = ("110", "119", "120", "122", "911", "999", "112")
    """Always dialled, with or without prefix, signed in or not."""
    barred: tuple[str, ...] = ("00",)
    """Prefixes that are refused (international by default)."""
    dial_tone_timeout_s: float = 5.0
    digit_timeout_s: float = 4.0
    no_answer_s: float = 60.0
    max_digits: int = 20


@dataclass(frozen=True)
class RecordingPlan:
    enabled: bool = True


@dataclass(frozen=True)
class Flow:
    """A validated menu flow; see `appliance.core.flow`."""

    id: str
    start: str
    nodes: dict[str, dict[str, Any]] = field(default_factory=dict)
    title: str = ""


@dataclass(frozen=True)
class Plan:
    version: int = 1
    country: str = "CN"
    language: str = "zh"
    """Prompt language: "zh" or "en"."""
    lines: tuple[LinePlan, ...] = ()
    phones: tuple[PhonePlan, ...] = ()
    agents: tuple[AgentPlan, ...] = ()
    queues: tuple[QueuePlan, ...] = ()
    flows: tuple[Flow, ...] = ()
    blocked: tuple[BlockRule, ...] = ()
    outside: OutsidePlan = OutsidePlan()
    recording: RecordingPlan = RecordingPlan()
    max_call_s: float = 4 * 3600.0
    not_ready_reasons: tuple[str, ...] = ("lunch", "break", "training", "paperwork", "meeting")
