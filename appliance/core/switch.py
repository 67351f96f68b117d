"""The call centre as pure state: `step(now, events) -> actions`. No clock, no I/O, no thread."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from appliance.core import agent, call_table, desk, lamps, lines, replan, snapshot, telephone
from appliance.core.actions import Action
from appliance.core.agent import AgentEvent
from appliance.core.call import CallEvent
from appliance.core.events import (
    AgentsBack,
    Answered,
    CallerIdSeen,
    Desk,
    DialFinished,
    Event,
    FarEndAnswered,
    FarEndGone,
    FaxHeard,
    Flashed,
    HungUp,
    KeyPressed,
    Lifted,
    LineElsewhere,
    LineKept,
    LineSilent,
    LineStirred,
    LineTrouble,
    PlanChanged,
    PlayFinished,
    PortLost,
    PortReady,
    PortSignal,
    RingStarted,
    RingStopped,
    Tick,
    ToneHeard,
)
from appliance.core.plan import Plan
from appliance.core.port import LineEvent, PhoneEvent
from appliance.core.timers import Key
from appliance.core.world import Tables, World

TABLES: Tables = {
    "call": (call_table.TABLE, call_table.IGNORED),
    "agent": (agent.TABLE, agent.IGNORED),
    "line": (lines.TABLE, lines.IGNORED),
    "phone": (telephone.TABLE, telephone.IGNORED),
}

KEYS = frozenset("0123456789*#ABCD")


class Switch:
    """Calls, queues, agents and ports of one box.

    `call_ids` yields the names of calls; they must never repeat, so the engine hands in names
    that hold over restarts. Without it they are c1, c2, …
    """

    def __init__(self, plan: Plan, call_ids: Iterator[str] | None = None) -> None:
        self._world = World(plan, TABLES, call_ids or (f"c{n}" for n in itertools.count(1)))
        for line in plan.lines:
            self._world.watch(line.id, "callerid")

    def step(self, now: float, events: Sequence[Event]) -> list[Action]:
        """Let timers due by `now` and then `events` happen, in order. Returns what the engine must do.

        `now` is in seconds and never goes back; a smaller one counts as the last one.
        """
        world = self._world
        now = max(now, world.now)
        while (due := world.timers.next_due()) is not None and due <= now:
            world.now = max(world.now, due)
            key = world.timers.pop(now)
            assert key is not None
            self._timer(key)
            world.distribute()
        world.now = now
        for event in events:
            self._event(event)
            world.distribute()
        replan.sweep(world)
        lamps.update(world)
        out, world.out = world.out, []
        return out

    def next_due(self) -> float | None:
        """When `step` must be called at the latest, though nothing happens; None: no timer runs."""
        return self._world.timers.next_due()

    def snapshot(self, now: float) -> dict[str, Any]:
        """The live picture; shape in docs/architecture.md, times in `now` seconds."""
        return snapshot.take(self._world, now)

    def busy_ports(self) -> frozenset[str]:
        """Ports that a call or a lifted telephone occupies: not to be taken away now."""
        return self._world.busy_ports()

    # ------------------------------------------------------------------ events
    def _event(self, event: Event) -> None:
        world = self._world
        match event:
            case PortSignal(port) if port in world.lines:
                self._line_signal(port, event)
            case PortSignal(port) if port in world.phones:
                self._phone_signal(port, event)
            case PortSignal(port):
                world.notice("warning", "unknown_port", port=port, event=type(event).__name__)
            case Answered(ref, data):
                self._answered(ref, data)
            case Desk():
                desk.handle(world, event)
            case AgentsBack(agents):
                desk.bring_back(world, agents)
            case PlanChanged(plan):
                replan.change(world, plan)
            case Tick():
                pass
            case _:
                raise TypeError(f"the call core does not know {type(event).__name__}")

    def _line_signal(self, port: str, event: Event) -> None:
        world = self._world
        line = world.lines[port]
        call = world.calls.get(line.call)
        match event:
            case RingStarted():
                world.fire(line, LineEvent.RING_ON)
            case RingStopped():
                world.fire(line, LineEvent.RING_OFF)
            case CallerIdSeen():
                world.fire(line, LineEvent.CALLER_ID, seen=event)
            case PortLost(_, reason):
                world.fire(line, LineEvent.LOST, reason=reason)
            case PortReady():
                world.fire(line, LineEvent.READY)
            case LineKept(_, number, presentation):
                world.fire(line, LineEvent.KEPT, seen=CallerIdSeen(port, number, "", presentation))
            case LineElsewhere(_, in_use):
                world.fire(line, LineEvent.TAKEN_ELSEWHERE if in_use else LineEvent.FREE_ELSEWHERE)
            case LineStirred():
                world.fire(line, LineEvent.STIRRED)
            case LineTrouble(_, reason):
                world.fire(line, LineEvent.TROUBLE, reason=reason)
            case ToneHeard(_, tone, over) if call is None:
                world.fire(line, LineEvent.TONE, tone=tone, over=over)
            case _ if call is None:
                pass  # the tail of a call that is over
            case KeyPressed(_, key) if key in KEYS:
                world.fire(call, CallEvent.KEY, key=key)
            case ToneHeard(_, tone, over):
                world.fire(call, CallEvent.TONE, tone=tone, over=over)
            case FaxHeard(_, tone, bursts):
                world.fire(call, CallEvent.FAX, tone=tone, bursts=bursts)
            case LineSilent(_, silent, quiet_s):
                world.fire(call, CallEvent.SILENT, silent=silent, quiet_s=quiet_s)
            case FarEndGone(_, cue, latency_s):
                world.fire(call, CallEvent.FAR_GONE, cue=cue, latency_s=latency_s)
            case FarEndAnswered(_, how):
                world.fire(call, CallEvent.FAR_ANSWERED, how=how)
            case PlayFinished(_, token, error) if world.is_playing(port, token):
                world.forget_playing(port)
                world.fire(call, CallEvent.PLAYED, error=error)
            case DialFinished(_, token) if token == call.dial_token:
                world.fire(call, CallEvent.DIALLED)
            case _:
                pass  # a prompt that was replaced, or hook signals, which a line has not

    def _phone_signal(self, port: str, event: Event) -> None:
        world = self._world
        phone = world.phones[port]
        match event:
            case Lifted():
                world.fire(phone, PhoneEvent.LIFTED)
            case HungUp():
                world.fire(phone, PhoneEvent.HUNG_UP)
            case Flashed():
                world.fire(phone, PhoneEvent.FLASHED)
            case KeyPressed(_, key) if key in KEYS:
                world.fire(phone, PhoneEvent.KEY, key=key)
            case PortLost(_, reason):
                world.fire(phone, PhoneEvent.LOST, reason=reason)
            case PortReady():
                # What lamp it had is unknown: it is lit again, if it is to be.
                world.lamps.discard(port)
                world.fire(phone, PhoneEvent.READY)
            case PlayFinished(_, token, error) if world.is_playing(port, token):
                world.forget_playing(port)
                call = world.calls.get(phone.call)
                if call is not None and call.far == port:
                    world.fire(call, CallEvent.PLAYED, error=error)
            case _:
                pass  # what only a line can say

    def _answered(self, ref: int, data: dict[str, Any] | None) -> None:
        """An answer in time; later ones find no question any more."""
        world = self._world
        machine, key = world.questions.pop(ref, ("", ""))
        world.timers.cancel(("question", str(ref), "deadline"))
        if machine == "call" and key in world.calls:
            world.fire(world.calls[key], CallEvent.ROUTED, data=data)
        elif machine == "phone" and key in world.phones:
            telephone.pin_checked(world, world.phones[key], data)

    def _timer(self, key: Key) -> None:
        world = self._world
        machine, owner, what = key
        if machine == "call" and owner in world.calls:
            world.fire(world.calls[owner], CallEvent(what))
        elif machine == "agent" and owner in world.agents:
            world.fire(world.agents[owner], AgentEvent.WRAP_UP_OVER)
        elif machine == "phone" and owner in world.phones:
            world.fire(world.phones[owner], PhoneEvent.TIMER)
        elif machine == "line" and owner in world.lines:
            world.fire(world.lines[owner], LineEvent(what))
        elif machine == "question":
            self._answered(int(owner), None)
