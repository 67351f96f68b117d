"""The interpreter, on paper; the dial plan; timers; the live picture."""

import pytest
from core_office import Office, a_plan, main_flow
from hypothesis import given
from hypothesis import strategies as st

from appliance.core import events as ev
from appliance.core.dialling import Kind, meaning
from appliance.core.ivr import Bye, FlowRun, JoinQueue, Say
from appliance.core.plan import AgentPlan, Flow, OutsidePlan, PhonePlan
from appliance.core.timers import Timers
from appliance.core.try_flow import try_flow

FLOWS = {"main": main_flow()}


@pytest.mark.parametrize(
    ("keys", "end"),
    [
        ("1", ("queue", "sales")),
        ("2", ("queue", "service")),
        ("0", ("queue", "operator")),
        ("781", ("queue", "sales")),
        ("789", ("queue", "operator")),
        ("---", ("queue", "operator")),
        ("-7-", ("queue", "operator")),
        ("-7", ("listen", "5")),
    ],
)
def test_where_keys_lead(keys, end):
    stages = try_flow(FLOWS, "main", keys)
    assert (stages[-1].what, stages[-1].detail) == end
    assert (stages[0].node, stages[0].detail) == ("greeting", "greeting")


def two_menus():
    menu = {"type": "menu", "prompt": "p", "timeout_s": 3, "on_fail": "end"}
    nodes = {
        "one": {**menu, "keys": {"1": "two"}},
        "two": {**menu, "keys": {"2": "say"}},
        "say": {"type": "play", "prompt": ["a", "b"], "next": "end"},
        "end": {"type": "hangup", "prompt": "bye"},
    }
    return FlowRun({"f": Flow("f", "one", nodes)}, "f")


def test_keys_pressed_early_are_kept():
    run = two_menus()
    run.start()
    assert run.key("1") == Say(("p",))
    assert run.key("2") == Say(("a", "b"))
    assert run.key("5") == Bye(("bye",))


def test_a_wrong_key_forgets_what_was_pressed_after_it():
    run = two_menus()
    run.start()
    run._ahead.extend(["9", "1", "2"])
    step = run.key("1")
    assert step == Say(("invalid_key", "p"))
    assert run.node_id == "one"


@given(st.lists(st.sampled_from("0123456789*#-")))
def test_every_way_through_the_shipped_flow_ends_with_a_person_or_a_question(keys):
    last = try_flow(FLOWS, "main", keys)[-1]
    assert last.what in ("queue", "listen")
    if sum(key in "-3456789*#" for key in keys) >= 3:
        assert last.what == "queue"


def test_goto_leads_into_another_flow():
    flows = {
        "a": Flow("a", "go", {"go": {"type": "goto", "flow": "b"}}),
        "b": Flow("b", "q", {"q": {"type": "queue", "queue": "sales"}}),
        "x": Flow("x", "go", {"go": {"type": "goto", "flow": "x"}}),
    }
    assert isinstance(FlowRun(flows, "a").start(), JoinQueue)
    assert FlowRun(flows, "x").start() == Bye(("sorry_busy",))


# ------------------------------------------------------------------ dial plan
@pytest.mark.parametrize(
    ("digits", "kind", "value", "more"),
    [
        ("8", Kind.NOTHING, "", True),
        ("801", Kind.INSIDE, "801", False),
        ("1001", Kind.INSIDE, "1001", False),
        ("9", Kind.NOTHING, "", True),
        ("9139", Kind.OUTSIDE, "139", True),
        ("9139#", Kind.OUTSIDE, "139", False),
        ("110", Kind.EMERGENCY, "110", False),
        ("9110", Kind.EMERGENCY, "110", True),
        ("911", Kind.EMERGENCY, "911", True),
        ("9112345678", Kind.OUTSIDE, "112345678", True),
        ("7", Kind.WRONG, "", False),
        ("#", Kind.WRONG, "", False),
        ("9*1", Kind.WRONG, "", False),
        ("9A", Kind.WRONG, "", False),
        ("*", Kind.NOTHING, "", True),
        ("*9", Kind.WRONG, "", False),
        ("*11", Kind.NOTHING, "", True),
        ("*111001#12#", Kind.FEATURE, "*111001#12#", False),
        ("*13", Kind.FEATURE, "*13", False),
        ("*14", Kind.FEATURE, "*14", True),
        ("*143", Kind.FEATURE, "*143", False),
    ],
)
def test_what_digits_mean(digits, kind, value, more):
    got = meaning(a_plan(), digits)
    assert (got.kind, got.value, got.more) == (kind, value, more)
    assert got.wait_s > 0 or not got.more


def test_without_a_prefix_all_but_extensions_goes_out():
    plan = a_plan(outside=OutsidePlan(prefix=""))
    assert meaning(plan, "801").kind is Kind.INSIDE
    assert not meaning(plan, "801").more
    assert meaning(plan, "8012").kind is Kind.OUTSIDE
    assert meaning(plan, "110").kind is Kind.EMERGENCY
    assert meaning(plan, "110").more


def test_a_short_number_waits_for_a_longer_one():
    plan = a_plan(phones=(PhonePlan("80", "sim/8"), PhonePlan("801", "sim/9")))
    assert meaning(plan, "80").more
    assert meaning(plan, "80#") == meaning(plan, "80#").__class__(Kind.INSIDE, "80", False, 4.0)


@given(st.text(alphabet="0123456789*#ABCD", min_size=1, max_size=30))
def test_any_digits_mean_something(digits):
    plan = a_plan(agents=(AgentPlan("1001", "A"),))
    got = meaning(plan, digits)
    assert not (got.kind is Kind.NOTHING and not got.more)
    if got.kind in (Kind.OUTSIDE, Kind.EMERGENCY, Kind.INSIDE):
        assert got.value and got.value.isdigit()


# --------------------------------------------------------------------- timers
def test_timers_come_out_in_order_of_time_then_of_setting():
    timers = Timers()
    a, b, c = ("call", "c1", "a"), ("call", "c1", "b"), ("call", "c2", "c")
    timers.set(a, 2.0)
    timers.set(b, 1.0)
    timers.set(c, 2.0)
    assert timers.next_due() == 1.0
    assert timers.pop(0.5) is None
    timers.set(a, 2.0)
    assert [timers.pop(9), timers.pop(9), timers.pop(9), timers.pop(9)] == [b, c, a, None]
    timers.set(a, 1.0)
    timers.set(c, 1.0)
    timers.cancel_all("call", "c1")
    assert timers.due_at(a) is None
    assert timers.next_due() == 1.0


def test_timers_that_are_overdue_run_at_their_own_time():
    office = Office()
    office.given_caller_in_queue()
    start = office.now
    office.now = start + 60.5
    office.step(ev.Tick())
    office.then_plays("L1", "please_wait")
    assert office.switch.next_due() is None or office.switch.next_due() > office.now


def test_time_never_goes_back():
    office = Office()
    office.switch.step(2000.0, [ev.RingStarted("L1")])
    office.switch.step(1500.0, [ev.CallerIdSeen("L1", "138")])
    assert office.switch.snapshot(2000.0)["calls"][0]["started"] == 2000.0


def test_nothing_to_do_no_timer():
    assert Office().switch.next_due() is None


# --------------------------------------------------------------- live picture
def test_the_picture_shows_everything_by_its_public_name():
    office = Office()
    office.given_talk("L1")
    office.given_signed_in(("1003", "803"))
    office.given_caller_in_queue("L2", "222", key="1")
    office.pass_time(5)
    picture = office.picture()
    assert picture["now"] == office.now
    line = picture["lines"][0]
    assert (line["id"], line["state"], line["caller_number"], line["agent"], line["queue"]) == (
        "L1",
        "talking",
        "13800001111",
        "1001",
        "sales",
    )
    assert [phone["state"] for phone in picture["phones"]] == ["talking", "idle", "idle"]
    assert picture["phones"][0]["agent"] == "1001"
    sales = picture["queues"][0]
    assert (sales["waiting"], sales["ready"], sales["talking"], sales["signed_in"]) == (1, 0, 1, 1)
    assert sales["longest_since"] == pytest.approx(office.now - 5.1)
    assert [call["position"] for call in picture["calls"]] == [0, 1]
    assert office.switch.busy_ports() == {"L1", "L2", "801"}


def test_a_telephone_that_dials_is_dialling_until_somebody_answers():
    office = Office()
    office.when_dials("801", "802")
    assert (office.phone_state("801"), office.phone_state("802")) == ("dialling", "ringing")
    office.when_lifted("802")
    assert (office.phone_state("801"), office.phone_state("802")) == ("talking", "talking")
