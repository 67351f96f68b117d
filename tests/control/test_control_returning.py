"""Agents need not sign in again when the engine was started anew."""

import pytest

from appliance.control.control import BACK_WITHIN_S


def agent(number, state, phone="", reason=""):
    return {"number": number, "name": number, "state": state, "phone": phone, "reason": reason, "queues": []}


AGENTS = [
    agent("1001", "talking", "801"),
    agent("1002", "not_ready", "802", "break"),
    agent("1003", "signed_out"),
]
BACK = [
    {"number": "1001", "phone": "801", "ready": True, "reason": ""},
    {"number": "1002", "phone": "802", "ready": False, "reason": "break"},
]


def told(desk):
    return [command["agents"] for command in desk.commands("agents")]


@pytest.fixture
def talking(desk):
    desk.hear({"event": "live", "data": {"lines": [], "agents": AGENTS, "calls": []}})
    return desk


def test_the_next_engine_hears_after_the_plan_who_was_signed_in(talking):
    talking.lose_engine()
    talking.pass_time(BACK_WITHIN_S - 1)
    assert told(talking) == []
    talking.connect()
    assert told(talking) == [BACK]
    assert [one["cmd"] for one in talking.engine][-3:-1] == ["plan", "agents"]


def test_an_engine_that_dies_again_before_it_has_said_anything_loses_nobody(talking):
    talking.lose_engine()
    talking.connect()
    talking.lose_engine()
    talking.connect()
    assert told(talking) == [BACK, BACK]


def test_after_a_long_time_nobody_knows_who_is_still_there(talking):
    talking.lose_engine()
    talking.pass_time(BACK_WITHIN_S + 1)
    talking.connect()
    assert told(talking) == []
