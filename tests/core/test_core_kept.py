"""A caller who was answered before the engine began, and is still on the line."""

from __future__ import annotations

import pytest
from core_office import Office, a_plan

from appliance.core import actions as act
from appliance.core import events as ev
from appliance.core.plan import LinePlan

NUMBER = "13800138000"


def kept(office):
    return [(a.port, a.number) for a in office.actions if isinstance(a, act.Keep)]


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
    notices = [a.data["code"] for a in office.actions if isinstance(a, act.Publish) and a.topic == "notice"]
    assert notices == ["call_kept"]
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


def test_a_caller_goes_on_even_where_the_line_is_not_for_calls_in_any_more():
    office = Office(a_plan(lines=(LinePlan("L1", "sim/0", number="66660001", inbound=False, flow=""),)))
    office.step(ev.LineKept("L1", NUMBER, "shown"))
    assert line(office)["state"] != "idle"
    office.pass_time(61)
    assert office.off_hook_lines == set()
