"""An agent: states, events, and the one table of what leads where.

An agent who is signed in belongs to one telephone. A wish to be not ready that
is uttered in a call takes effect when the call (and its wrap-up) ends.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from appliance.core.actions import Publish
from appliance.core.plan import AgentPlan
from appliance.core.port import PhoneState

if TYPE_CHECKING:
    from appliance.core.world import World


class AgentState(Enum):
    """Consult and conference come with attended transfer; nothing enters them before."""

    SIGNED_OUT = "signed_out"
    NOT_READY = "not_ready"
    READY = "ready"
    RINGING = "ringing"
    TALKING = "talking"
    HOLD = "hold"
    WRAP_UP = "wrap_up"
    OUTBOUND = "outbound"
    INTERNAL = "internal"
    PHONE_OFF = "phone_off"


class AgentEvent(Enum):
    """What can happen to an agent."""

    SIGN_IN = "sign_in"
    SIGN_OUT = "sign_out"
    FORCE_OUT = "force_out"
    READY = "ready"
    NOT_READY = "not_ready"
    OFFERED = "offered"
    OFFER_GONE = "offer_gone"
    MISSED = "missed"
    CONNECTED = "connected"
    DIALS = "dials"
    HELD = "held"
    RETRIEVED = "retrieved"
    RELEASED = "released"
    WRAP_UP_DONE = "wrap_up_done"
    WRAP_UP_EXTEND = "wrap_up_extend"
    WRAP_UP_OVER = "wrap_up_over"
    PHONE_OFF = "phone_off"
    PHONE_ON = "phone_on"


S, E = AgentState, AgentEvent
IN_CALL = frozenset({S.RINGING, S.TALKING, S.HOLD, S.OUTBOUND, S.INTERNAL})


@dataclass(eq=False)
class Agent:
    """One agent. `after` is the state that follows the present call or the return of the telephone."""

    machine = "agent"

    plan: AgentPlan
    state: AgentState = S.SIGNED_OUT
    since: float = 0.0
    reason: str = ""
    phone: str = ""
    call: str = ""
    after: AgentState = S.NOT_READY
    after_reason: str = ""
    leave_wanted: bool = False
    """Sign out when the call is over (forced)."""
    talks_as: AgentState = S.TALKING
    wrap_up_s: float = 0.0
    """Wrap-up that the present call will be followed by."""
    wrap_up_until: float | None = None
    extended: bool = False
    idle_since: float = field(default=float("-inf"))
    """End of the last queue call, or sign-in: what longest-idle goes by."""
    misses: int = 0

    @property
    def key(self) -> str:
        """Name in the log."""
        return self.plan.number


class Refused(Exception):
    """A wish that cannot be granted; `code` is one of actions.ERRORS."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


Args = Mapping[str, Any]
Handler = Callable[["World", Agent, Args], None]


def sign_in(world: World, agent: Agent, args: Args) -> None:
    """Signed out -> not ready, at a telephone."""
    world.seated = True
    agent.phone = args["phone"]
    agent.after, agent.after_reason = S.NOT_READY, ""
    agent.misses, agent.leave_wanted = 0, False
    agent.idle_since = world.now
    agent.reason = ""
    world.move(agent, S.NOT_READY)


def sign_out(world: World, agent: Agent, args: Args) -> None:
    """Only from not ready."""
    agent.phone, agent.call, agent.reason, agent.leave_wanted = "", "", "", False
    world.move(agent, S.SIGNED_OUT)


def sign_out_phone_off(world: World, agent: Agent, args: Args) -> None:
    """A dead telephone must not keep anybody signed in who was not ready."""
    if agent.after is not S.NOT_READY:
        raise Refused("not_allowed_in_state")
    sign_out(world, agent, args)


def leave_later(world: World, agent: Agent, args: Args) -> None:
    """Forced sign-out in a call: when it is over."""
    agent.leave_wanted = True


def force_out(world: World, agent: Agent, args: Args) -> None:
    """Forced sign-out with no call in progress."""
    end_wrap_up(world, agent)
    sign_out(world, agent, args)


def ready(world: World, agent: Agent, args: Args) -> None:
    """A change by hand also forgives misses."""
    agent.misses = 0
    agent.after, agent.after_reason = S.READY, ""
    end_wrap_up(world, agent)
    settle(world, agent)


def ready_later(world: World, agent: Agent, args: Args) -> None:
    """Ready after the call."""
    agent.after, agent.after_reason = S.READY, ""


def not_ready(world: World, agent: Agent, args: Args) -> None:
    """Not ready at once, with a reason."""
    agent.misses = 0
    agent.after, agent.after_reason = S.NOT_READY, args["reason"]
    settle(world, agent)


def not_ready_later(world: World, agent: Agent, args: Args) -> None:
    """Not ready when the call or wrap-up is over."""
    agent.after, agent.after_reason = S.NOT_READY, args["reason"]


def offered(world: World, agent: Agent, args: Args) -> None:
    """A call rings at the agent's telephone."""
    end_wrap_up(world, agent)
    agent.call, agent.wrap_up_s = args["call"], 0.0
    world.move(agent, S.RINGING)


def offer_gone(world: World, agent: Agent, args: Args) -> None:
    """The caller gave up, or someone else has the call."""
    agent.call = ""
    settle(world, agent)


def missed(world: World, agent: Agent, args: Args) -> None:
    """Nobody lifted. After the allowed number the agent is not ready and the supervisor is told."""
    agent.misses += 1
    agent.call = ""
    if agent.misses >= args["allowed"]:
        agent.after, agent.after_reason = S.NOT_READY, "no_answer"
        world.notice("warning", "agent_no_answer", agent=agent.key, misses=agent.misses)
        agent.misses = 0
    settle(world, agent)


def connected(world: World, agent: Agent, args: Args) -> None:
    """The agent talks to somebody."""
    end_wrap_up(world, agent)
    agent.misses = 0
    agent.call, agent.wrap_up_s = args["call"], args["wrap_up_s"]
    agent.talks_as = S.INTERNAL if args["inside"] else S.TALKING
    world.move(agent, agent.talks_as)


def dials(world: World, agent: Agent, args: Args) -> None:
    """The agent calls somebody."""
    end_wrap_up(world, agent)
    agent.call, agent.wrap_up_s = args["call"], 0.0
    agent.talks_as = S.INTERNAL if args["inside"] else S.OUTBOUND
    world.move(agent, agent.talks_as)


def held(world: World, agent: Agent, args: Args) -> None:
    """The other party waits."""
    world.move(agent, S.HOLD)


def retrieved(world: World, agent: Agent, args: Args) -> None:
    """Back from hold."""
    world.move(agent, agent.talks_as)


def released(world: World, agent: Agent, args: Args) -> None:
    """The agent's part in the call is over."""
    agent.call = ""
    if args["from_queue"]:
        agent.idle_since = world.now
    phone = world.phones.get(agent.phone)
    if phone is None or phone.state is PhoneState.FAULT:
        settle(world, agent)  # a pulled cord shows at once; the notes of the call can be saved all the same
    elif agent.wrap_up_s > 0 and agent.talks_as is S.TALKING:
        agent.wrap_up_until, agent.extended = world.now + agent.wrap_up_s, False
        world.timers.set(("agent", agent.key, "wrap_up"), agent.wrap_up_until)
        world.move(agent, S.WRAP_UP)
    else:
        settle(world, agent)


def wrap_up_over(world: World, agent: Agent, args: Args) -> None:
    """Outcome saved, or time over."""
    end_wrap_up(world, agent)
    settle(world, agent)


def wrap_up_extend(world: World, agent: Agent, args: Args) -> None:
    """Once per call, by the queue's own wrap-up time again."""
    if agent.extended or agent.wrap_up_until is None:
        raise Refused("not_allowed_in_state")
    agent.extended = True
    agent.wrap_up_until += agent.wrap_up_s
    world.timers.set(("agent", agent.key, "wrap_up"), agent.wrap_up_until)
    world.publish_agent(agent)


def phone_off(world: World, agent: Agent, args: Args) -> None:
    """The telephone lies off hook unattended, or its cord is pulled."""
    agent.reason = args["reason"]
    world.move(agent, S.PHONE_OFF)


def cord_pulled_in_wrap_up(world: World, agent: Agent, args: Args) -> None:
    """No call can come, however long the wrap-up would last. A handset left off waits for its end."""
    if args["reason"] == "phone_unavailable":
        end_wrap_up(world, agent)
        phone_off(world, agent, args)


def refuse(world: World, agent: Agent, args: Args) -> None:
    """A wish that makes no sense in this state."""
    raise Refused("not_allowed_in_state")


def refuse_signed_out(world: World, agent: Agent, args: Args) -> None:
    """A wish that needs somebody who is signed in."""
    raise Refused("not_signed_in")


def refuse_signed_in(world: World, agent: Agent, args: Args) -> None:
    """Sign-in of somebody who is in already."""
    raise Refused("already_signed_in")


def settle(world: World, agent: Agent) -> None:
    """Go where the agent belongs when no call and no wrap-up holds him."""
    if agent.leave_wanted:
        sign_out(world, agent, {})
        return
    phone = world.phones.get(agent.phone)
    if phone is None or phone.state is PhoneState.FAULT:
        phone_off(world, agent, {"reason": "phone_unavailable"})
    elif phone.state in (PhoneState.OFF_HOOK, PhoneState.HOWLER):
        phone_off(world, agent, {"reason": "phone_off_hook"})
    else:
        agent.reason = agent.after_reason if agent.after is S.NOT_READY else ""
        world.move(agent, agent.after)


def end_wrap_up(world: World, agent: Agent) -> None:
    """Forget the wrap-up timer."""
    agent.wrap_up_until = None
    world.timers.cancel(("agent", agent.key, "wrap_up"))


def snapshot(agent: Agent) -> dict[str, Any]:
    """The agent as desks see it; times in `now` seconds."""
    return {
        "number": agent.key,
        "name": agent.plan.name,
        "state": agent.state.value,
        "reason": agent.reason,
        "since": agent.since,
        "phone": agent.phone,
        "call": agent.call,
        "wrap_up_until": agent.wrap_up_until,
        "queues": list(agent.plan.queues),
    }


def publish(world: World, agent: Agent) -> None:
    """Tell the desks."""
    world.emit(Publish("agent", snapshot(agent)))


def _rows(
    states: frozenset[AgentState], row: dict[AgentEvent, Handler]
) -> dict[tuple[AgentState, AgentEvent], Handler]:
    return {(state, event): handler for state in states for event, handler in row.items()}


TALKS = frozenset({S.TALKING, S.OUTBOUND, S.INTERNAL})
IN = frozenset(S) - {S.SIGNED_OUT}
AT_REST = frozenset({S.NOT_READY, S.READY, S.WRAP_UP, S.PHONE_OFF})

TABLE: dict[tuple[AgentState, AgentEvent], Handler] = {
    **_rows(IN, {E.SIGN_IN: refuse_signed_in, E.SIGN_OUT: refuse}),
    **_rows(IN, {E.WRAP_UP_DONE: refuse, E.WRAP_UP_EXTEND: refuse}),
    **_rows(IN_CALL, {E.READY: ready_later, E.NOT_READY: not_ready_later, E.FORCE_OUT: leave_later}),
    **_rows(IN_CALL, {E.RELEASED: released}),
    **_rows(
        AT_REST,
        {
            E.READY: ready,
            E.NOT_READY: not_ready,
            E.FORCE_OUT: force_out,
            E.OFFERED: offered,
            E.CONNECTED: connected,
            E.DIALS: dials,
        },
    ),
    **_rows(TALKS, {E.HELD: held, E.CONNECTED: connected}),
    (S.SIGNED_OUT, E.SIGN_IN): sign_in,
    (S.SIGNED_OUT, E.SIGN_OUT): refuse_signed_out,
    (S.SIGNED_OUT, E.FORCE_OUT): refuse_signed_out,
    (S.SIGNED_OUT, E.READY): refuse_signed_out,
    (S.SIGNED_OUT, E.NOT_READY): refuse_signed_out,
    (S.SIGNED_OUT, E.WRAP_UP_DONE): refuse_signed_out,
    (S.SIGNED_OUT, E.WRAP_UP_EXTEND): refuse_signed_out,
    (S.NOT_READY, E.SIGN_OUT): sign_out,
    (S.NOT_READY, E.PHONE_OFF): phone_off,
    (S.READY, E.PHONE_OFF): phone_off,
    (S.RINGING, E.CONNECTED): connected,
    (S.RINGING, E.OFFER_GONE): offer_gone,
    (S.RINGING, E.MISSED): missed,
    (S.HOLD, E.RETRIEVED): retrieved,
    (S.WRAP_UP, E.NOT_READY): not_ready_later,
    (S.WRAP_UP, E.PHONE_OFF): cord_pulled_in_wrap_up,
    (S.WRAP_UP, E.WRAP_UP_DONE): wrap_up_over,
    (S.WRAP_UP, E.WRAP_UP_EXTEND): wrap_up_extend,
    (S.WRAP_UP, E.WRAP_UP_OVER): wrap_up_over,
    (S.PHONE_OFF, E.SIGN_OUT): sign_out_phone_off,
    (S.PHONE_OFF, E.PHONE_ON): lambda world, agent, args: settle(world, agent),
    (S.PHONE_OFF, E.PHONE_OFF): phone_off,
}
"""What happens in which state. A pair is here or in IGNORED."""


def _pairs(states: frozenset[AgentState], *events: AgentEvent) -> set[tuple[AgentState, AgentEvent]]:
    return {(state, event) for state in states for event in events}


IGNORED: frozenset[tuple[AgentState, AgentEvent]] = frozenset(
    # The call machine speaks to whoever sits at the telephone; these find nobody concerned.
    _pairs(frozenset({S.SIGNED_OUT}), E.OFFERED, E.CONNECTED, E.DIALS, E.PHONE_OFF, E.PHONE_ON)
    | _pairs(frozenset(S) - {S.RINGING}, E.OFFER_GONE, E.MISSED)
    | _pairs(frozenset(S) - IN_CALL, E.RELEASED)
    | _pairs(frozenset(S) - TALKS, E.HELD)
    | _pairs(frozenset(S) - {S.HOLD}, E.RETRIEVED)
    # One call at a time: the core never offers to or dials for somebody in a call.
    | _pairs(IN_CALL, E.OFFERED, E.DIALS)
    | _pairs(frozenset({S.HOLD}), E.CONNECTED)
    # The timer is cancelled with the wrap-up.
    | _pairs(frozenset(S) - {S.WRAP_UP}, E.WRAP_UP_OVER)
    # In a call the call machine deals with the telephone; settle() looks at it afterwards.
    | _pairs(IN_CALL, E.PHONE_OFF)
    | _pairs(IN - {S.PHONE_OFF}, E.PHONE_ON)
)
