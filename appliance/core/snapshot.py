"""The live picture for desks and walls; shape in docs/architecture.md, times in `now` seconds.

It is taken between two blocks of sound, of 64 calls at times: who sits where, who waits in what order
and what is shown of a call are worked out once for a picture, not anew for every row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from appliance.core import agent as agents
from appliance.core.agent import AgentState
from appliance.core.call import CONNECTED, PUBLIC_STATE, Call, CallState
from appliance.core.plan import QueuePlan
from appliance.core.port import Line, LineState, Phone, PhoneState
from appliance.core.world import World

Row = dict[str, Any]


def take(world: World, now: float) -> dict[str, Any]:
    """Everything, as it is now."""
    seats = {agent.phone: agent.key for agent in reversed(world.agents.values()) if agent.phone}
    waiting = _waiting(world)
    places = {call.id: place for calls in waiting.values() for place, call in enumerate(calls, 1)}
    calls = {call.id: _call(call, seats, places) for call in world.calls.values()}
    return {
        "now": now,
        "lines": [_line(line, calls.get(line.call)) for line in world.lines.values()],
        "phones": [
            {
                "ext": phone.key,
                "label": phone.plan.label,
                "state": _phone_state(world, phone),
                "since": phone.since,
                "agent": seats.get(phone.key, ""),
            }
            for phone in world.phones.values()
        ],
        "agents": [agents.snapshot(agent) for agent in world.agents.values()],
        "queues": _queues(world, waiting),
        "calls": list(calls.values()),
    }


def _phone_state(world: World, phone: Phone) -> str:
    """A telephone whose call is not answered yet is still dialling."""
    call = world.calls.get(phone.call)
    if phone.state is PhoneState.IN_CALL and call is not None and call.state not in CONNECTED:
        return PhoneState.COLLECTING.value
    return phone.state.value


def public_state(call: Call) -> str:
    """How desks call the state of a call."""
    if call.state is CallState.TALKING and call.direction == "out":
        return "out_talking"
    if call.state is CallState.EXTENSION and call.direction == "internal":
        return "ringing"
    return PUBLIC_STATE[call.state]


def _line(line: Line, call: Row | None) -> Row:
    """call: the row of the call on it."""
    if line.state is LineState.FAULT:
        state = "fault"
    elif line.state in (LineState.ELSEWHERE, LineState.QUARANTINED):
        state = line.state.value
    elif line.state is LineState.CHECKING:
        state = LineState.QUARANTINED.value
    else:
        state = call["state"] if call is not None else "idle"
    return {
        "id": line.key,
        "number": line.plan.number,
        "label": line.plan.label,
        "state": state,
        "reason": line.bad,
        "since": call["since"] if call is not None else line.since,
        "call": call["id"] if call is not None else "",
        "caller_number": call["caller_number"] if call is not None else "",
        "caller_name": call["caller_name"] if call is not None else "",
        "queue": call["queue"] if call is not None else "",
        "agent": call["agent"] if call is not None else "",
    }


def _call(call: Call, seats: Mapping[str, str], places: Mapping[str, int]) -> Row:
    """seats: telephone → agent. places: call → its place in the queue; 1 is the next to be served."""
    record = call.record
    return {
        "id": call.id,
        "direction": record.direction,
        "line": record.line,
        "state": public_state(call),
        "since": call.since,
        "started": record.started_at,
        "caller_number": record.caller_number,
        "caller_name": record.caller_name,
        "called_number": record.called_number,
        "queue": record.queue,
        # Who serves it, or is being rung for it.
        "agent": seats.get(call.target) or seats.get(call.near, ""),
        "phone": call.target or call.near,
        "keys": record.keys,
        "position": places.get(call.id, 0),
    }


def _waiting(world: World) -> dict[str, list[Call]]:
    """Callers who wait, by queue, in the order in which they will be served."""
    waiting: dict[str, list[Call]] = {}
    for call in world.calls.values():
        if call.state in (CallState.QUEUED, CallState.OFFERED):
            waiting.setdefault(call.record.queue, []).append(call)
    for calls in waiting.values():
        calls.sort(key=lambda call: (not call.vip, call.waits_since, call.id))
    return waiting


def _queues(world: World, waiting: Mapping[str, list[Call]]) -> list[Row]:
    talking = Counter(
        call.record.queue
        for call in world.calls.values()
        if call.state in (CallState.TALKING, CallState.HELD)
    )
    return [_queue(world, queue, waiting.get(queue.id, []), talking[queue.id]) for queue in world.plan.queues]


def _queue(world: World, queue: QueuePlan, waiting: list[Call], talking: int) -> Row:
    members = [agent for agent in world.agents.values() if queue.id in agent.plan.queues]
    return {
        "id": queue.id,
        "name": queue.name,
        "waiting": len(waiting),
        "longest_since": min((call.waits_since for call in waiting), default=None),
        "ready": sum(agent.state is AgentState.READY for agent in members),
        "talking": talking,
        "signed_in": sum(agent.state is not AgentState.SIGNED_OUT for agent in members),
    }
