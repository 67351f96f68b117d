"""How a call ends: everything it holds is given back, and its record goes out."""

from __future__ import annotations

from appliance.core.actions import SaveRecord, StopRecording
from appliance.core.agent import AgentEvent
from appliance.core.call import CONNECTED, Call, CallState
from appliance.core.port import PhoneEvent
from appliance.core.world import World

TONES = ("tone", "dialtone")
"""Cues leaving a tail of the exchange's tone on a recording. For silence nothing is cut: it proves less."""


def end_call(
    world: World,
    call: Call,
    reason: str,
    cue: str = "",
    latency_s: float = 0.0,
    detail: str = "",
    tone: str = "busy",
) -> None:
    """End a call for good.

    latency_s: how long ago it really ended (a hang-up is seen late on analog lines); wait, talk,
    the end and, where a tone told it, the recording are corrected by it. tone: what telephones
    that are still lifted hear.
    """
    record = call.record
    ended_at = max(world.now - latency_s, call.since, record.started_at)
    call.settle_times(ended_at)
    call.since = world.now  # move() has nothing left to add
    talked = call.state in CONNECTED or record.connected_at is not None
    target, near, far = call.target, call.near, call.far
    world.timers.cancel_all("call", call.id)
    world.questions.pop(call.ask, None)
    world.move(call, CallState.ENDED)
    world.part(call)
    if target:
        world.stop_ring(call)
        world.fire_agent_at(target, AgentEvent.OFFER_GONE)
        world.pop_end(call, target, "abandoned")
    if world.is_line(far):
        world.release(far)
    for ext in (far, near):
        if ext in world.phones:
            leave_phone(world, call, ext, tone)
    if near:
        world.pop_end(call, near, "ended")
    if call.recording:
        world.emit(StopRecording(call.id, world.now - ended_at if cue in TONES else 0.0))
        call.recording = False
    record.ended_at, record.end_reason, record.cue = ended_at, reason, cue
    record.detail = detail or record.detail
    call.note(ended_at, "hangup", reason=reason, talked=talked)
    call.far = call.near = ""
    del world.calls[call.id]
    world.emit(SaveRecord(call.id, record.as_dict(), True))


def leave_phone(world: World, call: Call, ext: str, tone: str = "busy") -> None:
    """Take a telephone out of a call; the agent there goes to wrap-up or wherever he belongs."""
    phone = world.phones[ext]
    if phone.call == call.id:
        world.fire(phone, PhoneEvent.LEAVE, tone=tone)
    agent = world.agent_at(ext)
    if agent is not None and agent.call == call.id:
        world.fire(agent, AgentEvent.RELEASED, from_queue=bool(call.record.queue))
