"""Lines held by systemd: what is told to it by a real socket, and what the next process finds."""

import os
import socket
import subprocess
import sys
import threading

import pytest

from appliance.engine.keeper import PATIENCE_TICKS, SystemdKeeper

STARTED_ANEW = """
import os, sys
os.environ["LISTEN_PID"] = str(os.getpid())
from appliance import notify
from appliance.engine.keeper import SystemdKeeper
keeper = SystemdKeeper()
left = keeper.take("dahdi-3")
print(left.note, os.get_inheritable(left.fd), os.read(left.fd, 5).decode())
print(keeper.take("dahdi-3"), notify.take_descriptors())
print(sorted(name for name in os.environ if name.startswith("LISTEN")))
"""


class Systemd:
    """The end of the socket that systemd has: what was told, and the descriptors that it holds."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.setblocking(False)
        self.held = {}

    def hear(self):
        """Take what has been told since."""
        told = []
        while True:
            try:
                data, fds, _, _ = socket.recv_fds(self.socket, 1000, 4)
            except BlockingIOError:
                return told
            lines = dict(line.split("=", 1) for line in data.decode().splitlines())
            if "FDSTOREREMOVE" in lines:
                self.close(lines["FDNAME"])
            if "FDSTORE" in lines:
                assert lines["FDPOLL"] == "0"
                (self.held[lines["FDNAME"]],) = fds
            told.append(lines)

    def close(self, name):
        if name in self.held:
            os.close(self.held.pop(name))


@pytest.fixture
def systemd(tmp_path, monkeypatch):
    found = Systemd(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    yield found
    for name in list(found.held):
        found.close(name)
    found.socket.close()


@pytest.fixture
def line():
    """Something that can be read as long as a copy of it is open: (ours, the other end)."""
    ours, other = os.pipe()
    yield ours, other
    os.close(other)


def test_the_next_process_finds_the_line_and_its_note(systemd, line, tmp_path):
    ours, other = line
    SystemdKeeper().put("dahdi-3", ours, "shown +8613800138000")
    systemd.hear()
    os.close(ours)  # the engine is gone
    os.write(other, b"hello")
    (name,) = systemd.held
    held = systemd.held[name]
    environment = {**os.environ, "LISTEN_FDS": "1", "LISTEN_FDNAMES": name}
    as_third = ["bash", "-c", f'exec 3<&{held}; exec "$0" "$@"', sys.executable, "-c", STARTED_ANEW]
    done = subprocess.run(as_third, env=environment, pass_fds=[held], capture_output=True, text=True)
    assert done.stdout.splitlines() == ["shown +8613800138000 False hello", "None {}", "[]"], done.stderr
    # It has told systemd to let go: should it die too, nobody finds the line once more.
    systemd.hear()
    assert systemd.held == {}


def test_what_is_not_wanted_any_more_is_closed(systemd, line):
    keeper = SystemdKeeper()
    keeper.put("dahdi-3", line[0], "shown 1")
    keeper.put("dahdi-3", line[0], "shown 2")
    systemd.hear()
    assert list(systemd.held) == ["dahdi-3,shown%202"]
    keeper.drop("dahdi-3")
    keeper.drop("dahdi-4")
    systemd.hear()
    assert systemd.held == {}
    os.close(line[0])


def test_after_a_failure_what_is_held_stays_and_nothing_else_does(systemd, line):
    keeper = SystemdKeeper()
    keeper.put("dahdi-3", line[0], "shown 1")
    assert not keeper.leaves("dahdi-3")
    keeper.close(failing=True)
    assert keeper.leaves("dahdi-3")
    assert not keeper.leaves("dahdi-4")
    os.close(line[0])


def test_what_systemd_did_not_hear_is_told_again(systemd, line, monkeypatch):
    keeper = SystemdKeeper()
    keeper.put("dahdi-3", line[0], "shown 1")
    systemd.hear()
    listens = os.environ["NOTIFY_SOCKET"]
    monkeypatch.setenv("NOTIFY_SOCKET", listens + "-away")
    keeper.drop("dahdi-3")
    keeper.tick()
    monkeypatch.setenv("NOTIFY_SOCKET", listens)
    keeper.tick()
    systemd.hear()
    assert systemd.held == {}
    assert keeper.tick() is None
    assert systemd.hear() == []
    os.close(line[0])


def test_a_line_is_not_held_under_a_name_that_systemd_is_yet_to_forget(systemd, line, monkeypatch):
    keeper = SystemdKeeper()
    keeper.put("dahdi-3", line[0], "shown 1")
    listens = os.environ["NOTIFY_SOCKET"]
    monkeypatch.setenv("NOTIFY_SOCKET", listens + "-away")
    keeper.drop("dahdi-3")
    monkeypatch.setenv("NOTIFY_SOCKET", listens)
    keeper.put("dahdi-3", line[0], "shown 2")
    keeper.close(failing=True)
    assert not keeper.leaves("dahdi-3"), "it would go with the former name"
    os.close(line[0])


def test_a_line_that_no_card_takes_is_let_go_in_the_end(systemd, line, monkeypatch):
    monkeypatch.setattr("appliance.notify.take_descriptors", lambda: {"dahdi-3,shown%201": line[0]})
    keeper = SystemdKeeper()
    for _ in range(PATIENCE_TICKS):
        keeper.tick()
    assert systemd.hear() == []
    os.fstat(line[0])
    keeper.tick()
    assert_let_go(keeper, systemd, line)


def test_an_engine_that_is_asked_to_end_lets_go_what_no_card_has_taken(systemd, line, monkeypatch):
    monkeypatch.setattr("appliance.notify.take_descriptors", lambda: {"dahdi-3,shown%201": line[0]})
    keeper = SystemdKeeper()
    keeper.close(failing=False)
    assert_let_go(keeper, systemd, line)


def assert_let_go(keeper, systemd, line):
    assert [told["FDNAME"] for told in systemd.hear()] == ["dahdi-3,shown%201"]
    for thread in threading.enumerate():
        if thread.name == "closing dahdi-3":
            thread.join(10)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(line[0])
    assert keeper.take("dahdi-3") is None
