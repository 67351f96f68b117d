"""Questions of the call core: who is calling, and is this PIN right."""

import pytest
from control_bench import record_event

from appliance.control.callers import hash_pin


def ask(desk, question, data, ref=3, deadline_s=0.5):
    desk.hear(
        {"event": "ask", "data": {"ref": ref, "question": question, "data": data, "deadline_s": deadline_s}}
    )
    answers = [message["data"] for message in desk.commands("answer") if message["ref"] == ref]
    return answers[-1] if answers else "no answer"


def test_a_known_caller(desk, store):
    customer = store.customers.add({"name": "王芳", "vip": True, "phones": [{"number": "13800138000"}]})
    desk.hear(record_event("c1", agent="1002"))
    assert ask(desk, "caller", {"number": "013800138000", "line": "L1"}) == {
        "blocked": False,
        "vip": True,
        "customer": customer,
        "name": "王芳",
        "last_agent": "1002",
    }


def test_an_unknown_and_a_withheld_caller_are_nobody_special(desk, store):
    store.blacklist.put({"pattern": "withheld"})
    nobody = {"blocked": False, "vip": False, "customer": None, "name": "", "last_agent": ""}
    assert ask(desk, "caller", {"number": "0108888"}) == nobody
    assert ask(desk, "caller", {"number": ""}) == nobody, "only the core knows withheld from not yet known"


@pytest.mark.parametrize("seen", ["13800138000", "013800138000", "8613800138000", "+86 138 0013 8000"])
def test_a_blocked_number_is_blocked_in_every_spelling(desk, store, seen):
    store.blacklist.put({"pattern": "138-0013-8000"})
    assert ask(desk, "caller", {"number": seen})["blocked"] is True


def test_an_answer_that_would_be_late_is_not_given(desk):
    desk.held = {"ask"}
    assert ask(desk, "caller", {"number": "123"}, deadline_s=0.3) == "no answer"
    desk.pass_time(0.4)
    desk.release()
    assert desk.commands("answer") == []


def test_without_a_database_the_core_is_told_at_once_that_nothing_is_known(make_desk, home):
    home.database.write_bytes(b"damaged")
    desk = make_desk()
    desk.connect()
    assert ask(desk, "caller", {"number": "123"}) is None
    assert ask(desk, "phone_sign_in", {"agent": "1001", "pin": "1"}, ref=4) == {
        "ok": False,
        "error": "store_away",
    }


def test_signing_in_on_a_telephone(desk, store):
    store.agents.put({"number": "1001", "pin_hash": hash_pin("428913")})
    assert ask(desk, "phone_sign_in", {"agent": "1001", "pin": "428913"}) == {"ok": True, "error": ""}
    for agent, pin, error in (
        ("1001", "1", "wrong_pin"),
        ("1002", "1", "no_pin"),
        ("77", "1", "unknown_agent"),
    ):
        assert ask(desk, "phone_sign_in", {"agent": agent, "pin": pin}) == {"ok": False, "error": error}


def test_guessing_a_pin_is_locked_out_for_a_while(desk, store):
    store.agents.put({"number": "1001", "pin_hash": hash_pin("428913")})
    for _ in range(5):
        assert ask(desk, "phone_sign_in", {"agent": "1001", "pin": "000000"})["error"] == "wrong_pin"
    assert ask(desk, "phone_sign_in", {"agent": "1001", "pin": "428913"})["error"] == "locked"
    desk.pass_time(301)
    assert ask(desk, "phone_sign_in", {"agent": "1001", "pin": "428913"})["ok"] is True
