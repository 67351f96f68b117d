"""Agents: states, sign-in by desk and by telephone, wrap-up, misses."""

import pytest
from core_office import Office, a_plan

from appliance.core import actions as act
from appliance.core import events as ev
from appliance.core.plan import QueuePlan


def test_sign_in_lands_in_not_ready_and_offers_nothing():
    office = Office()
    office.given_signed_in(("1001", "801"), ready=False)
    assert office.agent_state("1001") == "not_ready"
    office.given_caller_in_queue()
    assert not office.ringing
    office.desk("ready", "1001")
    assert office.ringing == {"801"}


@pytest.mark.parametrize(
    ("agent", "phone", "code"),
    [
        ("9999", "801", "unknown_agent"),
        ("1002", "899", "unknown_phone"),
        ("1002", "801", "phone_in_use"),
        ("1001", "802", "already_signed_in"),
        ("1002", "802", "phone_off_hook"),
        ("1002", "803", "phone_not_connected"),
        ("1002", None, "bad_request"),
    ],
)
def test_a_refused_sign_in_names_the_cause(agent, phone, code):
    office = Office()
    office.given_signed_in(("1001", "801"))
    office.when_lifted("802") if code == "phone_off_hook" else None
    office.step(ev.PortLost("803", "cord"))
    assert office.desk("sign_in", agent, phone=phone) == code


def test_sign_out_only_from_not_ready():
    office = Office()
    assert office.desk("sign_out", "1001") == "not_signed_in"
    office.given_signed_in(("1001", "801"))
    assert office.desk("sign_out", "1001") == "not_allowed_in_state"
    office.desk("not_ready", "1001", reason="lunch")
    assert office.agent("1001")["reason"] == "lunch"
    assert office.desk("sign_out", "1001") == ""
    assert (office.agent_state("1001"), office.agent("1001")["phone"]) == ("signed_out", "")


def test_an_unknown_reason_or_verb_is_refused():
    office = Office()
    office.given_signed_in(("1001", "801"))
    assert office.desk("not_ready", "1001", reason="boredom") == "bad_request"
    assert office.desk("dance", "1001") == "unknown_verb"
    assert office.agent_state("1001") == "ready"


def test_not_ready_in_a_call_takes_effect_when_it_ends():
    office = Office()
    office.given_talk()
    assert office.desk("not_ready", "1001", reason="break") == ""
    assert office.agent_state("1001") == "talking"
    office.when_hung_up("801")
    assert office.agent_state("1001") == "wrap_up"
    office.pass_time(15.1)
    assert (office.agent_state("1001"), office.agent("1001")["reason"]) == ("not_ready", "break")


def test_ready_in_a_call_takes_the_wish_back():
    office = Office()
    office.given_talk()
    office.desk("not_ready", "1001", reason="break")
    office.desk("ready", "1001")
    office.when_hung_up("801")
    office.pass_time(15.1)
    assert office.agent_state("1001") == "ready"


def test_wrap_up_is_extended_once_and_ended_by_hand():
    office = Office()
    office.given_talk()
    assert office.desk("wrap_up_extend", "1001") == "not_allowed_in_state"
    office.when_hung_up("801")
    assert office.agent("1001")["wrap_up_until"] == pytest.approx(office.now + 15)
    assert office.desk("wrap_up_extend", "1001") == ""
    assert office.desk("wrap_up_extend", "1001") == "not_allowed_in_state"
    office.pass_time(29)
    assert office.agent_state("1001") == "wrap_up"
    assert office.desk("wrap_up_done", "1001") == ""
    assert office.agent_state("1001") == "ready"
    assert office.agent("1001")["wrap_up_until"] is None
    assert office.desk("wrap_up_done", "1001") == "not_allowed_in_state"


def test_wrap_up_ends_by_itself():
    office = Office()
    office.given_talk()
    office.when_hung_up("801")
    office.pass_time(14.9)
    assert office.agent_state("1001") == "wrap_up"
    office.pass_time(0.2)
    assert office.agent_state("1001") == "ready"


def test_no_wrap_up_where_the_queue_has_none():
    office = Office(
        a_plan(queues=tuple(QueuePlan(q, q, wrap_up_s=0) for q in ("sales", "service", "operator")))
    )
    office.given_talk()
    office.when_hung_up("801")
    assert office.agent_state("1001") == "ready"


def test_misses_make_an_agent_not_ready_and_the_supervisor_is_told():
    office = Office()
    office.given_signed_in(("1001", "801"))
    office.given_caller_in_queue()
    office.pass_time(20.1)
    assert office.ringing == {"801"}
    office.pass_time(20.1)
    assert not office.ringing
    assert (office.agent_state("1001"), office.agent("1001")["reason"]) == ("not_ready", "no_answer")
    assert "agent_no_answer" in office.notices()
    office.then_plays("L1", "music")
    assert [p["why"] for p in office.published("pop_end")] == ["no_answer", "no_answer"]


def test_an_answer_forgives_a_miss():
    office = Office()
    office.given_signed_in(("1001", "801"))
    for line in ("L1", "L2"):
        office.given_caller_in_queue(line)
        office.pass_time(20.1)
        assert office.ringing == {"801"}
        office.when_lifted("801")
        office.when_hung_up("801")
        office.pass_time(16)
        assert office.agent_state("1001") == "ready"


def test_lifting_to_dial_is_not_being_away_but_nothing_is_offered():
    office = Office()
    office.given_signed_in(("1001", "801"))
    office.when_lifted("801")
    office.given_caller_in_queue()
    assert office.agent_state("1001") == "ready"
    assert not office.ringing
    office.when_hung_up("801")
    assert office.ringing == {"801"}


def test_a_pulled_cord_is_phone_off_and_the_agent_comes_back():
    office = Office()
    office.given_signed_in(("1001", "801"))
    office.step(ev.PortLost("801", "cord"))
    assert (office.agent_state("1001"), office.agent("1001")["reason"]) == ("phone_off", "phone_unavailable")
    office.step(ev.PortReady("801"))
    assert office.agent_state("1001") == "ready"


def test_a_pulled_cord_shows_in_wrap_up_too():
    office = Office()
    office.given_talk()
    office.when_caller_hangs_up("L1")
    office.when_hung_up("801")
    assert office.agent_state("1001") == "wrap_up"
    office.step(ev.PortLost("801", "cord"))
    assert (office.agent_state("1001"), office.agent("1001")["wrap_up_until"]) == ("phone_off", None)
    office.step(ev.PortReady("801"))
    assert office.agent_state("1001") == "ready"
    office.pass_time(60)
    assert office.agent_state("1001") == "ready", "the timer of the wrap-up has gone with it"


def test_an_agent_can_leave_though_the_telephone_is_dead():
    office = Office()
    office.given_signed_in(("1001", "801"))
    office.step(ev.PortLost("801", "cord"))
    assert office.desk("sign_out", "1001") == "not_allowed_in_state"
    office.desk("not_ready", "1001", reason="")
    assert office.agent_state("1001") == "phone_off"
    assert office.desk("sign_out", "1001") == ""


def test_supervisors_can_force():
    office = Office()
    office.given_signed_in(("1001", "801"), ("1002", "802"))
    assert office.desk("force_not_ready", "1001") == ""
    assert (office.agent_state("1001"), office.agent("1001")["reason"]) == ("not_ready", "forced")
    office.given_caller_in_queue()
    office.when_lifted("802")
    assert office.desk("force_sign_out", "1002") == ""
    assert office.agent_state("1002") == "talking"
    office.when_hung_up("802")
    office.pass_time(16)
    assert office.agent_state("1002") == "signed_out"
    assert office.desk("force_sign_out", "1001") == ""
    assert office.agent_state("1001") == "signed_out"


def phone_sign_in(office, answer, digits="*111001#4321#"):
    if answer != "late":
        office.answers["phone_sign_in"] = answer
    office.when_dials("801", digits)
    return [a for a in office.actions if isinstance(a, act.Ask)]


def test_sign_in_by_telephone_asks_for_the_pin_to_be_checked():
    office = Office()
    asks = phone_sign_in(office, {"ok": True})
    assert (asks[0].question, asks[0].data) == ("phone_sign_in", {"agent": "1001", "pin": "4321"})
    office.then_tone("801", "confirm")
    office.when_hung_up("801")
    assert (office.agent_state("1001"), office.agent("1001")["phone"]) == ("not_ready", "801")
    office.when_dials("801", "*13")
    office.then_tone("801", "confirm")
    office.when_hung_up("801")
    assert office.agent_state("1001") == "ready"
    office.when_dials("801", "*142")
    office.when_hung_up("801")
    assert (office.agent_state("1001"), office.agent("1001")["reason"]) == ("not_ready", "break")
    office.when_dials("801", "*14")
    office.pass_time(4.1)
    assert office.agent("1001")["reason"] == ""
    office.when_hung_up("801")
    office.when_dials("801", "*12")
    office.then_tone("801", "confirm")
    assert office.agent_state("1001") == "signed_out"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ({"ok": False, "error": "wrong_pin"}, "wrong_pin"),
        ({"ok": False, "error": "no_pin"}, "no_pin"),
        ({"ok": False, "error": "locked"}, "locked"),
        ({"ok": False}, "wrong_pin"),
        (None, "no_answer_from_control"),
    ],
)
def test_a_refused_pin_gives_a_tone_and_the_supervisor_learns_why(answer, why):
    office = Office()
    phone_sign_in(office, answer)
    office.then_tone("801", "error")
    assert office.agent_state("1001") == "signed_out"
    [told] = [one["data"] for one in office.published("notice") if one["code"] == "phone_code_refused"]
    assert told == {"phone": "801", "agent": "1001", "why": why}


def test_sign_in_by_telephone_with_control_stopped_is_refused():
    office = Office()
    phone_sign_in(office, "late")
    office.pass_time(4)
    office.then_tone("801", "error")


@pytest.mark.parametrize("digits", ["*119#1#", "*12", "*13", "*99", "*149"])
def test_codes_that_make_no_sense_are_refused(digits):
    office = Office()
    if digits == "*149":
        office.given_signed_in(("1001", "801"))
    office.when_dials("801", digits)
    assert office.heard["801"] in [("tone", "error"), ("tone", "congestion")]
