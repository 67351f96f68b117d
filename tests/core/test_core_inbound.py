"""A call from outside: ring, caller ID, menu, queue, talk, end."""

import pytest
from core_office import QUEUES, Office, a_plan, main_flow

from appliance.core import actions as act
from appliance.core import events as ev
from appliance.core.plan import BlockRule, Flow, LinePlan, QueuePlan


def test_a_caller_reaches_an_agent_and_the_record_tells_all():
    office = Office()
    office.given_signed_in(("1001", "801"))
    start = office.now
    office.when_call_arrives("L1", "13800001111", "Li")
    assert office.line_state("L1") == "ivr"
    office.then_plays("L1", "greeting")
    office.when_heard_to_the_end("L1")
    office.then_plays("L1", "menu_main")
    office.when_heard_to_the_end("L1")
    office.when_pressed("L1", "1")
    assert office.ringing == {"801"}
    assert office.agent_state("1001") == "ringing"
    pop = office.published("pop")[-1]
    assert (pop["agent"], pop["number"], pop["queue"], pop["keys"]) == ("1001", "13800001111", "sales", "1")
    office.pass_time(3.0)
    office.when_lifted("801")
    office.then_bridged("L1", "801")
    assert office.agent_state("1001") == "talking"
    assert list(office.early) == ["c1"]
    office.pass_time(60.0)
    office.when_caller_hangs_up("L1", "tone", latency_s=2.0)
    record = office.then_record(
        direction="in",
        line="L1",
        line_number="66660001",
        called_number="66660001",
        caller_number="13800001111",
        caller_name="Li",
        queue="sales",
        agent="1001",
        agents=["1001"],
        phone="801",
        keys="1",
        flow="main",
        end_reason="caller_hangup",
        cue="tone",
    )
    assert record["started_at"] == start
    assert abs(record["talk_s"] - 58.0) < 1e-6
    assert abs(record["wait_s"] - 3.1) < 1e-6
    assert record["ended_at"] == office.now - 2.0
    whats = [step["what"] for step in record["steps"]]
    assert whats == [
        "ring",
        "callerid",
        "answer",
        "node",
        "node",
        "key",
        "node",
        "queue",
        "offer",
        "connect",
        "hangup",
    ]
    assert not office.bridges and not office.off_hook_lines
    office.then_tone("801", "busy")
    assert office.agent_state("1001") == "wrap_up"
    office.when_hung_up("801")
    office.pass_time(16.0)
    assert office.agent_state("1001") == "ready"


def test_the_recording_runs_from_the_answer_to_the_end():
    office = Office()
    office.given_talk()
    starts = [a for a in office.actions if isinstance(a, act.StartRecording)]
    assert [(a.call, a.port) for a in starts] == [("c1", "L1")]
    office.when_hung_up("801")
    assert any(isinstance(a, act.StopRecording) and a.call == "c1" for a in office.actions)
    office.then_record(end_reason="agent_hangup")
    assert office.line_state("L1") == "idle"


@pytest.mark.parametrize(("cue", "ended_s_ago"), [("tone", 2.0), ("dialtone", 2.0), ("silence", 0.0)])
def test_the_tone_that_tells_a_hang_up_is_not_part_of_the_recording(cue, ended_s_ago):
    office = Office()
    office.given_talk()
    office.pass_time(10.0)
    office.when_caller_hangs_up("L1", cue, latency_s=2.0)
    assert [a.ended_s_ago for a in office.actions if isinstance(a, act.StopRecording)] == [ended_s_ago]


def test_answers_at_the_ring_limit_without_caller_id():
    office = Office()
    office.step(ev.RingStarted("L1"))
    office.pass_time(1.0)
    office.step(ev.RingStopped("L1"))
    office.pass_time(4.0)
    assert office.line_state("L1") == "ringing"
    office.step(ev.RingStarted("L1"))
    assert office.line_state("L1") == "ivr"
    office.when_caller_hangs_up()
    office.then_record(end_reason="abandoned_ivr", caller_presentation="unavailable")


def test_answers_as_soon_as_the_caller_is_known_and_control_has_spoken():
    office = Office()
    office.answers["caller"] = {"blocked": False, "vip": False, "customer": 3, "name": "Wu", "last_agent": ""}
    office.step(ev.RingStarted("L1"))
    office.step(ev.CallerIdSeen("L1", "138", "ANON"))
    office.then_plays("L1", "greeting")
    office.when_caller_hangs_up()
    office.then_record(customer=3, caller_name="Wu", caller_number="138")


def test_control_that_says_nothing_delays_by_its_deadline_only():
    office = Office()
    office.step(ev.RingStarted("L1"), ev.CallerIdSeen("L1", "138"))
    (ask,) = [a for a in office.actions if isinstance(a, act.Ask)]
    assert (ask.question, ask.data) == ("caller", {"number": "138", "line": "L1"})
    assert ask.deadline_s == 0.3
    office.pass_time(0.2)
    assert office.line_state("L1") == "ringing"
    office.pass_time(0.3)
    office.then_plays("L1", "greeting")
    office.step(ev.Answered(ask.ref, {"blocked": True}))
    assert office.line_state("L1") == "ivr"


def test_caller_id_before_the_first_ring_is_kept():
    office = Office()
    office.step(ev.CallerIdSeen("L1", "138"))
    office.pass_time(1.0)
    office.step(ev.RingStarted("L1"))
    office.pass_time(0.5)
    assert office.line_state("L1") == "ivr"
    assert office.calls()[0]["caller_number"] == "138"


def test_caller_id_of_long_ago_is_not_this_callers():
    office = Office()
    office.step(ev.CallerIdSeen("L1", "138"))
    office.pass_time(20.0)
    office.step(ev.RingStarted("L1"))
    office.pass_time(0.5)
    assert office.calls()[0]["caller_number"] == ""


def test_a_withheld_number_shows_as_withheld():
    office = Office()
    office.given_signed_in(("1001", "801"))
    office.when_call_arrives("L1", "", presentation="withheld")
    office.when_pressed("L1", "1")
    assert office.published("pop")[-1]["presentation"] == "withheld"
    office.when_caller_hangs_up()
    office.then_record(caller_presentation="withheld", caller_number="")


def test_a_caller_who_gives_up_ringing():
    office = Office(a_plan(lines=(LinePlan("L1", "sim/0", answer_after_rings=5),)))
    for _ in range(2):
        office.step(ev.RingStarted("L1"))
        office.pass_time(1)
        office.step(ev.RingStopped("L1"))
        office.pass_time(4)
    assert office.line_state("L1") == "ringing"
    office.pass_time(2.1)
    office.then_record(end_reason="abandoned_ringing", answered_at=None)
    assert office.line_state("L1") == "idle"
    assert not [a for a in office.actions if isinstance(a, act.Seize)]


def test_a_burst_whose_end_is_never_seen_does_not_ring_for_ever():
    office = Office(a_plan(lines=(LinePlan("L1", "sim/0", answer_after_rings=5),)))
    office.step(ev.RingStarted("L1"))
    office.pass_time(12.1)
    office.then_record(end_reason="abandoned_ringing")


def blocking(*rules):
    return Office(a_plan(blocked=rules))


@pytest.mark.parametrize(
    ("pattern", "number", "presentation"),
    [("4001", "4001", "shown"), ("400*", "40012345", "shown"), ("withheld", "", "withheld")],
)
def test_a_blocked_caller_is_never_answered_and_the_line_stays_taken(pattern, number, presentation):
    office = blocking(BlockRule(pattern))
    office.when_call_arrives("L1", number, presentation=presentation)
    for _ in range(5):
        office.step(ev.RingStarted("L1"))
        office.pass_time(1)
        office.step(ev.RingStopped("L1"))
        office.pass_time(4)
    assert office.line_state("L1") == "blocked"
    assert not [a for a in office.actions if isinstance(a, act.Seize)]
    office.pass_time(7)
    office.then_record(end_reason="blocked", answered_at=None, recording="")
    assert office.line_state("L1") == "idle"


@pytest.mark.parametrize("number", ["4002", "14001", "40", ""])
def test_others_are_let_in(number):
    office = blocking(BlockRule("4001"), BlockRule("14*", "drop"), BlockRule("withheld"))
    office.when_call_arrives("L1", number, presentation="unavailable" if not number else "shown")
    assert (office.line_state("L1") == "ivr") == (number != "14001")


def test_a_dropped_caller_is_answered_and_hung_up():
    office = blocking(BlockRule("4001", "drop"))
    office.when_call_arrives("L1", "4001")
    office.pass_time(0.5)
    office.then_record(end_reason="blocked")
    assert not office.off_hook_lines


def test_a_blocked_caller_may_hear_why():
    office = blocking(BlockRule("4001", "message", "sorry_blocked"))
    office.when_call_arrives("L1", "4001")
    office.then_plays("L1", "sorry_blocked")
    office.when_heard_to_the_end("L1")
    office.then_record(end_reason="blocked")


def test_control_can_block_a_customer():
    office = Office()
    office.answers["caller"] = {"blocked": True}
    office.when_call_arrives("L1", "138")
    assert office.line_state("L1") == "blocked"


def test_a_line_that_takes_no_calls_is_left_ringing():
    office = Office(a_plan(lines=(LinePlan("L1", "sim/0", inbound=False),)))
    office.when_call_arrives("L1")
    office.pass_time(10)
    office.then_record(end_reason="abandoned_ringing")
    assert not [a for a in office.actions if isinstance(a, act.Seize)]


# --------------------------------------------------------------------- menus
def test_no_key_repeats_twice_then_an_agent():
    office = Office()
    office.when_call_arrives()
    office.when_heard_to_the_end("L1")
    for _ in range(2):
        office.when_heard_to_the_end("L1")
        office.pass_time(5.0)
        office.then_plays("L1", "no_key", "menu_main")
    office.when_heard_to_the_end("L1")
    office.pass_time(5.0)
    assert office.calls()[0]["queue"] == "operator"
    office.then_plays("L1", "music")


def test_a_wrong_key_repeats_twice_then_an_agent():
    office = Office()
    office.when_call_arrives()
    office.when_heard_to_the_end("L1")
    for _ in range(2):
        office.when_pressed("L1", "7")
        office.then_plays("L1", "invalid_key", "menu_main")
    office.when_pressed("L1", "9")
    assert office.calls()[0]["queue"] == "operator"
    office.when_caller_hangs_up()
    office.then_record(keys="779")


def test_a_key_cuts_the_greeting_short_and_counts():
    office = Office()
    office.when_call_arrives()
    office.then_plays("L1", "greeting")
    office.when_pressed("L1", "2")
    assert office.calls()[0]["queue"] == "service"


def test_two_lines_run_two_flows_and_a_new_plan_disturbs_neither():
    night = Flow("night", "bye", {"bye": {"type": "hangup", "prompt": "closed_now"}})
    lines = (LinePlan("L1", "sim/0"), LinePlan("L2", "sim/1", flow="night"))
    office = Office(a_plan(lines=lines, flows=(main_flow(), night)))
    office.when_call_arrives("L1")
    office.when_call_arrives("L2")
    office.then_plays("L2", "closed_now")
    other = Flow("main", "bye", {"bye": {"type": "hangup"}})
    office.step(ev.PlanChanged(a_plan(lines=lines, flows=(other, night))))
    office.when_heard_to_the_end("L1")
    office.then_plays("L1", "menu_main")
    office.when_caller_hangs_up("L1")
    office.pass_time(10)
    office.when_call_arrives("L1")
    office.then_plays("L1", "goodbye")


def test_a_prompt_that_fails_is_skipped_with_a_notice():
    office = Office()
    office.when_call_arrives()
    office.when_heard_to_the_end("L1", error="no such file")
    office.then_plays("L1", "menu_main")
    assert "prompt_failed" in office.notices()
    office.when_heard_to_the_end("L1", error="no such file")
    assert office.calls()[0]["queue"] == "operator"
    office.when_heard_to_the_end("L1", error="no such file")
    office.then_tone("L1", "ringback")


def test_last_words_that_fail_become_busy_tone():
    office = Office(a_plan(queues=tuple(QueuePlan(q, q, answer_when_nobody=False) for q in QUEUES)))
    office.when_call_arrives()
    office.when_pressed("L1", "1")
    office.then_plays("L1", "sorry_closed")
    office.when_heard_to_the_end("L1", error="no such file")
    office.then_tone("L1", "busy")
    office.pass_time(4)
    office.then_record(end_reason="flow_end")


def test_a_flow_can_ring_a_telephone_and_go_on():
    flow = Flow(
        "main",
        "boss",
        {
            "boss": {"type": "extension", "ext": "803", "ring_s": 10, "on_no_answer": "queue"},
            "queue": {"type": "queue", "queue": "sales"},
        },
    )
    office = Office(a_plan(flows=(flow,)))
    office.when_call_arrives()
    assert office.ringing == {"803"}
    office.then_tone("L1", "ringback")
    office.pass_time(10)
    assert not office.ringing
    assert office.line_state("L1") == "queued"


def test_flows_that_send_callers_in_circles_end_with_words():
    flow = Flow(
        "main",
        "a",
        {"a": {"type": "queue", "queue": "sales", "on_closed": "b"}, "b": {"type": "goto", "flow": "main"}},
    )
    shut = tuple(QueuePlan(q, q, answer_when_nobody=False) for q in QUEUES)
    office = Office(a_plan(flows=(flow,), queues=shut))
    office.when_call_arrives()
    office.then_plays("L1", "sorry_busy")


def test_the_latency_of_the_cue_never_ends_a_call_before_it_began():
    office = Office()
    office.given_talk()
    office.when_caller_hangs_up(latency_s=500.0)
    record = office.then_record(talk_s=0.0)
    assert record["ended_at"] == record["connected_at"]


def test_caller_id_that_comes_late_is_still_noted():
    office = Office(a_plan(lines=(LinePlan("L1", "sim/0", answer_after_rings=1),)))
    office.step(ev.RingStarted("L1"))
    office.step(ev.CallerIdSeen("L1", "138"))
    office.when_caller_hangs_up()
    office.then_record(caller_number="138", end_reason="abandoned_ivr")
