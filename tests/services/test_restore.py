"""Restoring: shown first, swapped in whole, finished after a power cut at any step, nothing lost."""

import errno
import json
import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from appliance.cli.main import main
from appliance.services import backup, backup_file, backup_key, restore
from appliance.services.backup_errors import BackupError
from appliance.store import open_store
from appliance.store.errors import StoreFull
from appliance.store.migrations import MIGRATIONS

from .conftest import record
from .test_backup import code_of


def tree(root):
    """Every file under `root` with its content, except what says only that somebody looked."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and not path.name.endswith((".lock", "-shm", "-wal"))
    }


def customers(home):
    store = open_store(home.database)
    try:
        return {row["name"] for row in store.customers.search()[0]}
    finally:
        store.close()


def calls(home):
    store = open_store(home.database)
    try:
        return {row["id"] for row in store.calls.search()[0]}
    finally:
        store.close()


@pytest.fixture
def changed(home, make):
    """A backup, and the box as it is some time later."""
    store = open_store(home.database)
    for text in ("on our way", "too late"):
        store.messages.write("13800138000", text, "boss")
    store.close()
    made = make(recordings=True)
    store = open_store(home.database)
    store.customers.add({"name": "Too New"})
    store.save_call(record("later"), True)
    told = {"kind": "sent", "port": "", "text": "on our way", "reason": "", "at": 1_800_000_500.0}
    sent = store.messages.search(text="on our way")[0][0]["id"]
    store.save_message(sent, told | {"number": "13800138000", "state": "sent", "unsure": False}, True)
    told = {"kind": "received", "port": "", "number": "13800138000", "text": "thank you", "missing": 0}
    store.save_message("in-1", told | {"sent_at": None, "at": 1_800_000_600.0}, True)
    store.close()
    (home.prompts / "zh" / "greeting.wav").write_bytes(b"another greeting")
    (home.recordings / "2027/01/15/c1.wav").unlink()
    (home.recordings / "2027/01/15/later.wav").write_bytes(b"later")
    return made.path


def test_short_messages_since_the_backup_come_back_and_none_goes_out_twice(home, key, changed):
    assert {text for text, _ in messages(home)} == {"on our way", "too late", "thank you"}
    restore.prepare(home, changed, key)
    restore.commit(home)
    states = dict(messages(home))
    assert states["thank you"] == ("received", False)
    assert states["on our way"] == ("sent", False), "it was queued in the backup and went out since"
    assert states["too late"] == ("failed", True), "nobody can tell, so a person decides"
    store = open_store(home.database)
    assert store.messages.unsent() == []
    store.close()


@pytest.mark.parametrize("room", ["never", "later", "after another program"])
def test_after_a_restore_on_a_full_disk_nothing_goes_out_before_it_is_finished(
    home, key, changed, monkeypatch, room
):
    restore.prepare(home, changed, key)
    restore.commit(home)

    def full(*_):
        raise StoreFull("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr("appliance.store.messages.Messages.settle_restored", full)
        store = open_store(home.database)
        assert store.calls.get("c1"), "what has nothing to do with messages goes on"
        for forbidden in (store.messages.unsent, lambda: store.messages.write("13800138000", "new", "boss")):
            with pytest.raises(StoreFull):
                forbidden()
    if room == "after another program":
        other = open_store(home.database)
        other.messages.write("13800138000", "new", "boss")
        other.close()
        assert [row["text"] for row in store.messages.unsent()] == ["new"], "settled once, not twice"
    if room != "never":
        assert {row["text"] for row in store.messages.unsent()} <= {"new"}
        store.close()
        assert dict(messages(home))["too late"] == ("failed", True)
        return
    store.close()
    store = open_store(home.database)
    assert store.messages.unsent() == []
    store.close()


def messages(home):
    store = open_store(home.database)
    try:
        return [(row["text"], (row["state"], row["unsure"])) for row in store.messages.search()[0]]
    finally:
        store.close()


def test_the_copy_of_what_is_replaced_needs_room_too(home, key, changed, monkeypatch):
    content = backup_file.read_header(changed).content_bytes
    room = 2 * content + 5_000_000 + home.database.stat().st_size // 2
    monkeypatch.setattr("appliance.services.budget.room_bytes", lambda *_: room)
    assert code_of(restore.prepare, home, changed, key) == "no_space"


def test_a_backup_without_a_seal_is_taken_only_by_who_says_so(home, key, changed, capsys):
    content = changed.read_bytes()
    told = json.loads(content[16 : 16 + backup_file.TEXT_BYTES])
    head = json.dumps(told).encode().ljust(backup_file.HEADER_BYTES - 1) + b"\n"
    changed.write_bytes(backup_file.UNSEALED + head + content[16 + backup_file.HEADER_BYTES :])
    words = ["backup", "restore", str(changed), "--yes", "--home", str(home.root)]
    assert main(words) != 0
    assert "no seal" in capsys.readouterr().err and "Too New" in customers(home)
    assert main([*words, "--unsealed"]) == 0
    assert "Too New" not in customers(home)


def test_what_will_be_replaced_is_shown_and_nothing_has_changed_yet(home, key, changed):
    before = tree(home.root)
    state = restore.prepare(home, changed, key)
    assert (state.step, state.now["customers"], state.then["customers"]) == ("ready", 2, 1)
    assert (state.now["calls"], state.then["calls"], state.recordings, state.prompts) == (3, 2, 2, 1)
    after = {name: data for name, data in tree(home.root).items() if not name.startswith("restore/")}
    assert after == before
    restore.discard(home)
    assert tree(home.root) == before


def test_a_restore_puts_everything_back_and_keeps_what_was_there(home, key, changed):
    restore.prepare(home, changed, key)
    restore.commit(home)
    assert customers(home) == {"Li Lei"}
    assert (home.prompts / "zh" / "greeting.wav").read_bytes() == b"own greeting"
    assert (home.recordings / "2027/01/15/c1.wav").read_bytes() == b"c1" * 30_000
    assert (home.recordings / "2027/01/15/later.wav").read_bytes() == b"later", "never deletes a recording"
    assert calls(home) == {"c1", "c2", "later"}, "calls since the backup come back from their copies"
    kept = sqlite3.connect(next(home.database.parent.glob("replaced-*/zongji.db")))
    assert kept.execute("SELECT count(*) FROM customers").fetchone() == (2,)
    kept.close()
    assert restore.state_of(home).step == "done"


def test_a_restore_on_a_blank_box_with_the_paper_key(make_home, make):
    made = make(recordings=True)
    other = make_home("blank")
    own = backup_key.load_or_make(other)
    assert code_of(restore.prepare, other, made.path, own) == "foreign_key"
    typed = backup_key.from_text(" ".join(backup_key.from_text(_secret_of(made)).on_paper))
    restore.prepare(other, made.path, typed)
    restore.commit(other)
    assert customers(other) == {"Li Lei"} and calls(other) == {"c1", "c2"}
    assert backup_key.load(other) == own, "the box keeps its own key"


def _secret_of(made):
    return (made.path.parent.parent / "recovery-key.txt").read_text()


def test_a_backup_of_an_older_version_is_migrated(home, key, make, monkeypatch):
    older = MIGRATIONS[:2]
    shutil.move(home.database, home.root / "new.db")
    for path in home.database.parent.glob("zongji.db-*"):
        path.unlink()
    store = open_store(home.database, migrations=older)
    store.customers.add({"name": "From the past"})
    store.close()
    made = make()
    assert made.header.schema == 2
    restore.prepare(home, made.path, key)
    restore.commit(home)
    assert customers(home) == {"From the past"}
    assert (home.database.parent / "copies" / "zongji-before-3.db").exists(), (
        "the older version finds its own"
    )


@pytest.mark.parametrize("spoil", ["truncate", "flip", "foreign", "newer", "no_room", "not_a_backup"])
def test_a_backup_that_cannot_be_used_changes_nothing(home, key, changed, monkeypatch, spoil, make_home):
    expected = {"truncate": "truncated", "flip": "tampered", "foreign": "foreign_key"}
    expected |= {"newer": "newer_schema", "no_room": "no_space", "not_a_backup": "not_a_backup"}
    content = bytearray(changed.read_bytes())
    if spoil == "truncate":
        changed.write_bytes(content[: len(content) // 2])
    elif spoil == "flip":
        content[-4000] ^= 1
        changed.write_bytes(content)
    elif spoil == "foreign":
        key = backup_key.load_or_make(make_home("other"))
    elif spoil == "newer":
        monkeypatch.setattr(restore, "MIGRATIONS", MIGRATIONS[:-1])
    elif spoil == "no_room":
        monkeypatch.setattr("appliance.services.budget.room_bytes", lambda *_: 1000)
    else:
        changed.write_bytes(b"PK\x03\x04" + bytes(9000))
    before = tree(home.root)
    assert code_of(restore.prepare, home, changed, key) == expected[spoil]
    assert tree(home.root) == before
    assert code_of(restore.commit, home) == "not_ready"


def test_a_damaged_database_is_replaced_and_kept_as_it_was(home, key, changed):
    home.database.write_bytes(b"SQLite format 3\x00" + b"\xa5" * 9000)
    rubbish = home.database.read_bytes()
    restore.prepare(home, changed, key)
    assert restore.state_of(home).now == {}
    restore.commit(home)
    assert customers(home) == {"Li Lei"}
    assert calls(home) == {"c1", "c2", "later"}
    assert next(home.database.parent.glob("replaced-*/zongji.db")).read_bytes() == rubbish


def unreadable(*_):
    raise OSError(errno.EIO, "Input/output error")


@pytest.mark.parametrize("restored_before", [False, True])
def test_a_database_that_cannot_be_read_to_its_end_is_replaced_and_kept(
    home, key, changed, monkeypatch, restored_before
):
    if restored_before:  # then it is a link
        restore.prepare(home, changed, key)
        restore.commit(home)
    rubbish = b"SQLite format 3\x00" + b"\xa5" * 9000
    home.database.write_bytes(rubbish)
    inode = home.database.stat().st_ino
    monkeypatch.setattr(shutil, "copyfile", unreadable)
    state = restore.prepare(home, changed, key)
    restore.commit(home)
    restore.resume(home)  # the next start removes what is not used any more
    assert customers(home) == {"Li Lei"}
    kept = home.database.parent / f"replaced-{state.stamp}" / "zongji.db"
    assert kept.read_bytes() == rubbish and kept.stat().st_ino == inode
    assert home.database.stat().st_ino != inode


def test_a_database_that_cannot_even_be_kept_is_replaced(home, key, changed, monkeypatch, caplog):
    home.database.write_bytes(b"SQLite format 3\x00" + b"\xa5" * 9000)
    restore.prepare(home, changed, key)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfile", unreadable)
        patch.setattr(os, "link", unreadable)
        restore.commit(home)
    assert "cannot be kept" in caplog.text
    assert restore.state_of(home).step == "done" and customers(home) == {"Li Lei"}


def test_a_damaged_database_that_is_still_open_is_kept_with_its_log(home, key, changed):
    """Its name beside the new one and the name it is kept by are the same file: neither harms the other."""
    web = open_store(home.database)
    web.customers.add({"name": "in the log"})
    content = bytearray(home.database.read_bytes())
    content[4096:] = b"\xa5" * (len(content) - 4096)
    with home.database.open("r+b") as file:
        file.write(content)
    log = home.database.with_name("zongji.db-wal").read_bytes()
    restore.prepare(home, changed, key)
    restore.commit(home)
    kept = next(home.database.parent.glob("replaced-*"))
    assert (kept / "zongji.db").read_bytes() == content
    assert (kept / "zongji.db-wal").read_bytes() == log != b""
    web.close()
    assert customers(home) == {"Li Lei"}


def test_a_program_that_has_the_old_database_open_harms_neither(home, key, changed):
    """The old connection writes, and checkpoints its log when it closes, after the swap."""
    web = open_store(home.database)
    web.customers.add({"name": "before"})
    restore.prepare(home, changed, key)
    restore.commit(home)
    web.customers.add({"name": "written too late"})
    control = open_store(home.database)
    control.customers.add({"name": "on the new one"})
    web.close()
    control.check()
    control.close()
    assert customers(home) == {"Li Lei", "on the new one"}


def test_restoring_twice_and_again_keeps_only_the_last_replaced_ones(home, key, make):
    path = make().path
    for _ in range(4):
        restore.prepare(home, path, key)
        restore.commit(home)
        restore.resume(home)
    folder = home.database.parent
    assert len(list(folder.glob("replaced-*"))) == restore.KEEP_REPLACED
    assert [one.name for one in folder.glob("zongji-*.db")] == [home.database.readlink().name]
    assert customers(home) == {"Li Lei"}


def test_the_boxs_own_settings_come_only_when_asked_for(home, key, tmp_path, monkeypatch, make):
    config = tmp_path / "config"
    config.mkdir()
    monkeypatch.setenv("ZONGJI_CONFIG", str(config))
    (config / "recovery-key.txt").write_text(key.secret)
    (config / "network.json").write_text('{"old": 1}')
    path = make().path
    for wanted, expected in ((False, '{"new": 2}'), (True, '{"old": 1}')):
        (config / "network.json").write_text('{"new": 2}')
        assert restore.prepare(home, path, key).config == ("network.json",)
        restore.commit(home, with_config=wanted)
        assert (config / "network.json").read_text() == expected


# --------------------------------------------------------------------- power cuts
class PowerCut(BaseException):
    """Nothing catches it, as nothing catches a power cut."""


def count_and_cut(monkeypatch, at):
    """Everything that reaches the disk counts; the `at`th does not happen any more. Returns the counter."""
    seen = {"n": 0}

    def wrap(real):
        def act(*args, **more):
            seen["n"] += 1
            if seen["n"] == at:
                raise PowerCut
            return real(*args, **more)

        return act

    for name in ("replace", "symlink_to", "unlink", "mkdir", "touch"):
        monkeypatch.setattr(Path, name, wrap(getattr(Path, name)))
    monkeypatch.setattr(shutil, "rmtree", wrap(shutil.rmtree))
    monkeypatch.setattr(shutil, "copyfile", wrap(shutil.copyfile))
    monkeypatch.setattr(os, "link", wrap(os.link))
    monkeypatch.setattr(os, "fsync", wrap(os.fsync))
    return seen


def fingerprint(home):
    return customers(home), calls(home), (home.prompts / "zh" / "greeting.wav").read_bytes()


OLD = ({"Li Lei", "Too New"}, {"c1", "c2", "later"}, b"another greeting")
NEW = ({"Li Lei"}, {"c1", "c2", "later"}, b"own greeting")


def commit_cut_at(write, home, saved, monkeypatch):
    """From what was saved: the power goes at this write of the swap."""
    shutil.rmtree(home.root)
    shutil.copytree(saved, home.root, symlinks=True)
    with monkeypatch.context() as patch:
        count_and_cut(patch, write)
        with pytest.raises(PowerCut):
            restore.commit(home)


def test_a_power_cut_at_any_write_of_the_swap_is_finished_by_the_next_start(
    home, key, changed, monkeypatch, tmp_path
):
    restore.prepare(home, changed, key)
    saved = tmp_path / "saved"
    shutil.copytree(home.root, saved, symlinks=True)
    with monkeypatch.context() as patch:
        total = count_and_cut(patch, 0)
        restore.commit(home)
    assert total["n"] > 20
    began = 0
    for at in range(1, total["n"] + 1):
        commit_cut_at(at, home, saved, monkeypatch)
        state = restore.state_of(home)
        home.create()  # what the next start of any program does
        restore.resume(home)
        if state.step == "ready":
            assert fingerprint(home) == OLD, f"cut at write {at}, before anything was replaced"
        else:
            began += 1
            assert fingerprint(home) == NEW, f"cut at write {at}"
            assert restore.state_of(home).step == "done"
        assert (home.recordings / "2027/01/15/later.wav").read_bytes() == b"later"
    assert began > 15


def test_a_power_cut_while_a_damaged_database_is_kept_is_finished_by_the_next_start(
    home, key, changed, monkeypatch, tmp_path
):
    rubbish = b"SQLite format 3\x00" + b"\xa5" * 9000
    home.database.write_bytes(rubbish)
    log = home.database.with_name("zongji.db-wal")
    log.write_bytes(b"\x5a" * 5000)
    restore.prepare(home, changed, key)
    saved = tmp_path / "saved"
    shutil.copytree(home.root, saved, symlinks=True)
    for at in range(1, 25):
        commit_cut_at(at, home, saved, monkeypatch)
        if restore.state_of(home).step == "ready":
            continue
        restore.resume(home)
        kept = next(home.database.parent.glob("replaced-*"))
        assert (kept / "zongji.db").read_bytes() == rubbish, f"cut at write {at}"
        assert (kept / "zongji.db-wal").read_bytes() == b"\x5a" * 5000, f"cut at write {at}"
        assert customers(home) == {"Li Lei"}


def test_power_cuts_one_after_another_are_survived_too(home, key, changed, monkeypatch):
    restore.prepare(home, changed, key)
    with monkeypatch.context() as patch:
        count_and_cut(patch, 9)
        with pytest.raises(PowerCut):
            restore.commit(home)
    for at in range(1, 12):
        with monkeypatch.context() as patch:
            count_and_cut(patch, at)
            try:
                restore.resume(home)
            except PowerCut:
                continue
    restore.resume(home)
    assert fingerprint(home) == NEW


def test_a_power_cut_while_unpacking_leaves_everything_as_it_was(home, key, changed, monkeypatch):
    with monkeypatch.context() as patch:
        total = count_and_cut(patch, 0)
        restore.prepare(home, changed, key)
    restore.discard(home)
    before = tree(home.root)
    for at in range(1, total["n"] + 1):
        with monkeypatch.context() as patch:
            count_and_cut(patch, at)
            with pytest.raises(PowerCut):
                restore.prepare(home, changed, key)
        restore.resume(home)
        if restore.state_of(home) is not None:
            assert restore.state_of(home).step == "ready"
            restore.discard(home)
        assert tree(home.root) == before, f"cut at write {at}"


def test_the_state_machine_refuses_what_does_not_fit(home, key, changed):
    restore.prepare(home, changed, key)
    state = restore.state_of(home)
    from dataclasses import replace

    replace(state, step="swapping").save(home)
    assert code_of(restore.discard, home) == "busy"
    assert code_of(restore.prepare, home, changed, key) == "busy"
    assert code_of(restore.commit, home) == "not_ready"


def test_a_disk_that_fails_during_the_swap_says_that_nothing_is_lost(home, key, changed, monkeypatch):
    restore.prepare(home, changed, key)
    with monkeypatch.context() as patch:

        def fails(self, target):
            raise OSError(5, "Input/output error")

        patch.setattr(Path, "symlink_to", fails)
        with pytest.raises(BackupError, match="goes on at the next start"):
            restore.commit(home)
    restore.resume(home)
    assert fingerprint(home) == NEW


def test_backups_go_on_from_the_restored_database(home, key, changed, make):
    restore.prepare(home, changed, key)
    restore.commit(home)
    again = make()
    backup.verify(again.path, key)
    assert restore.prepare(home, again.path, key).then["calls"] == 2
