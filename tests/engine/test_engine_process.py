"""The engine as a process: start, second start, stop, and what is left behind."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from engine_box import plan_data, write_prompts

from appliance.client import EngineClient, PeerAway
from appliance.engine import plans
from appliance.engine.line_server import LineServer
from appliance.paths import Home

pytestmark = pytest.mark.process

START_S = 60.0
ZONGJI = str(Path(sys.executable).with_name("zongji"))


@pytest.fixture
def home(tmp_path):
    home = Home(tmp_path / "data")
    home.create()
    write_prompts(home)
    home.plan.write_text(json.dumps(plan_data()))
    return home


@pytest.fixture
def start(home):
    running = []

    def go(*options):
        command = [ZONGJI, "engine", "--home", str(home.root), *options]
        process = subprocess.Popen(
            [*command, "--board", "sim:lines=2,phones=3"], stderr=subprocess.PIPE, text=True
        )
        running.append(process)
        return process

    yield go
    for process in running:
        if process.poll() is None:
            process.kill()
        process.communicate()


def connect(home, process):
    """A connection to the engine, as soon as it listens."""
    for line in process.stderr:
        if "engine runs" in line:
            return EngineClient(home.engine_socket)
    raise AssertionError("the engine ended before it ran")


def wait_for(client, topic, within=200):
    for _ in range(within):
        message = client.receive(START_S)
        assert message is not None
        if message["event"] == topic:
            return message["data"]
    raise AssertionError(f"no {topic}")


def test_life_of_an_engine(home, start):
    first = start()
    with connect(home, first) as control:
        control.snapshot()
        live = wait_for(control, "live")
        assert [line["id"] for line in live["lines"]] == ["L1", "L2"]
        control.desk(7, "sign_in", "1001", {"phone": "801"})
        reply = wait_for(control, "reply")
        assert (reply["ref"], reply["error"]) == (7, "")
        health = wait_for(control, "health")
        assert health["ports"] == 5 and health["ticks"] > 0

        second = start()
        _, words = second.communicate(timeout=START_S)
        assert second.returncode == 2
        assert f"process {first.pid}" in words and "--home" in words and "Traceback" not in words

        first.send_signal(signal.SIGTERM)
        with pytest.raises(PeerAway):
            while True:
                control.receive(START_S)
    first.communicate(timeout=START_S)
    assert first.returncode == 0
    assert not home.engine_socket.exists() and not home.office_socket.exists()


def test_a_killed_engine_leaves_nothing_in_the_way(home, start):
    first = start()
    connect(home, first).close()
    first.kill()
    first.communicate(timeout=START_S)
    second = start()
    with connect(home, second) as control:
        control.snapshot()
        wait_for(control, "live")
    second.send_signal(signal.SIGINT)
    second.communicate(timeout=START_S)
    assert second.returncode == 0


def test_a_card_that_is_not_there_is_one_line_and_status_2(home):
    command = [ZONGJI, "engine", "--home", str(home.root)]
    done = subprocess.run([*command, "--board", "sim:lines=none"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and "lines" in done.stderr


@pytest.mark.parametrize("text", ["", "{", "[]", '{"lines": 3}', '{"what": 1}'])
def test_a_damaged_plan_falls_back_to_the_good_one(home, text):
    home.good_plan.write_text(json.dumps(plan_data(lines=1)))
    home.plan.write_text(text)
    found = plans.load(home)
    assert (found.code, len(found.plan.lines)) == ("plan_damaged", 1)
    home.good_plan.write_text(text)
    found = plans.load(home)
    assert (found.code, found.plan.lines) == ("plan_missing", ())
    assert found.data["reason"]


def test_without_the_data_disk_the_copy_with_the_settings_serves(home, tmp_path, monkeypatch):
    config = tmp_path / "config"
    config.mkdir()
    monkeypatch.setenv("ZONGJI_CONFIG", str(config))
    home.plan.unlink()
    assert plans.load(home).code == "", "a new box has nothing to complain about"
    (config / "plan.json").write_text(json.dumps(plan_data(lines=1)))
    found = plans.load(home)
    assert (found.code, len(found.plan.lines)) == ("plan_damaged", 1)
    home.plan.write_text("torn")
    home.good_plan.write_text(json.dumps(plan_data(lines=2)))
    assert len(plans.load(home).plan.lines) == 2, "what is on the data disk is newer"


def test_a_good_plan_needs_no_words(home):
    found = plans.load(home)
    assert found.code == "" and len(found.plan.lines) == 2


def test_a_client_that_does_not_read_is_dropped_and_the_others_go_on(tmp_path):
    server = LineServer(
        tmp_path / "e.sock", lambda client, message: client.send(message), max_unsent_bytes=5000
    )
    try:
        with EngineClient(tmp_path / "e.sock") as slow, EngineClient(tmp_path / "e.sock") as quick:
            for client in (slow, quick):
                client.snapshot()
                assert client.receive(START_S) == {"cmd": "snapshot"}
            for n in range(2000):
                server.publish({"event": "live", "data": {"n": n, "padding": "x" * 1000}})
                assert quick.receive(START_S)["data"]["n"] == n
            assert server.clients == 1
    finally:
        server.close()
    assert not (tmp_path / "e.sock").exists()


def test_what_is_said_after_the_close_harms_no_other_file(tmp_path):
    clients = []
    server = LineServer(tmp_path / "e.sock", lambda client, message: clients.append(client))
    with EngineClient(tmp_path / "e.sock") as client:
        client.snapshot()
        while not clients:
            subprocess.run(["true"], check=True)
        server.close()
        files = [(tmp_path / str(n)).open("wb") for n in range(10)]  # the next numbers that are free
        clients[0].send({"event": "live", "data": {}})
        server.queue({"event": "live", "data": {}}, None)
        for file in files:
            file.close()
            assert (tmp_path / file.name).stat().st_size == 0


@pytest.mark.parametrize("closed", ["later", "from the start"])
def test_the_engine_goes_on_though_nobody_reads_its_log(home, closed):
    """The terminal it was started from has gone: lines to a closed stderr must not end it."""
    command = [ZONGJI, "engine", "--home", str(home.root), "--board", "sim:lines=2,phones=3"]
    if closed == "from the start":
        command = ["sh", "-c", 'exec "$@" >&- 2>&-', "sh", *command]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        if closed == "later":
            connect(home, process).close()
            process.stderr.close()
        with connect_when_up(home, process) as control:
            control.plan({"version": "none"})  # makes it complain
            assert wait_for(control, "notice")["code"] == "plan_refused"
            control.snapshot()
            wait_for(control, "live")
        process.send_signal(signal.SIGTERM)
        assert process.wait(START_S) == 0
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def connect_when_up(home, process):
    """A connection to an engine that says nothing."""
    deadline = time.monotonic() + START_S
    while True:
        try:
            return EngineClient(home.engine_socket)
        except PeerAway:
            assert process.poll() is None and time.monotonic() < deadline
            subprocess.run(["true"], check=True)
