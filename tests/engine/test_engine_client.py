"""JSON lines over Unix sockets: what callers see when all is well, and when the other side is away."""

import contextlib
import socket
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.client import (
    CallFailed,
    Connection,
    ControlClient,
    EngineClient,
    LineReader,
    PeerAway,
    WireError,
    encode,
    listen,
)


class Server:
    """Answers each connection with `answer(connection)` in a thread of its own."""

    def __init__(self, path, answer):
        self.listener = listen(path)
        self.answer = answer
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()

    def _serve(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            with Connection(sock, "the client") as connection, contextlib.suppress(PeerAway):
                self.answer(connection)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()


def test_call_returns_the_result(tmp_path):
    def answer(connection):
        request = connection.receive(5)
        connection.send({"id": 0, "result": "of somebody else"})
        connection.send({"id": request["id"], "result": [request["method"], request["params"]]})

    with Server(tmp_path / "c.sock", answer):
        assert ControlClient(tmp_path / "c.sock").call("status", a=1) == ["status", {"a": 1}]


def test_error_of_the_other_side_has_code_and_text(tmp_path):
    def answer(connection):
        request = connection.receive(5)
        connection.send({"id": request["id"], "error": {"code": "busy", "message": "the line is busy"}})

    with Server(tmp_path / "c.sock", answer), pytest.raises(CallFailed, match="the line is busy") as caught:
        ControlClient(tmp_path / "c.sock").call("desk")
    assert caught.value.code == "busy"


def test_nobody_there_says_so_and_what_to_do(tmp_path):
    with pytest.raises(PeerAway, match=r"control is not running.*start it"):
        ControlClient(tmp_path / "c.sock").call("status")
    with pytest.raises(PeerAway, match="the engine is not running"):
        EngineClient(tmp_path / "e.sock")


def test_silence_ends_in_a_clear_error(tmp_path):
    gone = threading.Event()
    with (
        Server(tmp_path / "c.sock", lambda connection: gone.wait(5)),
        pytest.raises(PeerAway, match="no answer to 'status' within"),
    ):
        try:
            ControlClient(tmp_path / "c.sock", timeout_s=0.05).call("status")
        finally:
            gone.set()


def test_stream_gives_events_and_idle_moments_then_ends(tmp_path):
    go_on = threading.Event()

    def answer(connection):
        connection.send({"id": connection.receive(5)["id"], "result": {}})
        connection.send({"event": "live", "data": {"now": 1}})
        go_on.wait(5)

    with Server(tmp_path / "c.sock", answer):
        stream = ControlClient(tmp_path / "c.sock").subscribe(idle_s=0.05)
        assert next(filter(None, stream)) == {"event": "live", "data": {"now": 1}}
        assert next(stream) is None
        go_on.set()
        with pytest.raises(PeerAway):
            for _ in stream:
                pass


def test_second_listener_is_refused_and_a_dead_socket_replaced(tmp_path):
    path = tmp_path / "e.sock"
    first = listen(path)
    with pytest.raises(WireError, match="already listens"):
        listen(path)
    first.close()
    second = listen(path)
    second.close()


def test_long_paths_work(tmp_path):
    folder = tmp_path / ("x" * 120)
    folder.mkdir()
    with Server(folder / "c.sock", lambda c: c.send({"id": c.receive(5)["id"], "result": 1})):
        assert ControlClient(folder / "c.sock").call("status") == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@settings(max_examples=40)
@given(st.lists(st.dictionaries(st.text(), JSON), max_size=5), st.integers(1, 40))
def test_messages_survive_any_cutting(messages, step):
    stream = b"".join(encode(message) for message in messages)
    reader = LineReader()
    found = []
    for at in range(0, len(stream), step):
        found += reader.feed(stream[at : at + step])
    assert found == messages


@pytest.mark.parametrize("garbage", [b"{]\n", b"[1]\n", b"\xff\xfe\n", b"x" * (9 << 20)])
def test_garbage_is_a_wire_error(garbage):
    with pytest.raises(WireError):
        LineReader().feed(garbage)
