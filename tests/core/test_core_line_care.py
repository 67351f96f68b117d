"""Lines that are in use elsewhere, about to ring, or bad."""

from __future__ import annotations

import dataclasses

import pytest
from core_office import Office, a_plan

from appliance.core import actions as act
from appliance.core import events as ev
from appliance.core.lines import FAILURES_ALLOWED, FIRST_CHECK_S, GLARE_GUARD_S, MOST_CHECK_S
from appliance.core.plan import LinePlan

NUMBER = "913900001111"


def one_line():
    return Office(a_plan(lines=(LinePlan("L1", "sim/0", number="66660001"),)))


def line(office, name="L1"):
    return next(one for one in office.picture()["lines"] if one["id"] == name)


def seized(office):
    return [a.port for a in office.actions if isinstance(a, act.Seize)]


def dial_out(office, phone="801"):
    """An agent dials a number outside."""
    office.when_dials(phone, NUMBER)
    office.pass_time(office.plan.outside.digit_timeout_s + 0.1)


def fails_to_give_dial_tone(office, times):
    for _ in range(times):
        dial_out(office)
        office.pass_time(office.plan.outside.dial_tone_timeout_s + 1)
        office.when_hung_up("801")
        office.pass_time(5)


# ------------------------------------------------------------- parallel handset
def test_a_line_in_use_elsewhere_is_shown_and_not_taken():
    office = Office()
    office.step(ev.LineElsewhere("L1", True))
    assert line(office)["state"] == "elsewhere"
    dial_out(office)
    assert seized(office) == ["L2"]
    office.step(ev.LineElsewhere("L1", False))
    assert line(office)["state"] == "idle"


def test_a_call_that_somebody_answers_at_another_telephone_is_over_for_us():
    office = Office()
    office.step(ev.RingStarted("L1"))
    office.pass_time(1)
    office.step(ev.RingStopped("L1"))
    office.step(ev.LineElsewhere("L1", True))
    record = office.then_record(end_reason="abandoned_ringing", answered_at=None)
    assert "another telephone" in record["detail"]
    assert line(office)["state"] == "elsewhere"
    assert seized(office) == []


def test_a_line_whose_other_telephone_was_hung_up_rings_and_is_answered():
    office = Office()
    office.step(ev.LineElsewhere("L1", True))
    office.when_call_arrives("L1")
    assert line(office)["state"] == "ivr"


# ------------------------------------------------------------------------ glare
def test_a_line_on_which_something_stirs_is_left_alone_for_the_length_of_a_ring():
    office = one_line()
    office.pass_time(10)
    office.step(ev.LineStirred("L1"))
    dial_out(office)
    assert seized(office) == []
    office.when_hung_up("801")
    office.pass_time(GLARE_GUARD_S)
    dial_out(office)
    assert seized(office) == ["L1"]


def test_a_voice_on_a_line_that_had_stirred_is_a_caller_and_is_served():
    office = one_line()
    office.pass_time(10)
    office.step(ev.LineStirred("L1"))
    office.pass_time(GLARE_GUARD_S - 3)
    dial_out(office)
    office.step(ev.ToneHeard("L1", "voice"))
    assert "glare" in office.notices()
    assert line(office)["state"] == "ivr"


# ------------------------------------------------------------------- quarantine
def test_a_line_without_dial_tone_is_taken_out_of_use_after_some_tries_and_people_are_told_why():
    office = one_line()
    fails_to_give_dial_tone(office, FAILURES_ALLOWED - 1)
    assert line(office)["state"] == "idle"
    fails_to_give_dial_tone(office, 1)
    assert line(office)["state"] == "quarantined"
    assert line(office)["reason"] == "no_dial_tone"
    told = [data["data"] for data in office.published("notice") if data["code"] == "line_quarantined"]
    assert told == [{"line": "L1", "reason": "no_dial_tone", "failures": FAILURES_ALLOWED}]
    before = len(seized(office))
    dial_out(office)
    assert len(seized(office)) == before


def test_one_dial_tone_between_failures_starts_the_count_anew():
    office = one_line()
    fails_to_give_dial_tone(office, FAILURES_ALLOWED - 1)
    dial_out(office)
    office.when_dial_tone("L1")
    office.when_hung_up("801")
    office.pass_time(10)
    fails_to_give_dial_tone(office, FAILURES_ALLOWED - 1)
    assert line(office)["state"] == "idle"


def test_a_quarantined_line_is_checked_and_released_by_itself():
    office = one_line()
    fails_to_give_dial_tone(office, FAILURES_ALLOWED)
    office.pass_time(FIRST_CHECK_S - 4)
    assert "L1" in office.off_hook_lines, "a check has begun"
    assert line(office)["state"] == "quarantined"
    office.when_dial_tone("L1")
    office.pass_time(6)
    assert line(office)["state"] == "idle"
    assert line(office)["reason"] == ""
    assert "L1" not in office.off_hook_lines
    assert "line_released" in office.notices()
    office.pass_time(2)
    dial_out(office)
    assert seized(office)[-1] == "L1"


def test_checks_become_rarer_and_leave_the_line_on_hook():
    office = one_line()
    fails_to_give_dial_tone(office, FAILURES_ALLOWED)
    start, before = office.now, len(seized(office))
    office.pass_time(4 * MOST_CHECK_S)
    assert 5 <= len(seized(office)) - before <= 9
    assert line(office)["state"] == "quarantined"
    assert "L1" not in office.off_hook_lines
    assert office.now > start


def test_a_call_from_outside_is_answered_in_quarantine_and_brings_a_check_soon():
    office = one_line()
    fails_to_give_dial_tone(office, FAILURES_ALLOWED)
    office.when_call_arrives("L1")
    assert line(office)["state"] == "ivr"
    office.when_caller_hangs_up("L1")
    assert line(office)["state"] == "quarantined"
    office.pass_time(11)
    assert "L1" in office.off_hook_lines
    office.when_dial_tone("L1")
    office.pass_time(6)
    assert line(office)["state"] == "idle"


def test_a_caller_met_in_a_check_is_answered():
    office = one_line()
    fails_to_give_dial_tone(office, FAILURES_ALLOWED)
    office.pass_time(FIRST_CHECK_S - 4)
    office.step(ev.ToneHeard("L1", "voice"))
    assert line(office)["state"] == "ivr"
    office.when_caller_hangs_up("L1")
    assert line(office)["state"] == "quarantined"
    assert "L1" not in office.off_hook_lines


@pytest.mark.parametrize("reason", ["hum", "no_loop"])
def test_trouble_that_the_engine_measures_counts_as_much(reason):
    office = one_line()
    for _ in range(FAILURES_ALLOWED):
        office.step(ev.LineTrouble("L1", reason))
    assert line(office)["state"] == "quarantined"
    office.pass_time(FIRST_CHECK_S + 1)
    assert "L1" in office.off_hook_lines
    office.when_dial_tone("L1")
    office.step(ev.LineTrouble("L1", reason))
    assert line(office)["state"] == "quarantined", "dial tone with the same trouble is not well"
    assert "L1" not in office.off_hook_lines


def test_pulling_the_cord_of_a_bad_line_forgets_its_past():
    office = one_line()
    fails_to_give_dial_tone(office, FAILURES_ALLOWED)
    office.step(ev.PortLost("L1", "no battery"))
    assert line(office)["state"] == "fault"
    office.step(ev.PortReady("L1"))
    assert line(office)["state"] == "idle"
    office.pass_time(MOST_CHECK_S)
    assert "L1" not in office.off_hook_lines


def test_an_emergency_call_takes_a_bad_line_when_there_is_no_other():
    office = one_line()
    for _ in range(FAILURES_ALLOWED):
        office.step(ev.LineTrouble("L1", "hum"))
    office.when_dials("801", "110")
    office.pass_time(office.plan.outside.digit_timeout_s + 0.1)
    assert "L1" in office.off_hook_lines
    office.when_dial_tone("L1")
    assert [a.digits for a in office.actions if isinstance(a, act.Dial)] == ["110"]


def test_a_line_removed_from_the_plan_in_quarantine_is_not_checked_any_more():
    office = Office()
    for _ in range(FAILURES_ALLOWED):
        office.step(ev.LineTrouble("L1", "hum"))
    smaller = dataclasses.replace(office.plan, lines=office.plan.lines[1:])
    office.step(ev.PlanChanged(smaller))
    office.pass_time(MOST_CHECK_S)
    assert seized(office) == []
