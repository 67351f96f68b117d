"""What clients ask of control."""

import pytest


def test_a_desk_request_gets_the_reply_of_the_core(desk):
    assert desk.request("desk", verb="ready", agent="1001", args={}) is None
    [command] = desk.commands("desk")
    assert (command["verb"], command["agent"]) == ("ready", "1001")
    desk.hear({"event": "reply", "data": {"ref": command["ref"], "error": "not_signed_in", "data": {}}})
    answer = desk.request("desk", verb="ready", agent="1001")
    assert answer == {"id": 7, "result": {"error": "not_signed_in", "data": {}}}


def test_replies_find_their_own_clients(desk):
    desk.request("desk", client=1, verb="ready", agent="1001")
    desk.request("desk", client=2, verb="dial", agent="1002", args={"number": "110"})
    first, second = desk.commands("desk")
    desk.hear({"event": "reply", "data": {"ref": second["ref"], "error": "", "data": {"call": "x"}}})
    assert 1 not in desk.clients
    assert desk.clients[2][-1]["result"] == {"error": "", "data": {"call": "x"}}
    desk.hear({"event": "reply", "data": {"ref": first["ref"], "error": ""}})
    assert desk.clients[1][-1]["result"] == {"error": "", "data": {}}


def test_a_silent_engine_is_told_after_two_seconds(desk):
    assert desk.request("desk", verb="ready", agent="1001") is None
    desk.pass_time(1.9)
    assert desk.clients.get(1) is None
    desk.pass_time(0.2)
    error = desk.clients[1][-1]["error"]
    assert error["code"] == "engine_away" and "try again" in error["message"]


def test_an_engine_that_goes_away_is_told_at_once(desk):
    desk.request("desk", verb="ready", agent="1001")
    desk.lose_engine()
    assert desk.clients[1][-1]["error"]["code"] == "engine_away"
    assert desk.request("desk", verb="ready", agent="1001")["error"]["code"] == "engine_away"
    assert desk.request("snapshot")["error"]["code"] == "engine_away"


def test_the_snapshot_is_the_last_live_state(desk):
    assert desk.request("snapshot") is None
    desk.hear({"event": "live", "data": {"now": 1.0, "lines": []}})
    assert desk.clients[1][-1]["result"] == {"now": 1.0, "lines": []}
    assert desk.request("snapshot")["result"] == {"now": 1.0, "lines": []}


def test_subscribers_hear_the_engine(desk):
    desk.hear({"event": "live", "data": {"now": 1.0}})
    desk.request("subscribe", client=9)
    assert 9 in desk.control.subscribers
    assert [m.get("event") for m in desk.clients[9]] == [None, "status", "live"]
    desk.hear({"event": "notice", "data": {"level": "warning", "code": "x", "data": {}}})
    assert desk.topics("notice")
    desk.control.client_gone(9)
    assert 9 not in desk.control.subscribers


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"id": 7, "method": "format_disk"}, "unknown_method"),
        ({"id": 7}, "bad_request"),
        ({"id": 7, "method": "desk", "params": [1]}, "bad_request"),
        ({"id": 7, "method": "desk", "params": {"verb": "explode", "agent": "1001"}}, "unknown_verb"),
        ({"id": 7, "method": "desk", "params": {"verb": "ready", "agent": 1001}}, "bad_request"),
        ({"id": 7, "method": "desk", "params": {"verb": "ready", "agent": "1", "args": "x"}}, "bad_request"),
    ],
)
def test_bad_requests_get_one_clear_error(desk, message, code):
    desk.carry_out(desk.control.from_client(1, message, desk.now))
    [answer] = desk.clients[1]
    assert answer["error"]["code"] == code
    assert answer["error"]["message"]
    assert desk.commands("desk") == []


@pytest.mark.parametrize(
    "message",
    [
        {"event": "pop"},
        {"event": 3, "data": {}},
        {"event": "record", "data": {}},
        {"event": "record", "data": {"id": None, "record": None}},
        {"event": "ask", "data": {}},
        {"event": "reply", "data": {"ref": "x"}},
        {"event": "reply", "data": {"ref": 999999}},
        {"event": "health", "data": {"sockets": [1, {"name": 5}]}},
        {"event": "tomorrow", "data": {}},
        {"event": "pop_end", "data": {}},
        {},
    ],
)
def test_nonsense_from_the_engine_does_not_stop_control(desk, message):
    desk.hear(message)
    desk.pass_time(3)
    assert desk.request("status")["result"]["engine"]["up"] is True


def test_the_prompts_that_can_be_played(desk, home):
    own = home.prompts / "en" / "greeting.wav"
    own.parent.mkdir(parents=True)
    own.write_bytes(b"")
    prompts = {entry["name"]: entry for entry in desk.request("prompts")["result"]["prompts"]}
    assert prompts["greeting"] == {"name": "greeting", "languages": ["en", "zh"], "own": ["en"]}
    assert prompts["music"]["own"] == []
