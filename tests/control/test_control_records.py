"""Call records: stored before they are acknowledged, whatever happens."""

import sqlite3

from control_bench import record_event


def test_a_record_is_stored_before_it_is_acknowledged(desk, store):
    desk.held = {"record"}
    desk.hear(record_event("c1"))
    assert desk.acks == []
    assert store.calls.get("c1") is None
    desk.release()
    assert desk.acks == ["c1"]
    assert store.calls.get("c1")["talk_s"] == 60.0
    assert desk.topics("call")[-1]["id"] == "c1"


def test_the_record_is_attached_to_the_customer_of_the_number(desk, store):
    customer = store.customers.add({"name": "王芳", "phones": [{"number": "+86 138-0013-8000", "label": ""}]})
    desk.hear(record_event("c1"))
    assert desk.topics("call")[-1]["customer"] == customer
    assert [call["id"] for call in store.customers.history(customer)] == ["c1"]


def test_a_record_sent_twice_is_one_call_and_two_acknowledgements(desk, store):
    desk.hear(record_event("c1"))
    desk.hear(record_event("c1"))
    assert desk.acks == ["c1", "c1"]
    assert store.calls.search()[1] == 1


def test_an_early_version_never_replaces_the_final_one(desk, store):
    desk.hear(record_event("c1", final=True, talk_s=60.0))
    desk.hear(record_event("c1", final=False, talk_s=1.0))
    assert store.calls.get("c1")["talk_s"] == 60.0
    assert desk.acks == ["c1", "c1"]


def test_while_another_program_holds_the_database_records_wait_and_arrive_after_it(desk, home, store):
    other = sqlite3.connect(home.database, isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        desk.hear(record_event("c1"))
        desk.hear(record_event("c2"))
        assert desk.acks == []
        status = desk.request("status")["result"]
        assert "locked by another program" in status["records"]["problem"]
        assert status["records"]["waiting"] == 2
        assert status["database"]["ok"], "a lock is waited out, it is no damage"
    finally:
        other.execute("ROLLBACK")
        other.close()
    desk.pass_time(3.0)
    assert desk.acks == ["c1", "c2"]
    assert store.calls.search()[1] == 2


def test_a_record_that_makes_no_sense_is_not_acknowledged_and_does_not_stop_the_others(desk):
    desk.hear(record_event("bad", talk_s="long"))
    desk.hear(record_event("bad2", caller_name="\ud83d"))
    desk.hear({"event": "record", "data": {"id": "c9", "record": {"id": "other"}}})
    desk.hear(record_event("good"))
    assert desk.acks == ["good"]
    refused = desk.request("status")["result"]["records"]["refused"]
    assert set(refused) == {"bad", "bad2", "c9"}
    assert "talk_s must be a number" in refused["bad"]


def test_what_was_being_written_when_the_engine_left_is_acknowledged_only_when_it_sends_it_again(desk, store):
    desk.held = {"record"}
    desk.hear(record_event("c1"))
    desk.lose_engine()
    desk.connect()
    desk.release()
    assert store.calls.get("c1") is not None
    assert desk.acks == []
    desk.hear(record_event("c1"))
    assert desk.acks == ["c1"]


def test_notes_star_and_outcome_written_during_the_call_survive_the_record(desk, store):
    desk.hear(record_event("c1", final=False))
    store.calls.note("c1", "1001", "wants an invoice")
    store.calls.star("c1", True)
    store.calls.outcome("c1", "sold")
    desk.hear(record_event("c1"))
    call = store.calls.get("c1")
    assert [note["text"] for note in call["notes"]] == ["wants an invoice"]
    assert call["starred"] and call["outcome"] == "sold" and call["final"]
