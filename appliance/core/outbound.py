"""Calls that begin at one of our telephones: inside, outside, and by click from a desk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from appliance.core import waiting
from appliance.core.actions import Bridge, Dial, StartRecording
from appliance.core.agent import Agent, AgentEvent
from appliance.core.call import Call, CallEvent, CallState
from appliance.core.dialling import is_barred
from appliance.core.ending import end_call
from appliance.core.lines import GLARE_GUARD_S, RELEASE_GUARD_S, well
from appliance.core.port import Line, LineEvent, LineState, Phone, PhoneEvent
from appliance.core.world import World

S, E = CallState, CallEvent
Args = Mapping[str, Any]

BUSY_HEARD_S = 8.0
"""So long the agent may listen to the exchange's busy tone before the line is given back."""

DIGIT_LIMIT_S = 1.0
"""More than any digit with its pause may take."""

OWN_PHONE_RING_S = 20.0

ANSWER_SEEN = {
    "polarity": "seen",
    "signalled": "seen",
    "voice": "inferred",
    "ringback": "inferred",
    "unknown": "unknown",
}
"""How an answer became known -> what the record says of it."""

POOR_LINES = (LineState.QUARANTINED, LineState.ELSEWHERE)

TAKEN_FOR_EMERGENCY = (S.QUEUED, S.OFFERED, S.IVR, S.CLOSING)
"""Callers who talk to nobody: the one who is longest in may lose the line to an emergency call.
Conversations are never cut."""


# --------------------------------------------------------------------- inside
def call_inside(world: World, phone: Phone, to: str) -> None:
    """Call another telephone of the house: an extension, or where an agent sits."""
    agent = world.agents.get(to)
    ext = agent.phone if agent is not None else to
    call = begin(world, phone, "internal", to)
    call.far, call.near = phone.key, ""
    world.fire_agent_at(phone.key, AgentEvent.DIALS, call=call.id, inside=True)
    waiting.ring_extension(world, call, ext, waiting.DIRECT_RING_S * 1.5)


def begin(world: World, phone: Phone, direction: str, number: str) -> Call:
    """A call from a lifted telephone."""
    call = world.new_call(direction, "")
    agent = world.agent_at(phone.key)
    record = call.record
    record.caller_number, record.called_number = phone.key, number
    record.caller_name = agent.plan.name if agent else phone.plan.label
    record.caller_presentation = "shown"
    call.near, call.number = phone.key, number
    waiting.note_agent(world, call, phone.key)
    world.fire(phone, PhoneEvent.JOIN, call=call.id)
    return call


# -------------------------------------------------------------------- outside
def call_outside(world: World, phone: Phone, number: str) -> Call:
    """Call a number outside from a lifted telephone."""
    return dial_now(world, phone, number, None)


def click_to_dial(world: World, phone: Phone, number: str, customer: int | None) -> Call:
    """Ring the agent's own telephone, then dial."""
    call = world.new_call("out", "")
    call.number = call.record.called_number = number
    call.record.caller_number, call.record.customer = phone.key, customer
    call.record.caller_presentation = "shown"
    waiting.note_agent(world, call, phone.key)
    world.move(call, S.PHONE_FIRST)
    world.fire_agent_at(phone.key, AgentEvent.DIALS, call=call.id, inside=False)
    world.pop(call, phone.key)
    world.ring(call, phone.key, number, "")
    world.call_timer(call, E.RANG_OUT, OWN_PHONE_RING_S)
    return call


def dial_now(world: World, phone: Phone, number: str, customer: int | None) -> Call:
    """Click to dial with the telephone lifted already."""
    call = begin(world, phone, "out", number)
    call.record.customer = customer
    world.fire_agent_at(phone.key, AgentEvent.DIALS, call=call.id, inside=False)
    world.pop(call, phone.key)
    go_out(world, call)
    return call


def allowed(world: World, agent: Agent | None, number: str) -> bool:
    """Whether a number outside may be dialled. A telephone with nobody signed in may dial too."""
    if number in world.plan.outside.emergency:
        return True
    return (agent is None or agent.plan.outbound) and not is_barred(world.plan, number)


def own_lifted(world: World, call: Call, args: Args) -> None:
    """The agent is there: dial."""
    world.cancel_timer(call, E.RANG_OUT)
    call.near, call.target = call.target, ""
    go_out(world, call)


def own_not_lifted(world: World, call: Call, args: Args) -> None:
    """The agent did not lift his own telephone."""
    ext = call.target
    world.stop_ring(call)
    world.fire_agent_at(ext, AgentEvent.RELEASED, from_queue=False)
    end_call(world, call, "cancelled")


def go_out(world: World, call: Call) -> None:
    """Check the number, take a line."""
    call.emergency = call.number in world.plan.outside.emergency
    if not allowed(world, world.agent_at(call.near), call.number):
        end_call(world, call, "barred", tone="error")
        return
    world.quiet(call.near)
    next_line(world, call)


def free_lines(world: World, call: Call) -> list[Line]:
    """Lines to go out by, in order, beginning after the last one used (round)."""
    names = list(world.lines)
    start = names.index(world.last_line) + 1 if world.last_line in world.lines else 0
    round_ = [world.lines[name] for name in names[start:] + names[:start]]
    free = [line for line in round_ if line.state is LineState.IDLE and line.key not in call.lines_tried]
    if call.emergency:
        # Any line will do; those that may ring on, or have just been released, come last, and
        # after them those that are bad or in use at another telephone.
        poor = [line for line in round_ if line.state in POOR_LINES and line.key not in call.lines_tried]
        return sorted(free, key=lambda line: not _settled(world, line)) + poor
    return [line for line in free if line.plan.outbound and _settled(world, line)]


def _settled(world: World, line: Line) -> bool:
    quiet_at = max(line.rang_at, line.stirred_at)
    return world.now - quiet_at >= GLARE_GUARD_S and world.now - line.released_at >= RELEASE_GUARD_S


def next_line(world: World, call: Call) -> None:
    """Take the next free line; for an emergency make one free."""
    free = free_lines(world, call)
    if free:
        take(world, call, free[0])
    elif call.emergency and (line := make_room(world, call)) is not None:
        call.lines_tried.discard(line.key)
        call.wanted = line.key
        world.move(call, S.SEIZING)
        world.call_timer(call, E.STEP_TIMER, RELEASE_GUARD_S)
    elif call.emergency and (own := retry_line(world, call)) is not None:
        take(world, call, own)
        dial(world, call)
    else:
        end_call(world, call, "no_dial_tone" if call.lines_tried else "no_line", tone="congestion")


def retry_line(world: World, call: Call) -> Line | None:
    """A line that gave no dial tone: an emergency number is dialled on it all the same."""
    for name in sorted(call.lines_tried):
        line = world.lines.get(name)
        if line is not None and line.state in (LineState.IDLE, LineState.QUARANTINED):
            return line
    return None


def make_room(world: World, call: Call) -> Line | None:
    """Free the line of the longest call that talks to nobody."""
    victims = [
        other
        for other in world.calls.values()
        if other.direction == "in" and other.state in TAKEN_FOR_EMERGENCY and world.is_line(other.far)
    ]
    if not victims:
        return None
    victim = min(victims, key=lambda other: (other.record.started_at, other.id))
    line = world.lines[victim.far]
    end_call(world, victim, "forced", detail="line needed for an emergency call")
    return line


def take(world: World, call: Call, line: Line) -> None:
    """Off hook; dial tone must follow."""
    world.last_line = line.key
    call.lines_tried.add(line.key)
    call.far, call.wanted = line.key, ""
    call.record.line, call.record.line_number = line.key, line.plan.number
    world.seize(line.key, call)
    world.watch(line.key, "progress", "disconnect")
    world.move(call, S.SEIZING)
    call.note(world.now, "seize", line=line.key)
    world.call_timer(call, E.STEP_TIMER, world.plan.outside.dial_tone_timeout_s)


def seizing_tone(world: World, call: Call, args: Args) -> None:
    """Dial tone: go. Anything else than dial tone on a line that just rang is a caller (glare)."""
    tone = args["tone"]
    if not call.far or args["over"]:
        return
    if tone == "dial":
        well(world, world.lines[call.far])
        dial(world, call)
    elif tone == "voice" and _may_be_called(world, world.lines[call.far]):
        glare(world, call, args)
    elif tone in ("busy", "congestion", "sit"):
        give_back(world, call)


def _may_be_called(world: World, line: Line) -> bool:
    """Somebody who speaks on a line that we took may be a caller: it has just shown signs of a call."""
    return world.now - max(line.rang_at, line.stirred_at) < GLARE_GUARD_S + 4.0


def seizing_timer(world: World, call: Call, args: Args) -> None:
    """No dial tone: the next line. Or the line that was made free can be taken now."""
    line = world.lines.get(call.wanted)
    if line is not None and line.state is LineState.IDLE:
        take(world, call, line)
    elif call.far:
        give_back(world, call)
    else:
        call.wanted = ""
        next_line(world, call)


def give_back(world: World, call: Call) -> None:
    """Release a line without dial tone, and try the next."""
    world.notice("warning", "no_dial_tone", line=call.far)
    line, call.far = call.far, ""
    world.fire(world.lines[line], LineEvent.TROUBLE, reason="no_dial_tone")
    world.release(line)
    next_line(world, call)


def seizing_line_gone(world: World, call: Call, args: Args) -> None:
    """The line broke down before anything was dialled: the next one."""
    if "reason" in args:
        call.far = ""
        next_line(world, call)
    elif call.far:
        give_back(world, call)


def glare(world: World, call: Call, args: Args) -> None:
    """The line rang as we took it: the caller has the line, the agent gets another one."""
    if not call.far:
        return
    line = world.lines[call.far]
    call.far = ""
    caller = world.new_call("in", line.key)
    world.fire(line, LineEvent.SEIZE, call=caller.id)
    world.notice("info", "glare", line=line.key, call=caller.id)
    world.fire(caller, E.BEGIN)
    next_line(world, call)


def dial(world: World, call: Call) -> None:
    """Send the digits."""
    world.cancel_timer(call, E.STEP_TIMER)
    world.move(call, S.DIALLING)
    call.dial_token = world.new_token()
    world.emit(Dial(call.far, call.dial_token, call.number))
    call.note(world.now, "dial", number=call.number)
    world.call_timer(call, E.STEP_TIMER, 5.0 + DIGIT_LIMIT_S * len(call.number))


def dialling_stuck(world: World, call: Call, args: Args) -> None:
    """The digits were never sent."""
    end_call(world, call, "error", detail="the digits could not be sent", tone="congestion")


def dialled(world: World, call: Call, args: Args) -> None:
    """All digits are out: the agent hears the line from now on."""
    world.move(call, S.PROGRESS)
    world.watch(call.far, "progress", "answer", "disconnect")
    world.emit(Bridge(call.far, call.near))
    call.bridged = True
    world.keep_record(call)
    if call.plan.recording.enabled:
        world.emit(StartRecording(call.id, call.far))
        call.recording = True
    world.call_timer(call, E.STEP_TIMER, world.plan.outside.no_answer_s)


def progress_tone(world: World, call: Call, args: Args) -> None:
    """What the exchange says. The agent hears it too; a refusal ends the call a little later."""
    tone = args["tone"]
    if args["over"]:
        call.hears_ringback = call.hears_ringback and tone != "ringback"
        return
    if tone in ("busy", "congestion", "sit") and not call.failure:
        call.failure = "busy" if tone == "busy" else "congestion"
        call.note(world.now, "progress", tone=tone)
        world.call_timer(call, E.STEP_TIMER, BUSY_HEARD_S)
    elif tone == "ringback" and not call.hears_ringback:
        call.hears_ringback = True
        call.note(world.now, "progress", tone=tone)


def progress_over(world: World, call: Call, args: Args) -> None:
    """Rang out, or busy long enough. Where neither is heard, somebody may well be talking, unnoticed:
    such a call is never cut; it counts as answered, unknown since when, until one side hangs up."""
    if call.failure or call.hears_ringback:
        end_call(world, call, call.failure or "no_answer")
    else:
        far_answered(world, call, {"how": "unknown"})


def progress_far_gone(world: World, call: Call, args: Args) -> None:
    """A disconnect tone before any answer is the exchange saying busy."""
    reason = call.failure or ("busy" if args["cue"] == "tone" else "no_answer")
    end_call(world, call, reason, args["cue"], args["latency_s"])


def near_gone(world: World, call: Call, args: Args) -> None:
    """The agent hung up before an answer."""
    end_call(world, call, call.failure or "cancelled")


def far_answered(world: World, call: Call, args: Args) -> None:
    """They talk. `how` tells whether the answer was seen, inferred from what is heard, or is unknown."""
    record = call.record
    record.answer_seen = ANSWER_SEEN[args["how"]]
    record.answered_at = world.now
    world.cancel_timer(call, E.STEP_TIMER)
    if not call.bridged:
        dialled(world, call, args)
        world.cancel_timer(call, E.STEP_TIMER)
    call.note(world.now, "answer", how=record.answer_seen)
    world.watch(call.far, "disconnect")
    waiting.now_connected(world, call)


def phone_lost(world: World, call: Call, args: Args) -> None:
    """The dialling telephone has vanished."""
    if call.state is S.PHONE_FIRST:
        ext = call.target
        world.stop_ring(call)
        world.fire_agent_at(ext, AgentEvent.RELEASED, from_queue=False)
    end_call(world, call, "line_lost", detail="telephone lost")


def drop(world: World, call: Call, args: Args) -> None:
    """Hung up from the desk, or ended by a supervisor."""
    if call.target and call.state is S.PHONE_FIRST:
        ext = call.target
        world.stop_ring(call)
        world.fire_agent_at(ext, AgentEvent.RELEASED, from_queue=False)
    end_call(world, call, call.failure or "cancelled")


def forced(world: World, call: Call, args: Args) -> None:
    """Ended by a supervisor while our own telephone rings."""
    call.failure = "forced"
    drop(world, call, args)
