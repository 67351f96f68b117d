"""Plans and flows: what is read, and precise sentences about what is wrong."""

import copy
import json

import pytest
from core_office import MAIN_TOML, Office, a_plan, main_flow
from hypothesis import given
from hypothesis import strategies as st

from appliance.core import events as ev
from appliance.core.flow import flow_from_dict, reachable, validate_flow
from appliance.core.plan import BlockRule, Plan, PlanError

GOOD = json.loads(json.dumps(a_plan(blocked=(BlockRule("400*"), BlockRule("withheld"))).as_dict()))


def problems(data):
    with pytest.raises(PlanError) as caught:
        Plan.from_dict(data)
    assert str(caught.value) == "; ".join(caught.value.problems)
    return caught.value.problems


def changed(**changes):
    return {**copy.deepcopy(GOOD), **changes}


def with_first(group, **changes):
    data = copy.deepcopy(GOOD)
    data[group][0].update(changes)
    return data


def test_a_plan_survives_json():
    assert Plan.from_dict(GOOD) == a_plan(blocked=(BlockRule("400*"), BlockRule("withheld")))
    assert Plan.from_dict({}) == Plan()


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (None, "plan: expected a group of settings, found nothing; write it as key = value"),
        ([], "plan: expected a group of settings, found a list; write it as key = value"),
        (changed(colour="red"), "plan: unknown setting 'colour'; remove it or use one of: agents, blocked"),
        (changed(version=2), "plan, version: is 2; use 1 or less"),
        (changed(language="fr"), "plan, language: is 'fr'; use one of: zh, en"),
        (changed(max_call_s="long"), "plan, max_call_s: expected a number, found the text 'long'"),
        (changed(max_call_s=True), "plan, max_call_s: expected a number, found True"),
        (changed(max_call_s=float("nan")), "plan, max_call_s: expected a number, found nan"),
        (changed(lines="L1"), "plan, lines: expected a list, found the text 'L1'"),
        (changed(lines=[{"id": "L1"}]), "plan, lines 1: 'port' is missing; add it"),
        (with_first("lines", answer_after_rings=0), "plan, lines 1, answer_after_rings: is 0; use 1 or more"),
        (with_first("lines", inbound=1), "plan, lines 1, inbound: expected true or false, found 1"),
        (with_first("lines", flow="gone"), "line L1: there is no flow 'gone'; choose a published flow or a"),
        (with_first("lines", extension="899"), "line L1: there is no telephone 899; choose one that exists"),
        (with_first("lines", fallback_queue="x"), "line L1: there is no queue 'x' to fall back to"),
        (with_first("lines", id="L2"), "line L2 is there 2 times; keep one"),
        (with_first("lines", id=""), "plan, lines 1, id: is empty; fill it in"),
        (with_first("lines", port="sim/8"), "port sim/8 is there 2 times; keep one"),
        (with_first("lines", id="801"), "801 names a line and a telephone; rename one of them"),
        (
            with_first("phones", ext="8a"),
            "plan, phones 1, ext: is '8a'; 'a' cannot be dialled, use only 01234",
        ),
        (with_first("phones", ext="901"), "number 901 begins with the outside prefix 9; change one of them"),
        (with_first("phones", ext="110"), "number 110 is an emergency number; give the telephone or agent"),
        (with_first("agents", number="801"), "801 is the number of an agent and of a telephone; change one"),
        (with_first("agents", queues=["vip"]), "agent 1001: there is no queue 'vip'; take it off the agent"),
        (
            with_first("agents", queues="sales"),
            "plan, agents 1, queues: expected a list, found the text 'sales'",
        ),
        (
            with_first("queues", strategy="dice"),
            "plan, queues 1, strategy: is 'dice'; use one of: longest_idle",
        ),
        (with_first("queues", ring_s=1), "plan, queues 1, ring_s: is 1.0; use 5 or more"),
        (
            with_first("queues", misses_allowed=1.5),
            "plan, queues 1, misses_allowed: expected a whole number, fou",
        ),
        (
            with_first("blocked", action="shoot"),
            "plan, blocked 1, action: is 'shoot'; use one of: ignore, drop",
        ),
        (
            with_first("blocked", pattern="*"),
            "blocked number '*' is not usable; write digits, digits with a *",
        ),
        (
            changed(outside={"prefix": "x"}),
            "plan, outside, prefix: is 'x'; 'x' cannot be dialled, use only 012",
        ),
        (changed(outside={"barred": [0]}), "plan, outside, barred 1: expected text, found 0"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(data, sentence):
    found = problems(data)
    assert any(one.startswith(sentence) for one in found), found


def test_all_problems_are_named_at_once():
    data = with_first("lines", answer_after_rings=99)
    data["language"] = "xx"
    assert len(problems(data)) == 2


def test_problems_inside_flows_are_found():
    data = copy.deepcopy(GOOD)
    data["flows"][0]["nodes"]["sales"]["queue"] = "gone"
    assert problems(data) == [
        "flow main, node sales, queue: there is no queue 'gone'; add it or choose another one"
    ]


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(sorted(GOOD)), JUNK)
def test_no_junk_gets_past_or_breaks_the_reader(key, junk):
    try:
        plan = Plan.from_dict({**GOOD, key: junk})
    except PlanError as bad:
        assert bad.problems and all(isinstance(one, str) and one for one in bad.problems)
    else:
        assert Plan.from_dict(json.loads(json.dumps(plan.as_dict()))) == plan


# ---------------------------------------------------------------------- flows
SHIPPED_PROMPTS = {
    "greeting",
    "menu_main",
    "invalid_key",
    "no_key",
    "please_wait",
    "sorry_busy",
    "sorry_closed",
    "sorry_blocked",
    "transferring",
    "goodbye",
    "music",
}


def flow(**nodes):
    return {"id": "f", "start": next(iter(nodes), ""), "nodes": nodes}


def check(data, prompts=frozenset({"hello", "invalid_key", "no_key"}), flows=frozenset({"f"})):
    return validate_flow(data, prompts, {"sales"}, {"801"}, flows)


MENU = {"type": "menu", "prompt": "hello", "timeout_s": 5, "keys": {"1": "end"}, "on_fail": "end"}
END = {"type": "hangup"}


def without(node, key):
    return {name: value for name, value in node.items() if name != key}


def test_the_shipped_flow_uses_shipped_prompts_only():
    assert MAIN_TOML.exists()
    data = {"id": "main", "start": "greeting", "nodes": main_flow().nodes}
    assert validate_flow(data, SHIPPED_PROMPTS, {"sales", "service", "operator"}, set(), {"main"}) == []


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (7, "a flow is a group with id, start and nodes; this is something else"),
        ({}, "flow (no id): 'id' is missing; add it"),
        ({"id": "f", "start": "a"}, "flow f: there are no nodes; add at least one"),
        ({**flow(a=END), "colour": 1}, "flow f: unknown setting 'colour'; remove it"),
        (
            {**flow(a=END), "start": "b"},
            "flow f: it starts at node 'b', which does not exist; add it or start",
        ),
        (flow(a=3), "flow f, node a: it is not a group of settings; write type = …"),
        (flow(a={}), "flow f, node a: type is None; use one of: play, menu, queue, extension, goto, hangup"),
        (flow(a={"type": "play", "prompt": "hello"}), "flow f, node a: 'next' is missing; add it"),
        (
            flow(a={"type": "play", "prompt": "nope", "next": "end"}, end=END),
            "flow f, node a, prompt: there is no prompt 'nope'; record or upload it, or choose another one",
        ),
        (
            flow(a={"type": "play", "prompt": "hello", "next": "gone"}),
            "flow f, node a, next: there is no node 'gone'; add it or choose another one",
        ),
        (flow(a=MENU, end=END, b=END), "flow f: no way leads to node 'b'; connect it or remove it"),
        (
            flow(a=without(MENU, "timeout_s"), end=END),
            "flow f, node a: 'timeout_s' is missing; say how many seconds a caller has to press a key",
        ),
        (flow(a={**MENU, "timeout_s": 0}, end=END), "flow f, node a, timeout_s: is 0; use 1 to 120 seconds"),
        (flow(a={**MENU, "repeats": -1}, end=END), "flow f, node a, repeats: is -1; use 0 to 9"),
        (
            flow(a=without(MENU, "keys"), end=END),
            "flow f, node a: 'keys' is missing; say where each key leads",
        ),
        (
            flow(a={**MENU, "keys": {}}, end=END),
            "flow f, node a, keys: no key leads anywhere; add at least one",
        ),
        (
            flow(a={**MENU, "keys": {"12": "end"}}, end=END),
            "flow f, node a, keys: '12' is not a key of a telephone; use one of 0123456789*#",
        ),
        (
            flow(a={**MENU, "keys": {"1": "gone"}}, end=END),
            "flow f, node a, keys, 1: there is no node 'gone'; add it or choose another one",
        ),
        (
            flow(a=without(MENU, "on_fail"), end=END),
            "flow f, node a: 'on_fail' is missing; say where the caller goes then, so that nobody ends in",
        ),
        (
            flow(a={"type": "queue", "queue": "gone"}),
            "flow f, node a, queue: there is no queue 'gone'; add it or choose another one",
        ),
        (
            flow(a={"type": "extension", "ext": "899", "on_no_answer": "end"}, end=END),
            "flow f, node a, ext: there is no extension '899'; add it or choose another one",
        ),
        (
            flow(a={"type": "goto", "flow": "gone"}),
            "flow f, node a, flow: there is no flow 'gone'; add it or choose another one",
        ),
        (
            flow(
                a={"type": "play", "prompt": "hello", "next": "b"},
                b={"type": "play", "prompt": "hello", "next": "a"},
            ),
            "flow f: a → b → a is a circle without a way out; break it",
        ),
        (flow(a={**END, "prompt": []}), "flow f, node a, prompt: is empty; name a prompt"),
        (flow(a={**END, "colour": 1}), "flow f, node a: unknown setting 'colour'; a hangup node has: prompt"),
    ],
)
def test_a_flow_says_what_is_wrong_with_it(data, sentence):
    found = check(data)
    assert any(one.startswith(sentence) for one in found), found


def test_a_menu_needs_the_prompts_it_falls_back_on():
    found = check(flow(a=MENU, end=END), prompts={"hello"})
    assert [one.split(":")[0] for one in found] == [
        "flow f, node a, invalid_prompt",
        "flow f, node a, timeout_prompt",
    ]


def test_a_good_flow_has_nothing_wrong():
    assert check(flow(a=MENU, end=END)) == []
    assert reachable(flow(a=MENU, end=END)["nodes"], "a") == {"a", "end"}


def test_a_bad_flow_is_not_published():
    with pytest.raises(PlanError, match="no node 'gone'"):
        flow_from_dict(flow(a={**MENU, "on_fail": "gone"}, end=END), None, set(), set())


@given(JUNK, JUNK, st.sampled_from(["prompt", "timeout_s", "keys", "on_fail", "repeats", "type"]))
def test_no_junk_breaks_the_flow_check(junk, start, key):
    found = check({"id": "f", "start": start, "nodes": {"a": {**MENU, key: junk}, "end": END}})
    assert all(isinstance(one, str) for one in found)
    assert all(isinstance(one, str) for one in check(junk))


# ------------------------------------------------------------ a plan that changes
def test_a_changed_plan_keeps_agents_and_calls():
    office = Office()
    office.given_talk()
    office.given_signed_in(("1003", "803"))
    smaller = a_plan(
        lines=office.plan.lines[1:], phones=office.plan.phones[1:], agents=office.plan.agents[2:]
    )
    office.step(ev.PlanChanged(smaller))
    office.then_bridged("L1", "801")
    assert office.agent_state("1003") == "ready"
    office.when_hung_up("801")
    office.pass_time(20)
    office.then_record(end_reason="agent_hangup")
    assert [line["id"] for line in office.picture()["lines"]] == ["L2", "L3"]
    assert [phone["ext"] for phone in office.picture()["phones"]] == ["802", "803"]
    assert [agent["number"] for agent in office.picture()["agents"]] == ["1003"]
    office.step(ev.PlanChanged(GOOD))
    assert len(office.picture()["lines"]) == 3
    office.when_call_arrives("L1")
    assert office.line_state("L1") == "ivr"


def test_callers_of_a_queue_that_is_taken_away_are_told():
    office = Office()
    office.given_caller_in_queue("L1")
    office.given_signed_in(("1003", "803"))
    office.given_caller_in_queue("L2", key="2")
    office.step(ev.PlanChanged(a_plan(queues=office.plan.queues[2:], flows=(), lines=office.plan.lines)))
    office.then_plays("L1", "sorry_busy")
    assert office.ringing == {"803"}
    office.pass_time(20.1)
    office.then_plays("L2", "sorry_busy")


def test_a_bad_plan_is_refused_and_the_old_one_stays():
    office = Office()
    office.step(ev.PlanChanged({**GOOD, "language": "xx"}))
    assert "plan_refused" in office.notices()
    office.when_call_arrives("L1")
    assert office.line_state("L1") == "ivr"


def test_a_signal_of_an_unknown_port_is_reported_and_harmless():
    office = Office()
    office.step(ev.RingStarted("L9"))
    assert office.notices() == ["unknown_port"]
