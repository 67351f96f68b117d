"""The daemon's socket: who may ask, hostile input, and that one bad request takes nothing away from
others."""

import json
import os
import socket
import sqlite3
import threading
from contextlib import closing
from dataclasses import replace

import pytest

from appliance.client import CallFailed, ControlClient, PeerAway
from image.box import bootstate
from image.box.netsettings import DEFAULT
from image.box.system import server as server_module
from image.box.system.daemon import Daemon
from image.box.system.keeper import Keeper
from image.box.system.network import SHOWN_S
from image.box.system.server import Server

from .conftest import RELEASE, kernel_addresses

LOAD = bootstate.load


@pytest.fixture
def daemon(places, programs, clock, monkeypatch):
    programs.says("ip", kernel_addresses("192.168.7.50/24"))
    monkeypatch.setattr(bootstate, "load", lambda: bootstate.FRESH)
    made = Daemon(places, clock, group=None)
    made.start()
    return made


@pytest.fixture
def serve(daemon, places):
    servers = []

    def begin(allowed=None, handle=daemon.handle):
        made = Server(places.socket, handle, allowed or frozenset({os.getuid()}), None)
        thread = threading.Thread(target=made.serve)
        thread.start()
        servers.append((made, thread))
        return ControlClient(places.socket, 60.0, "the system daemon")

    yield begin
    for made, thread in servers:
        made.close()
        thread.join(60)
        assert not thread.is_alive()


def test_status_tells_what_the_start_page_needs(serve):
    found = serve().call("status")
    assert (found["version"], found["slot"], found["confirmed"], found["boot_state"]) == (
        "0.2.0",
        "A",
        False,
        "ok",
    )
    assert found["ssh"] == {"open": False} and found["network_trial"] is None and found["board"] == "auto"
    assert found["update"] == {"state": "idle"} and found["fell_back"] is None


def test_a_user_who_is_not_allowed_gets_nothing(serve):
    client = serve(frozenset({os.getuid() + 1}))
    with pytest.raises(PeerAway):
        client.call("status")


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("power.explode", {}, "unknown_method"),
        ("__init__", {}, "unknown_method"),
        ("network.apply", {"settings": "x"}, "invalid"),
        ("network.confirm", {"token": 5}, "bad_request"),
        ("ssh.enable", {"hours": 1, "key": "x" * 5000}, "bad_request"),
        ("update.install", {"source": {"kind": "upload", "name": "x"}}, "bad_name"),
        ("update.install", {"source": {"kind": "url", "url": "http://x/y"}, "now": "yes"}, "bad_request"),
        ("update.inspect", {"source": {"kind": "upload", "name": "x.raucb"}}, "no_file"),
        ("update.cancel", {}, "no_job"),
        ("log.tail", {"lines": 1e9}, "bad_request"),
        ("log.tail", {"unit": "x --output=/etc/passwd"}, "bad_request"),
        ("usb.eject", {"name": "../../x"}, "stick_gone"),
        ("board.set", {"board": "sim:\nEVIL=1"}, "bad_request"),
        ("recovery.order", {"action": "burn"}, "bad_request"),
        ("recovery.order", {"action": "menu", "options": []}, "bad_request"),
    ],
)
def test_wrong_requests_are_named(serve, programs, method, params, code):
    client = serve()
    with pytest.raises(CallFailed) as told:
        client.call(method, **params)
    assert told.value.code == code and str(told.value)
    assert not [call for call in programs.calls if "reboot" in call or "restart" in call]
    assert client.call("status")["version"] == "0.2.0"


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xfe\n",
        b"[]\n",
        b"{\n",
        b"null\n",
        b"1\n",
        b"[" * 100_000 + b"\n",
        b"x" * (server_module.MAX_LINE_BYTES + 70_000),
    ],
    ids=["not UTF-8", "a list", "half", "null", "a number", "deep", "endless"],
)
def test_garbage_ends_its_own_connection_alone(serve, places, data):
    client = serve()
    with socket.socket(socket.AF_UNIX) as raw:
        raw.connect(str(places.socket))
        raw.settimeout(10)
        try:
            raw.sendall(data)
            assert raw.recv(100) == b""
        except (BrokenPipeError, ConnectionResetError):
            pass
    assert client.call("status")


@pytest.mark.parametrize(
    "line", ["{}", '{"method": 5}', '{"method": "status", "params": []}', '{"id": {}, "method": null}']
)
def test_a_request_that_is_none_is_answered_with_an_error(serve, places, line):
    serve()
    with socket.socket(socket.AF_UNIX) as raw:
        raw.connect(str(places.socket))
        raw.settimeout(10)
        raw.sendall(line.encode() + b"\n")
        assert json.loads(raw.recv(4000))["error"]["code"] == "bad_request"


def test_a_defect_in_one_method_is_told_and_the_others_go_on(serve):
    def handle(method, params):
        raise RuntimeError("oops")

    client = serve(handle=handle)
    for _ in range(2):
        with pytest.raises(CallFailed) as told:
            client.call("status")
        assert told.value.code == "failed"


def test_more_peers_than_allowed_are_turned_away(serve, places, monkeypatch):
    monkeypatch.setattr(server_module, "MAX_PEERS", 2)
    client = serve()
    held = []
    for _ in range(2):
        peer = socket.socket(socket.AF_UNIX)
        peer.connect(str(places.socket))
        peer.sendall(b'{"id": 1, "method": "status"}\n')
        assert peer.recv(10)
        held.append(peer)
    with pytest.raises(PeerAway):
        client.call("status")
    for peer in held:
        peer.close()


def test_the_simulated_office_is_switched_on_and_off(serve, places, programs):
    client = serve()
    assert client.call("board.set", board="sim") == {"board": "sim"}
    assert places.engine_env.read_text() == "ZONGJI_BOARD=sim:\n"
    assert "systemctl restart zongji-engine.service" in programs.calls
    assert client.call("status")["board"] == "sim"


def test_recovery_is_ordered_with_the_serial_number(serve, places, programs, monkeypatch):
    ordered = []
    monkeypatch.setattr(bootstate, "order_recovery", lambda: ordered.append(True))
    places.identity.write_text('{"serial": "ZJ-22222-33333", "product": "zongji"}')
    client, options = serve(), {"keep_recordings": True}
    for serial in ({}, {"serial": ""}, {"serial": "ZJ-22222-33334"}):
        with pytest.raises(CallFailed) as refused:
            client.call("recovery.order", action="factory_reset", options=options, **serial)
        assert refused.value.code == "wrong_serial" and not ordered
    client.call("recovery.order", action="factory_reset", options=options, serial="zj-22222-33333 ")
    order = json.loads((places.config / "order.json").read_text())
    assert (order["action"], order["serial"], order["options"]) == (
        "factory_reset",
        "ZJ-22222-33333",
        options,
    )
    assert ordered and programs.calls[-1] == "systemctl --no-block reboot"


def test_an_order_for_recovery_is_taken_back_when_the_box_does_not_restart(
    serve, places, programs, monkeypatch
):
    state = []
    monkeypatch.setattr(bootstate, "order_recovery", lambda: state.append("ordered"))
    monkeypatch.setattr(bootstate, "clear_recovery", lambda: state.append("cleared"))
    programs.says("systemctl", "no", 1)
    with pytest.raises(CallFailed) as refused:
        serve().call("recovery.order", action="reinstall")
    assert refused.value.code == "not_down"
    assert state == ["ordered", "cleared"] and not (places.config / "order.json").exists()


@pytest.fixture
def flashed(places, programs, tmp_path, monkeypatch):
    """The recovery partition has version 0.1.0, which knows six migrations; mounted by a stand-in."""
    monkeypatch.setattr(bootstate, "order_recovery", lambda: None)
    release = tmp_path / "flashed"
    release.write_text(RELEASE.replace("0.2.0", "0.1.0").replace("SCHEMA=7", "SCHEMA=6"))
    mount, folder = programs.folder / "mount", places.run / "flashed/usr/lib/zongji"
    mount.write_text(
        f'#!/bin/sh\n[ "$5" = /dev/zongji/recovery ] || exit 32\n'
        f'mkdir -p "{folder}"\ncp "{release}" "{folder}/release"\n'
    )
    return release


def database(path, schema):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version = {schema}")
        db.execute("CREATE TABLE t (x)")


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({}, "reinstall_same"),
        ({"zongji.db": 6}, "reinstall_same"),
        ({"zongji.db": 7}, "reinstall_none"),
        ({"zongji.db": 7, "copies/zongji-before-7.db": 5}, "reinstall_none"),
        ({"zongji.db": 7, "copies/zongji-before-7.db": 6}, "reinstall_copy"),
        ({"zongji.db": 9, "schema-6/zongji.db": 6}, "reinstall_copy"),
    ],
)
def test_a_reinstallation_that_goes_back_is_ordered_only_with_consent(
    serve, places, programs, flashed, files, why
):
    for name, schema in files.items():
        database(places.home / "db" / name, schema)
    client = serve()
    for options in ({}, {"older": "yes"}):
        with pytest.raises(CallFailed) as refused:
            client.call("recovery.order", action="reinstall", options=options)
        told = refused.value.details
        assert (told["code"], told["field"], told["params"]["why"]) == ("downgrade", "older", why)
    assert not (places.config / "order.json").exists()
    client.call("recovery.order", action="reinstall", options={"older": True})
    assert json.loads((places.config / "order.json").read_text())["options"] == {"older": True}


@pytest.mark.parametrize("text", [RELEASE, RELEASE.replace("0.2.0", "0.3.0"), "damaged"])
def test_a_reinstallation_that_goes_nowhere_back_is_ordered_without(serve, places, flashed, text):
    flashed.write_text(text)
    serve().call("recovery.order", action="reinstall")
    assert json.loads((places.config / "order.json").read_text())["action"] == "reinstall"


@pytest.fixture
def boot_state(tmp_path, monkeypatch):
    """A real boot state in a folder, and what it says."""
    folder = tmp_path / "zongji"
    folder.mkdir()
    monkeypatch.setattr(bootstate, "load", lambda given=folder: LOAD(given))
    for name in ("recovery_told", "order_begun", "drop_order"):
        real = getattr(bootstate, name)
        monkeypatch.setattr(bootstate, name, lambda *given, real=real: real(*given, folder))
    return folder


def given_up(folder, recovery=True):
    bootstate.save(replace(bootstate.FRESH, recovery=recovery, recovery_tries=0), folder)


def test_a_recovery_that_did_not_come_up_is_told_until_somebody_has_read_it(serve, places, boot_state):
    given_up(boot_state)
    for place in (places.config, boot_state):
        (place / "order.json").write_text('{"action": "reinstall"}')
    client = serve()
    assert client.call("status")["states"] == ["recovery_failed"]
    client.call("recovery.forget")
    assert not [*places.config.glob("order.json"), *boot_state.glob("order.json")]
    assert client.call("status")["states"] == []
    state = LOAD(boot_state)
    assert (state.recovery, state.recovery_tries) == (False, 3)


def test_what_recovery_has_begun_is_told_and_never_forgotten_for_it(serve, places, boot_state):
    given_up(boot_state)
    (places.config / "order.json").write_text('{"action": "factory_reset", "step": 1}')
    client = serve()
    assert client.call("status")["states"] == ["recovery_unfinished"]
    with pytest.raises(CallFailed) as refused:
        client.call("recovery.forget")
    assert refused.value.code == "recovery_unfinished"
    assert client.call("status")["states"] == ["recovery_unfinished"]
    with pytest.raises(CallFailed) as refused:  # nor replaced by another order
        client.call("recovery.order", action="menu")
    assert refused.value.code == "recovery_unfinished"
    given_up(boot_state, recovery=False)  # the stick has finished it
    assert client.call("status")["states"] == ["recovery_failed"]
    client.call("recovery.forget")
    assert client.call("status")["states"] == []


def test_a_boot_state_that_cannot_be_read_takes_nothing_else_away_and_is_logged_once(
    serve, daemon, monkeypatch, caplog
):
    def load():
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(bootstate, "load", load)
    status = serve().call("status")
    assert status["states"] == ["boot_state_unreadable"] and not status["confirmed"]
    for _ in range(3):
        daemon.tick()
    said = [one.message for one in caplog.records if "boot state" in one.message or "_settle" in one.message]
    assert len(said) == 1, said


def test_the_log_is_read_line_by_line(serve, programs):
    programs.says(
        "journalctl",
        '{"__REALTIME_TIMESTAMP": "1795000000000000", "_SYSTEMD_UNIT": "zongji-web.service", '
        '"PRIORITY": "4", "MESSAGE": "hm"}\n'
        '{"MESSAGE": [104, 105]}\nnot json\n',
    )
    lines = serve().call("log.tail", lines=10, unit="web")["lines"]
    assert [(one["unit"], one["priority"], one["text"]) for one in lines] == [
        ("zongji-web.service", 4, "hm"),
        ("", 6, "hi"),
    ]
    assert "-u zongji-web.service" in programs.calls[-1]


def test_states_of_the_boot_are_told(serve, places):
    (places.run / "boot-states.json").write_text('{"states": ["clock_unset", "network_socket_gone"]}')
    (places.run / "disk.json").write_text('{"config": "restored", "data": "ok", "notes": []}')
    client = serve()
    assert client.call("status")["states"] == ["network_socket_gone", "config_restored"]
    (places.run / "disk.json").write_text('{"config": "ok", "data": "ok", "small": true, "notes": []}')
    assert client.call("status")["states"] == ["network_socket_gone", "disk_small"]


def test_the_hardware_watchdog_is_named_and_its_absence_told(serve, places):
    client = serve()
    assert client.call("status")["watchdog"] == ""
    places.watchdog.mkdir(parents=True)
    assert client.call("status")["watchdog"] == "watchdog0"
    (places.watchdog / "identity").write_text("iTCO_wdt\n")
    assert client.call("status")["watchdog"] == "iTCO_wdt"


def test_a_certificate_is_renewed_with_its_key(serve, places, daemon):
    from image.box import certificate

    certificate.make(places, "zongji", [], None)
    key, before = places.key.read_bytes(), certificate.fingerprint(places)
    after = serve().call("certificate.renew")["fingerprint"]
    assert after != before and places.key.read_bytes() == key and certificate.fits(places)


def test_sticks_are_listed_with_what_is_on_them(serve, places):
    (places.run / "sticks").mkdir()
    (places.run / "sticks" / "sdb1.json").write_text(
        '{"name": "OFFICE-sdb1", "device": "sdb1", "label": "OFFICE", "fs": "vfat", "problem": ""}'
    )
    (places.run / "sticks" / "sdc1.json").write_text("{")
    folder = places.sticks / "OFFICE-sdb1"
    folder.mkdir(parents=True)
    (folder / "zongji-0.3.0.raucb").write_bytes(b"12345")
    (folder / "notes.txt").write_text("x")
    (folder / "link.raucb").symlink_to("/etc/shadow")
    (found,) = serve().call("usb.list")["sticks"]
    assert found["bundles"] == [{"name": "zongji-0.3.0.raucb", "size": 5}] and found["free"] > 0


def test_a_change_of_the_configuration_is_in_its_copy_when_it_is_acknowledged(daemon, places):
    copied = places.system / "config-copy" / "time.json"
    daemon.handle("time.set", {"zone": "Europe/Berlin"})
    assert copied.read_bytes() == places.clock_settings.read_bytes()
    daemon.handle("time.set", {"zone": "Asia/Shanghai"})
    assert copied.read_bytes() == places.clock_settings.read_bytes()


def test_a_trial_of_network_settings_waits_for_nobody_who_only_looks(daemon, programs, clock, tmp_path):
    looking, seen = tmp_path / "looking", tmp_path / "seen"
    for fifo in (looking, seen):
        os.mkfifo(fifo)
    daemon.handle("network.apply", {"settings": DEFAULT | {"hostname": "front-desk"}})
    ip = programs.folder / "ip"
    ip.write_text(f"#!/bin/sh\necho > {looking}\ncat {seen}\necho []\n")
    page = threading.Thread(target=daemon.handle, args=("network.get", {}))
    page.start()
    looking.read_text()
    clock.now += SHOWN_S + 1
    changing = threading.Thread(target=daemon.tick_network)
    changing.start()
    changing.join(20)
    held_up = changing.is_alive()
    programs.says("ip", "[]")
    seen.write_text("")
    for one in (page, changing):
        one.join(20)
    assert not held_up
    assert "networkctl reload" in programs.calls


def test_plan_and_recovery_key_are_kept_for_a_start_without_the_data_disk(daemon, places):
    (places.home / "plan.json.good").write_text('{"lines": []}')
    (places.home / "recovery-key.txt").write_text("AGE-SECRET-KEY-1")
    daemon.tick()
    assert (places.config / "plan.json").read_text() == '{"lines": []}'
    assert (places.config / "recovery-key.txt").stat().st_mode & 0o777 == 0o640
    assert (places.system / "config-copy" / "plan.json").exists()


@pytest.mark.parametrize("source", ["plan.json.good", "recovery-key.txt"])
def test_root_reads_no_other_file_for_the_product(places, source, tmp_path):
    (tmp_path / "shadow").write_text("{}")
    (places.home / source).symlink_to(tmp_path / "shadow")
    with pytest.raises(OSError):
        Keeper(places, None).tick()
    assert not list(places.config.iterdir())


def test_a_plan_that_cannot_be_kept_keeps_nothing_else_from_being_kept(daemon, places):
    (places.home / "plan.json.good").write_text('{"lines": [')
    (places.home / "recovery-key.txt").write_text("AGE-SECRET-KEY-1")
    daemon.tick()
    assert not (places.config / "plan.json").exists()
    assert (places.system / "config-copy" / "recovery-key.txt").exists()
    assert (places.system / "reserve").exists()


def test_a_box_that_works_from_memory_keeps_what_it_has(places):
    (places.run / "disk.json").write_text('{"data": "unreadable"}')
    (places.config / "plan.json").write_text("last")
    (places.home / "plan.json.good").write_text("{}")
    Keeper(places, None).tick()
    assert (places.config / "plan.json").read_text() == "last"
