"""Opening the database: never replaced, never half made, never half migrated."""

import errno
import multiprocessing
import os
import shutil
import sqlite3
import threading
from contextlib import closing
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.store import StoreBusy, StoreError, errors, open_store
from appliance.store.migrations import MIGRATIONS

TOMORROW = ("CREATE TABLE tomorrow (id INTEGER PRIMARY KEY) STRICT",)


def schema_of(path):
    connection = sqlite3.connect(path)
    try:
        rows = connection.execute("SELECT type, name, sql FROM sqlite_master ORDER BY type, name").fetchall()
        return rows, connection.execute("PRAGMA user_version").fetchone()[0]
    finally:
        connection.close()


def test_a_new_database_has_our_pragmas(store, path):
    assert store.version == len(MIGRATIONS)
    raw = store._database.raw.conn
    pragma = {
        name: raw.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "foreign_keys", "synchronous", "application_id")
    }
    assert pragma == {
        "journal_mode": "wal",
        "foreign_keys": 1,
        "synchronous": 2,
        "application_id": 0x5A4F4E47,
    }
    assert path.stat().st_mode & 0o077 == 0, "customers' data is nobody else's business"
    assert not list(path.parent.glob("*.new*"))


def test_no_database_is_made_where_the_disk_of_the_real_one_is_away(path):
    path.parent.mkdir()
    (path.parent / "database-away").touch()
    with pytest.raises(StoreError, match="the data disk cannot be read"):
        open_store(path)
    assert [one.name for one in path.parent.glob("zongji.db*")] == ["zongji.db.lock"]


def test_a_disk_that_takes_nothing_is_named(path, monkeypatch):
    open_store(path).close()

    def refuse(*_, **__):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("appliance.store.database.os.open", refuse)
    with pytest.raises(StoreError, match="takes nothing any more"):
        open_store(path)


def test_a_full_disk_is_not_taken_for_a_damaged_database(path, monkeypatch):
    open_store(path).close()
    full = os.statvfs(path.parent)
    monkeypatch.setattr(
        errors.os, "statvfs", lambda folder: SimpleNamespace(f_bavail=2, f_frsize=full.f_frsize)
    )

    def refuse(*_, **__):  # what SQLite says when it cannot make its shared memory file
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr("appliance.store.store.connect", refuse)
    with pytest.raises(StoreError, match="is full; free some space"):
        open_store(path)


def test_every_thread_has_its_own_connection_with_the_same_pragmas(store):
    seen = []

    def look():
        raw = store._database.raw.conn
        seen.append((raw, raw.execute("PRAGMA foreign_keys").fetchone()[0]))
        store.audit.add("thread", "was here")

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(raw) for raw, _ in seen}) == 4 and all(on == 1 for _, on in seen)
    assert len(store.audit.list()) == 4


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is empty"),
        (b"hello, I am a text", "damaged at its beginning"),
        (b"SQLite format 3\x00", "damaged"),
        (b"SQLite format 3\x00" + b"\xff" * 8000, "damaged"),
    ],
)
def test_a_file_that_is_no_database_is_named_and_left_alone(path, content, problem):
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(StoreError, match=problem) as caught:
        open_store(path)
    assert "restore a backup" in str(caught.value)
    assert path.read_bytes() == content


def test_a_damaged_page_is_found_when_opening(store, path):
    for _ in range(300):
        store.audit.add("who", "what", "x" * 500)
    store.close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    content = bytearray(path.read_bytes())
    for at in range(len(content) // 2, len(content) // 2 + 4096 * 8):
        content[at] = 0xA5
    path.write_bytes(content)
    with pytest.raises(StoreError, match="damaged"):
        open_store(path)
    assert path.read_bytes() == content


def test_a_damaged_database_whose_last_changes_are_still_in_the_log_is_left_as_it_is(store, path):
    for _ in range(300):
        store.audit.add("who", "what", "x" * 500)
    aside = path.parent / "aside"
    aside.mkdir()
    for suffix in ("", "-wal"):  # as after a power cut: nobody has closed it
        shutil.copy2(path.with_name(path.name + suffix), aside)
    store.close()
    cut = aside / path.name
    content = bytearray(cut.read_bytes())
    content[2 * 4096 :] = b"\xa5" * (len(content) - 2 * 4096)
    cut.write_bytes(content)
    log = cut.with_name(f"{cut.name}-wal").read_bytes()
    assert log
    with pytest.raises(StoreError, match="damaged"):
        open_store(cut)
    assert cut.read_bytes() == content
    assert cut.with_name(f"{cut.name}-wal").read_bytes() == log


def test_a_change_of_the_whole_file_that_was_cut_off_is_taken_back_before_anybody_looks(store, path):
    store.customers.add({"name": "precious"})
    store.close()
    aside = path.parent / "aside"
    aside.mkdir()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")  # as a restored copy has it
        connection.execute("PRAGMA cache_spill = 1")
        connection.execute("PRAGMA cache_size = 1")
        connection.execute("BEGIN")
        connection.execute("CREATE TABLE half AS SELECT * FROM customers")
        connection.execute("UPDATE customers SET name = 'half'")
        connection.execute("INSERT INTO half (name) SELECT hex(randomblob(200000))")
        for suffix in ("", "-journal"):
            shutil.copy2(path.with_name(path.name + suffix), aside)
        connection.execute("ROLLBACK")
    store = open_store(aside / path.name)
    assert store.customers.search("precious")[1] == 1
    store.close()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Bytes of a database with one customer in it."""
    path = tmp_path_factory.mktemp("whole") / "zongji.db"
    store = open_store(path)
    store.customers.add({"name": "precious"})
    store.close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return path.read_bytes()


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_a_truncated_database_never_opens_as_an_empty_one(tmp_path_factory, whole, data):
    cut = tmp_path_factory.mktemp("cut") / "zongji.db"
    cut.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    before = cut.read_bytes()
    try:
        store = open_store(cut)
    except StoreError:
        assert cut.read_bytes() == before
    else:  # only the unused end of the last page was missing
        assert store.customers.search("precious")[1] == 1
        store.close()


def test_another_programs_database_is_refused(path):
    path.parent.mkdir()
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE things (id)")
    connection.commit()
    connection.close()
    with pytest.raises(StoreError, match="another program"):
        open_store(path)


def test_a_newer_database_without_the_copy_made_before_it_is_refused_and_not_changed(path):
    open_store(path, migrations=[*MIGRATIONS, TOMORROW]).close()
    before, known = schema_of(path), len(MIGRATIONS)
    with pytest.raises(StoreError, match=rf"newer version .* \(schema {known + 1}, this one knows {known}\)"):
        open_store(path)
    assert schema_of(path) == before


def test_a_database_that_has_gone_is_not_begun_anew(path):
    open_store(path, migrations=MIGRATIONS[:1]).close()
    open_store(path).close()
    path.unlink()
    with pytest.raises(StoreError, match="has gone"):
        open_store(path)
    assert not path.exists()


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "db").write_text("a file is in the way")
    with pytest.raises(StoreError, match="cannot make the folder"):
        open_store(tmp_path / "db" / "zongji.db")


# ----------------------------------------------------------------- migrations
@pytest.mark.parametrize("known", range(1, len(MIGRATIONS) + 1))
def test_from_every_older_schema_one_gets_to_the_same_new_one(tmp_path, known):
    fresh, older = tmp_path / "a" / "zongji.db", tmp_path / "b" / "zongji.db"
    open_store(fresh).close()
    store = open_store(older, migrations=MIGRATIONS[:known])
    store.settings.set("company", "kept", "me")
    store.close()
    store = open_store(older)
    assert store.settings.get("company") == "kept"
    store.close()
    assert schema_of(older) == schema_of(fresh)


def test_a_copy_is_taken_before_each_migration_and_can_be_opened_by_the_older_version(path):
    store = open_store(path, migrations=MIGRATIONS[:1])
    store.settings.set("company", "before", "me")
    store.close()
    store = open_store(path)
    store.settings.set("company", "after", "me")
    store.close()
    copies = sorted(path.parent.glob("copies/*.db"))
    assert [copy.name for copy in copies] == [f"zongji-before-{n}.db" for n in range(2, len(MIGRATIONS) + 1)]
    older = open_store(copies[0], migrations=MIGRATIONS[:1])
    assert older.settings.get("company") == "before"
    older.close()


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 3), st.integers(0, 2))
def test_a_migration_that_fails_leaves_the_version_before_it(tmp_path_factory, known, bad_at):
    path = tmp_path_factory.mktemp("failing") / "zongji.db"
    open_store(path, migrations=MIGRATIONS[:known]).close()
    before = schema_of(path)
    bad = ["CREATE TABLE half (id)", "CREATE TABLE half2 (id)"]
    bad.insert(bad_at, "CREATE TABLE settings (clash)")
    with pytest.raises(StoreError):
        open_store(path, migrations=[*MIGRATIONS[:known], bad])
    assert schema_of(path) == before
    open_store(path, migrations=MIGRATIONS[:known]).close()


def test_power_cut_while_the_first_database_is_made(path):
    path.parent.mkdir()
    path.with_name("zongji.db.new").write_bytes(b"half a database")
    store = open_store(path)
    assert store.customers.count() == 0
    store.close()


def _open_and_count(path, results):
    store = open_store(path)
    results.put(store.claim.code())
    store.close()


def test_web_and_control_starting_together_make_one_database(path):
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    processes = [context.Process(target=_open_and_count, args=(path, results)) for _ in range(4)]
    for process in processes:
        process.start()
    codes = {results.get(timeout=60) for _ in processes}
    for process in processes:
        process.join(60)
    assert len(codes) == 1


# ----------------------------------------------------------------------- lock
@pytest.fixture
def other(path, store):
    connection = sqlite3.connect(path, isolation_level=None)
    yield connection
    connection.close()


def test_a_lock_by_another_program_is_waited_for_a_bounded_time(store, other):
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreBusy, match="locked by another program"):
        store.customers.add({"name": "x"})
    assert store.customers.count() == 0, "reading goes on meanwhile"
    other.execute("ROLLBACK")
    assert store.customers.add({"name": "x"})


def test_a_short_lock_is_not_noticed(path, store, other):
    patient = open_store(path)
    other.execute("BEGIN IMMEDIATE")
    timer = threading.Timer(0.2, lambda: None)
    done = []
    writer = threading.Thread(target=lambda: done.append(patient.customers.add({"name": "x"})))
    writer.start()
    timer.start()
    timer.join()
    other.execute("ROLLBACK")
    writer.join(10)
    assert done
    patient.close()


def test_a_failed_change_leaves_nothing_behind(store):
    def fail():
        with store.transaction():
            store.customers.add({"name": "half"})
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError):
        fail()
    assert store.customers.count() == 0
    assert store.customers.search("half")[1] == 0
    assert store.customers.add({"name": "whole"})


def test_a_committed_change_survives_without_closing(store, path, tmp_path):
    store.settings.set("company", "on the disk", "me")
    copy = tmp_path / "copy" / "zongji.db"
    copy.parent.mkdir()
    for suffix in ("", "-wal"):
        shutil.copy(path.with_name(path.name + suffix), copy.with_name(copy.name + suffix))
    after_the_cut = open_store(copy)
    assert after_the_cut.settings.get("company") == "on the disk"
    after_the_cut.close()


def test_a_closed_store_says_so(store):
    store.close()
    with pytest.raises(StoreError, match="closed"):
        store.customers.count()
