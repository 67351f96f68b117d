"""Lines, telephones, agents, queues, flows, the blacklist, and the first start."""

import pytest

from appliance.store import InvalidRow, NotFound, SeedError, seed_defaults, speak_language

FLOW = {"id": "main", "title": "Main", "definition": {"start": "a", "nodes": {"a": {"type": "hangup"}}}}


# ------------------------------------------------------------------ the tables
def test_a_row_gets_its_defaults_and_keeps_what_is_not_given(store):
    store.queues.put({"id": "sales", "name": "Sales", "ring_s": "25"})
    row = store.queues.put({"id": "sales", "weight": 3})
    assert (row["name"], row["ring_s"], row["weight"], row["wrap_up_s"]) == ("Sales", 25.0, 3, 15.0)
    assert store.queues.get("sales") == row
    assert store.queues.get("nothing") is None


def test_rows_come_in_the_order_in_which_people_count(store):
    for number in (10, 2, 1):
        store.lines.put({"id": f"L{number}", "port": f"sim/{number}"})
    assert [row["id"] for row in store.lines.list()] == ["L1", "L2", "L10"]


def test_agents_have_a_list_of_queues(store):
    store.agents.put({"number": "1001", "name": "王芳", "queues": ["sales", "service", "sales"]})
    assert store.agents.get("1001")["queues"] == ["sales", "service"]


@pytest.mark.parametrize(
    ("table", "row", "problems"),
    [
        ("lines", {"id": "L1"}, ["line: port is missing"]),
        ("lines", {"id": "Line 1", "port": "sim/0"}, ["line: id must be \"L\" and a number, not 'Line 1'"]),
        (
            "lines",
            {"id": "L1", "port": "p", "answer_after_rings": 0},
            ["answer_after_rings must be from 1 to 10"],
        ),
        ("lines", {"id": "L1", "port": "p", "colour": "red"}, ["line has no field 'colour'"]),
        ("phones", {"ext": "8o1", "port": "p"}, ["ext must be 2 to 6 digits"]),
        ("phones", {"port": "p"}, ["telephone: ext is missing"]),
        ("agents", {"number": "1001", "name": ""}, ["name must not be empty"]),
        (
            "queues",
            {"id": "Sales", "name": "x", "ring_s": 1},
            ["queue: id must be a short name", "ring_s must be"],
        ),
        ("queues", {"id": "s", "name": "x", "strategy": "ring_all"}, ["must be one of longest_idle"]),
        ("queues", {"id": "s", "name": "x", "music": "../x"}, ["music must be a prompt's name"]),
    ],
)
def test_a_bad_row_is_refused_naming_every_problem(store, table, row, problems):
    with pytest.raises(InvalidRow) as caught:
        getattr(store, table).put(row)
    assert len(caught.value.problems) == len(problems)
    for expected, problem in zip(problems, caught.value.problems, strict=True):
        assert expected in problem
    assert getattr(store, table).list() == []


def test_a_socket_belongs_to_one_line_or_telephone(store):
    store.lines.put({"id": "L1", "port": "sim/0"})
    with pytest.raises(InvalidRow, match="port sim/0 already belongs to line L1"):
        store.phones.put({"ext": "801", "port": "sim/0"})
    with pytest.raises(InvalidRow, match="already belongs to line L1"):
        store.lines.put({"id": "L2", "port": "sim/0"})
    store.lines.put({"id": "L1", "port": "sim/0", "label": "same line"})


def test_deleting_what_is_not_there(store):
    with pytest.raises(NotFound, match="there is no telephone '801'"):
        store.phones.delete("801")


# ------------------------------------------------------------------ the flows
def test_a_flow_is_versioned_published_and_taken_back(store):
    assert store.flows.put(FLOW, "anna")["version"] == 1
    assert store.flows.published() == []
    store.flows.publish("main", who="anna")
    changed = FLOW | {"definition": {"start": "b", "nodes": {}}}
    assert store.flows.put(changed, "ben")["version"] == 2
    assert store.flows.get("main")["definition"]["start"] == "b"
    assert store.flows.published()[0]["definition"]["start"] == "a", "a saved version answers no calls yet"
    store.flows.publish("main", who="ben")
    assert store.flows.published()[0]["definition"]["start"] == "b"
    store.flows.rollback("main", "ben")
    assert store.flows.published()[0]["version"] == 1
    assert [(v["version"], v["who"]) for v in store.flows.versions("main")] == [(2, "ben"), (1, "anna")]
    with pytest.raises(InvalidRow, match="no earlier published version"):
        store.flows.rollback("main", "ben")
    assert store.flows.get("main", 1)["definition"]["start"] == "a"


def test_a_version_that_was_never_published_is_not_rolled_back_to(store):
    store.flows.put(FLOW)
    store.flows.publish("main")
    store.flows.put(FLOW)
    store.flows.put(FLOW)
    store.flows.publish("main")
    assert store.flows.rollback("main")["version"] == 1


@pytest.mark.parametrize(
    "flow",
    [
        {},
        FLOW | {"id": "Main Menu"},
        FLOW | {"title": 5},
        FLOW | {"definition": "start"},
        FLOW | {"definition": {"nodes": {}}},
        FLOW | {"definition": {"start": "a", "nodes": []}},
        FLOW | {"definition": {"start": "a", "nodes": {"x": "y" * 600_000}}},
    ],
)
def test_a_flow_without_the_shape_of_one_is_refused(store, flow):
    with pytest.raises(InvalidRow, match="flow"):
        store.flows.put(flow)
    assert store.flows.list() == []


def test_a_flow_in_use_is_not_deleted(store):
    store.flows.put(FLOW)
    store.lines.put({"id": "L1", "port": "p"})
    with pytest.raises(InvalidRow, match="flow main answers L1"):
        store.flows.delete("main")
    store.lines.delete("L1")
    store.flows.delete("main")
    assert store.flows.get("main") is None and store.flows.versions("main") == []
    with pytest.raises(NotFound):
        store.flows.publish("main")


# -------------------------------------------------------------- the blacklist
@pytest.mark.parametrize(
    ("pattern", "number", "hit"),
    [
        ("138 0013 8000", "+8613800138000", True),
        ("13800138000", "013800138000", True),
        ("13800138000", "13800138001", False),
        ("0755*", "0755 8888 6666", True),
        ("0755*", "+86 755 8888 6666", True),
        ("0755*", "0756 1111111", False),
        ("95*", "95588", True),
        ("withheld", "", True),
        ("withheld", "123", False),
        ("123", "", False),
    ],
)
def test_who_is_blocked(store, pattern, number, hit):
    store.blacklist.put({"pattern": pattern})
    assert (store.blacklist.match(number) is not None) is hit


def test_entries_count_whom_they_kept_out(store):
    entry = store.blacklist.put({"pattern": "13800138000", "action": "drop", "note": "sells fish"})
    beginning = store.blacklist.put({"pattern": "0755*"})
    for call, number, why in (
        ("a", "+86 138 0013 8000", "blocked"),
        ("b", "013800138000", "blocked"),
        ("c", "13800138000", "caller_hangup"),
        ("d", "0755 8888 6666", "blocked"),
    ):
        store.calls.save({"id": call, "direction": "in", "caller_number": number, "end_reason": why})
    assert store.blacklist.get(entry["id"])["hits"] == 2
    assert store.blacklist.get(beginning["id"])["hits"] == 1
    assert [row["hits"] for row in store.blacklist.list()] == [1, 2]


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"pattern": "anyone"}, "is not a number"),
        ({"pattern": "*"}, "is not a number"),
        ({"pattern": "07*55"}, "may only stand at the end"),
        ({"pattern": ""}, "must not be empty"),
        ({"pattern": "1", "action": "shout"}, "must be one of ignore, drop, message"),
        ({"pattern": "1", "colour": "red"}, "no field 'colour'"),
    ],
)
def test_a_bad_entry_is_refused(store, row, problem):
    with pytest.raises(InvalidRow, match=problem):
        store.blacklist.put(row)
    assert store.blacklist.list() == []


def test_an_entry_is_changed_not_doubled(store):
    entry = store.blacklist.put({"pattern": "1380"})
    store.blacklist.put({"id": entry["id"], "action": "message"})
    [row] = store.blacklist.list()
    assert (row["pattern"], row["action"]) == ("1380", "message")
    with pytest.raises(InvalidRow, match="already on the blacklist"):
        store.blacklist.put({"pattern": "13-80"})
    store.blacklist.delete(entry["id"])
    with pytest.raises(NotFound):
        store.blacklist.put({"id": entry["id"], "action": "drop"})


# ------------------------------------------------------------ the first start
@pytest.fixture
def flows(tmp_path):
    folder = tmp_path / "flows"
    folder.mkdir()
    (folder / "main.toml").write_text(
        'title = "M"\nstart = "a"\n[nodes.a]\ntype = "queue"\nqueue = "operator"\n', encoding="utf-8"
    )
    return folder


def test_the_first_start_fills_an_empty_store_once(store, flows):
    lines, phones = [f"sim/{n}" for n in range(8)], [f"sim/{n}" for n in range(8, 24)]
    assert seed_defaults(store, lines, phones, "US", "en", flows=flows) is True
    assert [row["id"] for row in store.lines.list()] == [f"L{n}" for n in range(1, 9)]
    assert [row["ext"] for row in store.phones.list()] == [str(n) for n in range(801, 817)]
    assert [row["number"] for row in store.agents.list()] == [str(n) for n in range(1001, 1017)]
    assert store.agents.get("1001")["queues"] == ["sales", "service", "operator"]
    assert {row["id"]: row["name"] for row in store.queues.list()}["operator"] == "Operator"
    assert len({row["name"] for row in store.agents.list()}) == 16
    assert store.settings.get("country") == "US"
    assert store.flows.published()[0]["title"] == "M"
    store.phones.delete("801")
    assert seed_defaults(store, lines, phones, flows=flows) is False
    assert store.phones.get("801") is None


def test_a_box_learns_its_owners_language_but_keeps_his_names(store, flows):
    seed_defaults(store, ["sim/0", "sim/1"], [f"sim/{n}" for n in range(2, 16)], flows=flows)
    store.agents.put({**store.agents.get("1002"), "name": "Zhao"})
    store.lines.put({**store.lines.get("L2"), "label": "Shop"})
    speak_language(store, "en", "admin")
    assert store.settings.get("language") == "en"
    assert [row["name"] for row in store.agents.list()][:3] == ["Alice", "Zhao", "Carol"]
    assert store.agents.get("1014")["name"] == "Agent 1014"
    assert [row["label"] for row in store.lines.list()] == ["Line 1", "Shop"]
    assert store.phones.get("801")["label"] == "Desk 801"
    assert {row["id"]: row["name"] for row in store.queues.list()}["sales"] == "Sales"
    speak_language(store, "zh", "admin")
    assert store.agents.get("1001")["name"] == "王芳"
    assert store.agents.get("1002")["name"] == "Zhao"


def test_without_the_shipped_flow_nothing_is_half_set_up(store, flows):
    (flows / "main.toml").write_text("start = ", encoding="utf-8")
    with pytest.raises(SeedError, match=r"main\.toml cannot be read"):
        seed_defaults(store, ["sim/0"], [], flows=flows)
    (flows / "main.toml").unlink()
    with pytest.raises(SeedError, match=r"main\.toml is missing"):
        seed_defaults(store, ["sim/0"], [], flows=flows)
    assert store.queues.list() == [] and store.lines.list() == []


def test_a_blocked_number_without_a_prompt_cannot_hold_up_the_plan(store):
    with pytest.raises(InvalidRow, match="prompt"):
        store.blacklist.put({"pattern": "13900000001", "action": "ignore", "prompt": ""})
