"""Callers who wait: in a queue, or while one given telephone rings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from appliance.core import inbound
from appliance.core.actions import StartRecording
from appliance.core.agent import AgentEvent, AgentState
from appliance.core.call import Call, CallEvent, CallState
from appliance.core.ending import end_call
from appliance.core.plan import QueuePlan
from appliance.core.port import PhoneState
from appliance.core.world import World

S, E = CallState, CallEvent
Args = Mapping[str, Any]

DIRECT_RING_S = 20.0
"""How long a telephone rings that was called straight."""

MUSIC = "music"


def join_queue(world: World, call: Call, queue_id: str, node: Mapping[str, Any]) -> None:
    """Enter a queue, unless it is full or nobody is there for it."""
    queue = world.queue(queue_id)
    call.queue_node = dict(node)
    if queue is None:  # a new plan took it away under the caller
        inbound.close(world, call, ("sorry_busy",), "flow_end")
        return
    call.record.queue = queue.id
    call.queue_since = world.now
    call.record.queued_at = world.now if call.record.queued_at is None else call.record.queued_at
    call.tried.clear()
    call.note(world.now, "queue", queue=queue.id)
    there = any(
        agent.state is not AgentState.SIGNED_OUT and queue.id in agent.plan.queues
        for agent in world.agents.values()
    )
    before = sum(
        other.state in (S.QUEUED, S.OFFERED) and other.record.queue == queue.id and other is not call
        for other in world.calls.values()
    )
    # After an engine that died, agents are signed in again a moment later: no reason to send a caller away.
    if not there and not queue.answer_when_nobody and not call.kept:
        leave_queue(world, call, queue, "on_closed")
    elif queue.max_waiting and before >= queue.max_waiting:
        leave_queue(world, call, queue, "on_full")
    else:
        wait_in_queue(world, call, queue)


def wait_in_queue(world: World, call: Call, queue: QueuePlan) -> None:
    """Wait with music. The wait so far is kept, so who comes back is first again."""
    if queue.max_wait_s:
        left_s = call.waits_since + queue.max_wait_s - world.now
        if left_s <= 0:
            leave_queue(world, call, queue, "on_timeout")
            return
        world.call_timer(call, E.WAITED_OUT, left_s)
    world.move(call, S.QUEUED)
    if not call.music_on:
        start_music(world, call, queue)


def leave_queue(world: World, call: Call, queue: QueuePlan, why: str) -> None:
    """Full, waited too long, or nobody there: on with the flow, or some words and the end."""
    call.queue_since = None
    call.music_on = False
    call.note(world.now, "queue_exit", why=why)
    world.cancel_timer(call, E.WAITED_OUT, E.ANNOUNCE)
    node = call.queue_node.get(why)
    if node is not None and call.run is not None:
        inbound.go(world, call, call.run.enter(node))
    else:
        inbound.close(world, call, (queue.overflow or "sorry_busy",), "flow_end")


def start_music(world: World, call: Call, queue: QueuePlan | None) -> None:
    """Music, and the announcement after a while."""
    call.music_on, call.announcing = True, False
    world.play(call.far, (queue.music if queue else MUSIC,), loop=True)
    if queue and queue.announce_every_s and queue.announce:
        world.call_timer(call, E.ANNOUNCE, queue.announce_every_s)


def announce(world: World, call: Call, args: Args) -> None:
    """ "Please wait", in place of the music."""
    queue = world.queue(call.record.queue)
    if queue is not None:
        call.announcing = True
        world.play(call.far, (queue.announce,))


def music_played(world: World, call: Call, args: Args) -> None:
    """The announcement is over: music again. Music that cannot be played becomes ringback."""
    if args["error"]:
        world.notice("warning", "prompt_failed", call=call.id, error=args["error"])
    if args["error"] and not call.announcing:
        world.tone(call.far, "ringback")
    else:
        start_music(world, call, world.queue(call.record.queue))


def queue_key(world: World, call: Call, args: Args) -> None:
    """Keys while waiting are only noted."""
    inbound.note_key(world, call, args)


def waited_out(world: World, call: Call, args: Args) -> None:
    """The wait is over its limit, or the queue has gone with a new plan."""
    queue = world.queue(call.record.queue)
    if queue is not None:
        leave_queue(world, call, queue, "on_timeout")
    else:
        back_in_queue(world, call, None)


def offer(world: World, call: Call, args: Args) -> None:
    """Ring an agent's telephone for a caller in the queue."""
    agent = world.agents[args["agent"]]
    queue = world.queue(call.record.queue)
    assert queue is not None
    ring_at(world, call, agent.phone, queue.ring_s)
    world.move(call, S.OFFERED)


def ring_at(world: World, call: Call, ext: str, ring_s: float) -> None:
    """Let a telephone ring for a call, with the caller on the screen of whoever sits there."""
    agent = world.agent_at(ext)
    call.note(world.now, "offer", phone=ext, agent=agent.key if agent else "")
    world.pop(call, ext)
    record = call.record
    world.ring(call, ext, record.caller_number, record.caller_name, record.caller_presentation)
    world.fire_agent_at(ext, AgentEvent.OFFERED, call=call.id)
    world.call_timer(call, E.RANG_OUT, ring_s)


def end_ringing(world: World, call: Call, why: str, event: AgentEvent, **args: Any) -> None:
    """Stop the telephone that rings for a call."""
    ext = call.target
    agent = world.agent_at(ext)
    world.cancel_timer(call, E.RANG_OUT)
    world.stop_ring(call)
    call.note(world.now, "miss", phone=ext, agent=agent.key if agent else "", why=why)
    world.pop_end(call, ext, why)
    world.fire_agent_at(ext, event, **args)


def offer_rang_out(world: World, call: Call, args: Args) -> None:
    """Nobody lifted: back to the front of the queue."""
    agent = world.agent_at(call.target)
    queue = world.queue(call.record.queue)
    if agent is not None:
        call.tried.add(agent.key)
    end_ringing(world, call, "no_answer", AgentEvent.MISSED, allowed=queue.misses_allowed if queue else 1)
    back_in_queue(world, call, queue)


def offer_phone_lost(world: World, call: Call, args: Args) -> None:
    """The ringing telephone has vanished."""
    end_ringing(world, call, "phone_lost", AgentEvent.OFFER_GONE)
    back_in_queue(world, call, world.queue(call.record.queue))


def back_in_queue(world: World, call: Call, queue: QueuePlan | None) -> None:
    """Wait on; if the queue has gone with a new plan, say so and hang up."""
    if queue is None:
        inbound.close(world, call, ("sorry_busy",), "flow_end")
    else:
        wait_in_queue(world, call, queue)


def ring_extension(world: World, call: Call, ext: str, ring_s: float, on_no_answer: str = "") -> None:
    """Ring one given telephone; the caller hears ringback."""
    call.no_answer_node = on_no_answer
    phone = world.phones.get(ext)
    if phone is None or phone.state is not PhoneState.IDLE:
        extension_failed(world, call, "no_answer" if phone is None else "busy")
        return
    world.tone(call.far, "ringback")
    ring_at(world, call, ext, ring_s)
    world.move(call, S.EXTENSION)


def extension_rang_out(world: World, call: Call, args: Args) -> None:
    """Nobody lifted the given telephone."""
    end_ringing(world, call, "no_answer", AgentEvent.OFFER_GONE)
    extension_failed(world, call, "no_answer")


def extension_lost(world: World, call: Call, args: Args) -> None:
    """The given telephone has vanished."""
    if args["ext"] == call.far:
        end_call(world, call, "line_lost", detail="telephone lost")
        return
    end_ringing(world, call, "phone_lost", AgentEvent.OFFER_GONE)
    extension_failed(world, call, "no_answer")


def extension_failed(world: World, call: Call, why: str) -> None:
    """Busy or no answer: on with the flow, to the fallback queue, or some words and the end."""
    if call.direction == "internal":
        end_call(world, call, why)
    elif call.no_answer_node and call.run is not None:
        inbound.go(world, call, call.run.enter(call.no_answer_node))
    else:
        fall_back(world, call, "flow_end")


def fall_back(world: World, call: Call, reason: str) -> None:
    """The line's fallback queue, or some words and the end."""
    line = world.line_plan(call)
    if line is not None and line.fallback_queue and call.direction == "in":
        join_queue(world, call, line.fallback_queue, {})
    else:
        inbound.close(world, call, ("sorry_busy",), reason)


def lifted(world: World, call: Call, args: Args) -> None:
    """The telephone that rang for the call is off hook: they talk."""
    ext, call.target = call.target, ""
    connect(world, call, ext)


def connect(world: World, call: Call, ext: str) -> None:
    """Join a lifted telephone to the caller."""
    record = call.record
    world.cancel_timer(call, E.RANG_OUT, E.WAITED_OUT, E.ANNOUNCE, E.STEP_TIMER)
    call.near, call.music_on, call.sender, call.returning = ext, False, "", False
    note_agent(world, call, ext)
    queue = world.queue(record.queue)
    inside = call.direction == "internal"
    world.fire_agent_at(
        ext,
        AgentEvent.CONNECTED,
        call=call.id,
        wrap_up_s=queue.wrap_up_s if queue else 0.0,
        inside=inside,
    )
    if inside and not call.recording and call.plan.recording.enabled:
        world.emit(StartRecording(call.id, call.far))
        call.recording = True
    if inside and record.answered_at is None:
        record.answered_at = world.now
    if world.is_line(call.far):
        world.watch(call.far, "disconnect")
    world.join(call)
    now_connected(world, call)
    if call.fax:
        from appliance.core import fax  # fax.py hands callers over by means of this module

        fax.tell(world, call)


def now_connected(world: World, call: Call) -> None:
    """State, step and first record of a conversation."""
    record = call.record
    if record.connected_at is None:
        record.connected_at = world.now
        if call.direction != "in":  # an answered caller has had his limit running since the answer
            world.call_timer(call, E.TOO_LONG, call.plan.max_call_s)
    world.move(call, S.TALKING)
    call.note(world.now, "connect", phone=record.phone, agent=record.agent)
    world.keep_record(call)


def note_agent(world: World, call: Call, ext: str) -> None:
    """Who served the call."""
    record = call.record
    record.phone = ext
    agent = world.agent_at(ext)
    record.agent = agent.key if agent else ""
    if agent is not None and agent.key not in record.agents:
        record.agents.append(agent.key)


def gone_waiting(world: World, call: Call, args: Args) -> None:
    """The caller gave up waiting."""
    reason = "cancelled" if call.direction == "internal" else "abandoned_queue"
    end_call(world, call, reason, args.get("cue", ""), args.get("latency_s", 0.0))


def start_hold_music(world: World, call: Call) -> None:
    """Music for somebody on hold or being handed over."""
    queue = world.queue(call.record.queue)
    world.play(call.far, (queue.music if queue else MUSIC,), loop=True)
