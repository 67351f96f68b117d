"""An older program meets a newer database: its own copy, calls carried over, everything merged back."""

import sqlite3

import pytest

from appliance.store import InvalidRow, StoreError, fallback, open_store
from appliance.store.customers import Customers
from appliance.store.migrations import MIGRATIONS
from appliance.store.record_copies import DAY_S, RecordCopies

TOMORROW = ("ALTER TABLE customers ADD COLUMN mood TEXT NOT NULL DEFAULT ''", "CREATE TABLE tomorrow (id)")
NEWER = [*MIGRATIONS, TOMORROW]


def record(call, **more):
    base = {"id": call, "direction": "in", "line": "L1", "caller_number": "13800138000"}
    return base | {"started_at": 1000.0, "ended_at": 1070.0, "end_reason": "caller_hangup"} | more


def content(path):
    connection = sqlite3.connect(path)
    try:
        return list(connection.iterdump())
    finally:
        connection.close()


def store_call(store, call, clock, **more):
    """As control does it: the copy first."""
    store.copies.keep(record(call, **more), clock.now)
    store.calls.save(record(call, **more))


@pytest.fixture
def opened(path, clock):
    """opened(NEWER) -> a store that the test need not close."""
    stores = []

    def open_it(migrations=MIGRATIONS):
        stores.append(open_store(path, clock, 0.2, migrations))
        return stores[-1]

    yield open_it
    for store in stores:
        store.close()


@pytest.fixture
def updated(opened, clock):
    """A box that was updated and took a call on the newer version."""
    store = opened()
    store.settings.set("company", "before the update", "me")
    store_call(store, "old-call", clock)
    store.close()
    newer = opened(NEWER)
    newer.settings.set("company", "set on the newer", "me")
    store_call(newer, "trial-call", clock)
    newer.close()
    return opened


def test_the_older_program_works_on_its_own_copy_and_says_so(updated, path):
    before = content(path)
    older = updated()
    assert older.settings.get("company") == "before the update"
    assert (older.fallback.own_schema, older.fallback.newer_schema) == (len(MIGRATIONS), len(MIGRATIONS) + 1)
    older.settings.set("company", "set on the older", "me")
    older.close()
    assert content(path) == before, "the newer database is left as it is"


def test_calls_of_the_newer_programs_time_are_carried_over(updated):
    older = updated()
    assert {row["id"] for row in older.calls.search()[0]} == {"old-call", "trial-call"}
    assert older.fallback.carried == 1 and older.fallback.refused == ()
    older.close()
    again = updated()
    assert again.fallback.carried == 1, "it is not done twice"


def test_a_record_copy_that_is_damaged_is_named_and_kept(updated, path, clock):
    copies = RecordCopies.beside(path)
    broken = copies.folder / str(int(clock.now // DAY_S)) / "broken.json"
    broken.write_text("{")
    older = updated()
    assert older.fallback.carried == 1
    assert "broken.json cannot be read" in older.fallback.refused[0]
    assert broken.exists()


def test_going_forward_uses_the_newer_file_and_merges_what_was_done_meanwhile(updated, clock):
    older = updated()
    older.settings.set("company", "set on the older", "me")
    store_call(older, "fallen-call", clock)
    older.calls.save(record("no-copy"))
    older.calls.note("old-call", "1001", "rang back")
    older.calls.star("trial-call", True)
    older.customers.add({"name": "New Customer", "phones": [{"number": "021 5555 1234", "label": "desk"}]})
    sms = {"kind": "received", "port": "gsm/0", "number": "13800138000", "text": "hello", "missing": 0}
    older.messages.save("m1", sms | {"at": clock.now, "sent_at": None}, True)
    older.close()
    newer = updated(NEWER)
    assert newer.fallback is None
    assert newer.settings.get("company") == "set on the newer"
    assert {row["id"] for row in newer.calls.search()[0]} == {
        *("old-call", "trial-call", "fallen-call", "no-copy")
    }
    assert [note["text"] for note in newer.calls.notes("old-call")] == ["rang back"]
    assert newer.calls.get("trial-call")["starred"]
    assert newer.messages.get("m1")["text"] == "hello"
    assert newer.customers.by_phone("02155551234")["name"] == "New Customer"
    state = newer.returned
    assert (state.merged_calls, state.merged_customers) == (2, 1)
    assert state.differences == ("settings company",), "what is not carried over is named"
    newer.dismiss_fall_back()
    newer.close()
    assert updated(NEWER).returned is None


def test_a_customer_that_the_newer_refuses_is_named_and_keeps_nothing_from_opening(updated, monkeypatch):
    older = updated()
    number = older.customers.add({"name": "Odd Customer", "phones": []})
    older.customers.add({"name": "New Customer", "phones": []})
    older.close()
    add_once = Customers.add_once

    def refuse(customers, data):
        if data["name"] == "Odd Customer":
            raise InvalidRow(["customer: the name is odd"])
        return add_once(customers, data)

    monkeypatch.setattr(Customers, "add_once", refuse)
    state = updated(NEWER).returned
    assert state.merged_customers == 1
    [text] = state.refused
    assert f"customer {number} was not taken" in text and "the name is odd" in text


def test_merging_again_changes_nothing(updated, path, clock):
    older = updated()
    older.calls.note("old-call", "1001", "rang back")
    older.customers.add({"name": "New Customer", "phones": []})
    older.audit.add("me", "did something")
    older.close()
    newer = updated(NEWER)
    first = content(path)
    newer.merge(fallback.trials(path)[0], path, clock.now)
    newer.close()
    assert content(path) == first


def test_falling_back_again_goes_on_where_the_older_program_was(updated, clock):
    older = updated()
    older.settings.set("company", "set on the older", "me")
    older.close()
    newer = updated(NEWER)
    store_call(newer, "second-trial", clock)
    newer.close()
    older = updated()
    assert older.settings.get("company") == "set on the older"
    assert older.calls.get("second-trial") is not None
    assert older.fallback.merged_at == 0.0


def test_without_its_copy_the_older_program_refuses_and_says_what_to_do(updated, path):
    copy = path.parent / "copies" / f"zongji-before-{len(MIGRATIONS) + 1}.db"
    copy.unlink()
    before = content(path)
    with pytest.raises(StoreError, match=r"newer version.*before-\d+\.db, is missing.*install the newer"):
        updated()
    assert content(path) == before
    assert not list(path.parent.glob("schema-*/zongji.db"))


@pytest.mark.parametrize("damage", [b"", b"SQLite format 3\x00" + b"\xff" * 9000])
def test_a_damaged_copy_is_refused(updated, path, damage):
    copy = path.parent / "copies" / f"zongji-before-{len(MIGRATIONS) + 1}.db"
    copy.write_bytes(damage)
    with pytest.raises(StoreError):
        updated()
    assert not (path.parent / f"schema-{len(MIGRATIONS)}" / "zongji.db").exists()


def test_a_damaged_older_database_does_not_keep_the_newer_from_opening(updated, path, clock):
    older = updated()
    store_call(older, "fallen-call", clock)
    older.close()
    (path.parent / f"schema-{len(MIGRATIONS)}" / "zongji.db").write_bytes(b"rubbish" * 1000)
    newer = updated(NEWER)
    assert newer.calls.get("fallen-call") is not None, "its JSON copy is there"
    assert "damaged" in newer.returned.refused[0]


class PowerCut(BaseException):
    """Nothing catches it, as nothing catches a power cut."""


STEPS = {
    "falling back": [
        ("shutil.copyfile", MIGRATIONS),
        ("Path.chmod", MIGRATIONS),
        ("sync_folder", MIGRATIONS),
        ("FallBack.save", MIGRATIONS),
        ("RecordCopies.carry_over", MIGRATIONS),
        ("Calls.save", MIGRATIONS),
    ],
    "going forward": [
        ("RecordCopies.carry_over", NEWER),
        ("read_trial", NEWER),
        ("add_rows", NEWER),
        ("Customers.add_once", NEWER),
        ("FallBack.save", NEWER),
    ],
}
PLACES = {
    "shutil.copyfile": "appliance.store.fallback.shutil.copyfile",
    "Path.chmod": "appliance.store.fallback.Path.chmod",
    "sync_folder": "appliance.store.fallback.sync_folder",
    "FallBack.save": "appliance.store.fallback.FallBack.save",
    "RecordCopies.carry_over": "appliance.store.record_copies.RecordCopies.carry_over",
    "Calls.save": "appliance.store.calls.Calls.save",
    "read_trial": "appliance.store.fallback.read_trial",
    "add_rows": "appliance.store.fallback.add_rows",
    "Customers.add_once": "appliance.store.customers.Customers.add_once",
}


def cut_at(monkeypatch, step, after):
    import importlib

    module, *names = PLACES[step].split(".store.")[1].split(".")
    owner = importlib.import_module(f"appliance.store.{module}")
    for name in names[:-1]:
        owner = getattr(owner, name)
    real = getattr(owner, names[-1])

    def cut(*args, **more):
        if after:
            real(*args, **more)
        raise PowerCut

    monkeypatch.setattr(owner, names[-1], cut)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("step", "program"), STEPS["falling back"] + STEPS["going forward"])
def test_a_power_cut_at_any_step_loses_nothing(updated, path, clock, monkeypatch, step, program, after):
    if program is NEWER:
        older = updated()
        store_call(older, "fallen-call", clock)
        older.calls.note("old-call", "1001", "rang back")
        older.customers.add({"name": "New Customer", "phones": []})
        older.close()
    before = content(path)
    with monkeypatch.context() as patch:
        cut_at(patch, step, after)
        with pytest.raises(PowerCut):
            updated(program)
    if program is MIGRATIONS:
        assert content(path) == before
        older = updated()
        assert {row["id"] for row in older.calls.search()[0]} == {"old-call", "trial-call"}
        assert older.fallback is not None
        return
    newer = updated(NEWER)
    assert {row["id"] for row in newer.calls.search()[0]} == {"old-call", "trial-call", "fallen-call"}
    assert [note["text"] for note in newer.calls.notes("old-call")] == ["rang back"]
    assert newer.customers.count() == 1
    assert newer.returned is not None


def test_copies_are_kept_for_days_and_a_clock_at_1970_removes_none(tmp_path):
    copies = RecordCopies(tmp_path / "records")
    for day in (100, 110, 140):
        copies.keep(record(f"day{day}"), day * DAY_S + 5.0)
    for day in range(137, 141):
        copies.prune(day * DAY_S)
    assert [path.stem for path in copies] == ["day110", "day140"]
    copies.prune(0.0)
    assert [path.stem for path in copies] == ["day110", "day140"]


def test_a_clock_that_jumps_ahead_removes_no_copy_and_what_it_stamped_goes_later(tmp_path):
    copies = RecordCopies(tmp_path / "records")
    for day in range(97, 101):
        copies.keep(record(f"day{day}"), day * DAY_S)
        copies.prune(day * DAY_S)
    for look in range(3):  # years ahead, some hours long
        copies.prune(5000 * DAY_S + look * 3600)
    assert len(list(copies)) == 4
    copies.keep(record("ahead"), 5000 * DAY_S)
    for day in range(101, 136):
        copies.prune(day * DAY_S)
    assert "ahead" not in {path.stem for path in copies}, "a stamp of the future keeps nothing for ever"
    assert "day97" not in {path.stem for path in copies}


def test_a_full_disk_puts_off_what_is_to_be_taken_over(updated, path, clock, monkeypatch):
    older = updated()
    assert older is not None
    older.close()

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("appliance.store.fallback.FallBack.save", full)
        newer = updated(NEWER)
        assert newer.customers.count() >= 0, "the database is whole and is used"
        newer.close()
    newer = updated(NEWER)
    assert newer.returned is not None
