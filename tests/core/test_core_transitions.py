"""Every pair of state and event is handled or declared ignored, and none is both."""

import itertools

import pytest
from core_office import Office

from appliance.core import actions as act
from appliance.core import agent, call_table, lines, machine, telephone
from appliance.core.agent import AgentEvent, AgentState
from appliance.core.call import CallEvent, CallState
from appliance.core.port import LineEvent, LineState, PhoneEvent, PhoneState

MACHINES = {
    "call": (CallState, CallEvent, call_table),
    "agent": (AgentState, AgentEvent, agent),
    "line": (LineState, LineEvent, lines),
    "phone": (PhoneState, PhoneEvent, telephone),
}


@pytest.mark.parametrize("name", MACHINES)
def test_every_pair_is_handled_or_ignored(name):
    states, events, module = MACHINES[name]
    pairs = set(itertools.product(states, events))
    handled = set(module.TABLE)
    both = sorted(f"{s.name} {e.name}" for s, e in handled & module.IGNORED)
    neither = sorted(f"{s.name} {e.name}" for s, e in pairs - handled - module.IGNORED)
    assert both == []
    assert neither == []
    assert (handled | module.IGNORED) == pairs


def test_an_unknown_pair_is_a_defect():
    with pytest.raises(machine.NoSuchTransition, match="RING_ON"):
        machine.lookup({}, frozenset(), LineState.IDLE, LineEvent.RING_ON)


def test_every_change_of_state_is_logged_in_one_format():
    office = Office()
    office.given_talk()
    office.when_hung_up("801")
    office.pass_time(20)
    log = [a for a in office.actions if isinstance(a, act.LogTransition)]
    trail = [(a.old, a.event, a.new) for a in log if a.machine == "call"]
    assert trail == [
        ("new", "begin", "ringing"),
        ("ringing", "routed", "ivr"),
        ("ivr", "key", "queued"),
        ("queued", "offer", "offered"),
        ("offered", "lifted", "talking"),
        ("talking", "near_gone", "ended"),
    ]
    agent_trail = [a.new for a in log if a.machine == "agent"]
    assert agent_trail == ["not_ready", "ready", "ringing", "talking", "wrap_up", "ready"]
    for key in {(a.machine, a.key) for a in log}:
        mine = [a for a in log if (a.machine, a.key) == key]
        assert all(before.new == after.old for before, after in itertools.pairwise(mine))
