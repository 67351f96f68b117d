"""The message lamp of a telephone: somebody waits whom this agent could serve, and nobody is free.

A caller who waits is rung through to a free agent at once; who waits all the same, waits for
an agent who is talking, wrapping up or not ready. Their lamps say so.
"""

from __future__ import annotations

from appliance.core.actions import Lamp
from appliance.core.agent import AgentState
from appliance.core.call import CallState
from appliance.core.world import World


def update(world: World) -> None:
    """Light and put out what has changed."""
    waiting = {call.record.queue for call in world.calls.values() if call.state is CallState.QUEUED}
    lit = set()
    if waiting:
        for agent in world.agents.values():
            signed_in = agent.state is not AgentState.SIGNED_OUT and agent.phone in world.phones
            if signed_in and not waiting.isdisjoint(agent.plan.queues):
                lit.add(agent.phone)
    for ext in sorted(lit ^ world.lamps):
        if ext in world.phones:
            world.emit(Lamp(ext, ext in lit))
    world.lamps = lit
