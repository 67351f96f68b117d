"""The plan: everything the engine needs to know, compiled from the settings by control.

Plain data that survives JSON. `Plan.from_dict` validates; an unknown key, a wrong
type, an out-of-range value or a name that points nowhere raises `PlanError`
whose text names the place and says what to do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from appliance.core.reader import Rule, read


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
    automatic_gain: bool = True
    """Callers on this line are brought to a common loudness in conversations."""


@dataclass(frozen=True)
class PhonePlan:
    """One telephone. ext "801"..; port: board port name ("sim/8")."""

    ext: str
    port: str
    label: str = ""
    automatic_gain: bool = False
    """The same for whoever speaks at this telephone; its own loudness is mostly known."""


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
class ClaimPlan:
    """What a lifted telephone of a new box says instead of dial tone; nothing when code is ""."""

    code: str = ""
    address: str = ""
    """IPv4 address of the pages; "" while there is none."""


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
    """Whether calls are recorded."""

    enabled: bool = True


@dataclass(frozen=True)
class SoundPlan:
    """Limits of the automatic gain. The two gains of a conversation go round between the two hybrids:
    together they must stay under what these take away, or it sings."""

    most_gain_db: float = 6.0
    most_cut_db: float = 12.0


@dataclass(frozen=True)
class SilencePlan:
    """A conversation in which neither side is heard. action: "tell" the agent, or "end" the call as well,
    a while later; a call on hold is not looked at."""

    after_s: float = 120.0
    """0: never."""
    action: str = "tell"


@dataclass(frozen=True)
class FaxPlan:
    """What becomes of callers who turn out to be a fax machine before anybody talks with them."""

    extension: str = ""
    """Telephone socket that a fax machine is on; "": the call goes on, and the agent is told."""


@dataclass(frozen=True)
class Flow:
    """A validated menu flow; see `appliance.core.flow`."""

    id: str
    start: str
    nodes: dict[str, dict[str, Any]] = field(default_factory=dict)
    title: str = ""


@dataclass(frozen=True)
class Plan:
    """All settings of the call path."""

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
    sound: SoundPlan = SoundPlan()
    silence: SilencePlan = SilencePlan()
    fax: FaxPlan = FaxPlan()
    max_call_s: float = 4 * 3600.0
    claim: ClaimPlan = ClaimPlan()
    not_ready_reasons: tuple[str, ...] = ("lunch", "break", "training", "paperwork", "meeting")

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> Plan:
        """The validated plan. Raises PlanError with one sentence per problem."""
        problems: list[str] = []
        plan = read(Plan, data, "plan", problems, RULES)
        if plan is not None:
            problems.extend(cross_check(plan))
        if problems or plan is None:
            raise PlanError(problems)
        return plan

    def as_dict(self) -> dict[str, Any]:
        """Plain data, JSON-ready; `Plan.from_dict` reads it back to an equal plan."""
        plain: dict[str, Any] = _listed(asdict(self))
        return plain

    def flow(self, flow_id: str) -> Flow | None:
        """The flow of that id."""
        return next((one for one in self.flows if one.id == flow_id), None)


def cross_check(plan: Plan) -> list[str]:
    """What does not fit together in a plan whose parts are right: one sentence per problem."""
    from appliance.core.flow import validate_flow  # flow.py needs PlanError from here

    problems: list[str] = []
    queues = {queue.id for queue in plan.queues}
    extensions = {phone.ext for phone in plan.phones}
    flows = {flow.id for flow in plan.flows}
    problems += _twice("line", (line.id for line in plan.lines))
    problems += _twice("telephone", (phone.ext for phone in plan.phones))
    problems += _twice("agent", (agent.number for agent in plan.agents))
    problems += _twice("queue", (queue.id for queue in plan.queues))
    problems += _twice("flow", (flow.id for flow in plan.flows))
    problems += _twice("port", [line.port for line in plan.lines] + [phone.port for phone in plan.phones])
    for name in sorted({line.id for line in plan.lines} & extensions):
        problems.append(f"{name} names a line and a telephone; rename one of them")
    for name in sorted({agent.number for agent in plan.agents} & extensions):
        problems.append(f"{name} is the number of an agent and of a telephone; change one of them")
    for line in plan.lines:
        place = f"line {line.id}"
        if line.extension and line.extension not in extensions:
            problems.append(f"{place}: there is no telephone {line.extension}; choose one that exists")
        if line.inbound and not line.extension and line.flow not in flows:
            problems.append(
                f"{place}: there is no flow {line.flow!r}; choose a published flow or a telephone"
            )
        if line.fallback_queue and line.fallback_queue not in queues:
            problems.append(f"{place}: there is no queue {line.fallback_queue!r} to fall back to")
    for agent in plan.agents:
        for queue in agent.queues:
            if queue not in queues:
                problems.append(f"agent {agent.number}: there is no queue {queue!r}; take it off the agent")
    if plan.fax.extension and plan.fax.extension not in extensions:
        problems.append(f"fax: there is no telephone {plan.fax.extension}; choose one that exists")
    prefix = plan.outside.prefix
    for ext in sorted(extensions | {agent.number for agent in plan.agents}):
        if prefix and ext.startswith(prefix):
            problems.append(f"number {ext} begins with the outside prefix {prefix}; change one of them")
        if ext in plan.outside.emergency:
            problems.append(f"number {ext} is an emergency number; give the telephone or agent another one")
    for rule in plan.blocked:
        digits = rule.pattern.removesuffix("*")
        if rule.pattern != "withheld" and not (digits and set(digits) <= set("0123456789+")):
            problems.append(
                f"blocked number {rule.pattern!r} is not usable; write digits, digits with a * at the end, "
                "or withheld"
            )
    for flow in plan.flows:
        problems += validate_flow(asdict(flow), None, queues, extensions, flows)
    return problems


def _twice(what: str, names: Iterable[str]) -> list[str]:
    return [f"{what} {name} is there {n} times; keep one" for name, n in Counter(names).items() if n > 1]


def _listed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _listed(one) for key, one in value.items()}
    if isinstance(value, tuple | list):
        return [_listed(one) for one in value]
    return value


DIALLED = "0123456789"
SECONDS_A_DAY = 86400.0

RULES = {
    ("Plan", "version"): Rule(1, 1),
    ("Plan", "country"): Rule(filled=True),
    ("Plan", "language"): Rule(choices=("zh", "en")),
    ("Plan", "max_call_s"): Rule(60, SECONDS_A_DAY),
    ("Plan", "not_ready_reasons"): Rule(filled=True),
    ("LinePlan", "id"): Rule(filled=True),
    ("LinePlan", "port"): Rule(filled=True),
    ("LinePlan", "answer_after_rings"): Rule(1, 10),
    ("PhonePlan", "ext"): Rule(charset=DIALLED, filled=True),
    ("PhonePlan", "port"): Rule(filled=True),
    ("AgentPlan", "number"): Rule(charset=DIALLED, filled=True),
    ("QueuePlan", "id"): Rule(filled=True),
    ("QueuePlan", "strategy"): Rule(choices=("longest_idle",)),
    ("QueuePlan", "weight"): Rule(-100, 100),
    ("QueuePlan", "ring_s"): Rule(5, 120),
    ("QueuePlan", "wrap_up_s"): Rule(0, 3600),
    ("QueuePlan", "max_wait_s"): Rule(0, SECONDS_A_DAY),
    ("QueuePlan", "max_waiting"): Rule(0, 1000),
    ("QueuePlan", "misses_allowed"): Rule(1, 20),
    ("QueuePlan", "music"): Rule(filled=True),
    ("QueuePlan", "announce_every_s"): Rule(0, 3600),
    ("BlockRule", "pattern"): Rule(filled=True),
    ("BlockRule", "action"): Rule(choices=("ignore", "drop", "message")),
    ("BlockRule", "prompt"): Rule(filled=True),
    ("ClaimPlan", "code"): Rule(charset=DIALLED),
    ("ClaimPlan", "address"): Rule(charset=DIALLED + "."),
    ("SoundPlan", "most_gain_db"): Rule(0, 12),
    ("SoundPlan", "most_cut_db"): Rule(0, 20),
    ("SilencePlan", "after_s"): Rule(0, 3600),
    ("SilencePlan", "action"): Rule(choices=("tell", "end")),
    ("FaxPlan", "extension"): Rule(charset=DIALLED),
    ("OutsidePlan", "prefix"): Rule(charset=DIALLED),
    ("OutsidePlan", "emergency"): Rule(charset=DIALLED, filled=True),
    ("OutsidePlan", "barred"): Rule(charset=DIALLED, filled=True),
    ("OutsidePlan", "dial_tone_timeout_s"): Rule(1, 30),
    ("OutsidePlan", "digit_timeout_s"): Rule(1, 30),
    ("OutsidePlan", "no_answer_s"): Rule(5, 300),
    ("OutsidePlan", "max_digits"): Rule(3, 40),
    ("Flow", "id"): Rule(filled=True),
    ("Flow", "start"): Rule(filled=True),
}
