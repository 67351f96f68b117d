"""Customers: found by any word, any part of any number, in any spelling."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_store_numbers import MOBILE

from appliance.store import InvalidRow, NotFound, open_store


@pytest.fixture
def wang(store):
    return store.customers.add(
        {
            "name": "王小芳",
            "company": "Acme 电子有限公司",
            "address": "上海市浦东新区世纪大道100号",
            "terminal_address": "Tower B, 12F",
            "notes": "Prefers e-mail: wang@acme.example",
            "vip": True,
            "kind": "old",
            "phones": [
                {"number": "138 0013 8000", "label": "手机"},
                {"number": "021-5555 1234", "label": "办公室"},
            ],
        }
    )


def found(store, text):
    rows, total = store.customers.search(text)
    assert total == len(rows)
    return [row["id"] for row in rows]


@pytest.mark.parametrize("number", MOBILE)
def test_thirty_spellings_find_one_customer(store, wang, number):
    assert store.customers.by_phone(number)["id"] == wang
    assert found(store, number) == [wang]


@pytest.mark.parametrize(
    "text",
    [
        *(
            "王小芳",
            "小芳",
            "王小",
            "芳",
            "acme",
            "ACME",
            "acm",
            "电子有限",
            "浦东",
            "世纪大道",
            "tower",
            "12F",
        ),
        *("wang@acme.example", "手机", "8000", "0013", "5555", "55551", "02155551234", "+86 21", "old"),
        *("小芳 acme", "acme 8000", "王小芳 (021) 5555-1234", "  小芳  ", "上海市浦东新区世纪大道100号"),
    ],
)
def test_found_by_any_part(store, wang, text):
    store.customers.add({"name": "somebody else", "phones": [{"number": "010 6552 9988"}]})
    assert found(store, text) == [wang]


@pytest.mark.parametrize(
    "text", ["芳小", "王芳", "acme 9999", "99990000", "xyz", '"', "*", "a OR b", "NEAR(", "%", "_"]
)
def test_not_found_by_what_is_not_there(store, wang, text):
    assert found(store, text) == []


def test_no_text_finds_all_newest_change_first_in_pages(store, clock):
    ids = []
    for number in range(5):
        clock.now += 1
        ids.append(store.customers.add({"name": f"c{number}"}))
    clock.now += 1
    store.customers.update(ids[0], {"notes": "changed"})
    rows, total = store.customers.search(limit=2, offset=0)
    assert (total, [row["id"] for row in rows]) == (5, [ids[0], ids[4]])
    rows, _ = store.customers.search(limit=2, offset=4)
    assert [row["id"] for row in rows] == [ids[1]]


def test_any_of_several_phones_finds_the_same_customer(store, wang):
    assert store.customers.by_phone("13800138000") == store.customers.by_phone("02155551234")
    phones = store.customers.get(wang)["phones"]
    assert [(phone["number"], phone["label"]) for phone in phones] == [
        ("138 0013 8000", "手机"),
        ("021-5555 1234", "办公室"),
    ]
    assert phones[1]["normal"] == "+862155551234"


def test_a_change_changes_what_is_found(store, wang):
    store.customers.update(wang, {"name": "李四", "phones": [{"number": "95588", "label": ""}]})
    assert found(store, "王小芳") == []
    assert found(store, "李四") == [wang]
    assert found(store, "8000") == []
    assert store.customers.by_phone("95588")["id"] == wang
    assert store.customers.get(wang)["company"] == "Acme 电子有限公司", "what was not given stays"


def test_a_deleted_customer_is_gone_and_the_calls_stay(store, wang):
    store.calls.save({"id": "c1", "direction": "in", "caller_number": "13800138000", "started_at": 1.0})
    store.customers.delete(wang)
    assert store.customers.get(wang) is None
    assert found(store, "王小芳") == []
    assert store.customers.by_phone("13800138000") is None
    assert store.calls.get("c1")["customer"] is None
    with pytest.raises(NotFound):
        store.customers.delete(wang)


def test_history_lists_the_calls_with_notes_newest_first(store, wang):
    for call, number, at in (
        ("c1", "013800138000", 1.0),
        ("c2", "02155551234", 2.0),
        ("c3", "01065529988", 3.0),
    ):
        store.calls.save({"id": call, "direction": "in", "caller_number": number, "started_at": at})
    store.calls.note("c1", "1001", "first contact")
    history = store.customers.history(wang)
    assert [call["id"] for call in history] == ["c2", "c1"]
    assert history[1]["notes"][0]["text"] == "first contact"


def test_a_new_area_code_finds_local_numbers(store, wang):
    assert store.customers.by_phone("5555 1234") is None
    store.settings.set("area_code", "021", "admin")
    assert store.customers.by_phone("5555 1234")["id"] == wang
    store.settings.set("area_code", "", "admin")
    assert store.customers.by_phone("5555 1234") is None


def test_a_power_cut_while_numbers_are_read_anew_is_made_good_by_the_next_start(
    store, wang, path, monkeypatch
):
    store.calls.save({"id": "c1", "direction": "in", "caller_number": "5555 1234", "started_at": 1.0})
    monkeypatch.setattr(store.calls, "renumber", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        store.settings.set("area_code", "021", "admin")
    again = open_store(path)
    assert again.settings.get("area_code") == "021"
    assert again.calls.search(number="+86 21 5555 1234")[1] == 1
    again.close()


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ({}, "at least a name"),
        ({"name": "x" * 101}, "name must not be longer than 100"),
        ({"name": "a\x00b"}, "control characters"),
        ({"name": 5}, "name must be text"),
        ({"name": "x", "shoe_size": 4}, "no field 'shoe_size'"),
        ({"name": "x", "vip": "perhaps"}, "vip must be yes or no"),
        ({"name": "x", "phones": [{"number": "call me"}]}, "'call me' is not a telephone number"),
        ({"name": "x", "phones": "123"}, "phones must be a list"),
        ({"name": "x", "phones": [{"number": str(n) * 8} for n in range(1, 10)] * 9 + ["7"] * 3}, None),
        ({"name": "x", "phones": [{"number": f"1380013{n:04d}"} for n in range(21)]}, "at most 20"),
        ({"name": "\ud800"}, "cannot be stored"),
    ],
)
def test_bad_customers_are_refused_in_words(store, data, problem):
    if problem is None:
        assert store.customers.add(data)
        return
    with pytest.raises(InvalidRow, match=problem):
        store.customers.add(data)
    assert store.customers.count() == 0


def test_the_same_number_twice_is_kept_once(store):
    customer = store.customers.add({"phones": [{"number": "13800138000"}, {"number": "+86 138 0013 8000"}]})
    assert len(store.customers.get(customer)["phones"]) == 1


@settings(max_examples=60)
@given(st.text(max_size=30))
def test_no_search_text_is_an_error(store, text):
    rows, total = store.customers.search(text)
    assert len(rows) == min(total, 50)


@settings(max_examples=40)
@given(st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=30))
def test_whoever_is_stored_is_found_by_the_whole_name(store, name):
    customer = store.customers.add({"name": name})
    assert customer in [row["id"] for row in store.customers.search(name, limit=1000)[0]]


def test_search_stays_quick_with_many_customers(store):
    with store.transaction():
        for number in range(3000):
            store.customers.add({"name": f"客户{number:04d}", "phones": [{"number": f"139{number:08d}"}]})
    steps = []
    store._database.raw.conn.set_progress_handler(lambda: steps.append(1), 1000)
    assert store.customers.search("客户2999")[1] == 1
    assert store.customers.search("00002999")[1] == 1
    assert store.customers.by_phone("013900002999")["name"] == "客户2999"
    assert len(steps) < 100, "thousands of the database's steps: once through the table each, no more"
