"""Calls that begin at our telephones: inside, outside, by click, and in an emergency."""

import pytest
from core_office import Office, a_plan

from appliance.core import actions as act
from appliance.core import events as ev
from appliance.core.plan import AgentPlan, LinePlan


def out_lines(office):
    return [a.port for a in office.actions if isinstance(a, act.Seize)]


def given_outside_call(office, phone="801", number="13900002222"):
    office.when_dials(phone, "9" + number + "#")
    line = out_lines(office)[-1]
    office.when_dial_tone(line)
    office.when_digits_sent(line)
    return line


def test_lifting_gives_dial_tone_and_the_first_digit_stops_it():
    office = Office()
    office.when_lifted("801")
    office.then_tone("801", "dial")
    office.when_pressed("801", "8")
    assert office.heard["801"] is None


def test_an_extension_is_called_answered_and_talked_to():
    office = Office()
    office.given_signed_in(("1001", "801"), ("1002", "802"))
    office.when_dials("801", "802")
    office.then_tone("801", "ringback")
    assert office.ringing == {"802"}
    assert office.agent_state("1001") == "internal"
    assert office.agent_state("1002") == "ringing"
    office.pass_time(4)
    office.when_lifted("802")
    office.then_bridged("801", "802")
    assert office.agent_state("1002") == "internal"
    office.pass_time(30)
    office.when_hung_up("801")
    office.then_record(
        direction="internal",
        caller_number="801",
        called_number="802",
        end_reason="caller_hangup",
        talk_s=30.0,
        agents=["1001", "1002"],
    )
    office.then_tone("802", "busy")
    assert any(isinstance(a, act.StartRecording) for a in office.actions)
    office.when_hung_up("802")
    assert office.agent_state("1001") == office.agent_state("1002") == "ready"


def test_an_agent_number_rings_where_the_agent_sits():
    office = Office()
    office.given_signed_in(("1002", "803"))
    office.when_dials("801", "1002")
    assert office.ringing == {"803"}


@pytest.mark.parametrize("number", ["801", "1003"])
def test_who_cannot_be_rung_gives_busy(number):
    office = Office()
    if number == "801":
        office.when_dials("802", "801")
        office.when_lifted("801")
        office.then_bridged("802", "801")
        office.when_dials("803", number)
        assert office.phone_state("803") == "off_hook"
        office.then_tone("803", "busy")
    else:
        office.when_dials("802", number)
        office.then_record(end_reason="no_answer", direction="internal")
        office.then_tone("802", "busy")


def test_hanging_up_while_it_rings_cancels():
    office = Office()
    office.when_dials("801", "802")
    office.pass_time(3)
    office.when_hung_up("801")
    office.then_record(end_reason="cancelled")
    assert not office.ringing
    assert office.phone_state("802") == "idle"


def test_inside_nobody_answers():
    office = Office()
    office.when_dials("801", "802")
    office.pass_time(31)
    office.then_record(end_reason="no_answer")
    assert not office.ringing
    office.then_tone("801", "busy")


def test_outside_waits_for_dial_tone_dials_and_talks():
    office = Office()
    office.given_signed_in(("1001", "801"))
    office.when_dials("801", "913900002222")
    assert out_lines(office) == []
    office.pass_time(4.1)
    assert out_lines(office) == ["L1"]
    assert not [a for a in office.actions if isinstance(a, act.Dial)]
    assert office.line_state("L1") == "dialling"
    office.when_dial_tone("L1")
    dials = [a for a in office.actions if isinstance(a, act.Dial)]
    assert [(a.port, a.digits) for a in dials] == [("L1", "13900002222")]
    assert frozenset(("L1", "801")) not in office.bridges
    office.when_digits_sent("L1")
    office.then_bridged("L1", "801")
    assert office.line_state("L1") == "out_ringing"
    assert office.agent_state("1001") == "outbound"
    office.step(ev.ToneHeard("L1", "ringback"))
    office.pass_time(8)
    office.step(ev.FarEndAnswered("L1", "voice"))
    assert office.line_state("L1") == "out_talking"
    office.pass_time(20)
    office.when_hung_up("801")
    record = office.then_record(
        direction="out",
        line="L1",
        called_number="13900002222",
        agent="1001",
        phone="801",
        answer_seen="inferred",
        end_reason="agent_hangup",
        talk_s=20.0,
    )
    assert record["connected_at"] is not None
    assert office.line_state("L1") == "idle"
    assert office.agent_state("1001") == "ready"


def test_a_reversal_is_an_answer_that_was_seen():
    office = Office()
    line = given_outside_call(office)
    office.step(ev.FarEndAnswered(line, "polarity"))
    office.when_caller_hangs_up(line, "battery")
    office.then_record(answer_seen="seen", end_reason="caller_hangup", cue="battery")
    office.then_tone("801", "busy")


@pytest.mark.parametrize(
    ("tone", "reason"), [("busy", "busy"), ("congestion", "congestion"), ("sit", "congestion")]
)
def test_a_refusal_is_heard_by_the_agent_then_the_line_is_given_back(tone, reason):
    office = Office()
    line = given_outside_call(office)
    office.step(ev.ToneHeard(line, tone))
    office.then_bridged(line, "801")
    office.pass_time(9)
    office.then_record(end_reason=reason)
    assert not office.off_hook_lines
    office.then_tone("801", "busy")


def test_hanging_up_on_busy_tone_is_busy_not_cancelled():
    office = Office()
    line = given_outside_call(office)
    office.step(ev.ToneHeard(line, "busy"))
    office.when_hung_up("801")
    office.then_record(end_reason="busy")


def test_nobody_answers_outside():
    office = Office()
    given_outside_call(office)
    office.step(ev.ToneHeard("L1", "ringback"))
    office.pass_time(61)
    office.then_record(end_reason="no_answer", answer_seen="")


def test_no_dial_tone_goes_on_to_the_next_line_and_then_gives_up():
    office = Office()
    office.when_dials("801", "9139#")
    office.pass_time(5.1)
    assert out_lines(office) == ["L1", "L2"]
    office.when_dial_tone("L2")
    assert [a.port for a in office.actions if isinstance(a, act.Dial)] == ["L2"]
    office.when_hung_up("801")
    office.when_dials("802", "9139#")
    office.pass_time(60)
    last = list(office.records.values())[-1]
    assert last["end_reason"] == "no_dial_tone"
    office.then_tone("802", "congestion")
    assert not office.off_hook_lines


def test_lines_are_taken_in_turn():
    office = Office()
    for expected in ("L1", "L2", "L3", "L1"):
        line = given_outside_call(office)
        assert line == expected
        office.when_hung_up("801")
        office.pass_time(2)


def test_a_line_that_rang_just_now_is_not_taken():
    office = Office()
    office.step(ev.RingStarted("L1"))
    office.when_dials("801", "9139#")
    assert out_lines(office) == ["L2"]


def test_a_line_between_two_rings_is_not_taken_though_its_caller_seems_gone():
    office = Office()
    office.when_call_arrives("L1")
    office.when_caller_hangs_up("L1")
    office.pass_time(2.0)
    office.when_dials("801", "9139#")
    assert out_lines(office) == ["L1", "L2"]  # L1 was taken for the caller only


def test_no_free_line_is_congestion():
    office = Office(a_plan(lines=(LinePlan("L1", "sim/0"), LinePlan("L2", "sim/1", outbound=False))))
    given_outside_call(office)
    office.when_dials("802", "9139#")
    office.then_record(end_reason="no_line")
    office.then_tone("802", "congestion")


def test_ring_while_seizing_hands_the_line_to_the_caller():
    office = Office()
    office.given_signed_in(("1002", "802"))
    office.when_dials("801", "9139#")
    office.step(ev.RingStarted("L1"))
    assert out_lines(office) == ["L1", "L2"]
    office.then_plays("L1", "greeting")
    assert "glare" in office.notices()
    office.when_dial_tone("L2")
    office.when_digits_sent("L2")
    office.then_bridged("L2", "801")
    office.when_pressed("L1", "1")
    assert office.ringing == {"802"}
    office.when_lifted("802")
    office.then_bridged("L1", "802")


def test_barred_numbers_are_refused_with_a_tone_and_a_record():
    office = Office()
    office.when_dials("801", "90044123456#")
    office.then_record(end_reason="barred", called_number="0044123456", line="")
    office.then_tone("801", "error")
    assert out_lines(office) == []


def test_an_agent_without_the_right_cannot_dial_out_but_can_call_for_help():
    office = Office(a_plan(agents=(AgentPlan("1001", "Anna", ("sales",), outbound=False),)))
    office.given_signed_in(("1001", "801"))
    office.when_dials("801", "9139#")
    office.then_record(end_reason="barred")
    office.when_hung_up("801")
    office.when_dials("801", "110")
    assert out_lines(office) == ["L1"]


@pytest.mark.parametrize(
    ("dialled", "wait_s", "number"),
    [("110", 0.0, "110"), ("9110", 2.1, "110"), ("911", 2.1, "911"), ("9119#", 0.0, "119")],
)
def test_emergency_with_and_without_prefix_from_any_telephone(dialled, wait_s, number):
    office = Office()
    office.when_dials("803", dialled)
    office.pass_time(wait_s)
    office.when_dial_tone("L1")
    assert [a.digits for a in office.actions if isinstance(a, act.Dial)] == [number]


def test_emergency_takes_the_line_of_the_oldest_waiting_caller():
    office = Office()
    office.given_talk("L1")
    office.given_caller_in_queue("L2")
    office.pass_time(5)
    office.given_caller_in_queue("L3")
    office.when_dials("802", "120")
    office.then_record(line="L2", end_reason="forced")
    office.pass_time(1.6)
    office.when_dial_tone("L2")
    assert [(a.port, a.digits) for a in office.actions if isinstance(a, act.Dial)] == [("L2", "120")]
    office.then_bridged("L1", "801")
    assert office.line_state("L3") == "queued"


def test_emergency_cuts_no_conversation():
    office = Office(a_plan(lines=(LinePlan("L1", "sim/0"),)))
    office.given_talk("L1")
    office.when_dials("802", "120")
    office.then_bridged("L1", "801")
    office.then_record(end_reason="no_line")


def test_emergency_is_dialled_even_where_no_dial_tone_is_heard():
    office = Office()
    office.when_dials("801", "119")
    office.pass_time(20)
    assert [a.digits for a in office.actions if isinstance(a, act.Dial)] == ["119"]


def test_click_to_dial_rings_the_own_telephone_first():
    office = Office()
    office.given_signed_in(("1001", "801"))
    assert office.desk("dial", "1001", number="139 0000-2222", customer=7) == ""
    assert office.ringing == {"801"}
    assert office.agent_state("1001") == "outbound"
    office.when_lifted("801")
    assert out_lines(office) == ["L1"]
    office.when_dial_tone("L1")
    office.when_digits_sent("L1")
    office.step(ev.FarEndAnswered("L1", "voice"))
    office.when_caller_hangs_up("L1")
    office.then_record(called_number="13900002222", customer=7, agent="1001", direction="out")


def test_click_to_dial_not_lifted_is_cancelled():
    office = Office()
    office.given_signed_in(("1001", "801"))
    office.desk("dial", "1001", number="139")
    office.pass_time(21)
    office.then_record(end_reason="cancelled")
    assert not office.ringing
    assert office.agent_state("1001") == "ready"


@pytest.mark.parametrize(
    ("number", "code"),
    [("", "bad_request"), ("12a", "bad_request"), (None, "bad_request"), ("0044", "number_barred")],
)
def test_click_to_dial_says_why_not(number, code):
    office = Office()
    office.given_signed_in(("1001", "801"))
    assert office.desk("dial", "1001", number=number) == code
    assert office.desk("dial", "1002", number="139") == "not_signed_in"


def test_no_digit_gives_congestion_then_the_howler_and_the_agent_is_out_of_reach():
    office = Office()
    office.given_signed_in(("1001", "801"))
    office.when_lifted("801")
    office.pass_time(15.1)
    office.then_tone("801", "congestion")
    assert office.agent_state("1001") == "phone_off"
    office.pass_time(60)
    office.then_tone("801", "howler")
    assert office.phone_state("801") == "howler"
    office.when_hung_up("801")
    assert office.agent_state("1001") == "ready"


def test_a_wrong_number_gives_congestion():
    office = Office()
    office.when_dials("801", "777")
    office.then_tone("801", "congestion")


def test_the_line_vanishes_while_dialling():
    office = Office()
    line = given_outside_call(office)
    office.step(ev.PortLost(line, "unplugged"))
    office.then_record(end_reason="line_lost")
    office.then_tone("801", "congestion")
    assert office.line_state(line) == "fault"


def test_a_conversation_nobody_noticed_is_never_cut():
    """A quiet person answered on a line without reversal: no ringback any more, and no voice recognised."""
    office = Office()
    office.given_signed_in(("1001", "801"))
    office.when_dials("801", "913900002222")
    office.pass_time(4.1)
    office.when_dial_tone("L1")
    office.when_digits_sent("L1")
    office.step(ev.ToneHeard("L1", "ringback"))
    office.pass_time(9)
    office.step(ev.ToneHeard("L1", "ringback", over=True))
    office.pass_time(120)
    office.then_bridged("L1", "801")
    assert office.line_state("L1") == "out_talking"
    office.when_hung_up("801")
    office.then_record(direction="out", end_reason="agent_hangup", answer_seen="unknown")
