"""A fax machine on the line: noted, told, and before anybody talks handed to our own fax machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from appliance.core import waiting
from appliance.core.agent import AgentEvent
from appliance.core.call import CONNECTED, Call, CallEvent, CallState
from appliance.core.port import PhoneState
from appliance.core.world import World

S, E = CallState, CallEvent

SURE_BURSTS = 2
"""Calling tones, three seconds apart: a whistle or a note of music may be taken for one, hardly for two."""
RINGS = (S.OFFERED, S.EXTENSION)


def heard(world: World, call: Call, args: Mapping[str, Any]) -> None:
    """A fax or modem tone. A conversation goes on; who only waits may be handed over."""
    if not call.fax:
        call.fax = True
        call.note(world.now, "fax", tone=args["tone"])
        if call.state in CONNECTED:
            tell(world, call)
    target = call.plan.fax.extension
    calling = call.direction == "in" and args["tone"] == "fax-cng" and args["bursts"] >= SURE_BURSTS
    if calling and target and call.target != target and call.state not in CONNECTED:
        hand_over(world, call, target)


def tell(world: World, call: Call) -> None:
    """Let the agent know why nobody answers him."""
    world.notice("info", "fax_heard", call=call.id, line=call.record.line, agent=call.record.agent)


def hand_over(world: World, call: Call, ext: str) -> None:
    """Ring the fax machine, unless it is in use: then the call stays where it is."""
    phone = world.phones.get(ext)
    if phone is None or phone.state is not PhoneState.IDLE:
        world.notice("warning", "fax_machine_busy", call=call.id, line=call.record.line, phone=ext)
        return
    world.cancel_timer(call, E.STEP_TIMER, E.WAITED_OUT, E.ANNOUNCE)
    if call.state in RINGS:
        waiting.end_ringing(world, call, "fax", AgentEvent.OFFER_GONE)
    call.music_on, call.queue_since = False, None
    waiting.ring_extension(world, call, ext, waiting.DIRECT_RING_S)
