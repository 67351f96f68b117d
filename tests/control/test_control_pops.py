"""Screen pops: the customer is on the screen before the agent answers, and the store never delays them."""

import pytest
from control_bench import record_event

POP = {"agent": "1001", "phone": "801", "call": "c7", "number": "013800138000", "line": "L1"}


@pytest.fixture
def customer(store, desk):
    return store.customers.add(
        {"name": "王芳", "company": "Acme", "vip": True, "phones": [{"number": "138 0013 8000", "label": ""}]}
    )


def test_a_pop_carries_the_customer_last_contacts_and_notes(desk, store, customer):
    desk.hear(record_event("c1"))
    store.calls.note("c1", "1002", "asked for a price")
    store.calls.note("c7", "1001", "typed during this call")
    desk.hear({"event": "pop", "data": POP})
    [pop] = desk.topics("pop")
    assert pop["customer"] == customer
    assert (pop["customer_name"], pop["company"], pop["vip"]) == ("王芳", "Acme", True)
    assert [contact["id"] for contact in pop["contacts"]] == ["c1"]
    assert pop["contacts"][0]["notes"][0]["text"] == "asked for a price"
    assert pop["notes"][0]["text"] == "typed during this call"
    assert pop["area"] == "北京市"
    assert pop["phone"] == "801", "what the core said stays"


def test_an_unknown_number_still_shows_its_past_calls(desk):
    desk.hear(record_event("c1"))
    desk.hear({"event": "pop", "data": POP})
    [pop] = desk.topics("pop")
    assert pop["customer"] is None
    assert [contact["id"] for contact in pop["contacts"]] == ["c1"]


def test_two_withheld_callers_do_not_share_a_history(desk):
    desk.hear(record_event("c1", caller_number=""))
    desk.hear({"event": "pop", "data": POP | {"number": ""}})
    assert desk.topics("pop")[0]["contacts"] == []


def test_a_slow_store_does_not_hold_up_the_pop_and_the_customer_follows(desk, customer):
    desk.held = {"pop"}
    desk.hear({"event": "pop", "data": POP})
    assert desk.topics("pop") == []
    desk.pass_time(0.05)
    assert desk.topics("pop") == [POP]
    desk.release()
    assert desk.topics("pop")[1]["customer"] == customer


def test_nothing_is_shown_after_the_end_of_a_pop(desk):
    desk.held = {"pop"}
    desk.hear({"event": "pop", "data": POP})
    desk.hear({"event": "pop_end", "data": {"agent": "1001", "call": "c7", "why": "answered"}})
    desk.release()
    assert [topic for topic, _ in desk.stream if topic.startswith("pop")] == ["pop", "pop_end"]


def test_without_a_database_the_pop_goes_out_as_the_engine_gave_it(make_desk, home):
    home.database.write_bytes(b"not a database at all, but long enough")
    desk = make_desk()
    desk.connect()
    desk.hear({"event": "pop", "data": POP})
    assert desk.topics("pop") == [POP]


def test_a_page_that_connects_during_a_pop_is_shown_it(desk):
    desk.hear({"event": "pop", "data": POP})
    desk.request("subscribe", client=5)
    assert [m["data"]["call"] for m in desk.clients[5] if m.get("event") == "pop"] == ["c7"]
    desk.hear({"event": "pop_end", "data": {"agent": "1001", "call": "c7"}})
    desk.request("subscribe", client=6)
    assert not [m for m in desk.clients[6] if m.get("event") == "pop"]


def test_when_the_engine_goes_its_pops_end(desk):
    desk.hear({"event": "pop", "data": POP})
    desk.lose_engine()
    assert desk.topics("pop_end") == [{"agent": "1001", "call": "c7", "why": "engine_away"}]
