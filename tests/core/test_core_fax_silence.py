"""A fax on the line, and conversations in which nobody is heard."""

import pytest

from appliance.core import events as ev
from appliance.core.plan import FaxPlan, Plan, PlanError, SilencePlan
from tests.core.core_office import Office, a_plan


def calling_tone(office, bursts=1, line="L1"):
    office.step(ev.FaxHeard(line, "fax-cng", bursts))


def steps(record):
    return [step["what"] for step in record["steps"]]


# ----------------------------------------------------------------------- fax
def test_one_calling_tone_is_only_noted_and_the_second_hands_the_caller_over():
    office = Office(a_plan(fax=FaxPlan("803")))
    office.when_call_arrives("L1")
    calling_tone(office)
    assert office.line_state("L1") == "ivr"
    calling_tone(office, 2)
    assert office.phone_state("803") == "ringing"
    office.when_lifted("803")
    office.then_bridged("L1", "803")
    office.step(ev.FarEndGone("L1", "tone"))
    assert steps(office.then_record(phone="803")).count("fax") == 1


def test_an_agent_whose_telephone_rang_for_a_fax_is_free_again():
    office = Office(a_plan(fax=FaxPlan("803")))
    office.given_signed_in(("1001", "801"))
    office.given_caller_in_queue("L1")
    assert office.phone_state("801") == "ringing"
    calling_tone(office, 2)
    assert (office.phone_state("801"), office.phone_state("803")) == ("idle", "ringing")
    assert office.agent_state("1001") == "ready"


def test_a_fax_machine_in_use_leaves_the_caller_where_he_is():
    office = Office(a_plan(fax=FaxPlan("803")))
    office.when_lifted("803")
    office.given_caller_in_queue("L1")
    calling_tone(office, 2)
    assert office.line_state("L1") == "queued" and "fax_machine_busy" in office.notices()


def test_a_conversation_is_never_taken_away_but_the_agent_is_told():
    office = Office(a_plan(fax=FaxPlan("803")))
    office.given_talk()
    calling_tone(office)
    calling_tone(office, 2)
    office.then_bridged("L1", "801")
    assert office.notices().count("fax_heard") == 1 and office.phone_state("803") == "idle"


def test_the_agent_who_lifts_later_is_told_too():
    office = Office()
    office.given_signed_in(("1001", "801"))
    office.given_caller_in_queue("L1")
    calling_tone(office)
    assert "fax_heard" not in office.notices()
    office.when_lifted("801")
    assert "fax_heard" in office.notices()


def test_a_fax_machine_that_is_not_there_is_refused():
    data = a_plan().as_dict() | {"fax": {"extension": "899"}}
    with pytest.raises(PlanError, match="fax: there is no telephone 899"):
        Plan.from_dict(data)


# ------------------------------------------------------------------- silence
def silent(office, quiet_s=120.0, silent=True):
    office.step(ev.LineSilent("L1", silent, quiet_s if silent else 0.0))


def test_the_agent_is_asked_and_the_call_stays():
    office = Office()
    office.given_talk()
    office.pass_time(120)
    silent(office)
    assert office.notices().count("call_silent") == 1
    office.pass_time(300)
    office.then_bridged("L1", "801")


def test_it_ends_where_it_is_set_so_and_the_silence_is_no_talk():
    office = Office(a_plan(silence=SilencePlan(120, "end")))
    office.given_talk()
    office.pass_time(150)
    silent(office)
    office.pass_time(29)
    office.then_bridged("L1", "801")
    office.pass_time(1.5)
    record = office.then_record(end_reason="caller_hangup", cue="silence")
    assert record["talk_s"] == pytest.approx(30, abs=1.5)


@pytest.mark.parametrize("saved_by", ["voice", "hold", "transfer"])
def test_somebody_who_speaks_or_acts_saves_the_call(saved_by):
    office = Office(a_plan(silence=SilencePlan(120, "end")))
    office.given_talk()
    silent(office)
    office.pass_time(20)
    if saved_by == "voice":
        silent(office, silent=False)
    elif saved_by == "hold":
        assert office.desk("hold", "1001") == ""
        office.pass_time(20)
        assert office.desk("retrieve", "1001") == ""
    else:
        assert office.desk("transfer", "1001", to="802") == ""
    office.pass_time(19)
    assert office.line_state("L1") != "idle"


def test_what_is_seen_a_moment_late_means_nothing():
    office = Office(a_plan(silence=SilencePlan(120, "end")))
    office.given_talk()
    assert office.desk("hold", "1001") == ""
    silent(office)
    office.pass_time(60)
    assert office.line_state("L1") == "held" and "call_silent" not in office.notices()
