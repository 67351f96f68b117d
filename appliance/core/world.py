"""The state that all machines of the core share, and the few verbs they act with.

Nothing here decides; the handlers in the tables of the machines do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any

from appliance.core import acd
from appliance.core import agent as agents
from appliance.core.actions import (
    Action,
    Ask,
    Bridge,
    LogTransition,
    Play,
    PlayTone,
    Publish,
    Quiet,
    Release,
    Ring,
    SaveRecord,
    Seize,
    StopRing,
    Unbridge,
    Watch,
)
from appliance.core.agent import Agent, AgentEvent, AgentState
from appliance.core.call import Call, CallEvent, CallState
from appliance.core.machine import Stateful, lookup
from appliance.core.plan import LinePlan, Plan, QueuePlan
from appliance.core.port import Line, LineEvent, LineState, Phone, PhoneEvent, PhoneState
from appliance.core.record import CallRecord
from appliance.core.timers import Timers

Tables = Mapping[str, tuple[Mapping[Any, Any], Any]]
"""Machine -> (transition table, pairs declared ignored)."""


class World:
    """Calls, agents, ports and timers at one moment."""

    def __init__(self, plan: Plan, tables: Tables, call_ids: Iterator[str]) -> None:
        self.plan = plan
        self.now = 0.0
        self.out: list[Action] = []
        self.timers = Timers()
        self.calls: dict[str, Call] = {}
        self.lines: dict[str, Line] = {line.id: Line(line) for line in plan.lines}
        self.phones: dict[str, Phone] = {phone.ext: Phone(phone) for phone in plan.phones}
        self.agents: dict[str, Agent] = {agent.number: Agent(agent) for agent in plan.agents}
        self.questions: dict[int, tuple[str, str]] = {}
        """Open questions to control: reference -> (machine, key) of who asked."""
        self.last_line = ""
        """The line that went out last, for the round."""
        self.lamps: set[str] = set()
        """Telephones whose message lamp is lit."""
        self.seated = False
        """Somebody has signed in since the beginning: from then on who is there is known here alone."""
        self.stale = False
        """Something that the plan no longer has is still in use."""
        self._tables = tables
        self._call_ids = call_ids
        self._cause: list[str] = [""]
        self._tokens = 0
        self._refs = 0
        self._playing: dict[str, int] = {}

    # ------------------------------------------------------------ machines
    def fire(self, thing: Stateful, event: Enum, **args: Any) -> None:
        """Let something happen to a call, an agent, a line or a telephone."""
        table, ignored = self._tables[thing.machine]
        handler = lookup(table, ignored, thing.state, event)
        if handler is None:
            return
        self._cause.append(str(event.value))
        try:
            handler(self, thing, args)
        finally:
            self._cause.pop()

    def move(self, thing: Stateful, state: Enum) -> None:
        """Change a state, and log it."""
        if isinstance(thing, Call):
            thing.settle_times(self.now)
        old = thing.state
        thing.state = state
        if old is not state:
            thing.since = self.now
            self.out.append(
                LogTransition(thing.machine, thing.key, str(old.value), self._cause[-1], str(state.value))
            )
        elif isinstance(thing, Call):
            thing.since = self.now
        if isinstance(thing, Agent):
            self.publish_agent(thing)

    def fire_agent_at(self, ext: str, event: AgentEvent, **args: Any) -> None:
        """Let something happen to whoever is signed in at a telephone."""
        agent = self.agent_at(ext)
        if agent is not None:
            self.fire(agent, event, **args)

    # -------------------------------------------------------------- finding
    def agent_at(self, ext: str) -> Agent | None:
        """Who is signed in at a telephone."""
        return next((a for a in self.agents.values() if ext and a.phone == ext), None)

    def queue(self, queue_id: str) -> QueuePlan | None:
        """The queue of that id in the plan that holds now."""
        return next((queue for queue in self.plan.queues if queue.id == queue_id), None)

    def call_of(self, port: str) -> Call | None:
        """The call that a port is in."""
        place: Line | Phone | None = self.lines.get(port) or self.phones.get(port)
        return self.calls.get(place.call) if place is not None and place.call else None

    def line_plan(self, call: Call) -> LinePlan | None:
        """The line a call came or went by."""
        line = self.lines.get(call.record.line)
        return line.plan if line is not None else None

    # -------------------------------------------------------------- acting
    def emit(self, *actions: Action) -> None:
        """Ask the engine to do something."""
        self.out.extend(actions)

    def play(self, port: str, prompts: tuple[str, ...], loop: bool = False) -> None:
        """Play prompts; replaces what a port hears."""
        self._playing[port] = self.new_token()
        self.emit(Play(port, self._playing[port], prompts, loop))

    def new_token(self) -> int:
        """A number that marks one `Play` or `Dial`."""
        self._tokens += 1
        return self._tokens

    def tone(self, port: str, tone: str) -> None:
        """Play a supervisory tone; replaces what a port hears."""
        self._playing.pop(port, None)
        self.emit(PlayTone(port, tone))

    def quiet(self, port: str) -> None:
        """Play nothing."""
        self._playing.pop(port, None)
        self.emit(Quiet(port))

    def is_playing(self, port: str, token: int) -> bool:
        """Whether a finished prompt is still the one that counts."""
        return self._playing.get(port) == token

    def forget_playing(self, port: str) -> None:
        """What was playing has come to its end."""
        self._playing.pop(port, None)

    def watch(self, port: str, *detectors: str) -> None:
        """Choose the detectors of a port."""
        self.emit(Watch(port, frozenset(detectors)))

    def seize(self, line_id: str, call: Call) -> None:
        """Take a line off hook for a call."""
        line = self.lines[line_id]
        self.emit(Seize(line_id))
        self.fire(line, LineEvent.SEIZE, call=call.id)

    def release(self, line_id: str) -> None:
        """Put a line on hook."""
        self._playing.pop(line_id, None)
        line = self.lines[line_id]
        self.emit(Release(line_id), Watch(line_id, frozenset({"callerid"})))
        self.fire(line, LineEvent.RELEASE)

    def ring(self, call: Call, ext: str, number: str, name: str, presentation: str = "shown") -> None:
        """Ring a telephone for a call, showing it a number and a name."""
        call.target = ext
        self.emit(Ring(ext, "normal", number, name, presentation or "unavailable"))
        self.fire(self.phones[ext], PhoneEvent.RING, call=call.id)

    def stop_ring(self, call: Call) -> None:
        """Stop the telephone that rings for a call."""
        if call.target:
            phone = self.phones[call.target]
            call.target = ""
            if phone.state is PhoneState.RINGING:
                self.emit(StopRing(phone.key))
            self.fire(phone, PhoneEvent.STOP)

    def join(self, call: Call) -> None:
        """Let the two parties of a call hear each other."""
        self.emit(Bridge(call.far, call.near))
        self.quiet(call.far)
        self.quiet(call.near)
        call.bridged = True

    def part(self, call: Call) -> None:
        """Undo `join`."""
        if call.bridged:
            self.emit(Unbridge(call.far, call.near))
            call.bridged = False
            self.cancel_timer(call, CallEvent.SILENT_OUT)

    def is_line(self, port: str) -> bool:
        """Whether a port is a phone-company line."""
        return port in self.lines

    # -------------------------------------------------------------- telling
    def ask(self, who: Stateful, question: str, data: dict[str, Any], deadline_s: float) -> int:
        """Ask control; the answer reaches the machine that asked. Returns the reference."""
        self._refs += 1
        self.questions[self._refs] = (who.machine, who.key)
        self.timers.set(("question", str(self._refs), "deadline"), self.now + deadline_s + 0.1)
        self.emit(Ask(self._refs, question, data, deadline_s))
        return self._refs

    def notice(self, level: str, code: str, **data: Any) -> None:
        """Tell supervisors."""
        self.emit(Publish("notice", {"level": level, "code": code, "data": data}))

    def publish_agent(self, agent: Agent) -> None:
        """Tell desks about an agent."""
        agents.publish(self, agent)

    def pop(self, call: Call, ext: str) -> None:
        """Put the caller on the screen of whoever sits at a telephone."""
        agent = self.agent_at(ext)
        record = call.record
        number = record.called_number if call.direction == "out" else record.caller_number
        self.emit(
            Publish(
                "pop",
                {
                    "agent": agent.key if agent else "",
                    "phone": ext,
                    "call": call.id,
                    "number": number,
                    "name": record.caller_name,
                    "presentation": record.caller_presentation,
                    "line": record.line,
                    "queue": record.queue,
                    "keys": record.keys,
                    "direction": call.direction,
                    "customer": record.customer,
                },
            )
        )

    def pop_end(self, call: Call, ext: str, why: str) -> None:
        """Take the caller off the screen again."""
        agent = self.agent_at(ext)
        if agent is not None:
            self.emit(Publish("pop_end", {"agent": agent.key, "call": call.id, "why": why}))

    # ---------------------------------------------------------------- calls
    def new_call(self, direction: str, far: str) -> Call:
        """A call that begins now."""
        call_id = next(self._call_ids)
        record = CallRecord(call_id, direction, started_at=self.now)
        call = Call(call_id, record, self.plan, since=self.now, far=far)
        self.calls[call_id] = call
        return call

    def call_timer(self, call: Call, event: CallEvent, after_s: float) -> None:
        """Let an event happen to a call after a while; replaces one of the same kind."""
        self.timers.set(("call", call.id, event.value), self.now + after_s)

    def cancel_timer(self, call: Call, *events: CallEvent) -> None:
        """Forget such events."""
        for event in events:
            self.timers.cancel(("call", call.id, event.value))

    def keep_record(self, call: Call) -> None:
        """Let the record be kept as it is now: should the box fail, the call is not forgotten."""
        self.emit(SaveRecord(call.id, call.record.as_dict(), False))

    def line_timer(self, line: Line, event: LineEvent, after_s: float) -> None:
        """Let an event happen to a line after a while; replaces one of the same kind."""
        self.timers.set(("line", line.key, event.value), self.now + after_s)

    # ---------------------------------------------------------- distribution
    def free_agents(self) -> list[acd.Free]:
        """Agents who are ready and whose telephone lies on hook and silent."""
        return [
            acd.Free(agent.key, agent.plan.queues, agent.idle_since)
            for agent in self.agents.values()
            if agent.state is AgentState.READY
            and (phone := self.phones.get(agent.phone)) is not None
            and phone.state is PhoneState.IDLE
        ]

    def waiting(self) -> list[acd.Waiting]:
        """Callers who wait and are not being offered."""
        return [
            acd.Waiting(call.id, call.record.queue, call.waits_since, call.vip, frozenset(call.tried))
            for call in self.calls.values()
            if call.state is CallState.QUEUED
        ]

    def distribute(self) -> None:
        """Ring everybody who can be rung now."""
        waiting = self.waiting()
        if not waiting:
            return
        for call_id, agent in acd.offers(self.plan.queues, waiting, self.free_agents(), self.now):
            self.fire(self.calls[call_id], CallEvent.OFFER, agent=agent)

    def busy_ports(self) -> frozenset[str]:
        """Ports that a call or a lifted telephone occupies."""
        lines = {line.key for line in self.lines.values() if line.call or line.state is LineState.CHECKING}
        phones = {
            phone.key
            for phone in self.phones.values()
            if phone.state not in (PhoneState.IDLE, PhoneState.FAULT)
        }
        return frozenset(lines | phones)
