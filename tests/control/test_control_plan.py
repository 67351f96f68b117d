"""Settings become the plan; one that cannot be used never replaces one that can."""

import json
import tomllib
from pathlib import Path

import pytest
from control_bench import SOCKETS

import appliance
from appliance.control.compile import compile_plan
from appliance.store import seed_defaults, speak_language

SENTENCES = Path(appliance.__path__[0]) / "prompts" / "sentences.toml"


def last_plan(desk):
    return desk.commands("plan")[-1]["plan"]


def test_on_the_first_start_the_box_is_set_up_from_its_sockets(desk, store, home):
    plan = last_plan(desk)
    assert [(line["id"], line["port"]) for line in plan["lines"]] == [("L1", "sim/0"), ("L2", "sim/1")]
    assert [(p["ext"], p["port"]) for p in plan["phones"]] == [
        ("801", "sim/2"),
        ("802", "sim/3"),
        ("803", "sim/4"),
    ]
    assert [agent["number"] for agent in plan["agents"]] == ["1001", "1002", "1003"]
    assert [queue["id"] for queue in plan["queues"]] == ["sales", "service"]
    assert plan["flows"][0]["id"] == "main"
    assert json.loads(home.plan.read_text(encoding="utf-8")) == plan
    assert store.agents.get("1001")["name"] == "王芳"


def test_the_set_up_is_done_once(desk, store):
    store.phones.delete("803")
    for line in ("L1", "L2"):
        store.lines.delete(line)
    for phone in ("801", "802"):
        store.phones.delete(phone)
    desk.request("plan_changed")
    desk.hear({"event": "health", "data": {"sockets": SOCKETS}})
    assert store.lines.list() == [] and store.phones.list() == []


def hear_sockets(desk, sockets, *cards):
    hardware = [{"name": "card", "state": state} for state in cards]
    desk.hear({"event": "health", "data": {"sockets": sockets, "hardware": hardware}})


def test_a_box_claimed_before_its_first_card_keeps_what_its_owner_has_chosen(make_desk, store):
    desk = make_desk()
    desk.connect()
    hear_sockets(desk, [])
    assert [queue["id"] for queue in store.queues.list()] == ["sales", "service"]
    assert store.agents.list() == [] and desk.commands("plan") == []
    speak_language(store, "en", "admin")
    store.settings.set("country", "US", "admin")
    hear_sockets(desk, [], "opening")
    hear_sockets(desk, SOCKETS[:1], "in use", "opening")
    assert store.lines.list() == [], "the card that is still being opened brings ports too"
    hear_sockets(desk, SOCKETS, "in use", "in use")
    plan = last_plan(desk)
    assert [line["port"] for line in plan["lines"]] == ["sim/0", "sim/1"] and len(plan["phones"]) == 3
    assert (plan["language"], plan["country"]) == ("en", "US")
    assert store.agents.get("1001")["name"] == "Alice"
    assert store.agents.get("1001")["queues"] == ["sales", "service"]
    assert store.lines.get("L1")["label"] == "Line 1"


REAL = [{"name": f"ZJ1/{i}", "kind": "FXO" if i < 3 else "FXS"} for i in range(6)]


def sockets_of(plan):
    return [row["port"] for row in (*plan["lines"], *plan["phones"])]


def test_what_was_set_up_in_the_simulated_office_moves_to_the_first_cards(desk, store):
    hear_sockets(desk, [])
    sent = len(desk.commands("plan"))
    hear_sockets(desk, [], "opening")
    assert len(desk.commands("plan")) == sent, "no card, no move"
    hear_sockets(desk, REAL)
    assert sockets_of(last_plan(desk)) == ["ZJ1/0", "ZJ1/1", "ZJ1/3", "ZJ1/4", "ZJ1/5"]
    assert [row["port"] for row in store.lines.list()] == ["ZJ1/0", "ZJ1/1"], "for good"


def test_beside_real_cards_the_simulated_office_is_a_card_like_any_other(desk, store):
    sent = len(desk.commands("plan"))
    hear_sockets(desk, [*SOCKETS, *REAL])
    assert len(desk.commands("plan")) == sent
    desk.request("plan_changed")
    assert sockets_of(last_plan(desk))[0] == "sim/0" and store.lines.get("L1")["port"] == "sim/0"


def test_the_simulated_office_stands_in_for_cards_and_leaves_no_trace(desk, store):
    hear_sockets(desk, REAL)
    store.lines.put({"id": "L3", "port": "ZJ1/2"})
    desk.request("plan_changed")
    hear_sockets(desk, SOCKETS)
    # Two lines find a place, the third keeps its own.
    assert sockets_of(last_plan(desk)) == ["sim/0", "sim/1", "ZJ1/2", "sim/2", "sim/3", "sim/4"]
    desk.request("plan_changed")
    assert sockets_of(last_plan(desk))[0] == "sim/0"
    assert [row["port"] for row in store.lines.list()] == ["ZJ1/0", "ZJ1/1", "ZJ1/2"]
    hear_sockets(desk, REAL)
    assert sockets_of(last_plan(desk))[:3] == ["ZJ1/0", "ZJ1/1", "ZJ1/2"]
    sent = len(desk.commands("plan"))
    hear_sockets(desk, REAL[:-1])
    assert len(desk.commands("plan")) == sent, "a card that is lost changes no plan"


def test_a_changed_setting_reaches_the_engine(desk, store, home):
    store.settings.set("outside.prefix", "0", "admin")
    answer = desk.request("plan_changed")["result"]
    assert answer["published"] is True and answer["problems"] == []
    assert last_plan(desk)["outside"]["prefix"] == "0"
    assert json.loads(home.plan.read_text(encoding="utf-8"))["outside"]["prefix"] == "0"


def test_a_plan_that_cannot_be_used_leaves_the_last_good_one(desk, store, home):
    good = home.plan.read_text(encoding="utf-8")
    sent = len(desk.commands("plan"))
    store.lines.put({"id": "L1", "extension": "899"})
    answer = desk.request("plan_changed")["result"]
    assert answer["published"] is False
    assert "L1" in answer["problems"][0] and "899" in answer["problems"][0]
    assert len(desk.commands("plan")) == sent
    assert home.plan.read_text(encoding="utf-8") == good
    assert desk.topics("status")[-1]["plan"]["problems"] == answer["problems"]
    desk.engine.clear()
    desk.lose_engine()
    desk.connect()
    assert last_plan(desk)["lines"][0]["extension"] == ""
    store.lines.put({"id": "L1", "extension": "801"})
    assert desk.request("plan_changed")["result"]["published"] is True
    assert last_plan(desk)["lines"][0]["extension"] == "801"


def test_the_plan_is_sent_again_to_an_engine_that_comes_back(desk):
    plan = last_plan(desk)
    desk.engine.clear()
    desk.lose_engine()
    desk.connect()
    assert last_plan(desk) == plan


def test_a_missing_prompt_is_a_warning_that_names_the_place(desk, store):
    store.queues.put({"id": "sales", "music": "jingle"})
    answer = desk.request("plan_changed")["result"]
    assert answer["published"] is True
    assert any("queue sales" in warning and "'jingle'" in warning for warning in answer["warnings"])


def test_what_the_engine_refuses_is_in_the_status(desk):
    desk.hear(
        {"event": "notice", "data": {"level": "error", "code": "plan_refused", "data": {"problems": ["no"]}}}
    )
    assert desk.topics("status")[-1]["plan"]["problems"] == ["the call engine refuses the plan: no"]


def test_a_flow_is_checked_before_it_is_published(desk, store):
    definition = store.flows.get("main")["definition"]
    good = {"id": "main", "title": "", **definition}
    assert desk.request("flow_check", flow=good)["result"] == {"problems": []}
    bad = {"id": "main", "start": "a", "nodes": {"a": {"type": "play", "prompt": ["nope"], "next": "gone"}}}
    problems = desk.request("flow_check", flow=bad)["result"]["problems"]
    assert any("nope" in problem for problem in problems)
    assert any("gone" in problem for problem in problems)
    assert desk.request("flow_check", flow=None)["result"]["problems"]


def test_a_blocked_number_goes_to_the_engine_in_every_form_an_exchange_may_send(desk, store):
    store.blacklist.put({"pattern": "021 5555 1234", "action": "drop"})
    store.blacklist.put({"pattern": "0755*"})
    desk.request("plan_changed")
    rules = last_plan(desk)["blocked"]
    forms = {rule["pattern"] for rule in rules if rule["action"] == "drop"}
    assert {"02155551234", "2155551234", "862155551234"} <= forms
    assert {"pattern": "0755*", "action": "ignore", "prompt": "sorry_blocked"} in rules


def test_a_disk_that_takes_no_plan_file_does_not_keep_the_plan_from_the_engine(desk, store, home):
    home.plan.unlink()
    home.plan.mkdir()
    store.settings.set("outside.prefix", "7", "admin")
    answer = desk.request("plan_changed")["result"]
    assert last_plan(desk)["outside"]["prefix"] == "7"
    assert "cannot be written" in answer["warnings"][-1]


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_shipped_flow_and_the_set_up_of_a_new_box_fit_together(store, language):
    assert seed_defaults(store, ["sim/0"], ["sim/1"], "CN", language)
    prompts = set(tomllib.loads(SENTENCES.read_text(encoding="utf-8"))[language]["sentences"]) | {"music"}
    compiled = compile_plan(store, prompts)
    assert compiled.problems == [] and compiled.warnings == []
