"""The database is damaged, gone, newer, restored: control stays up, says why, and comes back by itself."""

import shutil

from control_bench import record_event

from appliance.store import open_store
from appliance.store.migrations import MIGRATIONS


def test_a_damaged_database_is_reported_and_left_as_it_is(make_desk, home):
    damaged = b"SQLite format 3\x00" + b"\xff" * 5000
    home.database.write_bytes(damaged)
    desk = make_desk()
    desk.connect()
    desk.hear(record_event("c1"))
    status = desk.request("status")["result"]
    assert status["maintenance"] is True
    assert "restore a backup" in status["database"]["problem"]
    assert "calls go on" in status["database"]["advice"]
    assert status["records"]["waiting"] == 1
    assert desk.acks == []
    desk.pass_time(10)
    assert home.database.read_bytes() == damaged
    assert desk.request("plan_changed")["error"]["code"] == "store_away"


def test_a_restored_database_is_found_and_what_waited_is_stored(make_desk, home, tmp_path):
    good = tmp_path / "good.db"
    open_store(good).close()
    home.database.write_bytes(b"")
    desk = make_desk()
    desk.connect()
    desk.hear(record_event("c1"))
    assert "is empty" in desk.request("status")["result"]["database"]["problem"]
    shutil.copy(good, home.database)
    desk.pass_time(5)
    assert desk.acks == ["c1"]
    assert desk.request("status")["result"]["database"]["ok"] is True
    assert desk.topics("status")[-1]["maintenance"] is False


def test_a_database_of_a_newer_version_is_not_touched_and_work_goes_on_beside_it(make_desk, home):
    newer = [*MIGRATIONS, ("CREATE TABLE tomorrow (id INTEGER)",)]
    open_store(home.database, migrations=newer).close()
    desk = make_desk()
    assert desk.request("status")["result"]["database"]["ok"]
    desk.connect()
    desk.hear(record_event("c1"))
    assert desk.acks == ["c1"]
    found = desk.request("checks", 2)["result"]["findings"]
    assert "database_fallback" in {one["id"] for one in found}
    desk.control.close()
    store = open_store(home.database, migrations=newer)
    assert store.version == len(newer) and store.calls.get("c1") is not None
    store.close()


def test_a_database_removed_while_it_is_open_is_never_replaced_by_an_empty_one(desk, home):
    (home.database.parent / "copies").mkdir()
    for path in home.database.parent.glob("zongji.db*"):
        if path.name != "zongji.db.lock":
            path.unlink()
    desk.pass_time(12)
    assert "has gone" in desk.request("status")["result"]["database"]["problem"]
    assert not home.database.exists()


def test_status_names_disk_spool_and_versions(desk, home):
    (home.spool / "a.json").write_text("{}")
    status = desk.request("status")["result"]
    assert status["spool"] == 1
    assert status["disk"]["level"] in ("ok", "warn", "alarm")
    assert status["disk"]["free_bytes"] > 0
    assert status["versions"]["schema"] == len(MIGRATIONS)
    assert status["engine"]["up"] is True
    desk.lose_engine()
    assert desk.request("status")["result"]["engine"] == {
        "up": False,
        "since": 1_800_000_000.0,
        "problem": "gone",
    }
