"""Call records: stored once, found by anything people remember of a call."""

import math

import pytest

from appliance.core.record import CallRecord
from appliance.store import InvalidRow, NotFound


def call(call_id, **more):
    base = CallRecord(id=call_id, direction="in", caller_number="13800138000", started_at=1000.0)
    return base.as_dict() | more


@pytest.fixture
def four(store):
    wang = store.customers.add({"name": "王小芳", "phones": [{"number": "021 5555 1234"}]})
    store.calls.save(
        call(
            "a",
            caller_number="02155551234",
            agent="1001",
            agents=["1001", "1002"],
            queue="sales",
            started_at=100.0,
            recording="a.wav",
            line="L1",
            end_reason="caller_hangup",
        )
    )
    store.calls.save(
        call(
            "b",
            direction="out",
            caller_number="",
            called_number="0755 8888 6666",
            agent="1002",
            started_at=200.0,
            recording="b.wav",
            line="L2",
            end_reason="busy",
        )
    )
    store.calls.save(
        call("c", caller_number="", caller_name="Zhang 100%", started_at=300.0, end_reason="blocked")
    )
    store.calls.save(
        call("d", direction="internal", caller_number="801", called_number="802", started_at=400.0)
    )
    store.calls.star("b", True)
    store.calls.note("c", "1001", "wants an invoice_copy")
    store.calls.outcome("d", "test call")
    return wang


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        ({}, "dcba"),
        ({"agent": "1001"}, "a"),
        ({"agent": "1002"}, "ba"),
        ({"queue": "sales"}, "a"),
        ({"direction": "out"}, "b"),
        ({"since": 200.0}, "dcb"),
        ({"until": 200.0}, "a"),
        ({"since": 100.0, "until": 300.0}, "ba"),
        ({"with_recording": True}, "ba"),
        ({"with_recording": False}, "dc"),
        ({"starred": True}, "b"),
        ({"starred": False}, "dca"),
        ({"number": "+86 (21) 5555-1234"}, "a"),
        ({"number": "8888"}, "b"),
        ({"number": "nothing"}, ""),
        ({"line": "L2"}, "b"),
        ({"end_reason": "blocked"}, "c"),
        ({"text": "小芳"}, "a"),
        ({"text": "zhang"}, "c"),
        ({"text": "100%"}, "c"),
        ({"text": "invoice_copy"}, "c"),
        ({"text": "invoiceXcopy"}, ""),
        ({"text": "test"}, "d"),
        ({"text": "021-5555 1234"}, "a"),
        ({"text": "小芳 5555"}, "a"),
        ({"text": "小芳 invoice"}, ""),
        ({"text": "' OR 1=1 --"}, ""),
        ({"limit": 2}, "dc"),
        ({"limit": 2, "offset": 3}, "a"),
        ({"with_recording": True, "agent": "1002", "starred": True}, "b"),
    ],
)
def test_search(store, four, wanted, ids):
    rows, total = store.calls.search(**wanted)
    assert "".join(row["id"] for row in rows) == ids
    if "limit" not in wanted:
        assert total == len(ids)
    else:
        assert total == 4


def test_a_call_has_everything_of_its_record(store):
    record = call(
        "x", keys="12#", answered_at=1001.5, steps=[{"at": 1000.0, "what": "ring"}], wait_s=3.25, agents=["7"]
    )
    store.calls.save(record)
    stored = store.calls.get("x")
    assert {key: stored[key] for key in record} == record
    assert stored["notes"] == [] and stored["final"] is True
    assert store.calls.get("y") is None


def test_the_customer_of_a_call(store, four):
    row = store.calls.get("a")
    assert (row["customer"], row["customer_name"]) == (four, "王小芳")
    assert store.calls.get("b")["customer"] is None
    store.calls.save(call("e", caller_number="0755 1", customer=four))
    assert store.calls.get("e")["customer"] == four, "a customer that the record names is taken"
    store.calls.save(call("f", caller_number="02155551234", customer=99999))
    assert store.calls.get("f")["customer"] == four, "one that does not exist is not"
    assert store.calls.search(customer=four)[1] == 3


def test_last_agent(store, four):
    normal = store.numbering().normalise("02155551234")
    assert store.calls.last_agent(normal) == "", "a call that nobody answered has no last agent"
    store.calls.save(
        call("e", caller_number="02155551234", agent="1003", connected_at=505.0, started_at=500.0)
    )
    assert store.calls.last_agent(normal) == "1003"
    assert store.calls.last_agent("") == ""


def test_notes_may_come_before_the_record(store):
    store.calls.note("early", "1001", "  hello  ")
    store.calls.note("early", "1002", "again")
    store.calls.save(call("early"))
    assert [(n["agent"], n["text"]) for n in store.calls.get("early")["notes"]] == [
        ("1001", "hello"),
        ("1002", "again"),
    ]


@pytest.mark.parametrize("text", ["", "   ", "x" * 20_001])
def test_an_empty_or_endless_note_is_refused(store, text):
    with pytest.raises(InvalidRow, match="a note must have"):
        store.calls.note("a", "1001", text)


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"id": ""},
        {"id": "../../etc/passwd", "direction": "in"},
        {"id": 5, "direction": "in"},
        call("x", direction="sideways"),
        call("x", started_at=math.nan),
        call("x", talk_s=math.inf),
        call("x", wait_s=None),
        call("x", steps="none"),
        call("x", agents=None),
        call("x", caller_name=None),
        call("x", caller_name="x" * 3000),
        call("x", ended_at="soon"),
        call("x", ended_at=True),
    ],
)
def test_a_record_that_makes_no_sense_is_refused_in_words(store, record):
    with pytest.raises(InvalidRow, match="call record"):
        store.calls.save(record)
    assert store.calls.search()[1] == 0


def test_star_and_outcome_of_an_unknown_call(store):
    with pytest.raises(NotFound, match="there is no call 'x'"):
        store.calls.star("x", True)
    with pytest.raises(NotFound):
        store.calls.outcome("x", "y")


def test_recordings_for_retention_are_unstarred_final_and_oldest_first(store, four):
    store.calls.save(call("e", recording="e.wav", started_at=50.0))
    store.calls.save(call("f", recording="f.wav", started_at=60.0), final=False)
    assert [row["id"] for row in store.calls.recordings()] == ["e", "a"]
    assert [row["id"] for row in store.calls.recordings(before=100.0)] == ["e"]
    store.calls.recording_gone("e")
    assert [row["id"] for row in store.calls.recordings()] == ["a"]
