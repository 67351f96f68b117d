"""Queues: who is served first, by whom, and what happens to those who cannot be."""

import pytest
from core_office import QUEUES, Office, a_plan
from hypothesis import given
from hypothesis import strategies as st

from appliance.core import acd
from appliance.core import events as ev
from appliance.core.plan import LinePlan, QueuePlan


def queues(**changes):
    return tuple(QueuePlan(name, name, **changes) for name in QUEUES)


def test_longest_idle_first():
    office = Office()
    office.given_signed_in(("1002", "802"), ("1001", "801"))
    office.given_caller_in_queue("L1")
    assert office.ringing == {"802"}
    office.when_lifted("802")
    office.when_hung_up("802")
    office.pass_time(16)
    office.given_caller_in_queue("L2")
    assert office.ringing == {"801"}


def test_callers_are_served_in_order_of_arrival():
    office = Office()
    for line in ("L2", "L3", "L1"):
        office.given_caller_in_queue(line)
        office.pass_time(1)
    served = []
    office.given_signed_in(("1001", "801"))
    for _ in range(3):
        office.when_lifted("801")
        served.append(next(call["line"] for call in office.calls() if call["state"] == "talking"))
        office.when_hung_up("801")
        office.desk("wrap_up_done", "1001")
    assert served == ["L2", "L3", "L1"]


def test_an_important_caller_goes_first():
    office = Office()
    office.given_caller_in_queue("L1", "111")
    office.answers["caller"] = {"vip": True, "customer": 5, "name": "Mrs Wu", "blocked": False}
    office.given_caller_in_queue("L2", "222")
    assert [c["position"] for c in office.calls()] == [2, 1]
    office.given_signed_in(("1001", "801"))
    pop = office.published("pop")[-1]
    assert (pop["line"], pop["name"], pop["customer"]) == ("L2", "Mrs Wu", 5)


def test_who_let_a_caller_ring_is_tried_again_after_the_others():
    office = Office()
    office.given_signed_in(("1001", "801"), ("1002", "802"))
    office.given_caller_in_queue("L1")
    rung = []
    for _ in range(3):
        rung += office.ringing
        office.pass_time(20.0)
    assert rung == ["801", "802", "801"]


def test_an_unanswered_call_keeps_its_wait():
    office = Office()
    office.given_signed_in(("1001", "801"), ("1002", "802"))
    office.given_caller_in_queue("L1")
    assert office.ringing == {"801"}
    office.pass_time(5)
    office.given_caller_in_queue("L2", key="2")
    office.pass_time(20)
    office.desk("not_ready", "1001", reason="lunch")
    assert office.calls()[0]["position"] == 1
    office.when_lifted("802")
    office.when_hung_up("802")
    office.pass_time(20)
    assert office.ringing == {"802"}
    office.when_lifted("802")
    office.then_bridged("L1", "802")
    office.when_caller_hangs_up()
    (record,) = [r for r in office.records.values() if r["line"] == "L1"]
    assert record["wait_s"] > 40


def test_the_caller_hears_music_and_announcements():
    office = Office()
    office.given_caller_in_queue()
    office.then_plays("L1", "music")
    office.pass_time(60)
    office.then_plays("L1", "please_wait")
    office.when_heard_to_the_end("L1")
    office.then_plays("L1", "music")
    office.pass_time(60)
    office.then_plays("L1", "please_wait")


def test_giving_up_in_the_queue():
    office = Office()
    office.given_caller_in_queue()
    office.pass_time(30)
    office.when_caller_hangs_up(latency_s=4.0)
    office.then_record(end_reason="abandoned_queue", queue="sales", wait_s=26.1, talk_s=0.0, agent="")


def test_giving_up_while_it_rings_leaves_the_agent_ready():
    office = Office()
    office.given_signed_in(("1001", "801"))
    office.given_caller_in_queue()
    office.when_caller_hangs_up()
    assert not office.ringing
    office.then_record(end_reason="abandoned_queue")
    assert office.agent_state("1001") == "ready"
    assert office.published("pop_end")[-1]["why"] == "abandoned"


def test_a_full_queue_follows_the_flow():
    office = Office(a_plan(queues=queues(max_waiting=1)))
    office.given_caller_in_queue("L1")
    office.given_caller_in_queue("L2")
    office.then_plays("L2", "sorry_busy")
    office.when_heard_to_the_end("L2")
    office.then_record(line="L2", end_reason="flow_end")
    assert office.line_state("L1") == "queued"


def test_waiting_too_long_follows_the_flow():
    office = Office(a_plan(queues=queues(max_wait_s=45)))
    office.given_caller_in_queue("L1")
    office.pass_time(45)
    office.then_plays("L1", "sorry_busy")


def test_a_ringing_offer_is_given_its_chance_at_the_limit():
    office = Office(a_plan(queues=queues(max_wait_s=30)))
    office.given_caller_in_queue("L1")
    office.pass_time(25)
    office.given_signed_in(("1001", "801"))
    office.pass_time(10)
    assert office.ringing == {"801"}
    office.pass_time(10)
    assert not office.ringing
    office.then_plays("L1", "sorry_busy")


def test_nobody_signed_in_follows_the_policy():
    office = Office(a_plan(queues=queues(answer_when_nobody=False)))
    office.given_caller_in_queue("L1")
    office.then_plays("L1", "sorry_closed")
    office.given_signed_in(("1001", "801"), ready=False)
    office.given_caller_in_queue("L2")
    office.then_plays("L2", "music")


def test_without_a_flow_the_queue_has_its_own_last_words():
    office = Office(
        a_plan(
            lines=(LinePlan("L1", "sim/0", extension="801", fallback_queue="sales"),),
            queues=queues(answer_when_nobody=False, overflow="night_message"),
        )
    )
    office.when_lifted("801")
    office.when_call_arrives("L1")
    office.then_plays("L1", "night_message")
    office.when_heard_to_the_end("L1")
    office.then_record(end_reason="flow_end")


def test_a_straight_line_rings_its_telephone_only_then_falls_back():
    office = Office(a_plan(lines=(LinePlan("L1", "sim/0", extension="803", fallback_queue="sales"),)))
    office.given_signed_in(("1001", "801"), ("1003", "803"))
    office.when_call_arrives("L1")
    assert office.ringing == {"803"}
    office.then_tone("L1", "ringback")
    assert office.agent_state("1003") == "ringing"
    office.pass_time(20.1)
    assert office.ringing == {"801"}
    assert office.agent_state("1003") == "ready"
    office.then_plays("L1", "music")


def test_a_straight_line_that_is_answered():
    office = Office(a_plan(lines=(LinePlan("L1", "sim/0", extension="803"),)))
    office.when_call_arrives("L1")
    office.when_lifted("803")
    office.then_bridged("L1", "803")
    office.when_caller_hangs_up()
    office.then_record(phone="803", agent="", queue="", end_reason="caller_hangup")


def test_a_call_straight_to_an_agent_keeps_the_queue_away():
    office = Office(a_plan(lines=(LinePlan("L1", "sim/0", extension="801"), LinePlan("L2", "sim/1"))))
    office.given_signed_in(("1001", "801"))
    office.when_call_arrives("L1")
    office.when_lifted("801")
    assert office.agent_state("1001") == "talking"
    office.given_caller_in_queue("L2")
    assert not office.ringing
    office.when_hung_up("801")
    assert office.ringing == {"801"}


def test_the_telephone_vanishes_while_it_rings():
    office = Office()
    office.given_signed_in(("1001", "801"), ("1002", "802"))
    office.given_caller_in_queue()
    office.step(ev.PortLost("801", "cord"))
    assert office.agent_state("1001") == "phone_off"
    assert "802" in office.ringing


def test_the_heavier_queue_goes_first():
    plans = (QueuePlan("a", "A", weight=0), QueuePlan("b", "B", weight=5))
    waiting = [acd.Waiting("c1", "a", 1.0), acd.Waiting("c2", "b", 2.0)]
    assert acd.offers(plans, waiting, [acd.Free("1", ("a", "b"), 0.0)], 9.0) == [("c2", "1")]


QUEUE_PLANS = [QueuePlan("a", "A"), QueuePlan("b", "B", weight=1)]
waits = st.builds(
    acd.Waiting,
    call=st.uuids().map(str),
    queue=st.sampled_from(["a", "b", "gone"]),
    since=st.floats(0, 100),
    vip=st.booleans(),
)
frees = st.builds(
    acd.Free,
    agent=st.integers(1, 30).map(str),
    queues=st.lists(st.sampled_from(["a", "b"]), unique=True).map(tuple),
    idle_since=st.floats(0, 100),
)


@given(
    st.lists(waits, max_size=8, unique_by=lambda one: one.call),
    st.lists(frees, max_size=8, unique_by=lambda one: one.agent),
)
def test_offers_are_fair_whatever_the_situation(waiting, agents):
    made = acd.offers(QUEUE_PLANS, waiting, agents, 200.0)
    calls, served = [call for call, _ in made], [agent for _, agent in made]
    assert len(set(calls)) == len(calls) and len(set(served)) == len(served)
    by_call = {one.call: one for one in waiting}
    by_agent = {one.agent: one for one in agents}
    assert all(by_call[call].queue in by_agent[agent].queues for call, agent in made)
    for one in waiting:
        if one.call in calls or one.queue == "gone":
            continue
        # Whoever waits on has no free agent left, and nobody behind him in his queue was served.
        assert not [a for a in agents if a.agent not in served and one.queue in a.queues]
        behind = [by_call[call] for call in calls if by_call[call].queue == one.queue]
        assert not [b for b in behind if (not b.vip, b.since) > (not one.vip, one.since)]


@pytest.mark.parametrize("idle", [(5.0, 1.0), (1.0, 5.0)])
def test_longest_idle_is_a_pure_function(idle):
    agents = [acd.Free("1", ("a",), idle[0]), acd.Free("2", ("a",), idle[1])]
    best = acd.longest_idle(QUEUE_PLANS[0], agents, 10.0)[0]
    assert best.idle_since == min(idle)
