"""A conversation: hold, retrieve, blind transfer, and its ends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from appliance.core import waiting
from appliance.core.agent import AgentEvent, AgentState, Refused
from appliance.core.call import Call, CallEvent, CallState
from appliance.core.ending import end_call, leave_phone
from appliance.core.port import PhoneEvent, PhoneState
from appliance.core.world import World

S, E = CallState, CallEvent
Args = Mapping[str, Any]


def face(call: Call, by: str) -> None:
    """Let `near` be the side that acts: inside, either telephone may hold or hand over."""
    if by and by == call.far:
        call.far, call.near = call.near, call.far


def hold(world: World, call: Call, args: Args) -> None:
    """The other party hears music; with `dial` the holder hears dial tone (hook flash)."""
    world.part(call)
    face(call, args["by"])
    world.move(call, S.HELD)
    call.note(world.now, "hold")
    waiting.start_hold_music(world, call)
    world.quiet(call.near)
    world.fire_agent_at(call.near, AgentEvent.HELD)
    if args.get("dial"):
        world.fire(world.phones[call.near], PhoneEvent.CONSULT)


def retrieve(world: World, call: Call, args: Args) -> None:
    """Talk on."""
    if args["by"] != call.near:
        raise Refused("not_allowed_in_state")
    world.fire(world.phones[call.near], PhoneEvent.JOIN, call=call.id)
    world.move(call, S.TALKING)
    call.note(world.now, "retrieve")
    world.fire_agent_at(call.near, AgentEvent.RETRIEVED)
    world.join(call)


def transfer(world: World, call: Call, args: Args) -> None:
    """Blind transfer to a telephone, an agent or a queue. Raises Refused and changes nothing
    when the target cannot be rung."""
    to = args["to"]
    by = args["by"]
    if world.queue(to) is not None:
        queue_to = to
        ext = ""
    else:
        queue_to = ""
        ext = target_phone(world, call, to)
    if queue_to and call.direction == "internal":
        raise Refused("unknown_target")
    world.part(call)
    face(call, by)
    call.note(world.now, "transfer", to=to, by=call.near)
    sender, call.near = call.near, ""
    world.move(call, S.TRANSFER)
    world.pop_end(call, sender, "transferred")
    leave_phone(world, call, sender, "confirm")
    if queue_to:
        call.music_on = False
        waiting.join_queue(world, call, queue_to, {})
        return
    call.sender, call.returning = sender, False
    waiting.start_hold_music(world, call)
    waiting.ring_at(world, call, ext, waiting.DIRECT_RING_S)


def target_phone(world: World, call: Call, to: str) -> str:
    """The idle telephone of an extension or an agent outside the call. Raises Refused."""
    agent = world.agents.get(to)
    if agent is not None:
        if agent.state is AgentState.SIGNED_OUT:
            raise Refused("not_signed_in")
        to = agent.phone
    phone = world.phones.get(to)
    if phone is None or to in (call.near, call.far):
        raise Refused("unknown_target")
    if phone.state is PhoneState.FAULT:
        raise Refused("phone_not_connected")
    if phone.state is not PhoneState.IDLE:
        raise Refused("target_busy")
    return to


def transfer_failed(world: World, call: Call, args: Args) -> None:
    """Nobody lifted: back to the sender, and if he is not there either, to the front of the queue."""
    if args.get("ext") == call.far and call.far:
        end_call(world, call, "line_lost", detail="telephone lost")
        return
    lost = "ext" in args
    waiting.end_ringing(world, call, "phone_lost" if lost else "no_answer", AgentEvent.OFFER_GONE)
    sender = world.phones.get(call.sender)
    if call.returning or sender is None:
        to_front(world, call, "agent_hangup")
    elif sender.state is PhoneState.IDLE:
        ring_back(world, call)
    elif sender.state is PhoneState.OFF_HOOK:
        world.fire(sender, PhoneEvent.JOIN, call=call.id)
        waiting.connect(world, call, sender.key)
    else:
        to_front(world, call, "agent_hangup")


def ring_back(world: World, call: Call) -> None:
    """Ring whoever handed the call over."""
    call.returning = True
    waiting.ring_at(world, call, call.sender, waiting.DIRECT_RING_S)


def to_front(world: World, call: Call, reason: str) -> None:
    """Nobody has the caller: the queue, with the wait kept, or the fallback, or some words and the end."""
    queue = world.queue(call.record.queue)
    call.sender, call.returning = "", False
    if call.direction == "internal":
        end_call(world, call, reason)
    elif queue is not None:
        call.note(world.now, "queue", queue=queue.id, back=True)
        call.queue_since = call.waits_since
        call.music_on = False
        waiting.wait_in_queue(world, call, queue)
    else:
        waiting.fall_back(world, call, reason)


def hold_music(world: World, call: Call, args: Args) -> None:
    """Music that cannot be played becomes ringback."""
    if args["error"]:
        world.notice("warning", "prompt_failed", call=call.id, error=args["error"])
    world.tone(call.far, "ringback")


def near_gone(world: World, call: Call, args: Args) -> None:
    """Our side hung up."""
    end_call(world, call, "agent_hangup")


def holder_gone(world: World, call: Call, args: Args) -> None:
    """Hung up while somebody is on hold: his telephone rings again (hold recall)."""
    call.sender, call.near = call.near, ""
    world.move(call, S.TRANSFER)
    leave_phone(world, call, call.sender)
    ring_back(world, call)


def far_gone(world: World, call: Call, args: Args) -> None:
    """The other party hung up."""
    end_call(world, call, "caller_hangup", args.get("cue", ""), args.get("latency_s", 0.0))


def phone_lost(world: World, call: Call, args: Args) -> None:
    """A telephone of the conversation has vanished: an outside caller is kept, if there is a place."""
    if call.direction != "in" or args["ext"] != call.near:
        end_call(world, call, "line_lost", detail="telephone lost")
        return
    let_go(world, call, "line_lost")


def let_go(world: World, call: Call, reason: str = "agent_hangup") -> None:
    """The telephone leaves the call for something else; the caller waits for another one."""
    world.part(call)
    ext, call.near = call.near, ""
    world.move(call, S.TRANSFER)
    leave_phone(world, call, ext)
    to_front(world, call, reason)


def line_lost(world: World, call: Call, args: Args) -> None:
    """The line has vanished."""
    end_call(world, call, "line_lost", detail=args["reason"], tone="congestion")


def hang_up(world: World, call: Call, args: Args) -> None:
    """Hung up from the desk."""
    by = args["by"]
    reason = "caller_hangup" if by == call.far else "agent_hangup"
    end_call(world, call, reason if call.record.connected_at is not None else "cancelled")


def drop(world: World, call: Call, args: Args) -> None:
    """Ended by a supervisor."""
    end_call(world, call, "forced", detail=args.get("detail", ""))


def too_long(world: World, call: Call, args: Args) -> None:
    """Over the length limit."""
    end_call(world, call, "max_length")


def refuse(world: World, call: Call, args: Args) -> None:
    """A wish that makes no sense in this state."""
    raise Refused("not_allowed_in_state")
