"""The live picture for desks and walls; shape in docs/architecture.md, times in `now` seconds."""

from __future__ import annotations

from typing import Any

from appliance.core import agent as agents
from appliance.core.agent import AgentState
from appliance.core.call import CONNECTED, PUBLIC_STATE, Call, CallState
from appliance.core.port import Line, LineState, Phone, PhoneState
from appliance.core.world import World


def take(world: World, now: float) -> dict[str, Any]:
    """Everything, as it is now."""
    return {
        "now": now,
        "lines": [_line(world, line) for line in world.lines.values()],
        "phones": [
            {
                "ext": phone.key,
                "label": phone.plan.label,
                "state": _phone_state(world, phone),
                "since": phone.since,
                "agent": sitting.key if (sitting := world.agent_at(phone.key)) else "",
            }
            for phone in world.phones.values()
        ],
        "agents": [agents.snapshot(agent) for agent in world.agents.values()],
        "queues": [_queue(world, queue.id, queue.name) for queue in world.plan.queues],
        "calls": [_call(world, call) for call in world.calls.values()],
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


def _line(world: World, line: Line) -> dict[str, Any]:
    call = world.calls.get(line.call)
    if line.state is LineState.FAULT:
        state = "fault"
    elif line.state in (LineState.ELSEWHERE, LineState.QUARANTINED):
        state = line.state.value
    elif line.state is LineState.CHECKING:
        state = LineState.QUARANTINED.value
    else:
        state = public_state(call) if call is not None else "idle"
    return {
        "id": line.key,
        "number": line.plan.number,
        "label": line.plan.label,
        "state": state,
        "reason": line.bad,
        "since": call.since if call is not None else line.since,
        "call": call.id if call is not None else "",
        "caller_number": call.record.caller_number if call is not None else "",
        "caller_name": call.record.caller_name if call is not None else "",
        "queue": call.record.queue if call is not None else "",
        "agent": _agent(world, call) if call is not None else "",
    }


def _agent(world: World, call: Call) -> str:
    """Who serves a call, or is being rung for it."""
    agent = world.agent_at(call.target) or world.agent_at(call.near)
    return agent.key if agent is not None else ""


def _call(world: World, call: Call) -> dict[str, Any]:
    record = call.record
    return {
        "id": call.id,
        "direction": call.direction,
        "line": record.line,
        "state": public_state(call),
        "since": call.since,
        "started": record.started_at,
        "caller_number": record.caller_number,
        "caller_name": record.caller_name,
        "called_number": record.called_number,
        "queue": record.queue,
        "agent": _agent(world, call),
        "phone": call.target or call.near,
        "keys": record.keys,
        "position": _position(world, call),
    }


def _waiting(world: World, queue_id: str) -> list[Call]:
    """Callers of a queue who wait, in the order in which they will be served."""
    calls = [
        call
        for call in world.calls.values()
        if call.state in (CallState.QUEUED, CallState.OFFERED) and call.record.queue == queue_id
    ]
    return sorted(calls, key=lambda call: (not call.vip, call.waits_since, call.id))


def _position(world: World, call: Call) -> int:
    """1 is the next to be served; 0 for who does not wait."""
    line = _waiting(world, call.record.queue)
    return line.index(call) + 1 if call in line else 0


def _queue(world: World, queue_id: str, name: str) -> dict[str, Any]:
    waiting = _waiting(world, queue_id)
    members = [agent for agent in world.agents.values() if queue_id in agent.plan.queues]
    return {
        "id": queue_id,
        "name": name,
        "waiting": len(waiting),
        "longest_since": min((call.waits_since for call in waiting), default=None),
        "ready": sum(agent.state is AgentState.READY for agent in members),
        "talking": sum(
            call.state in (CallState.TALKING, CallState.HELD) and call.record.queue == queue_id
            for call in world.calls.values()
        ),
        "signed_in": sum(agent.state is not AgentState.SIGNED_OUT for agent in members),
    }
