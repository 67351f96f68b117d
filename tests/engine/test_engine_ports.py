"""What hook, ring, battery and polarity mean, by time and by what we are doing with the port."""

import pytest

from appliance.core import events as core
from appliance.core.plan import LinePlan, PhonePlan, Plan
from appliance.engine import ports
from appliance.engine.ports import NO_BATTERY, Port, PortTable
from board import api

SECOND = 8000


def line(**settings):
    plan = LinePlan("L1", "sim/0", **settings)
    return Port(0, 0, 0, api.PortInfo(0, api.PortKind.FXO, "sim/0"), "L1", plan)


def lose_battery(port, seconds, back=True):
    """Battery goes for so long, seen at every tick; what that meant."""
    found = ports.translate(port, api.BatteryLost(0, 0), 0)
    for now in range(160, round(seconds * SECOND), 160):
        found += ports.due(port, now)
    if back:
        found += ports.translate(port, api.BatteryBack(0, 0), round(seconds * SECOND))
    return found


def test_a_short_gap_is_nothing():
    port = line()
    port.in_use = True
    assert lose_battery(port, 0.08) == []


@pytest.mark.parametrize("gap_s", [0.1, 0.25, 0.8])
def test_a_gap_in_a_call_is_the_far_ends_hang_up_told_once(gap_s):
    port = line()
    port.in_use = True
    [event] = lose_battery(port, gap_s)
    assert event == core.FarEndGone("L1", "battery", event.latency_s)
    assert 0.1 <= event.latency_s <= 0.12


def test_a_line_set_so_ignores_gaps():
    port = line(battery_drop_is_hangup=False)
    port.in_use = True
    assert lose_battery(port, 0.8) == []


def test_an_unplugged_line_is_lost_after_a_second_and_ready_when_it_is_back():
    port = line()
    assert lose_battery(port, 0.9) == []
    assert lose_battery(port, 5) == [core.PortLost("L1", NO_BATTERY), core.PortReady("L1")]


def test_unplugged_in_a_call_ends_the_call_first():
    port = line()
    port.in_use = True
    first, second = lose_battery(port, 3, back=False)
    assert isinstance(first, core.FarEndGone) and isinstance(second, core.PortLost)


def test_polarity_counts_only_where_the_line_is_known_for_it():
    port = line()
    port.in_use, port.watch = True, frozenset({"answer"})
    assert ports.translate(port, api.PolarityReversed(0, 0, True), SECOND) == []


def test_reversal_is_the_answer_and_turning_back_the_hang_up():
    port = line(polarity=True)
    port.in_use, port.watch = True, frozenset({"answer"})
    assert ports.translate(port, api.PolarityReversed(0, 0, True), SECOND) == [
        core.FarEndAnswered("L1", "polarity")
    ]
    assert ports.translate(port, api.PolarityReversed(0, 0, False), SECOND + 2000) == [], "contact bounce"
    assert ports.translate(port, api.PolarityReversed(0, 0, True), SECOND + 2100) == []
    assert ports.translate(port, api.PolarityReversed(0, 0, False), 9 * SECOND) == [
        core.FarEndGone("L1", "polarity", 0.0)
    ]


def test_on_a_call_from_outside_the_reversal_answers_nothing_but_turning_back_is_the_hang_up():
    port = line(polarity=True)
    port.in_use, port.watch = True, frozenset({"keys", "disconnect"})
    assert ports.translate(port, api.PolarityReversed(0, 0, True), SECOND) == []
    assert ports.translate(port, api.PolarityReversed(0, 0, False), 9 * SECOND) == [
        core.FarEndGone("L1", "polarity", 0.0)
    ]


def test_a_vanished_port_is_lost_with_its_reason_and_comes_back():
    port = line()
    assert ports.translate(port, api.PortGone(0, 0, "pulled"), 0) == [core.PortLost("L1", "pulled")]
    assert ports.translate(port, api.PortBack(0, 0), 0) == [core.PortReady("L1")]
    assert not port.gone


def test_a_failed_command_ends_the_call_and_leaves_the_port_usable():
    port = line()
    port.commands[7] = "taking or releasing the line"
    lost, ready = ports.translate(port, api.CommandFailed(0, 0, 7, "no loop current"), 0)
    assert lost == core.PortLost("L1", "taking or releasing the line failed: no loop current")
    assert ready == core.PortReady("L1") and not port.gone


def test_a_command_to_a_port_that_has_gone_does_not_bring_it_back():
    port = line()
    port.commands[7] = "taking or releasing the line"
    ports.translate(port, api.PortGone(0, 0, "pulled"), 0)
    assert ports.translate(port, api.CommandFailed(0, 0, 7, "pulled"), 0) == []
    assert port.gone == "pulled"


def test_a_port_without_a_name_says_nothing():
    port = line()
    port.name = ""
    assert ports.translate(port, api.RingOn(0, 0), 0) == []


class Card:
    def __init__(self, name, kinds):
        self.ports = [api.PortInfo(i, kind, f"{name}/{i}") for i, kind in enumerate(kinds)]


def test_rows_of_two_cards_follow_each_other_and_the_plan_names_them():
    fxo, fxs = api.PortKind.FXO, api.PortKind.FXS
    table = PortTable([Card("a", [fxo, fxo]), Card("b", [fxs])])
    plan = Plan(lines=(LinePlan("L1", "a/1"),), phones=(PhonePlan("801", "b/0"),))
    assert table.use(plan) == []
    assert table.by_name("L1").row == 1 and table.by_name("801").row == 2
    assert table.at(1, 0) is table.by_name("801")


def test_a_plan_that_names_a_missing_or_wrong_socket_says_what_to_do():
    table = PortTable([Card("a", [api.PortKind.FXO])])
    plan = Plan(lines=(LinePlan("L1", "a/9"),), phones=(PhonePlan("801", "a/0"),))
    missing, wrong = table.use(plan)
    assert missing.port == "L1" and "a/9" in missing.reason and "change the port" in missing.reason
    assert wrong.port == "801" and "for lines" in wrong.reason
