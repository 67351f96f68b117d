"""Small programs of the box: sticks, first boot, the door on port 80, the console, confirming a version."""

import http.client
import io
import json
import re
import socket
import ssl
import threading
from pathlib import Path

import pytest

from appliance.client import CallFailed, WireError
from image.box import bootstate, certificate, confirm, console, door, firstboot, stick, unhealthy
from image.box.callsnow import calls_in_progress

from .conftest import kernel_addresses


# ------------------------------------------------------------------------ sticks
def plugged(programs, **about):
    row = {"name": "sdb1", "fstype": "vfat", "label": "MY STICK/..", "partlabel": None} | about
    programs.says("lsblk", json.dumps({"blockdevices": [row]}))


def test_a_stick_is_mounted_so_that_nothing_on_it_is_run(places, programs):
    plugged(programs)
    assert stick.add(places, "sdb1") == 0
    (call,) = [call for call in programs.calls if call.startswith("mount ")]
    assert all(word in call for word in ("nosuid", "nodev", "noexec", "nosymfollow", "gid=900"))
    assert call.endswith(f"/dev/sdb1 {places.sticks}/MY-STICK-sdb1")
    note = json.loads((places.run / "sticks" / "sdb1.json").read_text())
    assert note["problem"] == "" and note["name"] == "MY-STICK-sdb1"
    assert stick.remove(places, "sdb1") == 0
    assert not (places.run / "sticks" / "sdb1.json").exists() and not list(places.sticks.iterdir())


@pytest.mark.parametrize(
    ("about", "problem"), [({"fstype": "zfs_member"}, "stick_format"), ({"fstype": None}, "stick_format")]
)
def test_a_stick_that_cannot_be_read_is_named(places, programs, about, problem):
    plugged(programs, **about)
    stick.add(places, "sdb1")
    assert json.loads((places.run / "sticks" / "sdb1.json").read_text())["problem"] == problem


def test_a_damaged_stick_is_named(places, programs):
    plugged(programs)
    programs.says("mount", "wrong fs type", 32)
    stick.add(places, "sdb1")
    assert json.loads((places.run / "sticks" / "sdb1.json").read_text())["problem"] == "stick_damaged"


@pytest.mark.parametrize("partlabel", ["data", "config", "rootfs-a", "stick-recovery"])
def test_the_boxs_own_partitions_are_no_sticks(places, programs, partlabel):
    plugged(programs, partlabel=partlabel)
    stick.add(places, "sda5")
    assert not [call for call in programs.calls if call.startswith("mount")]


@pytest.mark.parametrize("words", [[], ["add"], ["add", "../sda"], ["add", "sda;reboot"], ["format", "sdb1"]])
def test_strange_words_are_refused(words):
    assert stick.main(words) == 2


# -------------------------------------------------------------------- first boot
def test_each_box_gets_its_own_number_and_certificate_once(places, programs):
    programs.says("ip", kernel_addresses("192.168.7.50/24", "fe80::1/64"))
    assert firstboot.run(places, group=None) == 0
    serial, key, cert = firstboot.serial(places), places.key.read_bytes(), places.certificate.read_bytes()
    assert len(serial) == 14 and not set("01IO") & set(serial[3:])
    assert places.key.stat().st_mode & 0o007 == 0
    names = ssl._ssl._test_decode_cert(str(places.certificate))["subjectAltName"]
    assert {("DNS", "zongji.local"), ("IP Address", "192.168.7.50")} <= set(names)
    assert firstboot.run(places, group=None) == 0
    assert (firstboot.serial(places), places.key.read_bytes(), places.certificate.read_bytes()) == (
        serial,
        key,
        cert,
    )
    assert firstboot.new_serial() != firstboot.new_serial()


@pytest.mark.parametrize("damage", ["cert gone", "key gone", "cert cut", "foreign key"])
def test_a_damaged_certificate_is_made_anew(places, programs, damage):
    firstboot.run(places, group=None)
    if damage == "cert gone":
        places.certificate.unlink()
    elif damage == "key gone":
        places.key.unlink()
    elif damage == "cert cut":
        places.certificate.write_bytes(places.certificate.read_bytes()[:100])
    else:
        places.key.write_text("-----BEGIN PRIVATE KEY-----\n")
    assert firstboot.run(places, group=None) == 0
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(places.certificate, places.key)
    assert certificate.fits(places)


# --------------------------------------------------------------------------- door
@pytest.fixture
def port():
    listener = socket.create_server(("127.0.0.1", 0))
    server = door.serve(listener, "AA:BB")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield listener.getsockname()[1]
    server.shutdown()
    thread.join()
    server.server_close()


def ask(port, path="/", host="zongji.local", method="GET", cookie=""):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.putrequest(method, path, skip_host=True)
    for name, value in (("Host", host), ("Cookie", cookie)):
        if value:
            connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer, text


def test_the_first_visitor_is_told_about_the_warning_and_where_the_code_is(port):
    answer, text = ask(port)
    assert answer.status == 200
    assert 'href="https://zongji.local/"' in text and "AA:BB" in text and "认领码" in text and "claim" in text
    again, _ = ask(port, cookie=door.COOKIE)
    assert (again.status, again.headers["Location"]) == (307, "https://zongji.local/")


@pytest.mark.parametrize(
    ("host", "path", "to"),
    [
        ("192.168.7.9", "/calls/?page=2", "https://192.168.7.9/calls/?page=2"),
        ("192.168.7.9:80", "/x", "https://192.168.7.9/x"),
        ("[fd00::9]", "/x", "https://[fd00::9]/x"),
        ("a.local", "//evil.example/x", "https://a.local/evil.example/x"),
        ("a.local", "http://evil.example/", "https://a.local/"),
    ],
)
def test_everything_else_is_sent_on_to_the_same_box(port, host, path, to):
    answer, _ = ask(port, path, host)
    assert answer.status == 307 and answer.headers["Location"] == to


@pytest.mark.parametrize("host", ["", "evil host", "a/b", "a@b", "<script>"])
def test_a_strange_host_is_refused(port, host):
    answer, text = ask(port, "/x", host)
    assert answer.status == 400 and "<script>" not in text


# ------------------------------------------------------------------------ console
FACT = {
    "name": "zongji.local",
    "addresses": ["192.168.7.50", "fd00::5"],
    "box": {"version": "0.2.0", "serial": "ZJ-AAAAA-BBBBB", "states": [], "ssh": {"open": False}},
    "claim": {"code": "76885355"},
    "status": {"engine": {"up": True}},
    "up_s": 60.0,
}


def test_the_console_shows_where_the_box_is_and_its_claim_code():
    text = console.page(FACT)
    for wanted in (
        "https://zongji.local/",
        "https://192.168.7.50/",
        "https://[fd00::5]/",
        "76885355",
        "takes calls",
        "0.2.0",
    ):
        assert wanted in text
    assert "login" not in text.lower()
    assert "76885355" not in console.page(FACT | {"claim": {"code": ""}})


def test_the_console_tells_what_is_wrong():
    box = FACT["box"] | {
        "states": ["network_settings_damaged"],
        "time": {"unset": True},
        "ssh": {"open": True, "left_s": 3600, "fingerprint": "SHA256:x"},
        "fell_back": {"version": "0.3.0", "reason": "engine failed"},
        "board": "sim",
    }
    text = console.page(
        FACT | {"box": box, "addresses": [], "status": {"engine": {"up": False, "problem": "gone"}}}
    )
    for wanted in (
        "REMOTE SUPPORT IS OPEN for another 60 min",
        "clock",
        "DHCP is used",
        "0.3.0",
        "cable",
        "gone",
        "simulated",
    ):
        assert wanted in text
    assert "starting" in console.page(FACT | {"box": None, "claim": None, "status": None})


REFUSED = {
    "state": "failed",
    "version": "",
    "source": {"kind": "usb", "stick": "OFFICE-sdb1", "name": "zongji-0.3.0.raucb"},
    "file": "zongji-0.3.0.raucb",
    "problem": {"code": "bundle_tampered", "message": "the update was changed after it was signed"},
}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            {},
            "! The last update was not installed: (zongji-0.3.0.raucb). bundle_tampered: the update was "
            "changed after it was signed\n",
        ),
        ({"version": "0.3.0"}, "not installed: 0.3.0 (zongji-0.3.0.raucb). bundle_tampered: "),
        (
            {
                "source": {"kind": "url", "url": "https://me:secret@example.com/a/new.raucb?token=secret"},
                "file": "new.raucb",
                "problem": {"code": "download_failed", "message": "no\n\x1b[2J route to 总机"},
            },
            "not installed: (new.raucb). download_failed: no ?[2J route to ??\n",
        ),
        ({"problem": None, "source": {}, "file": ""}, "not installed: ?. update_failed\n"),
        (
            {"problem": {"code": "fault_unreadable", "message": "it cannot be read (torn)"}, "file": ""},
            "! What became of the last update is not known. fault_unreadable: it cannot be read (torn)\n",
        ),
    ],
)
def test_the_console_tells_an_update_that_was_not_installed(changed, said):
    text = console.page(FACT | {"box": FACT["box"] | {"update": REFUSED | changed}})
    assert said in text and text.isascii() and "secret" not in text


@pytest.mark.parametrize("state", ["idle", "cancelled", "fetching"])
def test_the_console_tells_it_until_the_next_update_begins_and_never_what_somebody_has_cancelled(state):
    job = REFUSED | {"state": state, "problem": None}
    assert "not installed" not in console.page(FACT | {"box": FACT["box"] | {"update": job}})


@pytest.mark.parametrize(
    ("box", "said"),
    [
        ({"states": ["disk_small"]}, "The disk has less than the 4 GB"),
        ({"boot_state": "one_lost"}, "One of the two copies of the boot state was lost"),
        ({"boot_state": "lost"}, "Both copies of the boot state were lost"),
        ({"boot_state": "lost", "states": ["boot_state_unreadable"]}, "The boot state cannot be read"),
    ],
)
def test_the_console_tells_what_the_start_has_found(box, said):
    lines = [one for one in console.page(FACT | {"box": FACT["box"] | box}).splitlines() if "!" in one]
    assert len(lines) == 1 and said in lines[0]


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ({"disk": {"level": "warn", "problem": "x"}}, "The disk is filling up"),
        ({"disk": {"level": "alarm", "problem": "x"}}, "THE DISK IS NEARLY FULL"),
        ({"disk": {"level": "read_only", "problem": "x"}}, "The disk takes nothing any more"),
        ({"disk": {"level": "unknown", "problem": "x"}}, "The disk cannot be measured"),
        ({"engine_health": {"recording_ok": False}}, "Calls are NOT RECORDED"),
    ],
)
def test_the_console_tells_a_disk_without_room_and_calls_that_are_not_recorded(status, said):
    text = console.page(FACT | {"status": FACT["status"] | status})
    assert said in text and "takes calls" in text


@pytest.mark.parametrize(
    "status",
    [
        {"disk": {"level": "ok", "problem": ""}, "engine_health": {"recording_ok": True}},
        {"disk": {"level": "unknown", "problem": ""}, "engine_health": {}},
        {"engine": {"up": False, "problem": "gone"}, "engine_health": {"recording_ok": False}},
    ],
)
def test_the_console_does_not_warn_of_a_disk_that_is_well_or_not_looked_at_yet(status):
    assert "!" not in console.page(FACT | {"status": FACT["status"] | status})


def test_every_state_that_the_pages_warn_of_has_words_on_the_console():
    from appliance.services import checks

    told = "".join(path.read_text() for path in Path(checks.__file__).parent.glob("*.py"))
    codes = set(re.findall(r'"((?:config|data|disk|recovery|boot_state)_[a-z_]+)" (?:not )?in ', told))
    assert {"disk_small", "config_lost", "data_missing"} <= codes <= console.STATES.keys()


def test_the_console_does_not_call_a_version_sick_that_only_lost_its_place():
    lost = {"version": "0.3.0", "reason": "boot_state_lost"}
    text = console.page(FACT | {"box": FACT["box"] | {"fell_back": lost}})
    assert "0.3.0 does not run" in text and "healthy" not in text


def test_the_console_of_a_box_without_its_database_says_that_it_takes_calls(places, programs, monkeypatch):
    def call(client, method):
        if method == "claim":
            raise CallFailed("store", "there is no database")
        return {"engine": {"up": True}, "maintenance": True}

    monkeypatch.setattr(console.ControlClient, "call", call)
    text = console.page(console.look(places))
    assert "takes calls" in text and "database cannot be used" in text


def test_the_console_does_not_say_starting_for_ever():
    silent = FACT | {"box": None, "claim": None, "status": None, "up_s": 400.0}
    text = console.page(silent)
    assert "starting" not in text and "control does not answer" in text
    assert "system service does not answer" in text and "service" not in console.page(FACT | {"up_s": 400.0})


def test_the_console_is_written_only_when_something_changes(places, programs):
    out = io.StringIO()
    console.run(places, out, lambda s: None, rounds=3)
    assert out.getvalue().count("Zongji") == 1


# ------------------------------------------------------------------------ confirm
@pytest.fixture
def confirmed(monkeypatch):
    slots = []
    monkeypatch.setattr(bootstate, "confirm", slots.append)
    return slots


class Time:
    def __init__(self):
        self.now = 0.0

    def clock(self):
        return self.now

    def pause(self, seconds):
        self.now += seconds


def test_a_version_is_confirmed_as_soon_as_it_is_healthy(places, programs, confirmed):
    time, answers = Time(), iter(["the engine starts", "control: away", ""])
    assert confirm.run(places, lambda: next(answers), time.clock, time.pause) == 0
    assert confirmed == ["A"] and time.now < 5 and "systemctl reboot" not in programs.calls


def test_a_version_that_does_not_get_healthy_tells_why_and_starts_the_box_anew(places, programs, confirmed):
    programs.says("journalctl", "l1\nl2\n")
    time = Time()
    assert confirm.run(places, lambda: "zongji-engine is failed", time.clock, time.pause) == 1
    told = json.loads((places.system / "unhealthy.json").read_text())
    assert (told["slot"], told["version"], told["reason"], told["log"]) == (
        "A",
        "0.2.0",
        "zongji-engine is failed",
        ["l1", "l2"],
    )
    assert confirmed == [] and time.now >= confirm.WAIT_S and programs.calls[-1] == "systemctl reboot"


def test_a_confirmed_version_cuts_off_nobody_who_talks(places, programs, confirmed, monkeypatch):
    monkeypatch.setattr(confirm, "on_trial", lambda slot: False)
    calls = iter([2, 1, 0])
    monkeypatch.setattr(confirm, "calls_in_progress", lambda places: next(calls))
    time = Time()
    assert confirm.run(places, lambda: "zongji-web is failed", time.clock, time.pause) == 1
    assert next(calls, None) is None and programs.calls[-1] == "systemctl reboot"
    calls, answers = iter([2]), iter(["zongji-web is failed"] * 61 + [""])
    programs.forget()
    time = Time()
    assert confirm.run(places, lambda: next(answers), time.clock, time.pause) == 0
    assert confirmed == ["A"] and "systemctl reboot" not in programs.calls


def test_a_healthy_box_whose_boot_state_cannot_be_written_goes_on(places, programs, monkeypatch):
    def full(slot):
        raise OSError("Read-only file system")

    monkeypatch.setattr(bootstate, "confirm", full)
    assert confirm.run(places, lambda: "", Time().clock, Time().pause) == 1
    assert "systemctl reboot" not in programs.calls


def test_outside_a_slot_nothing_is_confirmed(places, programs, confirmed):
    places.kernel_command.write_text("quiet zongji.mode=recovery\n")
    assert confirm.run(places, lambda: "x", lambda: 0, lambda s: None) == 0
    assert confirmed == [] and not programs.calls


def test_a_service_that_is_not_active_is_the_reason(places, programs):
    programs.says("systemctl", "failed\n", 3)
    assert confirm.problem(places) == "zongji-engine is failed"


@pytest.mark.parametrize(("trial", "reason"), [(True, "the system daemon: "), (False, "")])
def test_a_new_version_whose_system_daemon_does_not_work_is_not_healthy(
    places, programs, monkeypatch, trial, reason
):
    def call(client, method):
        if client._peer == "the system daemon":
            raise WireError("nobody answers")
        return {"engine": {"up": True}}

    programs.says("systemctl", "active\n")
    monkeypatch.setattr(confirm, "on_trial", lambda slot: trial)
    monkeypatch.setattr(confirm.ControlClient, "call", call)
    monkeypatch.setattr(confirm, "_pages", lambda: "")
    assert confirm.problem(places).startswith(reason) and bool(confirm.problem(places)) == trial


def test_an_openssl_that_does_not_answer_costs_no_key(places, programs, monkeypatch):
    firstboot.run(places, None)
    key = places.key.read_bytes()
    monkeypatch.setenv("PATH", str(programs.folder))
    assert firstboot.run(places, None) == 1
    assert places.key.read_bytes() == key


@pytest.mark.parametrize(("trial", "calls"), [(True, 3), (False, 0)])
def test_a_service_that_does_not_stay_up_ends_a_trial_at_once(places, programs, monkeypatch, trial, calls):
    monkeypatch.setattr(confirm, "on_trial", lambda slot: trial)
    monkeypatch.setattr(unhealthy, "calls_in_progress", lambda places: calls)
    programs.says("systemctl", "failed\n")
    assert unhealthy.run(places, "web", lambda s: None) == 1
    assert programs.calls[-1] == "systemctl reboot"


@pytest.mark.parametrize("state", ["activating", "active"])
def test_a_service_that_was_slow_to_stop_and_comes_up_again_ends_nothing(places, programs, state):
    programs.says("systemctl", f"{state}\n")
    assert unhealthy.run(places, "web", lambda s: None) == 0
    assert "systemctl reboot" not in programs.calls and not (places.system / "unhealthy.json").exists()


def test_in_a_confirmed_version_calls_go_first(places, programs, monkeypatch):
    monkeypatch.setattr(confirm, "on_trial", lambda slot: False)
    programs.says("systemctl", "failed\n")
    counts = iter([2, 2])
    monkeypatch.setattr(unhealthy, "calls_in_progress", lambda places: next(counts))
    pauses = []

    def pause(seconds):
        pauses.append(seconds)
        if len(pauses) == 2:
            programs.says("systemctl", "active\n")

    assert unhealthy.run(places, "web", pause) == 0
    assert "systemctl reboot" not in programs.calls and len(pauses) == 2


def test_calls_of_an_engine_that_crashed_keep_nothing_waiting(places, programs):
    (places.home / "spool" / "1.open").write_text("{}")
    programs.says("systemctl", "active\n")
    assert calls_in_progress(places) == 1, "control is away, the engine works"
    programs.says("systemctl", "activating\n", 3)
    assert calls_in_progress(places) == 0
