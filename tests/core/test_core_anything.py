"""Whatever happens in whatever order: nothing breaks, and nothing is left over."""

from core_office import Office, a_plan
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from appliance.core import actions as act
from appliance.core import events as ev
from appliance.core.call import CallState
from appliance.core.plan import BlockRule, LinePlan, QueuePlan
from appliance.core.port import LineState
from appliance.core.snapshot import public_state

LINES = ("L1", "L2", "L3")
PHONES = ("801", "802", "803")
AGENTS = ("1001", "1002", "1003")
WAITING = (CallState.QUEUED, CallState.OFFERED)
NUMBERS = ("13800001111", "4001", "", "95588123")

PLAN = a_plan(
    lines=(
        LinePlan("L1", "sim/0"),
        LinePlan("L2", "sim/1", extension="802", fallback_queue="service"),
        LinePlan("L3", "sim/2", answer_after_rings=1),
    ),
    queues=(
        QueuePlan("sales", "Sales", max_waiting=1, max_wait_s=40),
        QueuePlan("service", "Service", weight=2, wrap_up_s=0),
        QueuePlan("operator", "Operator", answer_when_nobody=False),
    ),
    max_call_s=120.0,
    blocked=(BlockRule("4001"), BlockRule("955*", "message"), BlockRule("withheld", "drop")),
)
OTHER_PLAN = a_plan(
    lines=PLAN.lines[:2], phones=PLAN.phones[:2], agents=PLAN.agents[:2], queues=PLAN.queues, blocked=()
)

lines = st.sampled_from(LINES)
phones = st.sampled_from(PHONES)
keys = st.sampled_from("0123456789*#")
dialled = st.sampled_from(
    [
        "801",
        "802",
        "803",
        "1001",
        "1002",
        "9139#",
        "110",
        "911#",
        "900441#",
        "*12",
        "*13",
        "*141",
        "*111001#1#",
    ]
)
TONES = ("dial", "ringback", "busy", "congestion", "sit", "voice", "silence")
short = st.sampled_from([0.02, 0.3, 1.0, 4.0, 7.0])
long_ = st.sampled_from([20.0, 61.0, 300.0])
desk_args = st.sampled_from(
    [{}]
    + [{"phone": phone} for phone in (*PHONES, "899")]
    + [{"to": to} for to in (*PHONES, *AGENTS, "sales", "service", "nobody")]
    + [{"number": number} for number in ("139", "0044", "110", "x")]
    + [{"reason": reason} for reason in ("lunch", "boredom")]
    + [{"call": f"c{n}"} for n in range(1, 5)]
)


class Anything(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.office = Office(PLAN)
        self.lifted = set()

    def say(self, *events):
        self.office.step(*events)
        for action in self.office.actions[-200:]:
            if isinstance(action, act.PortAction):
                assert action.port in LINES + PHONES

    # ------------------------------------------- longer strings of what is usual
    @initialize()
    def morning(self):
        for agent, phone in zip(AGENTS, PHONES, strict=True):
            self.come_to_work(agent, phone)

    @rule(line=lines, key=st.sampled_from("12"), phone=phones)
    def conversation(self, line, key, phone):
        self.whole_arrival(line, "13800001111", key)
        if phone in self.office.ringing:
            self.lift(phone)

    @rule()
    def whoever_rings_is_answered(self):
        for phone in sorted(self.office.ringing):
            self.lift(phone)

    @rule(verb=st.sampled_from(["hold", "retrieve", "hang_up"]), agent=st.sampled_from(AGENTS))
    def in_call(self, verb, agent):
        self.office.desk(verb, agent)

    @rule(agent=st.sampled_from(AGENTS), to=st.sampled_from([*PHONES, *AGENTS, "sales", "service"]))
    def hand_over(self, agent, to):
        self.office.desk("transfer", agent, to=to)

    @rule(phone=phones, to=st.sampled_from([*PHONES, *AGENTS]))
    def flash_and_dial(self, phone, to):
        self.flash(phone)
        if phone in self.lifted:
            self.say(*(ev.KeyPressed(phone, key) for key in to))

    @rule(agent=st.sampled_from(AGENTS), lift=st.booleans())
    def click_to_dial(self, agent, lift):
        self.office.desk("dial", agent, number="139")
        if lift:
            self.whoever_rings_is_answered()

    @rule(phone=phones, how_far=st.integers(0, 3))
    def call_outside(self, phone, how_far):
        self.dial(phone, "9139#")
        steps = (self.dial_tone_everywhere, self.digits_sent, self.answered_everywhere)
        for step in steps[:how_far]:
            step()

    @rule()
    def dial_tone_everywhere(self):
        for line in LINES:
            self.say(ev.ToneHeard(line, "dial"))

    @rule()
    def answered_everywhere(self):
        for line in LINES:
            self.say(ev.FarEndAnswered(line, "voice"))

    @rule(which=st.integers(0, 9))
    def supervisor_drops(self, which):
        calls = self.office.calls()
        if which < len(calls):
            assert self.office.desk("drop_call", "", call=calls[which]["id"]) == ""

    @rule(line=lines, latency_s=st.sampled_from([0.0, 2.5, 1e6]))
    def outside_hangs_up(self, line, latency_s):
        self.say(ev.FarEndGone(line, "tone", latency_s))

    # ------------------------------------------------------------- the outside
    @rule(line=lines)
    def ring(self, line):
        self.say(ev.RingStarted(line))

    @rule(line=lines, number=st.sampled_from(NUMBERS))
    def ring_ends_and_caller_id(self, line, number):
        self.say(ev.RingStopped(line), ev.CallerIdSeen(line, number, "", "shown" if number else "withheld"))

    @rule(line=lines, number=st.sampled_from(NUMBERS), key=st.sampled_from("1203"))
    def whole_arrival(self, line, number, key):
        self.say(ev.RingStarted(line), ev.CallerIdSeen(line, number, "", "shown" if number else "withheld"))
        self.office.pass_time(0.6)
        self.say(ev.KeyPressed(line, key))

    @rule(line=lines, key=keys)
    def caller_presses(self, line, key):
        self.say(ev.KeyPressed(line, key))

    @rule(
        line=lines,
        tone=st.sampled_from(TONES),
    )
    def tone(self, line, tone):
        self.say(ev.ToneHeard(line, tone))

    @rule(line=lines, how=st.sampled_from(["polarity", "voice"]))
    def far_end_answers(self, line, how):
        self.say(ev.FarEndAnswered(line, how))

    @rule(port=st.sampled_from(LINES + PHONES), for_long=st.booleans())
    def lost(self, port, for_long):
        self.office.ringing.discard(port)
        self.lifted.discard(port)
        self.say(ev.PortLost(port, "pulled"))
        if not for_long:
            self.say(ev.PortReady(port))

    @rule()
    def all_ports_back(self):
        self.say(*(ev.PortReady(port) for port in LINES + PHONES))

    # -------------------------------------------------------------- the engine
    @rule(port=st.sampled_from(LINES + PHONES), error=st.sampled_from(["", "", "no such file"]))
    def played(self, port, error):
        heard = self.office.heard.get(port)
        if heard and heard[0] == "play" and (error or not heard[3]):
            self.say(ev.PlayFinished(port, heard[1], error))

    @rule()
    def digits_sent(self):
        dials = [a for a in self.office.actions if isinstance(a, act.Dial)]
        if dials:
            self.say(ev.DialFinished(dials[-1].port, dials[-1].token))

    @rule(data=st.sampled_from([None, {}, {"vip": True}, {"blocked": True}, {"ok": True}, {"ok": False}]))
    def control_answers(self, data):
        asks = [a for a in self.office.actions if isinstance(a, act.Ask)]
        if asks:
            self.say(ev.Answered(asks[-1].ref, data))

    @rule(seconds=short)
    def little_time(self, seconds):
        self.office.pass_time(seconds)

    @rule(seconds=long_)
    def much_time(self, seconds):
        self.office.pass_time(seconds)

    # -------------------------------------------------------------- the people
    @rule(phone=phones)
    def lift(self, phone):
        self.office.ringing.discard(phone)
        self.lifted.add(phone)
        self.say(ev.Lifted(phone))

    @rule(phone=phones)
    def hang_up(self, phone):
        self.lifted.discard(phone)
        self.say(ev.HungUp(phone))

    @rule(phone=phones)
    def flash(self, phone):
        if phone in self.lifted:
            self.say(ev.Flashed(phone))

    @rule(phone=phones, digits=dialled)
    def dial(self, phone, digits):
        self.lift(phone)
        self.say(*(ev.KeyPressed(phone, key) for key in digits))

    @rule(agent=st.sampled_from(AGENTS), phone=phones)
    def come_to_work(self, agent, phone):
        self.office.desk("sign_in", agent, phone=phone)
        self.office.desk("ready", agent)

    @rule(verb=st.sampled_from(sorted(ev.DESK_VERBS)), agent=st.sampled_from((*AGENTS, "9")), args=desk_args)
    def desk(self, verb, agent, args):
        error = self.office.desk(verb, agent, **args)
        assert error == "" or error in act.ERRORS

    @rule(seconds=short)
    def plan_without_much_and_back(self, seconds):
        self.say(ev.PlanChanged(OTHER_PLAN))
        self.office.pass_time(seconds)
        self.say(ev.PlanChanged(PLAN))

    # --------------------------------------------------------------- the truth
    @invariant()
    def a_port_is_in_one_call(self):
        world = self.office.switch._world
        ports = [port for call in world.calls.values() for port in call.ports()]
        assert len(ports) == len(set(ports))
        for place in (*world.lines.values(), *world.phones.values()):
            assert not place.call or place.key in world.calls[place.call].ports()
        assert all(call.state is not CallState.ENDED for call in world.calls.values())

    @invariant()
    def bridges_belong_to_calls(self):
        world = self.office.switch._world
        joined = {frozenset((call.far, call.near)) for call in world.calls.values() if call.bridged}
        assert self.office.bridges == joined

    @invariant()
    def what_rings_rings_for_a_call(self):
        world = self.office.switch._world
        assert self.office.ringing == {call.target for call in world.calls.values() if call.target}

    @invariant()
    def nobody_on_a_line_sits_in_silence(self):
        world = self.office.switch._world
        for call in world.calls.values():
            if call.direction == "in" and call.state in (
                CallState.QUEUED,
                CallState.OFFERED,
                CallState.EXTENSION,
                CallState.HELD,
                CallState.TRANSFER,
            ):
                assert self.office.heard.get(call.far), f"{call.far} hears nothing in {call.state}"

    @invariant()
    def agents_and_calls_agree(self):
        world = self.office.switch._world
        for agent in world.agents.values():
            if agent.state.value in ("ringing", "talking", "hold", "outbound", "internal"):
                assert agent.call in world.calls
                assert agent.phone in world.calls[agent.call].ports()
        sitting = [agent.phone for agent in world.agents.values() if agent.phone]
        assert len(sitting) == len(set(sitting))

    @invariant()
    def the_picture_shows_the_world(self):
        """Row by row, each looked up by itself in the world as it is now."""
        world = self.office.switch._world
        picture = self.office.picture()
        assert [row["id"] for row in picture["calls"]] == list(world.calls)
        for row in picture["calls"]:
            call = world.calls[row["id"]]
            rung, serves = world.agent_at(call.target), world.agent_at(call.near)
            assert row["agent"] == (rung.key if rung else serves.key if serves else "")
            assert row["phone"] == (call.target or call.near)
            assert (row["state"], row["since"]) == (public_state(call), call.since)
            kept = ("line", "caller_number", "caller_name", "called_number", "queue", "keys", "direction")
            assert [row[name] for name in kept] == [getattr(call.record, name) for name in kept]
            assert row["started"] == call.record.started_at
            assert row["position"] == (self.before(call) + 1 if call.state in WAITING else 0)
        for row, line in zip(picture["lines"], world.lines.values(), strict=True):
            call = world.calls.get(line.call)
            shown = next((one for one in picture["calls"] if one["id"] == line.call), None)
            assert (row["id"], row["call"]) == (line.key, call.id if call else "")
            for name in ("caller_number", "caller_name", "queue", "agent"):
                assert row[name] == (shown[name] if shown else "")
            assert row["since"] == (call.since if call else line.since)
            if line.state in (LineState.IDLE, LineState.RINGING, LineState.SEIZED):
                assert row["state"] == (shown["state"] if shown else "idle")
        for row, phone in zip(picture["phones"], world.phones.values(), strict=True):
            sits = world.agent_at(phone.key)
            assert (row["ext"], row["since"]) == (phone.key, phone.since)
            assert row["agent"] == (sits.key if sits else "")
        for row, queue in zip(picture["queues"], world.plan.queues, strict=True):
            calls = [call for call in world.calls.values() if call.record.queue == queue.id]
            waits = [call.waits_since for call in calls if call.state in WAITING]
            talk = [call for call in calls if call.state in (CallState.TALKING, CallState.HELD)]
            assert (row["id"], row["waiting"], row["talking"]) == (queue.id, len(waits), len(talk))
            assert row["longest_since"] == min(waits, default=None)

    def before(self, call):
        """How many wait in its queue and are served before it."""
        world = self.office.switch._world
        rank = (not call.vip, call.waits_since, call.id)
        others = [one for one in world.calls.values() if one.state in WAITING]
        return sum(
            one.record.queue == call.record.queue and (not one.vip, one.waits_since, one.id) < rank
            for one in others
        )

    def teardown(self):
        office = self.office
        for _ in range(4):
            for phone in PHONES:
                office.ringing.discard(phone) if phone in self.lifted else None
                self.hang_up(phone)
            for line in LINES:
                office.step(ev.RingStopped(line), ev.FarEndGone(line, "tone", 0.0))
            office.pass_time(120)
        assert office.calls() == []
        assert not office.bridges
        assert not office.ringing
        started = [a.key for a in office.actions if isinstance(a, act.LogTransition) and a.old == "new"]
        assert set(started) <= set(office.records)
        for record in office.records.values():
            assert record["end_reason"]
            assert record["ended_at"] >= record["started_at"]
            assert min(record["wait_s"], record["talk_s"], record["hold_s"]) >= 0
        recording = [a.call for a in office.actions if isinstance(a, act.StartRecording)]
        stopped = [a.call for a in office.actions if isinstance(a, act.StopRecording)]
        assert sorted(recording) == sorted(stopped) == sorted(set(recording))
        assert not office.switch.busy_ports()
        assert all(a.old != a.new for a in office.actions if isinstance(a, act.LogTransition))


Anything.TestCase.settings = settings(
    max_examples=250,
    stateful_step_count=50,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
TestAnything = Anything.TestCase
