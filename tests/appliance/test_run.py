"""`make run` as a newcomer meets it: one command, three processes, Ctrl-C."""

import os
import signal
import subprocess
import urllib.request

import numpy as np
import pytest

from appliance.client import ControlClient, OfficeClient
from appliance.paths import Home
from appliance.store import open_store
from tests.appliance.running_box import PATIENCE_S, ZONGJI, finished, processes_of, until
from tests.ports import free_port

pytestmark = pytest.mark.process


def test_prints_address_and_code_and_ctrl_c_ends_everything(start):
    box = start()
    address = box.wait_printed(r"ready:\s+(http://\S+)\s")[1]
    code = box.wait_printed(r"Claim code[^:]*:\s+(\d+)\s")[1]
    with urllib.request.urlopen(address) as page:
        assert page.status == 200
    assert len(code) >= 6
    assert {"engine", "control", "web"} <= set(processes_of(box.home))
    assert box.interrupt() == 0
    assert processes_of(box.home) == {}
    assert "Traceback" not in box.printed
    assert "SIGKILL" not in box.printed
    assert not list((box.home / "run").glob("*.sock"))

    again = start()
    assert again.wait_printed(r"Claim code[^:]*:\s+(\d+)\s")[1] == code
    assert again.interrupt() == 0


def test_second_start_is_refused_with_one_sentence(box):
    for arguments, sentence in (
        (["--home", str(box.home), "--port", str(free_port())], "already running"),
        (["--home", str(box.home.parent / "other"), "--port", str(box.port)], "--port"),
    ):
        second = subprocess.run(
            [ZONGJI, "run", *arguments], capture_output=True, text=True, timeout=PATIENCE_S
        )
        assert second.returncode == 2
        assert sentence in second.stderr
        assert second.stderr.count("\n") == 1
    for part in ("engine", "control"):
        second = subprocess.run(
            [ZONGJI, part, "--home", str(box.home)], capture_output=True, text=True, timeout=PATIENCE_S
        )
        assert second.returncode == 2, second.stderr
        assert "already" in second.stderr
        assert "Traceback" not in second.stderr


def test_a_killed_process_comes_back(box):
    control = ControlClient(Home(box.home).control_socket)
    for name in ("web", "control", "engine"):
        pid = box.kill(name)
        until(lambda name=name, pid=pid: processes_of(box.home).get(name, pid) != pid, f"{name} is back")
        until(lambda: control.call("status")["engine"]["up"], "control sees the engine")
        until(lambda: answers(f"http://127.0.0.1:{box.port}/"), "the pages answer")
    assert box.interrupt() == 0
    assert "Traceback" not in box.printed


def test_the_box_goes_on_when_the_terminal_that_shows_it_has_gone(box):
    box.process.stdout.close()
    old = box.kill("web")
    until(lambda: processes_of(box.home).get("web", old) != old, "web started again, which prints a line")
    until(lambda: answers(f"http://127.0.0.1:{box.port}/"), "the pages answer")
    os.killpg(box.process.pid, signal.SIGINT)
    box.process.wait(PATIENCE_S)
    until(lambda: processes_of(box.home) == {}, "everything has ended")


def test_nothing_is_left_behind_when_the_supervisor_is_killed(box):
    box.kill("supervisord")
    until(lambda: processes_of(box.home) == {}, "everything has ended")


def answers(address):
    try:
        with urllib.request.urlopen(address, timeout=5) as page:
            return page.status == 200
    except OSError:
        return False


def test_a_call_goes_on_while_web_and_control_are_dead(box):
    home = Home(box.home)
    control = ControlClient(home.control_socket)
    until(lambda: control.call("snapshot")["lines"], "the engine has its plan")
    with OfficeClient(home.office_socket, "caller:Anna") as caller:
        caller.do("call", line="L1", number="13912345678", name="", callerid="fsk")
        until(lambda: state_of(caller) == "talking", "the box answers")
        box.kill("web")
        old = box.kill("control")
        loudness = sum(int(block.sum()) for block in heard(caller, 100))
        assert loudness > 1_000_000, "the greeting goes on"
        until(lambda: processes_of(box.home).get("control", old) != old, "control started again")
        caller.do("hang_up")
        store = open_store(home.database)
        rows, _ = until(lambda: finished(store.calls.search(number="13912345678")), "the record arrives")
    assert rows[0]["end_reason"] == "abandoned_ivr"
    assert (home.root / rows[0]["recording"]).stat().st_size > 8000


def test_a_call_in_which_the_engine_is_killed_is_in_the_list_with_its_recording(box):
    home = Home(box.home)
    control = ControlClient(home.control_socket)
    until(lambda: control.call("snapshot")["lines"], "the engine has its plan")
    with OfficeClient(home.office_socket, "caller:Anna") as caller:
        caller.do("call", line="L1", number="13912345678", name="", callerid="fsk")
        until(lambda: state_of(caller) == "talking", "the box answers")
        assert sum(int(block.sum()) for block in heard(caller, 120)) > 1_000_000
        box.kill("engine")
    store = open_store(home.database)
    rows, _ = until(lambda: finished(store.calls.search(number="13912345678")), "the record arrives")
    assert rows[0]["end_reason"] == "error" and "stopped" in rows[0]["detail"]
    assert rows[0]["recording_s"] >= 1.0
    assert (home.root / rows[0]["recording"]).stat().st_size == 44 + 2 * rows[0]["recording_s"] * 8000
    until(lambda: not list(home.spool.iterdir()), "control has taken everything over")


def state_of(client):
    message = client.receive(timeout_s=1.0)
    if message and "state" in message:
        state = message["state"]
        return state if isinstance(state, str) else state.get("state")
    return None


def heard(client, blocks):
    """Absolute sample values of the next blocks of sound."""
    while blocks:
        message = client.receive(timeout_s=5.0)
        if message and "audio" in message:
            blocks -= 1
            yield np.abs(np.frombuffer(message["audio"], "<i2").astype(int))
