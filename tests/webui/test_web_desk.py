"""The desk: wishes reach the core, the pop brings the customer, live events reach the page."""

import json
import queue
import threading

import pytest

from webui import hub as hub_module
from webui.hub import Hub, Message
from webui.views.events import newest, stream

from . import demo
from .fakes import PATIENCE_S


def test_a_wish_reaches_the_core_as_this_agent(sign_in, control):
    client = sign_in("wang")
    answer = client.post("/desk/do", json={"verb": "sign_in", "args": {"phone": "801", "agent": "1002"}})
    assert answer.json["error"] == ""
    assert control.wait_for("desk") == [{"verb": "sign_in", "agent": "1001", "args": {"phone": "801"}}]


def test_a_refusal_is_a_sentence(sign_in, control):
    control.refuse["transfer"] = "target_busy"
    answer = sign_in("wang").post("/desk/do", json={"verb": "transfer", "args": {"to": "802"}})
    assert answer.status_code == 409
    assert answer.json["message"].startswith("The other telephone is busy")


@pytest.mark.parametrize("verb", ["force_sign_out", "drop_call", "", "explode"])
def test_agents_have_no_supervisors_hand(sign_in, control, verb):
    assert sign_in("wang").post("/desk/do", json={"verb": verb}).status_code == 400
    assert not [c for c in control.calls if c[0] == "desk"]


def test_supervisors_act_with_a_line_in_the_log(sign_in, control, box_store):
    client = sign_in("boss")
    client.post("/board/do", json={"verb": "force_not_ready", "agent": "1001", "args": {"reason": "forced"}})
    asked = control.wait_for("desk")
    assert asked == [{"verb": "force_not_ready", "agent": "1001", "args": {"reason": "forced"}}]
    assert box_store.audit.list(what="force_not_ready")[0]["who"] == "boss"
    assert client.post("/board/do", json={"verb": "ready", "agent": "1001"}).status_code == 400


def popped(app, control, agent, call):
    """Control shows a call to an agent, and the pages have heard of it."""
    hub = app.extensions["box"].hub
    hub.start()
    control.wait_for_subscriber()
    with hub.listen() as mailbox:
        control.push("pop", {"agent": agent, "call": call, "number": "13812345678"})
        while not hub.handled(agent, call):
            mailbox.get(timeout=PATIENCE_S)


def test_notes_of_others_calls_are_neither_read_nor_written(app, sign_in, box_store, control):
    box_store.calls.save({"id": "c-2", "direction": "in", "started_at": 1.8e9, "agent": "1002"})
    box_store.calls.note("c-2", "1002", "confidential")
    popped(app, control, "1002", "c-2")
    agent, boss = sign_in("wang"), sign_in("boss")
    assert agent.post("/desk/note", json={"call": "c-2", "text": "mine"}).status_code == 403
    assert agent.get("/desk/card?call=c-2").json["notes"] == []
    assert [n["text"] for n in boss.get("/desk/card?call=c-2").json["notes"]] == ["confidential"]


def test_the_history_says_which_calls_open(sign_in, box_store):
    for n, agent in enumerate(("1001", "1002")):
        box_store.calls.save(
            {
                "id": f"h{n}",
                "direction": "in",
                "started_at": 1.8e9 + n,
                "caller_number": "95588",
                "agent": agent,
            }
        )

    def opens(name):
        history = sign_in(name).get("/desk/card?number=95588").json["history"]
        return {row["id"]: row["open"] for row in history}

    assert opens("wang") == {"h0": True, "h1": False}
    assert opens("boss") == {"h0": True, "h1": True}


def test_a_note_is_saved_with_a_call_that_still_goes_on(app, sign_in, box_store, control):
    client = sign_in("wang")
    popped(app, control, "1001", "c-1")
    answer = client.post("/desk/note", json={"call": "c-1", "text": " wants a price list "})
    assert [n["text"] for n in answer.json["notes"]] == ["wants a price list"]
    box_store.calls.save({"id": "c-1", "direction": "in", "started_at": 1.8e9, "agent": "1001"})
    assert box_store.calls.get("c-1")["notes"][0]["agent"] == "1001"
    assert client.post("/desk/note", json={"call": "c-1", "text": "  "}).status_code == 400


def test_an_unknown_caller_becomes_a_customer(sign_in, box_store):
    client = sign_in("wang")
    card = client.get("/desk/card?number=13812345678").json
    assert card["customer"] is None
    made = client.post(
        "/desk/customer",
        json={"id": None, "customer": {"name": "Chen", "phones": [{"number": "138 1234 5678"}]}},
    )
    customer = made.json["customer"]
    assert client.get("/desk/card?number=%2B86 138 1234 5678").json["customer"]["id"] == customer["id"]
    client.post("/desk/customer", json={"id": customer["id"], "customer": {**customer, "company": "Ming"}})
    assert box_store.customers.get(customer["id"])["company"] == "Ming"
    assert client.post("/desk/customer", json={"customer": {}}).status_code == 400


def test_today_sums_up(sign_in, box_store):
    import time

    for n, direction in enumerate(["in", "out", "in"]):
        box_store.calls.save(
            {
                "id": f"t{n}",
                "direction": direction,
                "started_at": time.time() + 86400.0,  # today, though midnight comes before it is asked
                "agent": "1001",
                "talk_s": 10.0,
            }
        )
    today = sign_in("wang").get("/desk/today").json
    assert (today["total"], today["in"], today["out"], today["talk_s"]) == (3, 2, 1, 30.0)


# ----------------------------------------------------------------- live events
def events_of(text):
    found = []
    for block in text.split("\n\n"):
        if block.startswith("event: "):
            topic, _, data = block.partition("\ndata: ")
            found.append((topic[7:], json.loads(data)))
    return found


class Reader(threading.Thread):
    """Reads a stream until it has seen an event, then leaves."""

    def __init__(self, app, role, agent, until):
        super().__init__(daemon=True)
        self.app, self.role, self.agent, self.until = app, role, agent, until
        self.text = ""
        self.opened = threading.Event()

    def run(self):
        with self.app.test_request_context():
            hub, reads = self.app.extensions["box"].hub, self.role != "agent"
            for piece in stream(hub, self.role, self.agent, lambda: False, lambda: reads):
                self.text += piece
                self.opened.set()
                if f"event: {self.until}\n" in piece:
                    return


def start_reading(app, control, role, agent, until):
    app.extensions["box"].hub.start()
    control.wait_for_subscriber()
    reader = Reader(app, role, agent, until)
    reader.start()
    assert reader.opened.wait(PATIENCE_S)
    return reader


def test_a_pop_brings_the_customer_and_the_past(app, box_store, control, home):
    ids = demo.customers(box_store)
    demo.calls(box_store, home, 6)
    reader = start_reading(app, control, "agent", "1001", "pop")
    other = start_reading(app, control, "agent", "1002", "notice")
    control.push(
        "pop",
        {"agent": "1001", "call": "x", "number": "+86 138-1234-5678", "queue": "sales", "customer": None},
    )
    control.push("notice", {"level": "info", "code": "done"})
    reader.join(PATIENCE_S)
    other.join(PATIENCE_S)
    pop = dict(events_of(reader.text))["pop"]
    assert pop["customer"]["id"] == ids[0]
    assert [r["id"] for r in pop["history"]] == ["demo-000", "demo-005"]
    assert "pop" not in dict(events_of(other.text)), "a colleague's screen stays as it is"


def test_a_page_opened_late_sees_the_call_that_rings(app, box_store, control):
    hub = app.extensions["box"].hub
    hub.start()
    control.wait_for_subscriber()
    with hub.listen() as mailbox:
        control.push("pop", {"agent": "1001", "call": "x", "number": "1"})
        while mailbox.get(timeout=PATIENCE_S).topic != "pop":
            pass
    reader = start_reading(app, control, "agent", "1001", "pop")
    reader.join(PATIENCE_S)
    assert dict(events_of(reader.text))["pop"]["call"] == "x"


def test_a_card_stays_for_the_wrap_up_only(app, control):
    hub = app.extensions["box"].hub
    hub.start()
    control.wait_for_subscriber()

    def agent_is(state):
        return {"agents": [{"number": "1001", "state": state}]}

    with hub.listen() as mailbox:
        control.push("live", agent_is("talking"))
        control.push("pop", {"agent": "1001", "call": "x"})
        control.push("pop_end", {"agent": "1001", "call": "x", "why": "ended"})
        control.push("live", agent_is("wrap_up"))
        control.push("notice", {})
        while mailbox.get(timeout=PATIENCE_S).topic != "notice":
            pass
        assert hub.pop_of("1001")["call"] == "x"
        control.push("live", agent_is("ready"))
        control.push("pop", {"agent": "1002", "call": "y"})
        control.push("pop_end", {"agent": "1002", "call": "y", "why": "no_answer"})
        control.push("notice", {})
        while mailbox.get(timeout=PATIENCE_S).topic != "notice":
            pass
    assert hub.pop_of("1001") is None
    assert hub.pop_of("1002") is None, "a call that went elsewhere leaves no card"


def test_a_broken_database_does_not_hold_the_pop_up(app, box_store, control, monkeypatch):
    from appliance.store import StoreError

    monkeypatch.setattr(
        "webui.screenpop.customer_card", lambda *_: (_ for _ in ()).throw(StoreError("locked"))
    )
    reader = start_reading(app, control, "agent", "1001", "pop")
    control.push("pop", {"agent": "1001", "call": "x", "number": "13812345678", "contacts": [{"id": "old"}]})
    reader.join(PATIENCE_S)
    pop = dict(events_of(reader.text))["pop"]
    assert pop["number"] == "13812345678" and pop["customer"] is None and pop["history"] == [{"id": "old"}]


def test_control_going_and_coming_is_told(app, control, home, monkeypatch):
    hub = app.extensions["box"].hub
    hub._retry_s = 0.05
    hub.start()
    control.wait_for_subscriber()
    with hub.listen() as mailbox:
        control.close()
        while mailbox.get(timeout=PATIENCE_S).topic != "away":
            pass
        assert not hub.connected
        from .fakes import FakeControl

        back = FakeControl(home.control_socket, demo.live())
        while mailbox.get(timeout=PATIENCE_S).topic != "back":
            pass
        while mailbox.get(timeout=PATIENCE_S).topic != "live":
            pass
        back.close()
    assert hub.snapshot["agents"]


def test_a_slow_page_loses_old_messages_not_new_ones(monkeypatch):
    monkeypatch.setattr(hub_module, "WAITING_MESSAGES", 4)
    hub = Hub(control=None)
    with hub.listen() as mailbox:
        for n in range(10):
            hub._send(Message("notice", {"n": n}))
        assert [mailbox.get_nowait().data["n"] for _ in range(4)] == [6, 7, 8, 9]


def test_only_the_newest_state_is_sent():
    mailbox = queue.Queue()
    for message in (Message("live", {"n": 2}), Message("pop", {}), Message("live", {"n": 3})):
        mailbox.put(message)
    batch = newest(Message("live", {"n": 1}), mailbox)
    assert [(m.topic, m.data) for m in batch] == [("pop", {}), ("live", {"n": 3})]


def test_streams_end_when_the_server_stops(app, control):
    reader = start_reading(app, control, "admin", "", "never")
    app.extensions["box"].hub.close()
    reader.join(PATIENCE_S)
    assert not reader.is_alive()


def test_a_stream_that_begins_while_the_server_stops_ends_too(app, control):
    app.extensions["box"].hub.close()
    reader = Reader(app, "admin", "", "never")
    reader.start()
    reader.join(PATIENCE_S)
    assert not reader.is_alive()


@pytest.mark.parametrize("role, told", [("supervisor", True), ("agent", False)])
def test_messages_are_told_to_those_who_may_read_them(app, box_store, control, role, told):
    """The reader's right is asked at every message."""
    reader = start_reading(app, control, role, "1001", "call")
    control.push("message", {"id": "in-1", "peer": "10086", "direction": "in"})
    control.push("call", {"id": "c1"})
    reader.join(PATIENCE_S)
    assert ("message" in [topic for topic, _ in events_of(reader.text)]) == told
