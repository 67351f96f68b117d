"""A box as `make run` starts it: real processes on a data directory and port of their own."""

import contextlib
import os
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

from appliance.client import PeerAway
from tests.ports import free_port

ZONGJI = Path(sys.executable).with_name("zongji")
PATIENCE_S = 60.0


def processes_of(home: Path) -> dict[str, int]:
    """Name -> pid of every process that works on this data directory."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            if any(str(home) in word for word in words):
                names = {"engine": "engine", "control": "control", "web": "web", "welcome": "welcome"}
                names["run"] = "relay"  # what `zongji run` leaves beside supervisord
                name = next((names[word] for word in words if word in names), "supervisord")
                if name == "web" and "web" in found:  # the server's own worker
                    name = f"web worker {entry.name}"
                found[name] = int(entry.name)
    return found


def until(condition, what, patience_s=PATIENCE_S):
    """Wait for a condition that other processes bring about; each look is a round trip to them."""
    deadline = time.monotonic() + patience_s
    while True:
        try:
            result = condition()
        except PeerAway:
            result = None
        if result:
            return result
        assert time.monotonic() < deadline, f"never happened: {what}"
        subprocess.run(["true"], check=True)


def finished(result):
    """What a search for calls found, once the newest has ended."""
    rows, total = result
    return (rows, total) if total and rows[0].get("ended_at") else None


class Box:
    """`zongji run` in a process group of its own; what it prints is read as it comes."""

    def __init__(self, home: Path, port: int | None = None, *more: str):
        self.home, self.port = home, port or free_port()
        command = [ZONGJI, "run", "--home", str(home), "--port", str(self.port), *more]
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        self.printed = ""

    def wait_printed(self, pattern: str, patience_s: float = PATIENCE_S) -> re.Match:
        """Read until `pattern` has been printed."""
        deadline = time.monotonic() + patience_s
        while not (match := re.search(pattern, self.printed)):
            left = deadline - time.monotonic()
            ready, _, _ = select.select([self.process.stdout], [], [], max(left, 0))
            data = os.read(self.process.stdout.fileno(), 65536) if ready else b""
            if not data:
                raise AssertionError(f"not printed: {pattern}\n--- printed ---\n{self.printed}")
            self.printed += data.decode(errors="replace")
        return match

    def interrupt(self) -> int:
        """Ctrl-C: the whole foreground group is interrupted, as a terminal does it."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.finish()

    def finish(self) -> int:
        rest, _ = self.process.communicate(timeout=PATIENCE_S)
        self.printed += rest.decode(errors="replace")
        return self.process.returncode

    def kill(self, name: str) -> int:
        """Kill one of the processes the hard way; returns the pid it had."""
        pid = processes_of(self.home)[name]
        os.kill(pid, signal.SIGKILL)
        return pid

    def clean_up(self) -> None:
        """Whatever happened: nothing is left behind."""
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.finish()
        for pid in processes_of(self.home).values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.stdout.close()
        self.process.wait()
