"""given_/when_/then_: the call core driven by hand, with a clock that only this file moves."""

from __future__ import annotations

import tomllib
from dataclasses import asdict
from pathlib import Path

import pytest

import appliance
from appliance.core import actions as act
from appliance.core import events as ev
from appliance.core.flow import flow_from_dict
from appliance.core.plan import AgentPlan, LinePlan, PhonePlan, Plan, QueuePlan
from appliance.core.switch import Switch

MAIN_TOML = Path(appliance.__file__).parent / "flows" / "main.toml"
QUEUES = ("sales", "service", "operator")


def main_flow():
    return flow_from_dict(
        tomllib.loads(MAIN_TOML.read_text("utf-8")), None, set(QUEUES), {"801", "802", "803"}
    )


def a_plan(**changes):
    """Three lines, three telephones, three agents, three queues, the shipped flow."""
    given = {
        "lines": tuple(LinePlan(f"L{n}", f"sim/{n - 1}", number=f"6666000{n}") for n in (1, 2, 3)),
        "phones": tuple(PhonePlan(f"80{n}", f"sim/{n + 7}") for n in (1, 2, 3)),
        "agents": (
            AgentPlan("1001", "Anna", ("sales", "operator")),
            AgentPlan("1002", "Ben", ("sales", "service", "operator")),
            AgentPlan("1003", "Cai", ("service",)),
        ),
        "queues": tuple(QueuePlan(name, name.title()) for name in QUEUES),
        "flows": (main_flow(),),
    }
    return Plan(**{**given, **changes})


class Office:
    """One switch, its time, and everything it has asked for so far."""

    def __init__(self, plan=None):
        self.plan = plan or a_plan()
        self.switch = Switch(self.plan)
        self.now = 1000.0
        self.actions = []
        self.records = {}
        self.early = {}
        self.replies = {}
        self.heard = {}
        self.bridges = set()
        self.ringing = set()
        self.lamps = set()
        self.off_hook_lines = set()
        self._refs = 0
        self.answers = {}
        self.step()

    # ------------------------------------------------------------------ driving
    def step(self, *events):
        for event in events:
            if isinstance(event, ev.PortReady):
                self.lamps.discard(event.port)  # a card that is back comes back dark
        out = self.switch.step(self.now, events)
        self.actions += out
        for action in out:
            self._note(action)
        for action in out:
            if isinstance(action, act.Ask) and action.question in self.answers:
                answer = self.answers[action.question]
                self.step(ev.Answered(action.ref, answer))
        return out

    def pass_time(self, seconds):
        """Move the clock on, stopping at every timer."""
        end = self.now + seconds
        while (due := self.switch.next_due()) is not None and due <= end:
            self.now = max(self.now, due)
            self.step(ev.Tick())
        self.now = end
        self.step(ev.Tick())

    def _note(self, action):
        match action:
            case act.Play(port, token, prompts, loop):
                self.heard[port] = ("play", token, prompts, loop)
            case act.PlayTone(port, tone):
                self.heard[port] = ("tone", tone)
            case act.Quiet(port):
                self.heard[port] = None
            case act.Release(port):
                self.heard[port] = None
                self.off_hook_lines.discard(port)
                self.bridges = {pair for pair in self.bridges if port not in pair}
            case act.Seize(port):
                self.off_hook_lines.add(port)
            case act.Ring(port):
                assert port not in self.ringing, f"{port} rings twice"
                self.ringing.add(port)
            case act.Lamp(port, on):
                assert on is not (port in self.lamps), f"the lamp of {port} is {on} already"
                (self.lamps.add if on else self.lamps.discard)(port)
            case act.StopRing(port):
                self.ringing.discard(port)
            case act.Bridge(a, b):
                self.bridges.add(frozenset((a, b)))
            case act.Unbridge(a, b):
                self.bridges.discard(frozenset((a, b)))
            case act.SaveRecord(call, data, True):
                assert call not in self.records, f"{call} ended twice"
                self.records[call] = data
            case act.SaveRecord(call, data, False):
                self.early[call] = data
            case act.Reply(ref, error, data):
                self.replies[ref] = (error, data)

    # -------------------------------------------------------------------- given
    def given_signed_in(self, *pairs, ready=True):
        """("1001", "801"), … one second apart, the first idle longest."""
        for agent, phone in pairs:
            assert self.desk("sign_in", agent, phone=phone) == ""
            if ready:
                assert self.desk("ready", agent) == ""
            self.pass_time(1.0)

    def given_caller_in_queue(self, line="L1", number="13800001111", key="1"):
        self.when_call_arrives(line, number)
        self.when_pressed(line, key)

    def given_talk(self, line="L1", agent="1001", phone="801", key="1"):
        """A caller from the queue talks to an agent, who was the only one ready."""
        self.given_signed_in((agent, phone))
        self.given_caller_in_queue(line, key=key)
        self.pass_time(2.0)
        self.when_lifted(phone)
        self.then_bridged(line, phone)

    # --------------------------------------------------------------------- when
    def when_call_arrives(self, line="L1", number="13800001111", name="", presentation="shown"):
        """Ring, caller ID, no word from control, answer."""
        self.step(ev.RingStarted(line))
        self.pass_time(1.0)
        self.step(ev.RingStopped(line))
        self.pass_time(0.5)
        self.step(ev.CallerIdSeen(line, number, name, presentation))
        self.pass_time(0.5)

    def when_pressed(self, port, keys):
        for key in keys:
            self.step(ev.KeyPressed(port, key))
            self.pass_time(0.1)

    def when_heard_to_the_end(self, port, error=""):
        kind, token, _prompts, loop = self.heard[port]
        assert kind == "play" and not (loop and not error)
        self.step(ev.PlayFinished(port, token, error))

    def when_lifted(self, phone):
        self.ringing.discard(phone)
        self.step(ev.Lifted(phone))

    def when_hung_up(self, phone):
        self.step(ev.HungUp(phone))

    def when_caller_hangs_up(self, line="L1", cue="tone", latency_s=0.0):
        self.step(ev.FarEndGone(line, cue, latency_s))

    def when_dials(self, phone, digits):
        self.when_lifted(phone)
        self.when_pressed(phone, digits)

    def when_dial_tone(self, line):
        self.step(ev.ToneHeard(line, "dial"))

    def when_digits_sent(self, line):
        token = [a.token for a in self.actions if isinstance(a, act.Dial) and a.port == line][-1]
        self.step(ev.DialFinished(line, token))

    def desk(self, verb, agent, **args):
        """The error code of the reply; "" when it was granted."""
        self._refs += 1
        self.step(ev.Desk(verb, agent, self._refs, args))
        return self.replies[self._refs][0]

    # --------------------------------------------------------------------- then
    def then_bridged(self, a, b):
        assert frozenset((a, b)) in self.bridges, f"{a} and {b} do not hear each other: {self.bridges}"

    def then_not_bridged(self, a, b):
        assert frozenset((a, b)) not in self.bridges

    def then_plays(self, port, *prompts):
        assert self.heard.get(port) and self.heard[port][0] == "play", f"{port} hears {self.heard.get(port)}"
        assert self.heard[port][2] == prompts

    def then_tone(self, port, tone):
        assert self.heard.get(port) == ("tone", tone), f"{port} hears {self.heard.get(port)}"

    def then_record(self, **wanted):
        """Exactly one call has ended, with this; returns its record."""
        assert len(self.records) == 1, f"{len(self.records)} calls have ended"
        (record,) = self.records.values()
        self.check_record(record, wanted)
        return record

    @staticmethod
    def check_record(record, wanted):
        got = {key: record[key] for key in wanted}
        times = {key: pytest.approx(want) for key, want in wanted.items() if isinstance(want, float)}
        assert got == {**wanted, **times}

    def agent(self, number):
        return next(one for one in self.picture()["agents"] if one["number"] == number)

    def agent_state(self, number):
        return self.agent(number)["state"]

    def line_state(self, line):
        return next(one for one in self.picture()["lines"] if one["id"] == line)["state"]

    def phone_state(self, ext):
        return next(one for one in self.picture()["phones"] if one["ext"] == ext)["state"]

    def calls(self):
        return self.picture()["calls"]

    def picture(self):
        return self.switch.snapshot(self.now)

    def published(self, topic):
        return [a.data for a in self.actions if isinstance(a, act.Publish) and a.topic == topic]

    def notices(self):
        return [data["code"] for data in self.published("notice")]


def plain(plan):
    return asdict(plan)
