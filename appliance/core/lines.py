"""What happens to a phone-company line, in one table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from appliance.core.actions import Release, Seize
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

FAILURES_ALLOWED = 3
"""So many failures in a row put a line into quarantine."""

FIRST_CHECK_S = 300.0
MOST_CHECK_S = 3600.0
"""A line in quarantine is checked after 5 minutes, then 10, 20 … 60."""

CHECK_SOON_S = 10.0
"""After a call from outside on a line in quarantine: that there was one is a sign of life."""

CHECK_S = 5.0
"""A check listens for so long."""


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
    line.troubled = False
    world.move(line, S.SEIZED)


def release(world: World, line: Line, args: Args) -> None:
    """On hook, or the caller has given up. A bad line goes back into quarantine."""
    line.call = ""
    line.released_at = world.now
    if line.bad:
        rest(world, line, line.next_check_s)
    else:
        world.move(line, S.IDLE)


def lost(world: World, line: Line, args: Args) -> None:
    """Gone: its call ends, nothing else does."""
    call = world.calls.get(line.call)
    if line.state is S.CHECKING:
        _end_check(world, line)
    _forget_troubles(world, line)
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


# ------------------------------------------------------------------ line care
def taken_elsewhere(world: World, line: Line, args: Args) -> None:
    """A parallel telephone was lifted. While the line rings, that is who has answered."""
    call = world.calls.get(line.call)
    if call is not None:
        call.record.detail = "answered at another telephone on the line"
        world.fire(call, CallEvent.RING_GONE)
    world.move(line, S.ELSEWHERE)


def free_elsewhere(world: World, line: Line, args: Args) -> None:
    """The parallel telephone was hung up."""
    release(world, line, args)


def stirred(world: World, line: Line, args: Args) -> None:
    """Something happens on the idle line: no calls out on it for a while."""
    line.stirred_at = world.now


def trouble(world: World, line: Line, args: Args) -> None:
    """One more failure; after some in a row the line is taken out of use, if it is free."""
    if line.state is S.SEIZED:
        if line.troubled:
            return  # one attempt, one failure
        line.troubled = True
    line.failures += 1
    if line.failures < FAILURES_ALLOWED or line.bad:
        return
    line.bad = args["reason"]
    line.next_check_s = FIRST_CHECK_S
    world.notice("error", "line_quarantined", line=line.key, reason=line.bad, failures=line.failures)
    if line.state is S.IDLE:
        rest(world, line, line.next_check_s)


def well(world: World, line: Line) -> None:
    """The line has done what it should: earlier failures are forgotten."""
    line.failures = 0
    if line.bad:
        world.notice("info", "line_released", line=line.key, reason=line.bad)
    line.bad = ""


def rest(world: World, line: Line, check_after_s: float) -> None:
    """Into quarantine, until the next check."""
    world.move(line, S.QUARANTINED)
    world.line_timer(line, E.CHECK, check_after_s)


def check(world: World, line: Line, args: Args) -> None:
    """Take the line and listen for dial tone."""
    line.heard_dial_tone = False
    world.move(line, S.CHECKING)
    world.emit(Seize(line.key))
    world.watch(line.key, "progress")
    world.line_timer(line, E.CHECKED, CHECK_S)


def check_tone(world: World, line: Line, args: Args) -> None:
    """What is heard in a check. Somebody who speaks is a caller whom we met (glare)."""
    if args["tone"] == "dial" and not args["over"]:
        line.heard_dial_tone = True
    elif args["tone"] == "voice" and not line.heard_dial_tone:
        meet_caller(world, line)


def check_trouble(world: World, line: Line, args: Args) -> None:
    """Not well yet."""
    line.bad = args["reason"]
    line.heard_dial_tone = False
    checked(world, line, args)


def checked(world: World, line: Line, args: Args) -> None:
    """The check is over: back into use, or more rest."""
    good = line.heard_dial_tone
    _end_check(world, line)
    line.released_at = world.now
    if good:
        well(world, line)
        world.move(line, S.IDLE)
    else:
        line.next_check_s = min(MOST_CHECK_S, max(FIRST_CHECK_S, 2 * line.next_check_s))
        rest(world, line, line.next_check_s)


def check_met_ring(world: World, line: Line, args: Args) -> None:
    """A call came at the moment of the check."""
    line.rang_at = world.now
    meet_caller(world, line)


def meet_caller(world: World, line: Line) -> None:
    """We are off hook and somebody is there: that is a call, and it is answered."""
    world.timers.cancel(("line", line.key, E.CHECKED.value))
    call = world.new_call("in", line.key)
    world.fire(line, E.SEIZE, call=call.id)
    world.notice("info", "glare", line=line.key, call=call.id)
    world.fire(call, CallEvent.BEGIN)


def kept(world: World, line: Line, args: Args) -> None:
    """Somebody is on the line whom an earlier engine has answered: a call that begins anew."""
    call = world.new_call("in", line.key)
    world.seize(line.key, call)
    world.notice("warning", "call_kept", line=line.key, call=call.id)
    world.fire(call, CallEvent.BEGIN, kept=args["seen"])


def let_go(world: World, line: Line, args: Args) -> None:
    """Off hook, and nobody can be served on it."""
    world.emit(Release(line.key))


def _end_check(world: World, line: Line) -> None:
    world.timers.cancel(("line", line.key, E.CHECKED.value))
    world.emit(Release(line.key))
    world.watch(line.key, "callerid")


def _forget_troubles(world: World, line: Line) -> None:
    """The line is gone: what was wrong with it says nothing of what will be plugged in next."""
    world.timers.cancel_all("line", line.key)
    line.failures, line.bad = 0, ""


def _begins_from_rest(world: World, line: Line, args: Args) -> None:
    world.timers.cancel_all("line", line.key)
    line.next_check_s = CHECK_SOON_S
    ring_begins(world, line, args)


def _seize_from_rest(world: World, line: Line, args: Args) -> None:
    world.timers.cancel_all("line", line.key)
    seize(world, line, args)


TABLE: dict[tuple[LineState, LineEvent], Handler] = {
    (S.IDLE, E.RING_ON): ring_begins,
    (S.IDLE, E.CALLER_ID): keep_id,
    (S.IDLE, E.SEIZE): seize,
    (S.IDLE, E.KEPT): kept,
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
    (S.FAULT, E.KEPT): let_go,
    # Line care.
    (S.IDLE, E.TAKEN_ELSEWHERE): taken_elsewhere,
    (S.RINGING, E.TAKEN_ELSEWHERE): taken_elsewhere,
    (S.ELSEWHERE, E.FREE_ELSEWHERE): free_elsewhere,
    (S.ELSEWHERE, E.RING_ON): ring_begins,
    (S.ELSEWHERE, E.SEIZE): seize,
    (S.ELSEWHERE, E.LOST): lost,
    (S.IDLE, E.STIRRED): stirred,
    (S.QUARANTINED, E.STIRRED): stirred,
    **{(state, E.TROUBLE): trouble for state in (S.IDLE, S.RINGING, S.SEIZED, S.ELSEWHERE)},
    (S.QUARANTINED, E.CHECK): check,
    (S.QUARANTINED, E.RING_ON): _begins_from_rest,
    (S.QUARANTINED, E.CALLER_ID): keep_id,
    (S.QUARANTINED, E.SEIZE): _seize_from_rest,
    (S.QUARANTINED, E.LOST): lost,
    (S.CHECKING, E.TONE): check_tone,
    (S.CHECKING, E.TROUBLE): check_trouble,
    (S.CHECKING, E.CHECKED): checked,
    (S.CHECKING, E.RING_ON): check_met_ring,
    (S.CHECKING, E.SEIZE): seize,
    (S.CHECKING, E.LOST): lost,
}
"""What happens in which state. A pair is here or in IGNORED."""

IGNORED: frozenset[tuple[LineState, LineEvent]] = frozenset(
    {
        (S.IDLE, E.RING_OFF),  # the tail of a ring whose call is over
        (S.IDLE, E.RELEASE),
        (S.IDLE, E.READY),
        (S.RINGING, E.READY),
        (S.SEIZED, E.READY),
        # What is heard counts in a check; in a call it goes to the call.
        *((state, E.TONE) for state in LineState if state is not S.CHECKING),
        # Each timer belongs to its state.
        *((state, E.CHECK) for state in LineState if state is not S.QUARANTINED),
        *((state, E.CHECKED) for state in LineState if state is not S.CHECKING),
        # Measured while we are on hook; a line at rest is not handed out anyway.
        *((state, E.TAKEN_ELSEWHERE) for state in (S.SEIZED, S.QUARANTINED, S.CHECKING, S.ELSEWHERE)),
        *((state, E.FREE_ELSEWHERE) for state in LineState if state is not S.ELSEWHERE),
        *((state, E.STIRRED) for state in (S.RINGING, S.SEIZED, S.ELSEWHERE, S.CHECKING)),
        (S.QUARANTINED, E.TROUBLE),
        *((state, E.READY) for state in (S.ELSEWHERE, S.QUARANTINED, S.CHECKING)),
        *((state, E.RING_OFF) for state in (S.ELSEWHERE, S.QUARANTINED, S.CHECKING)),
        *((state, E.RELEASE) for state in (S.ELSEWHERE, S.QUARANTINED, S.CHECKING)),
        *((state, E.CALLER_ID) for state in (S.ELSEWHERE, S.CHECKING)),
        # Told when a card is opened, when each of its lines is free or has not been told as ready.
        *((state, E.KEPT) for state in LineState if state not in (S.IDLE, S.FAULT)),
        # A faulty line comes back by READY alone.
        *((S.FAULT, event) for event in LineEvent if event not in (E.READY, E.KEPT)),
    }
)
