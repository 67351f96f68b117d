"""Control's methods for backups, restoring, checks and repairs."""

import socket
import time
from functools import partial

import pytest
from control_bench import record_event

from appliance.control import facts
from appliance.services import backup, restore
from appliance.store import open_store

DAY_S = 86400.0
MORNING = time.mktime((2027, 1, 15, 4, 0, 0, 0, 0, -1))


def state(desk):
    return desk.request("backups", client=9)["result"]


def finished(desk, method, **params):
    """Ask for a job and look at how it ended."""
    answer = desk.request(method, **params)
    assert answer.get("result") == {"job": method}, answer
    job = state(desk)["job"]
    assert job["ended"] is not None and job["percent"] == 100
    return job


def test_a_backup_is_made_listed_and_deleted(desk):
    assert finished(desk, "backup_make")["problem"] is None
    (made,) = state(desk)["backups"]
    assert made["verified_at"] and made["size"] > 4000 and not made["problem"]
    assert desk.request("backup_delete", name=made["name"])["result"] == {}
    assert state(desk)["backups"] == []
    assert desk.request("backup_delete", name="../x.zjb")["error"]["code"] == "not_found"


def test_one_job_at_a_time(desk):
    desk.held.add("care_job")
    assert desk.request("backup_make")["result"] == {"job": "backup_make"}
    assert desk.request("backup_make")["error"]["code"] == "busy"
    assert state(desk)["job"]["ended"] is None
    desk.release()
    assert state(desk)["job"]["ended"] is not None


def test_a_restore_is_shown_then_done_and_calls_go_on(desk, home):
    desk.hear(record_event("c1"))
    finished(desk, "backup_make")
    name = state(desk)["backups"][0]["name"]
    desk.hear(record_event("c2"))
    assert finished(desk, "restore_prepare", name=name)["problem"] is None
    waiting = state(desk)["restore"]
    assert (waiting["step"], waiting["now"]["calls"], waiting["then"]["calls"]) == ("ready", 2, 1)
    assert finished(desk, "restore_commit")["problem"] is None
    assert state(desk)["restore"]["step"] == "done"
    desk.hear(record_event("c3"))
    assert desk.acks == ["c1", "c2", "c3"]
    store = open_store(home.database)
    assert {row["id"] for row in store.calls.search()[0]} == {"c1", "c2", "c3"}
    store.close()
    assert len(desk.commands("plan")) >= 2, "the restored settings are in use"


def test_a_restore_that_was_cut_off_is_finished_before_the_database_is_opened(make_desk, home):
    desk = make_desk()
    finished(desk, "backup_make")
    finished(desk, "restore_prepare", name=state(desk)["backups"][0]["name"])
    desk.control.close()
    from dataclasses import replace

    replace(restore.state_of(home), step="swapping").save(home)
    again = make_desk()
    assert restore.state_of(home).step == "done"
    assert home.database.is_symlink()
    assert again.request("status")["result"]["database"]["ok"]


def test_a_wrong_key_is_named_and_nothing_is_made_ready(desk):
    finished(desk, "backup_make", passphrase="correct horse")
    name = state(desk)["backups"][0]["name"]
    for params, code in (
        ({"key": "AGE-SECRET-KEY-1NONSENSE"}, "bad_key"),
        ({"passphrase": "wrong"}, "wrong_passphrase"),
        ({"uploaded": True}, "not_found"),
        ({"stick": "../../etc"}, "stick_gone"),
    ):
        assert finished(desk, "restore_prepare", name=name, **params)["problem"]["code"] == code
        assert state(desk)["restore"] is None
    assert finished(desk, "restore_prepare", name=name, passphrase="correct horse")["problem"] is None
    assert desk.request("restore_discard")["result"] == {}
    assert state(desk)["restore"] is None


def test_the_daily_backup_is_made_once_a_day_and_old_ones_go(desk, store, home):
    store.settings.set("backup.keep", 2, "me")
    hour = MORNING
    for day in range(4):
        desk.control._wall_clock = desk.control._care._clock = lambda day=day: hour + day * DAY_S
        desk.pass_time(1000)
    made = backup.catalogue(home.backups, hour + 4 * DAY_S)
    assert [one.header.made_at for one in made] == [hour + 3 * DAY_S, hour + 2 * DAY_S]
    assert all(one.header.automatic for one in made)


@pytest.mark.parametrize("kind", [partial(backup.BackupError, "no_space"), OSError])
def test_a_daily_backup_that_fails_is_told(desk, home, monkeypatch, kind):
    def refuse(*args, **more):
        raise kind("there is not enough room")

    monkeypatch.setattr(backup, "make", refuse)
    desk.control._care._clock = lambda: MORNING
    desk.pass_time(400)
    found = {one["id"]: one for one in desk.request("checks")["result"]["findings"]}
    assert found["backup_failed"]["params"]["problem"] == "there is not enough room"


@pytest.fixture
def with_sticks(make_desk, tmp_path, monkeypatch):
    """with_sticks(there, NAME=writable, …) → (desk after its daily backup, folder of the stick `there`)."""

    def make(there, **writable):
        stick = tmp_path / "usb" / there
        stick.mkdir(parents=True)
        desk = make_desk()
        system = desk.control._care._system
        system._sticks = stick.parent
        rows = {"sticks": [{"name": name, "writable": can} for name, can in writable.items()]}
        monkeypatch.setattr(system, "ask", lambda method: rows if method == "usb.list" else {})
        desk.control._care._clock = lambda: MORNING
        desk.pass_time(400)
        return desk, stick

    return make


def test_the_daily_backup_goes_to_a_stick_that_is_there(with_sticks):
    desk, stick = with_sticks("KINGSTON", KINGSTON=True, FULL=False)
    (copy,) = (stick / "zongji-backups").glob("*.zjb")
    assert state(desk)["backups"][0]["copies"] == ["KINGSTON"]
    assert state(desk)["sticks"][0]["backups"][0]["name"] == copy.name
    job = finished(desk, "restore_prepare", name=copy.name, stick="KINGSTON")
    assert job["problem"] is None and state(desk)["restore"]["step"] == "ready"


def test_a_stick_that_fails_leaves_the_next_its_copy(with_sticks):
    desk, good = with_sticks("GOOD", GONE=True, GOOD=True)
    assert len(list((good / "zongji-backups").glob("*.zjb"))) == 1
    assert state(desk)["daily_problem"]["code"] == "stick_gone"


def test_repairs_are_offered_and_done(desk, home):
    found = {one["id"]: one for one in desk.request("checks")["result"]["findings"]}
    assert found["backup_none"]["repair"] == "make_backup"
    desk.request("repair", client=3, id="make_backup")
    assert "backup_none" not in {one["id"] for one in desk.request("checks", 4)["result"]["findings"]}
    plans = len(desk.commands("plan"))
    desk.request("repair", client=5, id="republish_plan")
    assert len(desk.commands("plan")) == plans + 1
    desk.request("repair", client=6, id="format_disk")
    assert state(desk)["job"]["problem"]["code"] == "unknown_repair"


def test_a_damaged_database_is_found_and_the_button_restores_the_newest_backup(desk, home):
    desk.hear(record_event("c1"))
    finished(desk, "backup_make")
    desk.hear(record_event("c2"))
    home.database.write_bytes(b"SQLite format 3\x00" + b"\xa5" * 20_000)
    for suffix in ("-wal", "-shm"):
        home.database.with_name(home.database.name + suffix).unlink(missing_ok=True)
    (home.root / "other").touch()
    home.database.replace(home.root / "x")
    (home.root / "x").replace(home.database)
    desk.control._gate._inode = None
    desk.pass_time(20)
    worst = desk.request("checks")["result"]["findings"][0]
    assert (worst["id"], worst["repair"]) == ("database", "restore_newest")
    desk.request("repair", client=3, id="restore_newest")
    assert state(desk)["job"]["problem"] is None
    desk.hear(record_event("c3"))
    assert desk.acks[-1] == "c3"
    store = open_store(home.database)
    assert {row["id"] for row in store.calls.search()[0]} == {"c1", "c2", "c3"}
    store.close()


def test_the_key_is_shown_and_noted_as_printed(desk):
    key = desk.request("backup_key")["result"]
    assert "".join(key["groups"]).startswith("AGE-SECRET-KEY-1") and key["public"].startswith("age1")
    assert not state(desk)["key_on_paper"]
    desk.request("backup_key_printed", client=3)
    assert state(desk)["key_on_paper"]


def test_uploads_that_a_restart_left_are_removed(make_desk, home):
    home.uploads.mkdir()
    (home.uploads / "half.part").write_bytes(b"x")
    make_desk()
    assert not list(home.uploads.iterdir())


CERTIFICATE = """-----BEGIN CERTIFICATE-----
MIIBfzCCASWgAwIBAgIUXJd0i0Q4iE8w1YtJ0s4cYV0p2WEwCgYIKoZIzj0EAwIw
-----END CERTIFICATE-----
"""


def test_the_end_of_a_certificate_is_read(tmp_path):
    import shutil
    import subprocess

    path = tmp_path / "cert.pem"
    path.write_text(CERTIFICATE)
    assert facts.certificate_end(path) is None
    assert facts.certificate_end(tmp_path / "none.pem") is None
    openssl = shutil.which("openssl")
    for days in (10, 3650 * 3):  # UTCTime, and GeneralizedTime from 2050 on
        command = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        command += ["-keyout", tmp_path / "key.pem", "-out", path, "-days", str(days), "-subj", "/CN=zongji"]
        subprocess.run(command, check=True, capture_output=True)
        told = subprocess.run(
            [openssl, "x509", "-in", path, "-noout", "-enddate"], check=True, capture_output=True, text=True
        )
        import ssl

        assert facts.certificate_end(path) == ssl.cert_time_to_seconds(told.stdout.strip().split("=")[1])


@pytest.fixture
def daemon(tmp_path):
    """A socket that is there and never answers."""
    path = tmp_path / "system.sock"
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    yield path
    listener.close()


def test_on_a_flashed_box_a_daemon_that_is_away_is_a_finding(desk, daemon, monkeypatch, tmp_path):
    def ids():
        return {one["id"] for one in desk.request("checks")["result"]["findings"]}

    monkeypatch.delenv("ZONGJI_CONFIG", raising=False)
    assert "system_daemon" not in ids(), "in development there is none"
    desk.control._care._system._socket = daemon
    assert "system_daemon" in ids()
    daemon.unlink()
    monkeypatch.setenv("ZONGJI_CONFIG", str(tmp_path))
    assert "system_daemon" in ids()


def test_a_system_daemon_that_does_not_listen_is_no_trouble(daemon):
    from appliance.control.box_system import System

    assert System(daemon).ask("status") == {}
    assert System(daemon.with_name("none")).ask("status") == {}
    assert System(daemon).mount("../x") is None
