"""What the three processes tell systemd, heard on a socket that stands in for it."""

import os
import signal
import socket
import ssl
import subprocess
import sys
import urllib.request

import pytest

from image.box import certificate
from image.box.places import Places
from tests.appliance.running_box import ZONGJI
from tests.appliance.supervisor import WAIT_S, Supervisor
from tests.ports import free_port

pytestmark = pytest.mark.process


@pytest.fixture
def supervisor(tmp_path):
    made = Supervisor(tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("words", "status"),
    [(("engine",), "ports"), (("control",), "control.sock")],
    ids=["engine", "control"],
)
def test_a_process_tells_that_it_is_ready_alive_and_stopping(supervisor, words, status):
    process = supervisor.start(*words)
    assert status in supervisor.hear("READY=1")
    supervisor.hear("WATCHDOG=1")
    supervisor.hear("WATCHDOG=1")
    process.send_signal(signal.SIGSTOP)
    os.waitpid(process.pid, os.WUNTRACED)  # until it stands still: what it said before is passed over
    assert supervisor.silence(1.0), "a stopped process must not seem alive"
    process.send_signal(signal.SIGCONT)
    supervisor.hear("WATCHDOG=1")
    process.terminate()
    supervisor.hear("STOPPING=1")
    assert process.wait(WAIT_S) == 0


@pytest.fixture
def tls(tmp_path):
    places = Places(tmp_path / "box")
    certificate.make(places, "zongji", ["192.168.7.9/24"], group=None)
    return places


def test_pages_are_ready_when_they_are_served_over_https(supervisor, tls):
    port = free_port()
    options = ("--cert", str(tls.certificate), "--key", str(tls.key), "--port", str(port))
    process = supervisor.start("web", *options, watchdog_ms=4000)
    assert "serving" in supervisor.hear("READY=1")
    trusting = ssl.create_default_context(cafile=str(tls.certificate))
    with urllib.request.urlopen(
        f"https://localhost:{port}/claim", context=trusting, timeout=WAIT_S
    ) as answer:
        cookie = answer.headers["Set-Cookie"]
        assert answer.status == 200
        assert "Strict-Transport-Security" not in answer.headers, (
            "nobody could get past a renewed certificate"
        )
    assert "Secure" in cookie and "HttpOnly" in cookie
    with pytest.raises(OSError):
        urllib.request.urlopen(f"http://localhost:{port}/claim", timeout=WAIT_S)
    supervisor.hear("WATCHDOG=1")
    process.terminate()
    assert process.wait(WAIT_S) == 0


def test_pages_take_the_socket_that_systemd_listens_on(supervisor, tls, tmp_path):
    """Visitors wait in the socket while the pages are started anew; none is refused."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    words = [ZONGJI, "web", "--cert", str(tls.certificate), "--key", str(tls.key)]
    # The child's own id has to stand in LISTEN_PID, which it knows only itself.
    launch = (
        "import os, sys; os.dup2(int(sys.argv[1]), 3); os.set_inheritable(3, True); "
        "os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid())); os.execv(sys.argv[2], sys.argv[2:])"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", launch, str(listener.fileno()), *words],
        env=os.environ | {"ZONGJI_HOME": str(tmp_path / "home")},
        pass_fds=[listener.fileno()],
        stderr=subprocess.DEVNULL,
    )
    try:
        trusting = ssl.create_default_context(cafile=str(tls.certificate))
        with urllib.request.urlopen(
            f"https://127.0.0.1:{port}/health", context=trusting, timeout=WAIT_S
        ) as answer:
            assert b'"web":"ok"' in answer.read().replace(b" ", b"")
    finally:
        process.terminate()
        process.wait(WAIT_S)
        listener.close()
