"""Wishes of desks and supervisors. Who may wish what is control's business; what is possible is ours."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from appliance.core import outbound
from appliance.core.actions import PauseRecording, Reply
from appliance.core.agent import Agent, AgentEvent, AgentState, Refused, snapshot
from appliance.core.call import Call, CallEvent, CallState
from appliance.core.events import Desk, SignedInBefore
from appliance.core.port import Phone, PhoneState
from appliance.core.world import World

Args = Mapping[str, Any]
Data = dict[str, Any]

CAN_BE_PAUSED = frozenset({CallState.TALKING, CallState.HELD, CallState.TRANSFER})
DIALLABLE = "0123456789*#"


def handle(world: World, wish: Desk) -> None:
    """Do it, or say by a code of actions.ERRORS why not."""
    verb = VERBS.get(wish.verb)
    if verb is None:
        world.emit(Reply(wish.ref, "unknown_verb"))
        return
    try:
        data = verb(world, wish)
    except Refused as refused:
        world.emit(Reply(wish.ref, refused.code))
    else:
        world.emit(Reply(wish.ref, "", data))


def text(wish: Desk, name: str, default: str | None = None) -> str:
    """An argument that must be text. Raises Refused."""
    value = wish.args.get(name, default)
    if not isinstance(value, str):
        raise Refused("bad_request")
    return value


def agent_of(world: World, wish: Desk) -> Agent:
    """The agent who wishes. Raises Refused."""
    agent = world.agents.get(wish.agent)
    if agent is None:
        raise Refused("unknown_agent")
    return agent


def signed_in(world: World, wish: Desk) -> Agent:
    """The same, who must be signed in."""
    agent = agent_of(world, wish)
    if agent.state is AgentState.SIGNED_OUT:
        raise Refused("not_signed_in")
    return agent


def call_at(world: World, wish: Desk) -> tuple[Call, str]:
    """The call of the agent who wishes, and his telephone. Raises Refused."""
    agent = signed_in(world, wish)
    phone = world.phones.get(agent.phone)
    call = world.calls.get(phone.call) if phone is not None else None
    if call is None:
        raise Refused("no_call")
    return call, agent.phone


def sign_in_at(world: World, number: str, ext: str) -> Agent:
    """Sign an agent in at a telephone. Raises Refused, naming the cause."""
    agent = world.agents.get(number)
    if agent is None:
        raise Refused("unknown_agent")
    phone = world.phones.get(ext)
    if phone is None:
        raise Refused("unknown_phone")
    if agent.state is not AgentState.SIGNED_OUT:
        raise Refused("already_signed_in")
    if world.agent_at(ext) is not None:
        raise Refused("phone_in_use")
    if phone.state is PhoneState.FAULT:
        raise Refused("phone_not_connected")
    world.fire(agent, AgentEvent.SIGN_IN, phone=ext)
    return agent


def sign_in(world: World, wish: Desk) -> Data:
    """At a telephone that is on hook."""
    ext = text(wish, "phone")
    agent_of(world, wish)
    phone = world.phones.get(ext)
    if phone is not None and phone.state not in (PhoneState.IDLE, PhoneState.FAULT):
        already = world.agents[wish.agent].state is not AgentState.SIGNED_OUT
        in_use = world.agent_at(ext) is not None
        code = "already_signed_in" if already else "phone_in_use" if in_use else "phone_off_hook"
        raise Refused(code)
    return {"agent": snapshot(sign_in_at(world, wish.agent, ext))}


def bring_back(world: World, agents: Iterable[SignedInBefore]) -> None:
    """Sign in whom an earlier engine had signed in, also at a telephone that is off hook: whoever was talking
    holds it still. Who cannot be brought back has to do it himself, and is told of.

    Control tells of them after any lost connection: an engine that went on meanwhile knows better.
    """
    if world.seated:
        return
    for one in agents:
        try:
            agent = sign_in_at(world, one.agent, one.phone)
        except Refused as refused:
            world.notice("info", "agent_not_back", agent=one.agent, reason=refused.code)
            continue
        if one.ready:
            world.fire(agent, AgentEvent.READY)
        else:
            world.fire(agent, AgentEvent.NOT_READY, reason=one.reason)


def reason_of(world: World, wish: Desk, default: str) -> str:
    """A reason of the plan, or none. Raises Refused."""
    reason = text(wish, "reason", default)
    if reason not in ("", default, *world.plan.not_ready_reasons):
        raise Refused("bad_request")
    return reason


def state_wish(event: AgentEvent, default_reason: str | None = None) -> Callable[[World, Desk], Data]:
    """A verb that only concerns the agent's own state."""

    def wish_for(world: World, wish: Desk) -> Data:
        agent = agent_of(world, wish)
        args = {} if default_reason is None else {"reason": reason_of(world, wish, default_reason)}
        world.fire(agent, event, **args)
        return {"agent": snapshot(agent)}

    return wish_for


def call_wish(event: CallEvent) -> Callable[[World, Desk], Data]:
    """A verb that concerns the agent's present call."""

    def wish_for(world: World, wish: Desk) -> Data:
        call, ext = call_at(world, wish)
        world.fire(call, event, by=ext)
        return {"call": call.id}

    return wish_for


def transfer(world: World, wish: Desk) -> Data:
    """Blind transfer to an extension, an agent or a queue."""
    call, ext = call_at(world, wish)
    to = text(wish, "to")
    world.fire(call, CallEvent.TRANSFER, to=to, by=ext)
    return {"call": call.id}


def dial(world: World, wish: Desk) -> Data:
    """Click to dial: the agent's telephone rings, lifted it dials. A lifted one dials at once."""
    agent = signed_in(world, wish)
    number = "".join(text(wish, "number").replace("-", " ").split())
    customer = wish.args.get("customer")
    if not number or set(number) - set(DIALLABLE) or not (customer is None or isinstance(customer, int)):
        raise Refused("bad_request")
    if len(number) > world.plan.outside.max_digits:
        raise Refused("bad_request")
    phone = world.phones.get(agent.phone)
    if phone is None or phone.state is PhoneState.FAULT:
        raise Refused("phone_not_connected")
    free = agent.state in (AgentState.READY, AgentState.NOT_READY, AgentState.WRAP_UP)
    if not free or (phone.state is not PhoneState.IDLE and not waits_for_digits(phone)):
        raise Refused("phone_off_hook" if agent.state is AgentState.PHONE_OFF else "busy")
    if not outbound.allowed(world, agent, number):
        raise Refused("number_barred")
    if phone.state is PhoneState.IDLE:
        call = outbound.click_to_dial(world, phone, number, customer)
    else:
        call = outbound.dial_now(world, phone, number, customer)
    return {"call": call.id}


def waits_for_digits(phone: Phone) -> bool:
    """Dial tone, nothing pressed, nobody on hold."""
    return phone.state is PhoneState.COLLECTING and not phone.digits and not phone.call


def drop_call(world: World, wish: Desk) -> Data:
    """A supervisor ends any call."""
    call = world.calls.get(text(wish, "call"))
    if call is None:
        raise Refused("no_call")
    world.fire(call, CallEvent.DROP)
    return {"call": call.id}


def pause(paused: bool) -> Callable[[World, Desk], Data]:
    """Card data must not be recorded."""

    def wish_for(world: World, wish: Desk) -> Data:
        call, _ = call_at(world, wish)
        if call.state not in CAN_BE_PAUSED or not call.recording:
            raise Refused("not_allowed_in_state")
        call.note(world.now, "record_pause" if paused else "record_resume")
        world.emit(PauseRecording(call.id, paused))
        return {"call": call.id}

    return wish_for


VERBS: dict[str, Callable[[World, Desk], Data]] = {
    "sign_in": sign_in,
    "sign_out": state_wish(AgentEvent.SIGN_OUT),
    "ready": state_wish(AgentEvent.READY),
    "not_ready": state_wish(AgentEvent.NOT_READY, ""),
    "wrap_up_done": state_wish(AgentEvent.WRAP_UP_DONE),
    "wrap_up_extend": state_wish(AgentEvent.WRAP_UP_EXTEND),
    "force_not_ready": state_wish(AgentEvent.NOT_READY, "forced"),
    "force_sign_out": state_wish(AgentEvent.FORCE_OUT),
    "hang_up": call_wish(CallEvent.HANG_UP),
    "hold": call_wish(CallEvent.HOLD),
    "retrieve": call_wish(CallEvent.RETRIEVE),
    "transfer": transfer,
    "dial": dial,
    "drop_call": drop_call,
    "record_pause": pause(True),
    "record_resume": pause(False),
}
