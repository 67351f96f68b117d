"""New settings while calls are up: calls go on as they began, agents keep their states."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from appliance.core.agent import Agent, AgentEvent, AgentState
from appliance.core.call import CallEvent, CallState
from appliance.core.plan import Plan, PlanError
from appliance.core.port import Line, LineState, Phone, PhoneState
from appliance.core.world import World

REMOVABLE = (LineState.IDLE, LineState.FAULT, LineState.ELSEWHERE, LineState.QUARANTINED)


def change(world: World, plan: Any) -> None:
    """Take over a new plan (a `Plan`, or its plain data). A bad one is refused and the old one stays."""
    if isinstance(plan, Mapping):
        try:
            plan = Plan.from_dict(plan)
        except PlanError as bad:
            world.notice("error", "plan_refused", problems=bad.problems)
            return
    if not isinstance(plan, Plan):
        world.notice("error", "plan_refused", problems=["the new settings are not a plan"])
        return
    world.plan = plan
    for line in plan.lines:
        if line.id in world.lines:
            world.lines[line.id].plan = line
        else:
            world.lines[line.id] = Line(line, since=world.now)
            world.watch(line.id, "callerid")
    for phone in plan.phones:
        if phone.ext in world.phones:
            world.phones[phone.ext].plan = phone
        else:
            world.phones[phone.ext] = Phone(phone, since=world.now)
    for agent in plan.agents:
        if agent.number in world.agents:
            world.agents[agent.number].plan = agent
        else:
            world.agents[agent.number] = Agent(agent, since=world.now)
    world.stale = True
    for call in list(world.calls.values()):
        if call.state is CallState.QUEUED and world.queue(call.record.queue) is None:
            world.fire(call, CallEvent.WAITED_OUT)


def sweep(world: World) -> None:
    """Take away what the plan no longer has, as soon as it is idle."""
    if not world.stale:
        return
    plan = world.plan
    agents = {agent.number for agent in plan.agents}
    lines = {line.id for line in plan.lines}
    phones = {phone.ext for phone in plan.phones}
    for number in [number for number in world.agents if number not in agents]:
        agent = world.agents[number]
        if agent.state is not AgentState.SIGNED_OUT:
            world.fire(agent, AgentEvent.FORCE_OUT)
        if agent.state is AgentState.SIGNED_OUT:
            del world.agents[number]
    for name in [name for name in world.lines if name not in lines]:
        if world.lines[name].state in REMOVABLE:
            world.timers.cancel_all("line", name)
            del world.lines[name]
    for ext in [ext for ext in world.phones if ext not in phones]:
        if world.phones[ext].state in (PhoneState.IDLE, PhoneState.FAULT):
            sitting = world.agent_at(ext)
            if sitting is not None:
                world.fire(sitting, AgentEvent.FORCE_OUT)
            if world.agent_at(ext) is None:
                del world.phones[ext]
    world.stale = bool(set(world.agents) - agents or set(world.lines) - lines or set(world.phones) - phones)
