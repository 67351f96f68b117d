"""The real process on real sockets: killed, started twice, stopped."""

import os
import signal
import socket
import sqlite3
import threading
import time

import pytest
from control_bench import PATIENCE_S, output_of, record_event

from appliance.client import CallFailed, ControlClient, WireError

pytestmark = pytest.mark.process


def await_control(home, timeout_s=PATIENCE_S):
    """A client of control as soon as it answers and has its database."""
    client = ControlClient(home.control_socket, timeout_s=timeout_s)
    deadline = time.monotonic() + timeout_s
    pause = threading.Event()
    while True:
        try:
            if client.call("status")["database"]["ok"]:
                return client
        except WireError:
            assert time.monotonic() < deadline, "control did not start"
        pause.wait(0.02)


def test_control_killed_in_the_middle_of_records_loses_none(home, engine, start_control, store):
    first = start_control()
    engine.accept()
    for number in range(40):
        engine.send("record", record_event(f"c{number}")["data"])
    acknowledged = {engine.await_cmd("ack")["id"]}
    os.kill(first.pid, signal.SIGKILL)
    first.wait(PATIENCE_S)
    stored = {row["id"] for row in store.calls.search(limit=100)[0]}
    assert acknowledged <= stored, "acknowledged means committed"
    engine.disconnect()

    start_control()
    engine.accept()
    for number in range(40):
        engine.send("record", record_event(f"c{number}")["data"])
    for _ in range(40):
        acknowledged.add(engine.await_cmd("ack")["id"])
    assert acknowledged == {f"c{number}" for number in range(40)}
    assert store.calls.search()[1] == 40


def test_an_engine_that_restarts_is_found_again_and_gets_the_plan(home, engine, start_control, store):
    store.phones.put({"ext": "801", "port": "sim/0"})
    start_control()
    for _ in range(2):
        engine.accept()
        assert engine.await_cmd("plan")["plan"]["phones"][0]["ext"] == "801"
        engine.disconnect()


def test_pops_pass_in_order_with_the_name_of_the_customer(home, engine, start_control, store):
    for number in range(300):
        phones = [{"number": f"138{number:08d}", "label": ""}]
        store.customers.add({"name": f"Customer {number}", "phones": phones})
    start_control()
    engine.accept()
    client = await_control(home)
    stream = client.subscribe(idle_s=PATIENCE_S)
    for number in range(20):
        pop = {"agent": "1001", "call": f"p{number}", "number": f"0138{number:08d}", "phone": "801"}
        engine.send("pop", pop)
        heard = next(message for message in stream if message and message["event"] == "pop")
        assert heard["data"]["customer_name"] == f"Customer {number}"
    stream.close()


def test_while_the_database_is_locked_the_desk_works_and_records_wait(home, engine, start_control):
    start_control()
    engine.accept()
    client = await_control(home)
    other = sqlite3.connect(home.database, isolation_level=None)
    try:
        other.execute("BEGIN EXCLUSIVE")
        engine.send("record", record_event("c1")["data"])
        assert answered(client, engine) == {"error": "", "data": {}}
        engine.send("pop", {"agent": "1001", "call": "c2", "number": "13800138000"})
        stream = client.subscribe(idle_s=PATIENCE_S)
        assert next(m for m in stream if m and m["event"] == "pop")["data"]["call"] == "c2"
        stream.close()
    finally:
        other.execute("ROLLBACK")
        other.close()
    assert engine.await_cmd("ack")["id"] == "c1"


def answered(client, engine):
    """The answer to a wish of the desk. Control gives the engine two seconds: where we were not awake in
    time to play it, the wish is sent again."""
    answers = []
    deadline = time.monotonic() + PATIENCE_S

    def ask():
        while not answers and time.monotonic() < deadline:
            try:
                answers.append(client.call("desk", verb="ready", agent="1001", args={}))
            except CallFailed as error:
                assert error.code == "engine_away"

    asking = threading.Thread(target=ask)
    asking.start()
    while asking.is_alive():
        message = engine.receive(0.1)
        if message is not None and message["cmd"] == "desk":
            engine.send("reply", {"ref": message["ref"], "error": "", "data": {}})
    assert len(answers) == 1, "control did not answer"
    return answers[0]


def test_a_second_start_says_who_is_in_the_way(home, start_control):
    first = start_control()
    await_control(home)
    second = start_control()
    text = output_of(second)
    assert second.returncode == 2
    assert text.count("\n") == 1
    assert str(home.root) in text and f"process {first.pid}" in text


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_cleanly(home, engine, start_control, how):
    process = start_control()
    engine.accept()
    await_control(home)
    os.kill(process.pid, how)
    assert output_of(process) == ""
    assert process.returncode == 0
    assert not home.control_socket.exists()


def test_garbage_on_the_socket_ends_that_connection_only(home, start_control):
    start_control()
    client = await_control(home)
    with socket.socket(socket.AF_UNIX) as rude:
        rude.connect(str(home.control_socket))
        rude.sendall(b"\x00\xff not json\n")
        rude.settimeout(PATIENCE_S)
        assert rude.recv(10) == b""
    assert client.call("status")["database"]["ok"] is True
    with pytest.raises(CallFailed, match="no method"):
        client.call("nothing")


def test_a_data_folder_that_cannot_be_used_is_one_clear_message(home, start_control):
    home.control_socket.parent.rename(home.root / "elsewhere")
    home.run.write_text("a file where a folder should be")
    process = start_control()
    text = output_of(process)
    assert process.returncode == 2
    assert text.startswith("zongji control: ") and text.count("\n") == 1
