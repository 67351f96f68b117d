"""A conversation in which nobody is heard: the agent is asked, and the call may end by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from appliance.core.call import Call, CallEvent
from appliance.core.ending import end_call
from appliance.core.world import World

GRACE_S = 30.0
"""So long the agent has to say something before the call is ended."""


def changed(world: World, call: Call, args: Mapping[str, Any]) -> None:
    """Both sides have fallen silent, or somebody speaks again."""
    if not args["silent"]:
        world.cancel_timer(call, CallEvent.SILENT_OUT)
        return
    call.silent_since = world.now - args["quiet_s"]
    call.note(world.now, "silence", seconds=round(args["quiet_s"]))
    ends = call.plan.silence.action == "end"
    world.notice(
        "info",
        "call_silent",
        call=call.id,
        line=call.record.line,
        agent=call.record.agent,
        seconds=round(args["quiet_s"]),
        ends_in_s=GRACE_S if ends else 0,
    )
    if ends:
        world.call_timer(call, CallEvent.SILENT_OUT, GRACE_S)


def out(world: World, call: Call, args: Mapping[str, Any]) -> None:
    """Nobody was there: the call ended when the last of them was heard."""
    end_call(world, call, "caller_hangup", "silence", world.now - call.silent_since)
