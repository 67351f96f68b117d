"""Backups: encrypted, proved, and refused by name where they are not what they were."""

import hashlib
import hmac
import io
import json
import subprocess
import sys
import tarfile
from collections import namedtuple
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path

import pyrage
import pytest

from appliance.services import backup, backup_file, backup_key, copies
from appliance.services.backup_errors import BackupError
from appliance.store import open_store
from appliance.store.migrations import MIGRATIONS

from .conftest import NOW

AGE_BEGINS = len(backup_file.MAGIC) + backup_file.HEADER_BYTES


def code_of(act, *args, **more):
    with pytest.raises(BackupError) as refused:
        act(*args, **more)
    assert str(refused.value)
    return refused.value.code


def test_a_backup_is_proved_when_it_is_made_and_says_what_it_is(home, make):
    made = make()
    assert made.verified_at == NOW
    assert [one.path for one in backup.catalogue(home.backups, NOW)] == [made.path]
    header = made.header
    assert (header.version, header.schema, header.box) == ("0.1.0", len(MIGRATIONS), "box-1")
    assert header.files == 2 and not header.recordings
    assert not list(home.backups.glob("*.part"))


def test_nothing_of_the_customers_can_be_read_in_the_file(make):
    made = make(recordings=True)
    content = made.path.read_bytes()
    for secret in (b"Li Lei", b"13800138000", b"SQLite format", b"own greeting", b"c1c1c1", b"AGE-SECRET"):
        assert secret not in content
    assert made.path.stat().st_mode & 0o007 == 0


def test_the_documented_way_opens_it_without_this_program(make, key):
    content = make(recordings=True).path.read_bytes()[AGE_BEGINS:]
    assert AGE_BEGINS == 4112, "docs say tail -c +4113"
    plain = pyrage.decrypt(content, [pyrage.x25519.Identity.from_str(key.secret)])
    with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
        assert {"db/zongji.db", "prompts/zh/greeting.wav", "manifest.json"} < set(tar.getnames())
        assert len([name for name in tar.getnames() if name.startswith("recordings/")]) == 2


def test_keys_of_the_box_are_not_in_a_backup(home, make, key, tmp_path, monkeypatch):
    config = tmp_path / "config"
    (config / "tls").mkdir(parents=True)
    (config / "tls" / "key.pem").write_text("PRIVATE")
    (config / "network.json").write_text("{}")
    (config / "recovery-key.txt").write_text(key.secret)
    monkeypatch.setenv("ZONGJI_CONFIG", str(config))
    (home.root / "web-secret.key").write_bytes(b"session key")
    names = []

    def take(name, content):
        names.append(name)
        assert b"PRIVATE" not in content.read()

    backup_file.read(make().path, key, take, lambda done: None)
    assert names == ["db/zongji.db", "prompts/zh/greeting.wav", "config/network.json"]


def test_a_backup_is_made_while_others_write(home, make, key):
    store = open_store(home.database)
    with store.transaction():
        store.customers.add({"name": "half"})
        made = make()
    backup.verify(made.path, key)
    store.close()


# ------------------------------------------------------------------- not whole
@pytest.mark.parametrize("keep", [0, 5, 15, 100, 4111, 4112, 4200, -1, -5000])
def test_a_truncated_backup_is_named(make, key, keep):
    path = make().path
    content = path.read_bytes()
    path.write_bytes(content[:keep])
    assert code_of(backup.verify, path, key) in ("truncated", "not_a_backup")
    assert backup.look(path).problem
    assert not backup.look(path).verified_at


@pytest.mark.parametrize("where", [20, 60, 4200, 5000, -20])
def test_a_changed_byte_anywhere_is_found(make, key, where):
    path = make().path
    content = bytearray(path.read_bytes())
    content[where] ^= 0x20
    path.write_bytes(content)
    assert code_of(backup.verify, path, key) in ("tampered", "foreign_key", "truncated")


def test_a_changed_header_is_found_although_it_is_not_encrypted(make, key):
    path = make().path
    content = path.read_bytes()
    path.write_bytes(content.replace(b'"version": "0.1.0"', b'"version": "9.1.0"'))
    assert code_of(backup.verify, path, key) == "tampered"


def test_something_appended_is_found(make, key):
    path = make().path
    path.write_bytes(path.read_bytes() + b"more")
    assert code_of(backup.verify, path, key) == "tampered"


def forged(public, names, manifest=False, sealed=True, content_bytes=None, text=None):
    """A backup with these members by somebody who has the public key alone."""
    header = backup_file.Header(NOW, "0.1.0", 3, "box", public, False, False)
    told = {name: value for name, value in asdict(header).items() if name != "sealed"}
    counts = ("files", "content_bytes", "total_bytes")
    files = {name: {"size": 3, "sha256": hashlib.sha256(b"evi").hexdigest()} for name in names}
    about = {"header": {name: told[name] for name in told if name not in counts}, "files": files}
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w:gz") as tar:
        content = [(name, b"evi") for name in names]
        for name, data in [*content, (backup_file.MANIFEST, text or json.dumps(about).encode())][
            : None if manifest else -1
        ]:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    body = pyrage.encrypt(plain.getvalue(), [pyrage.x25519.Recipient.from_str(public)])
    told |= {"total_bytes": AGE_BEGINS + len(body)}
    told |= {"content_bytes": 3 * len(names) if content_bytes is None else content_bytes}
    if sealed:
        guessed = hmac.new(public.encode(), body, "sha256").hexdigest().encode()
        text = json.dumps(told).encode().ljust(backup_file.TEXT_BYTES) + guessed
        return backup_file.MAGIC + text + b"\n" + body
    return backup_file.UNSEALED + json.dumps(told).encode().ljust(backup_file.HEADER_BYTES - 1) + b"\n" + body


@pytest.mark.parametrize("text", [b"[]", b"{", b"[" * 100_000, b"\xff"])
def test_a_manifest_that_is_none_is_refused(tmp_path, key, text):
    path = tmp_path / "x.zjb"
    path.write_bytes(forged(key.public, ["db/zongji.db"], manifest=True, text=text))
    assert code_of(backup.verify, path, key) == "tampered"


def test_who_has_the_public_key_alone_can_make_no_backup_that_is_taken(tmp_path, key):
    path = tmp_path / "forged.zjb"
    path.write_bytes(forged(key.public, ["db/zongji.db"], manifest=True))
    assert code_of(backup.verify, path, key) == "forged"


def test_a_seal_of_another_backup_does_not_fit(make, key):
    one, other = make().path, make(recordings=True).path
    head = len(backup_file.MAGIC) + backup_file.TEXT_BYTES
    content, taken = bytearray(one.read_bytes()), other.read_bytes()
    content[head:AGE_BEGINS] = taken[head:AGE_BEGINS]
    one.write_bytes(content)
    assert code_of(backup.verify, one, key) == "forged"


def test_a_backup_of_before_the_seal_is_read_and_says_so(tmp_path, key):
    path = tmp_path / "old.zjb"
    path.write_bytes(forged(key.public, ["db/zongji.db"], manifest=True, sealed=False))
    assert backup.verify(path, key).sealed is False
    assert backup.look(path).as_dict()["sealed"] is False


def test_more_than_it_says_is_not_unpacked(tmp_path, key):
    path = tmp_path / "forged.zjb"
    path.write_bytes(forged(key.public, ["db/zongji.db"], manifest=True, content_bytes=2))
    taken = []
    with pytest.raises(BackupError, match="more than it says"):
        backup_file.read(path, key, lambda name, content: taken.append(name), lambda done: None)
    assert not taken


def test_the_documented_way_proves_the_seal_without_this_program(make, key, tmp_path):
    path = make().path
    recipe = """
        key=$(printf 'zongji backup seal 1' | openssl dgst -sha256 -hmac "$1" | sed 's/.*= //')
        { tail -c +4113 "$2"; head -c 4047 "$2"; } |
            openssl dgst -sha256 -mac HMAC -macopt "hexkey:$key" | sed 's/.*= //'
        head -c 4111 "$2" | tail -c 64"""
    done = subprocess.run(["sh", "-c", recipe, "sh", key.secret, path], capture_output=True, text=True)
    computed, told = done.stdout.split()
    assert computed == told and len(told) == 64
    docs = " ".join((Path(__file__).parents[2] / "docs" / "recovery.md").read_text().split())
    assert " ".join(recipe.replace('"$2"', "FILE").replace('"$1"', '"$KEY"').split()) in docs


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "db/../../evil", "db//evil", ""])
def test_a_forged_member_name_is_refused(tmp_path, key, name):
    path = tmp_path / "forged.zjb"
    path.write_bytes(forged(key.public, [name or "."]))
    assert code_of(backup.verify, path, key) == "tampered"


def test_a_backup_without_manifest_is_refused(tmp_path, key):
    path = tmp_path / "forged.zjb"
    path.write_bytes(forged(key.public, ["db/zongji.db"]))
    assert code_of(backup.verify, path, key) == "truncated"


def test_another_boxes_key_is_named(make, tmp_path):
    foreign = backup_key.from_text(str(pyrage.x25519.Identity.generate()))
    assert code_of(backup.verify, make().path, foreign) == "foreign_key"


def test_a_passphrase_opens_it_and_a_wrong_one_is_named(make, key):
    made = make(passphrase="correct horse")
    assert backup_file.key_from_passphrase(made.header, "correct horse").secret == key.secret
    assert code_of(backup_file.key_from_passphrase, made.header, "wrong horse") == "wrong_passphrase"
    assert code_of(backup_file.key_from_passphrase, make().header, "any") == "no_passphrase"
    assert made.as_dict()["passphrase"] is True


def test_a_newer_kind_of_file_is_named(make, key):
    path = make().path
    content = path.read_bytes()
    path.write_bytes(b"zongji-backup 3\n" + content[16:])
    assert code_of(backup.verify, path, key) == "newer_format"


def test_a_damaged_database_is_not_backed_up_as_if_it_were_good(home, make):
    content = bytearray(home.database.read_bytes())
    for at in range(4096 * 3, len(content), 7):
        content[at] = 0xA5
    home.database.write_bytes(content)
    assert code_of(make) == "database_damaged"
    assert not list(home.backups.iterdir())


def test_without_room_nothing_is_written(home, make, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("appliance.services.budget.shutil.disk_usage", lambda _: usage(100e6, 89e6, 11e6))
    assert code_of(make) == "no_space"
    assert not list(home.backups.iterdir())


def test_what_a_power_cut_left_is_removed_by_the_next(home, make):
    home.backups.mkdir()
    (home.backups / "zongji-1.part").write_bytes(b"half")
    make()
    assert not list(home.backups.glob("*.part"))


# ------------------------------------------------------------------------ key
def test_the_key_is_made_once_and_read_as_typed_from_paper(home, key):
    assert backup_key.load_or_make(home) == key
    assert home.recovery_key.stat().st_mode & 0o777 == 0o600
    typed = "  ".join(key.on_paper).lower() + "\n"
    assert backup_key.from_text(typed).public == key.public
    assert code_of(backup_key.from_text, typed[:-4]) == "bad_key"


def test_a_key_file_that_is_damaged_is_never_replaced(home, key):
    home.recovery_key.write_text("rubbish")
    assert code_of(backup_key.load_or_make, home) == "bad_key"
    assert home.recovery_key.read_text() == "rubbish"


# -------------------------------------------------------------- keeping, sticks
def test_the_oldest_automatic_ones_go_and_those_of_people_stay(home, make):
    manual = make(now=NOW - 9 * 86400)
    made = [make(now=NOW - day * 86400, automatic=True) for day in range(5)]
    gone = backup.prune(home, 2, NOW)
    assert gone == [one.path.name for one in made[2:]]
    assert {one.path for one in backup.catalogue(home.backups, NOW)} == {
        manual.path,
        made[0].path,
        made[1].path,
    }


def test_the_newest_that_was_proved_stays_however_many_came_after(home, make):
    made = [make(now=NOW - day * 86400, automatic=True) for day in range(4)]
    for one in made[:3]:
        content = bytearray(one.path.read_bytes())
        content[4200] ^= 1
        one.path.write_bytes(content)
        with pytest.raises(BackupError):
            backup.verify_and_note(one.path, backup_key.load(home), NOW)
    backup.prune(home, 2, NOW)
    assert made[3].path.exists()


YEARS_S = 3 * 365 * 86400


def test_what_was_made_while_the_clock_was_ahead_crowds_out_nothing_and_is_never_the_newest(home, make):
    for day in range(3):
        make(now=NOW + YEARS_S + day * 86400, automatic=True)
    for day in range(4):
        now = NOW + day * 86400
        assert backup.due(home, now, hour=3)
        made = make(now=now, automatic=True)
        backup.prune(home, 3, now)
        assert not backup.due(home, now + 300, hour=3), "it is not made again and again"
        assert backup.catalogue(home.backups, now)[0].path == made.path
    left = [one.header.made_at for one in backup.catalogue(home.backups, now)]
    assert left == [NOW + day * 86400 for day in (3, 2, 1)]


def test_a_clock_set_back_by_hours_does_not_make_the_daily_backup_again_and_again(home, make):
    make(now=NOW + 20 * 3600, automatic=True)
    backup.prune(home, 1, NOW)
    assert not backup.due(home, NOW, hour=3)


def test_the_daily_copy_is_not_removed_for_those_of_a_clock_that_was_ahead(make, tmp_path):
    place = copies.stick(tmp_path)
    for day in range(3):
        copies.copy(make(now=NOW + YEARS_S + day * 86400, automatic=True).path, place)
    made = make(now=NOW, automatic=True)
    copies.copy_daily(made, place, keep=2, most=2)
    names = {path.name for path in place.path.glob("*.zjb")}
    assert made.path.name in names and len(names) == 2


def test_the_daily_one_is_due_once_a_day_after_its_hour(home, make):
    import time

    morning = time.mktime((2027, 1, 15, 2, 0, 0, 0, 0, -1))
    make(now=morning - 20 * 3600, automatic=True)  # the day before, at 6
    assert not backup.due(home, morning, hour=3)
    assert backup.due(home, morning + 2 * 3600, hour=3)
    make(now=morning + 2 * 3600)
    assert backup.due(home, morning + 2 * 3600, hour=3), "one that a person made does not count"
    make(now=morning + 2 * 3600, automatic=True)
    assert not backup.due(home, morning + 3 * 3600, hour=3)
    assert not backup.due(home, 1000.0, hour=3), "a clock at 1970 has never been set"


def test_a_copy_on_a_stick_is_whole_and_noted(home, make, tmp_path):
    stick = tmp_path / "STICK"
    stick.mkdir()
    made = make()
    copy = copies.copy(made.path, copies.stick(stick))
    assert hashlib.sha256(copy.read_bytes()).digest() == hashlib.sha256(made.path.read_bytes()).digest()
    assert backup.look(made.path).copies == ("STICK",)
    assert backup.look(made.path).verified_at == NOW


def test_a_copy_is_on_the_disk_there_piece_by_piece_not_all_of_it_at_the_end(make, tmp_path, monkeypatch):
    made = make()
    at, fsync = [0], copies.os.fsync

    def noting(descriptor):
        at.append(copies.os.fstat(descriptor).st_size)
        fsync(descriptor)

    monkeypatch.setattr("appliance.services.copies.backup_file.CHUNK", 500)
    monkeypatch.setattr("appliance.services.copies.SYNC_BYTES", 1000)
    monkeypatch.setattr("appliance.services.copies.os.fsync", noting)
    copies.copy(made.path, copies.stick(tmp_path))
    size = made.path.stat().st_size
    written = at[: at.index(size) + 1]
    assert size > 4000 and max(b - a for a, b in pairwise(written)) <= 1000


def test_a_full_stick_loses_the_oldest_daily_copies_of_this_box_and_nothing_else(
    home, make, make_home, tmp_path, monkeypatch
):
    folder = tmp_path / "STICK" / copies.FOLDER
    folder.mkdir(parents=True)
    other = backup_key.load_or_make(make_home("another-box"))
    foreign = backup.make(make_home("another"), other, now=NOW - 99 * 86400, version="0.1.0", automatic=True)
    made = [make(now=NOW - day * 86400, automatic=True) for day in range(6)]
    for one in (foreign, make(now=NOW - 50 * 86400), *made[1:]):
        copies.copy(one.path, copies.stick(tmp_path / "STICK"))
    there = {path.name for path in folder.iterdir()}
    places = 5  # the other box's, the one made by hand, and three

    def usage(path):
        free = 10e6 if len(list(folder.glob("*.zjb"))) < places else 0
        return namedtuple("usage", "total used free")(100e6, 100e6 - free, free)

    monkeypatch.setattr("appliance.services.copies.shutil.disk_usage", usage)
    gone = [made[number].path.name for number in (5, 4, 3)]
    assert copies.make_room(copies.stick(tmp_path / "STICK"), made[0], 2) == gone
    assert {path.name for path in folder.iterdir()} == there - set(gone)
    assert copies.make_room(copies.stick(tmp_path / "STICK"), made[0], 2) == []
    places = 1
    assert copies.make_room(copies.stick(tmp_path / "STICK"), made[0], 2) == [], (
        "so many stay although it is full"
    )


def test_a_stick_that_is_pulled_out_is_named_and_leaves_nothing_that_looks_whole(make, tmp_path, monkeypatch):
    stick = tmp_path / "STICK"
    stick.mkdir()
    made = make()

    def gone(descriptor):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("appliance.services.copies.os.fsync", gone)
    assert code_of(copies.copy, made.path, copies.stick(stick)) == "stick_gone"
    assert not list(stick.rglob("*.zjb"))


def test_a_stick_that_keeps_something_else_than_was_written_is_found_out(make, tmp_path, monkeypatch):
    stick = tmp_path / "STICK"
    stick.mkdir()
    monkeypatch.setattr(
        "appliance.services.copies.os.posix_fadvise",
        lambda *_: next(stick.rglob("*.part")).write_bytes(b"rot"),
    )
    assert code_of(copies.copy, make().path, copies.stick(stick)) == "stick_bad"
    assert not list(stick.rglob("*.zjb*"))


def test_a_name_that_leads_elsewhere_is_no_backup(home, make):
    make()
    for name in ("../box/web-secret.key", "nothing.zjb", "../backups/x.zjb", ""):
        assert code_of(backup.find, home, name) == "not_found"


def test_the_command_makes_and_verifies(home, key, tmp_path):
    zongji = Path(sys.executable).with_name("zongji")

    def run(*words):
        return subprocess.run(
            [zongji, "backup", *words, "--home", str(home.root)], capture_output=True, text=True, timeout=60
        )

    made = run("make", "--recordings")
    assert made.returncode == 0, made.stderr
    path = made.stdout.strip().splitlines()[-1]
    assert run("verify", path).returncode == 0
    assert key.secret in run("key").stdout.replace(" ", "")
    with Path(path).open("r+b") as file:
        file.truncate(6000)
    bad = run("verify", path)
    assert bad.returncode == 2 and "not complete" in bad.stderr
