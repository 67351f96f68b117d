"""What happens to a phone-company line, in one table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from appliance.core.call import CallEvent
from appliance.core.port import Line, LineEvent, LineState
from appliance.core.world import World

S, E = LineState, LineEvent
Args = Mapping[str, Any]
Handler = Callable[[World, Line, Args], None]

EARLY_ID_HOLDS_S = 8.0
"""DTMF caller ID comes before the first ring: so long it waits for that ring."""

GLARE_GUARD_S = 6.0
"""A line that rang so recently may ring on: between two bursts it only looks free (longest gap 4 s)."""

RELEASE_GUARD_S = 1.5
"""So long the exchange needs to see that we have hung up."""


def ring_begins(world: World, line: Line, args: Args) -> None:
    """First ring on a line: a call."""
    line.rang_at = world.now
    call = world.new_call("in", line.key)
    line.call = call.id
    world.move(line, S.RINGING)
    world.fire(call, CallEvent.BEGIN)
    if line.early_id is not None and world.now - line.early_id_at <= EARLY_ID_HOLDS_S:
        world.fire(call, CallEvent.CALLER_ID, seen=line.early_id)
    line.early_id = None


def to_call(event: CallEvent) -> Handler:
    """Pass it on to the call on the line."""

    def pass_on(world: World, line: Line, args: Args) -> None:
        if event in (CallEvent.RING_ON, CallEvent.RING_OFF):
            line.rang_at = world.now
        call = world.calls.get(line.call)
        if call is not None:
            world.fire(call, event, **args)

    return pass_on


def keep_id(world: World, line: Line, args: Args) -> None:
    """Caller ID before the first ring."""
    line.early_id, line.early_id_at = args["seen"], world.now


def seize(world: World, line: Line, args: Args) -> None:
    """Off hook for a call."""
    line.call = args["call"]
    world.move(line, S.SEIZED)


def release(world: World, line: Line, args: Args) -> None:
    """On hook, or the caller has given up."""
    line.call = ""
    line.released_at = world.now
    world.move(line, S.IDLE)


def lost(world: World, line: Line, args: Args) -> None:
    """Gone: its call ends, nothing else does."""
    call = world.calls.get(line.call)
    world.move(line, S.FAULT)
    world.notice("error", "line_lost", line=line.key, reason=args["reason"])
    if call is not None:
        world.fire(call, CallEvent.LINE_LOST, reason=args["reason"])
    line.call = ""


def back(world: World, line: Line, args: Args) -> None:
    """Usable again."""
    line.released_at = world.now
    world.move(line, S.IDLE)
    world.notice("info", "line_back", line=line.key)


TABLE: dict[tuple[LineState, LineEvent], Handler] = {
    (S.IDLE, E.RING_ON): ring_begins,
    (S.IDLE, E.CALLER_ID): keep_id,
    (S.IDLE, E.SEIZE): seize,
    (S.IDLE, E.LOST): lost,
    (S.RINGING, E.RING_ON): to_call(CallEvent.RING_ON),
    (S.RINGING, E.RING_OFF): to_call(CallEvent.RING_OFF),
    (S.RINGING, E.CALLER_ID): to_call(CallEvent.CALLER_ID),
    (S.RINGING, E.SEIZE): seize,
    (S.RINGING, E.RELEASE): release,
    (S.RINGING, E.LOST): lost,
    (S.SEIZED, E.RING_ON): to_call(CallEvent.RING_ON),
    (S.SEIZED, E.RING_OFF): to_call(CallEvent.RING_OFF),
    (S.SEIZED, E.CALLER_ID): to_call(CallEvent.CALLER_ID),
    (S.SEIZED, E.SEIZE): seize,
    (S.SEIZED, E.RELEASE): release,
    (S.SEIZED, E.LOST): lost,
    (S.FAULT, E.READY): back,
}
"""What happens in which state. A pair is here or in IGNORED."""

IGNORED: frozenset[tuple[LineState, LineEvent]] = frozenset(
    {
        (S.IDLE, E.RING_OFF),  # the tail of a ring whose call is over
        (S.IDLE, E.RELEASE),
        (S.IDLE, E.READY),
        (S.RINGING, E.READY),
        (S.SEIZED, E.READY),
        # A faulty line comes back by READY alone.
        *((S.FAULT, event) for event in LineEvent if event is not E.READY),
    }
)
