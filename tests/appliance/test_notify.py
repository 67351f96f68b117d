"""Signs of life never hold up the loop that gives them."""

import socket
import time

import pytest

from appliance import notify


@pytest.fixture
def deaf(tmp_path, monkeypatch):
    """A systemd that does not read: its queue is full."""
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(path))
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as filler:
            filler.setblocking(False)
            with pytest.raises(BlockingIOError):
                while True:
                    filler.sendto(b"WATCHDOG=1", str(path))
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        yield listener


def test_a_systemd_that_does_not_read_holds_nobody_up(deaf):
    began = time.thread_time()
    notify.Watchdog(timeout=1.0).beat()  # would never return
    assert not notify.ready("64 ports", patience_s=0.0), "to be told again"
    assert time.thread_time() - began < 1.0
    while deaf.recv(100) != b"WATCHDOG=1" or _waiting(deaf):
        pass
    assert notify.ready("64 ports", patience_s=0.0)
    assert deaf.recv(100) == b"READY=1\nSTATUS=64 ports"


def test_readiness_that_systemd_did_not_take_is_told_by_the_next_signs_of_life(deaf):
    watchdog = notify.Watchdog(timeout=1000.0)
    watchdog.ready("64 ports")
    watchdog.beat()
    while _waiting(deaf):
        assert deaf.recv(100) == b"WATCHDOG=1"
    for _ in range(3):
        watchdog.beat()
    assert deaf.recv(100) == b"READY=1\nSTATUS=64 ports"
    assert not _waiting(deaf), "once"


def _waiting(listener):
    listener.setblocking(False)
    try:
        return bool(listener.recv(100, socket.MSG_PEEK))
    except BlockingIOError:
        return False
    finally:
        listener.setblocking(True)


def test_a_socket_that_is_gone_or_none_is_no_trouble(monkeypatch, tmp_path):
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "none"))
    assert not notify.ready()
    monkeypatch.delenv("NOTIFY_SOCKET")
    assert notify.ready()
