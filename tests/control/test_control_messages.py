"""Messages in control: stored before they are acknowledged, handed on until their fate is known."""

import sqlite3

import pytest


def received(name="in-1", text="hello"):
    message = {"id": name, "kind": "received", "port": "sim1/0", "number": "13800138000", "text": text}
    record = message | {"missing": 0, "sent_at": 990.0, "at": 1000.0}
    return {"event": "message", "data": {"id": name, "record": record, "final": True}}


def fate(asked, state="sent", **more):
    message = {"id": asked["id"], "kind": "sent", "port": "sim1/0", "number": asked["number"]}
    record = message | {"text": asked["text"], "state": state, "reason": "", "at": 2000.0} | more
    return {"event": "message", "data": {"id": asked["id"], "record": record, "final": True}}


def acks(desk):
    return [message["id"] for message in desk.commands("ack_message")]


def send(desk, **params):
    return desk.request("send_message", **({"number": "13800138000", "text": "hi", "who": "wang"} | params))


def test_a_message_is_stored_before_it_is_acknowledged_and_told_to_pages(desk, store):
    desk.held = {"message"}
    desk.request("subscribe", client=7)
    desk.hear(received())
    assert acks(desk) == [] and store.messages.search()[1] == 0
    desk.release()
    assert acks(desk) == ["in-1"]
    told = desk.topics("message")[-1]
    assert (told["peer"], told["direction"]) == ("+8613800138000", "in")
    assert "text" not in told, "not every reader may see it"


def test_the_same_message_again_is_acknowledged_again(desk, store):
    desk.hear(received())
    desk.hear(received())
    assert acks(desk) == ["in-1", "in-1"]
    assert store.messages.search()[1] == 1


def test_while_the_database_is_locked_messages_wait(desk, home, store):
    other = sqlite3.connect(home.database, isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        desk.hear(received())
        assert acks(desk) == []
        assert desk.request("status")["result"]["messages"]["waiting"] == 1
    finally:
        other.execute("ROLLBACK")
        other.close()
    desk.pass_time(3.0)
    assert acks(desk) == ["in-1"]


def test_a_message_of_a_page_is_written_then_handed_to_the_engine(desk, store):
    row = send(desk)["result"]
    assert row["state"] == "queued" and store.messages.get(row["id"])["who"] == "wang"
    [asked] = desk.commands("sms")
    assert asked == {
        "cmd": "sms",
        "id": row["id"],
        "number": "+8613800138000",
        "text": "hi",
        "port": "",
    }
    desk.hear(fate(asked, references=[3]))
    assert store.messages.get(row["id"])["state"] == "sent"
    assert [told["state"] for told in desk.topics("message")] == ["queued", "sent"]


def test_without_an_engine_it_waits_and_goes_when_the_engine_is_back(desk):
    desk.lose_engine()
    assert send(desk)["result"]["state"] == "queued"
    assert desk.commands("sms") == []
    desk.connect()
    assert len(desk.commands("sms")) == 1


def test_a_new_control_hands_over_what_the_old_one_had_not_heard_of(desk, make_desk):
    send(desk)
    second = make_desk()
    second.connect()
    assert [asked["text"] for asked in second.commands("sms")] == ["hi"]


def test_what_the_engine_may_have_missed_is_handed_over_again(desk):
    send(desk)
    desk.pass_time(31.0)
    ids = {asked["id"] for asked in desk.commands("sms")}
    assert len(desk.commands("sms")) >= 2 and len(ids) == 1


def test_never_handed_over_after_the_engine_was_told_that_its_fate_is_stored(desk):
    """The engine forgets it then, and would send it a second time."""
    send(desk)
    [asked] = desk.commands("sms")
    desk.hear(fate(asked, references=[3]))
    desk.pass_time(90.0)
    desk.lose_engine()
    desk.connect()
    assert len(desk.commands("sms")) == 1


@pytest.mark.parametrize("params", [{"number": "nobody"}, {"text": "  "}, {"again": "out-none"}])
def test_what_cannot_be_sent_is_refused_with_a_reason(desk, params):
    error = send(desk, **params)["error"]
    assert error["code"] == "bad_request" and error["message"]
    assert desk.commands("sms") == []


def test_a_message_that_failed_is_sent_again_as_a_new_one(desk, store):
    first = send(desk)["result"]
    desk.hear(fate(desk.commands("sms")[0], "failed", reason="no network"))
    again = send(desk, again=first["id"], who="li")["result"]
    assert again["id"] != first["id"] and desk.commands("sms")[-1]["id"] == again["id"]
    assert store.messages.get(first["id"])["reason"] == "no network"
