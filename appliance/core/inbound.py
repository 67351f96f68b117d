"""A call from outside, from the first ring to the end of the menus."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from appliance.core import ivr, waiting
from appliance.core.actions import Keep, StartRecording
from appliance.core.blacklist import blocked_by
from appliance.core.call import Call, CallEvent, CallState
from appliance.core.ending import end_call
from appliance.core.events import CallerIdSeen
from appliance.core.plan import BlockRule
from appliance.core.port import LineState
from appliance.core.world import World

S, E = CallState, CallEvent
Args = Mapping[str, Any]

RING_GAP_S = 6.0
"""Silence after a burst that means the caller gave up: longer than any country's ring gap (4 s)."""

RING_ON_LIMIT_S = 12.0
"""The same when the end of a burst was never seen."""

CALLER_QUESTION_S = 0.3
"""So long control may think about who is calling."""

DROP_AFTER_S = 0.5
"""A dropped caller is off hook this long, so that the exchange sees an answer."""

GOODBYE_LIMIT_S = 60.0
FAILED_WORDS_TONE_S = 4.0
MAX_FAILED_WORDS = 10
"""So many prompts in a row that cannot be played mean that the flow has nothing to say."""


def begin(world: World, call: Call, args: Args) -> None:
    """First ring. A line that was off hook already (glare, an earlier engine's call) has answered by that."""
    line = world.lines[call.far]
    record = call.record
    record.line, record.line_number = line.key, line.plan.number
    record.called_number = line.plan.number
    if "kept" in args:
        resume(world, call, args["kept"])
        return
    call.rings = 1
    call.note(world.now, "ring")
    if line.state is LineState.SEIZED:
        answer(world, call)
        return
    world.call_timer(call, E.RING_GONE, RING_ON_LIMIT_S)
    if not line.plan.inbound:
        record.detail = "the line does not take calls"
        world.move(call, S.IGNORED)
        return
    world.move(call, S.RINGING)
    decide(world, call)


def resume(world: World, call: Call, seen: CallerIdSeen) -> None:
    """A caller whom an earlier engine has answered begins anew. Only once: a call that this engine does not
    survive either may be what it dies of."""
    call.kept = True
    call.note(world.now, "kept")
    if seen.number or seen.presentation == "withheld":
        note_caller(world, call, seen)
    if seen.number:
        ask_about(world, call)
    answer(world, call)


def ring_on(world: World, call: Call, args: Args) -> None:
    """One more burst."""
    call.rings += 1
    world.call_timer(call, E.RING_GONE, RING_ON_LIMIT_S)
    if call.state is S.RINGING:
        decide(world, call)


def ring_off(world: World, call: Call, args: Args) -> None:
    """End of a burst."""
    world.call_timer(call, E.RING_GONE, RING_GAP_S)


def ring_gone(world: World, call: Call, args: Args) -> None:
    """The caller gave up."""
    end_call(world, call, "blocked" if call.block else "abandoned_ringing")


def caller_id(world: World, call: Call, args: Args) -> None:
    """Who is calling. Control is asked only about a number that can be looked up."""
    note_caller(world, call, args["seen"])
    call.known = True
    record = call.record
    rule = blocked_by(call.plan.blocked, record.caller_number, record.caller_presentation)
    if rule is not None:
        call.block = rule
    elif record.caller_number and not call.ask and not call.routed:
        ask_about(world, call)
    else:
        call.routed = True
    decide(world, call)


def ask_about(world: World, call: Call) -> None:
    """Ask control about the caller's number."""
    question = {"number": call.record.caller_number, "line": call.record.line}
    call.ask = world.ask(call, "caller", question, CALLER_QUESTION_S)


def late_caller_id(world: World, call: Call, args: Args) -> None:
    """Caller ID that came when the call was answered already: for the record, and for the next engine."""
    if not call.record.caller_number:
        note_caller(world, call, args["seen"])
        keep(world, call)


def keep(world: World, call: Call) -> None:
    """Should this engine die, the next one finds the caller: once, and nobody whom we do not want."""
    if call.state is not S.IGNORED and call.block is None and not call.kept:
        world.emit(Keep(call.far, call.record.caller_number, call.record.caller_presentation))


def note_caller(world: World, call: Call, seen: CallerIdSeen) -> None:
    """Write the caller into the record."""
    record = call.record
    record.caller_number, record.caller_name = seen.number, seen.name
    record.caller_presentation = seen.presentation
    facts = {"number": seen.number, "name": seen.name, "presentation": seen.presentation}
    call.note(world.now, "callerid", **facts, latency_s=round(seen.latency_s, 3))


def routed(world: World, call: Call, args: Args) -> None:
    """Control's answer, or None when it did not answer in time: then by what we know ourselves."""
    call.ask, call.routed = 0, True
    data = args["data"]
    if data is not None:
        call.vip = bool(data.get("vip"))
        customer = data.get("customer")
        call.record.customer = customer if isinstance(customer, int) else None
        call.record.caller_name = str(data.get("name") or call.record.caller_name)
        if data.get("blocked") and call.block is None:
            call.block = BlockRule(call.record.caller_number)
    if call.state is S.RINGING:
        decide(world, call)


def decide(world: World, call: Call) -> None:
    """Answer, refuse, or wait for more."""
    line = world.lines[call.far].plan
    if call.block is not None and call.block.action == "ignore":
        world.move(call, S.IGNORED)
    elif (
        call.block is not None
        or (call.known and call.routed)
        or (call.rings >= line.answer_after_rings and not call.ask)
    ):
        answer(world, call)


def answer(world: World, call: Call) -> None:
    """Off hook, and on with the flow or the straight telephone."""
    line = world.lines[call.far]
    record = call.record
    world.cancel_timer(call, E.RING_GONE)
    if line.state is not LineState.SEIZED:
        world.seize(line.key, call)
    world.watch(line.key, "keys", "disconnect")
    record.answered_at = world.now
    record.caller_presentation = record.caller_presentation or "unavailable"
    call.note(world.now, "answer")
    world.keep_record(call)
    if call.plan.recording.enabled:
        world.emit(StartRecording(call.id, line.key))
        call.recording = True
    world.call_timer(call, E.TOO_LONG, call.plan.max_call_s)
    if call.block is not None:
        refuse(world, call, call.block)
        return
    keep(world, call)
    if line.plan.extension:
        waiting.ring_extension(world, call, line.plan.extension, waiting.DIRECT_RING_S)
        return
    flows = {flow.id: flow for flow in call.plan.flows}
    if line.plan.flow not in flows:  # a line that is not meant to take calls met one by glare
        close(world, call, ("sorry_busy",), "flow_end")
        return
    record.flow = line.plan.flow
    call.run = ivr.FlowRun(flows, line.plan.flow)
    go(world, call, call.run.start())


def refuse(world: World, call: Call, rule: BlockRule) -> None:
    """Blacklist, answered: some words or none."""
    if rule.action == "message":
        close(world, call, (rule.prompt,), "blocked")
    else:
        call.failure = "blocked"
        world.move(call, S.CLOSING)
        world.call_timer(call, E.STEP_TIMER, DROP_AFTER_S)


def go(world: World, call: Call, step: ivr.Step) -> None:
    """Do what the flow says next."""
    assert call.run is not None
    for flow_id, node_id in call.run.trail[call.nodes_noted :]:
        call.note(world.now, "node", flow=flow_id, node=node_id)
    call.nodes_noted = len(call.run.trail)
    world.cancel_timer(call, E.STEP_TIMER)
    call.hops += 1
    if call.hops > ivr.MAX_HOPS:
        close(world, call, ("sorry_busy",), "flow_end")
        return
    match step:
        case ivr.Say(prompts):
            call.hops = 0
            world.move(call, S.IVR)
            world.play(call.far, prompts)
        case ivr.Listen(timeout_s):
            world.call_timer(call, E.STEP_TIMER, timeout_s)
        case ivr.JoinQueue(queue, node):
            waiting.join_queue(world, call, queue, node)
        case ivr.RingExtension(ext, ring_s, on_no_answer):
            waiting.ring_extension(world, call, ext, ring_s, on_no_answer)
        case ivr.Bye(prompts):
            close(world, call, prompts or ("goodbye",), "flow_end")
        case _:
            raise TypeError(f"no way to do {step}")


def key(world: World, call: Call, args: Args) -> None:
    """A key of the caller in the menus."""
    note_key(world, call, args)
    if call.run is not None:
        step = call.run.key(args["key"])
        if step is not None:
            go(world, call, step)


def note_key(world: World, call: Call, args: Args) -> None:
    """Keys before a conversation are kept; later ones are private."""
    call.record.keys += args["key"]
    call.note(world.now, "key", key=args["key"])


def played(world: World, call: Call, args: Args) -> None:
    """A prompt is over, or could not be played: then the flow goes on without it."""
    assert call.run is not None
    error = args["error"]
    if error:
        world.notice("warning", "prompt_failed", call=call.id, error=error)
        call.failed_words += 1
        if call.failed_words >= MAX_FAILED_WORDS:
            end_with_tone(world, call, "flow_end")
            return
    else:
        call.failed_words = 0
    go(world, call, call.run.said(failed=bool(error)))


def key_timeout(world: World, call: Call, args: Args) -> None:
    """No key came."""
    assert call.run is not None
    go(world, call, call.run.timed_out())


def close(world: World, call: Call, prompts: tuple[str, ...], reason: str) -> None:
    """Say the last words, then hang up. Nobody ends in silence."""
    call.failure = reason
    world.move(call, S.CLOSING)
    world.cancel_timer(call, E.WAITED_OUT, E.ANNOUNCE, E.RANG_OUT)
    world.play(call.far, prompts)
    world.call_timer(call, E.STEP_TIMER, GOODBYE_LIMIT_S)


def end_with_tone(world: World, call: Call, reason: str) -> None:
    """Busy tone in place of words that cannot be played."""
    call.failure = reason
    world.move(call, S.CLOSING)
    world.tone(call.far, "busy")
    world.call_timer(call, E.STEP_TIMER, FAILED_WORDS_TONE_S)


def closed(world: World, call: Call, args: Args) -> None:
    """The last words are over."""
    if args.get("error"):
        world.notice("warning", "prompt_failed", call=call.id, error=args["error"])
        end_with_tone(world, call, call.failure)
    else:
        end_call(world, call, call.failure)


def gone_while_closing(world: World, call: Call, args: Args) -> None:
    """The caller did not hear us out; the reason stays."""
    end_call(world, call, call.failure, args.get("cue", ""), args.get("latency_s", 0.0))


def gone_in_ivr(world: World, call: Call, args: Args) -> None:
    """The caller hung up in the menus."""
    end_call(world, call, "abandoned_ivr", args.get("cue", ""), args.get("latency_s", 0.0))
