"""A caller who was answered before the engine began, and is still on the line."""

from __future__ import annotations

import pytest
from core_office import QUEUES, Office, a_plan

from appliance.core import actions as act
from appliance.core import events as ev
from appliance.core.plan import BlockRule, LinePlan, QueuePlan

NUMBER = "13800138000"


def kept(office):
    return [(a.port, a.number) for a in office.actions if isinstance(a, act.Keep)]


def notices(office):
    return [a.data["code"] for a in office.actions if isinstance(a, act.Publish) and a.topic == "notice"]


def line(office, name="L1"):
    return next(one for one in office.picture()["lines"] if one["id"] == name)


def rings(office, seen):
    office.step(ev.RingStarted("L1"))
    office.step(seen)
    office.pass_time(2)


def test_a_caller_who_is_answered_is_kept_with_the_number_and_one_whom_we_call_is_not():
    office = Office()
    rings(office, ev.CallerIdSeen("L1", NUMBER))
    assert line(office)["state"] == "ivr"
    assert kept(office) == [("L1", NUMBER)]
    office.when_dials("801", "913900001111")
    office.pass_time(office.plan.outside.digit_timeout_s + 0.1)
    assert line(office, "L2")["state"] == "dialling"
    assert kept(office) == [("L1", NUMBER)]


def test_whoever_is_still_on_the_line_is_greeted_anew_with_the_number_known():
    office = Office()
    office.step(ev.LineKept("L1", NUMBER, "shown"))
    assert "L1" in office.off_hook_lines
    shown = line(office)
    assert (shown["state"], shown["caller_number"]) == ("ivr", NUMBER)
    assert office.heard["L1"][0] == "play"
    assert notices(office) == ["call_kept"]
    office.step(ev.FarEndGone("L1", "tone"))
    (record,) = office.records.values()
    assert (record["caller_number"], record["line"], record["end_reason"]) == (NUMBER, "L1", "abandoned_ivr")
    assert [step["what"] for step in record["steps"]][:3] == ["kept", "callerid", "answer"]
    assert line(office)["state"] == "idle"


def test_a_call_that_has_outlived_an_engine_is_not_kept_once_more():
    """Should the engine die of this call, it does so once."""
    office = Office()
    office.step(ev.LineKept("L1", NUMBER, "shown"))
    office.pass_time(60)
    assert kept(office) == []


@pytest.mark.parametrize("presentation", ["withheld", "unavailable", ""])
def test_a_caller_without_a_number_goes_on_too(presentation):
    office = Office()
    office.step(ev.LineKept("L1", "", presentation))
    assert line(office)["state"] == "ivr"
    office.step(ev.FarEndGone("L1", "tone"))
    (record,) = office.records.values()
    assert record["caller_presentation"] == (presentation or "unavailable")
    told = ["kept", "callerid", "answer"] if presentation == "withheld" else ["kept", "answer"]
    assert [step["what"] for step in record["steps"]][: len(told)] == told


def test_a_caller_goes_on_even_where_the_line_is_not_for_calls_in_any_more():
    office = Office(a_plan(lines=(LinePlan("L1", "sim/0", number="66660001", inbound=False, flow=""),)))
    office.step(ev.LineKept("L1", NUMBER, "shown"))
    assert line(office)["state"] != "idle"
    office.pass_time(61)
    assert office.off_hook_lines == set()


def test_a_caller_of_a_queue_for_which_nobody_is_signed_in_yet_waits_all_the_same():
    queues = tuple(QueuePlan(name, name.title(), answer_when_nobody=False) for name in QUEUES)
    office = Office(a_plan(queues=queues))
    office.step(ev.LineKept("L1", NUMBER, "shown"))
    office.step(ev.KeyPressed("L1", "1"))
    office.pass_time(30)
    assert line(office)["state"] == "queued"
    # Anna was talking and holds her telephone still; Cai was on a break.
    office.step(ev.Lifted("801"))
    back = (
        ev.SignedInBefore("1001", "801", True),
        ev.SignedInBefore("1003", "803", False, "break"),
        ev.SignedInBefore("1002", "899", True),
    )
    office.step(ev.AgentsBack(back))
    people = {one["number"]: (one["state"], one["reason"]) for one in office.picture()["agents"]}
    assert people["1003"] == ("not_ready", "break")
    assert people["1002"][0] == "signed_out"
    assert notices(office)[-1] == "agent_not_back"
    assert office.ringing == set()
    office.when_hung_up("801")
    assert office.ringing == {"801"}
    office.step(ev.Lifted("801"))
    assert line(office)["state"] == "talking"


@pytest.mark.parametrize("signed_out_again", [False, True])
def test_an_engine_in_which_agents_have_come_and_gone_knows_better(signed_out_again):
    """Control was away for a moment, the engine was not."""
    office = Office()
    office.desk("sign_in", "1001", phone="802")
    if signed_out_again:
        office.desk("sign_out", "1001")
    office.step(ev.AgentsBack((ev.SignedInBefore("1001", "801", True),)))
    (anna,) = (one for one in office.picture()["agents"] if one["number"] == "1001")
    assert (anna["phone"], anna["state"]) == (
        ("", "signed_out") if signed_out_again else ("802", "not_ready")
    )
    assert notices(office) == []


def test_control_is_asked_about_a_caller_who_was_kept():
    office = Office()
    office.answers["caller"] = {"vip": True, "customer": 7, "name": "Zhang"}
    office.step(ev.LineKept("L1", NUMBER, "shown"))
    office.step(ev.FarEndGone("L1", "tone"))
    (record,) = office.records.values()
    assert (record["customer"], record["caller_name"]) == (7, "Zhang")


def test_a_number_that_comes_after_the_answer_is_kept_too():
    office = Office(a_plan(lines=(LinePlan("L1", "sim/0", number="66660001", answer_after_rings=1),)))
    office.step(ev.RingStarted("L1"))
    office.pass_time(1)
    assert kept(office) == [("L1", "")]
    office.step(ev.CallerIdSeen("L1", NUMBER))
    assert kept(office) == [("L1", ""), ("L1", NUMBER)]


def test_a_caller_whom_we_do_not_want_is_not_kept():
    office = Office(a_plan(blocked=(BlockRule(NUMBER, action="message"),)))
    rings(office, ev.CallerIdSeen("L1", NUMBER))
    assert "L1" in office.off_hook_lines
    assert kept(office) == []


def test_a_line_that_cannot_be_served_is_put_on_hook():
    office = Office()
    office.step(ev.PortLost("L1", "gone"))
    office.off_hook_lines.add("L1")
    office.step(ev.LineKept("L1", NUMBER, "shown"))
    assert "L1" not in office.off_hook_lines
    assert line(office)["state"] == "fault"
