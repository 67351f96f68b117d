"""How soon a process of the box that died or hung does its work again, on this machine."""

from __future__ import annotations

import re
import tempfile
import time
from pathlib import Path

from tests.appliance.supervisor import Supervisor
from tests.ports import free_port

UNITS = Path(__file__).parents[2] / "image" / "rootfs" / "usr" / "lib" / "systemd" / "system"


def unit_s(name: str, setting: str) -> float:
    """A time of a unit, in seconds."""
    text = (UNITS / f"zongji-{name}.service").read_text(encoding="utf-8")
    found = re.search(rf"^{setting}=([\d.]+)(ms|s)?$", text, re.MULTILINE)
    if found is None:
        raise ValueError(f"zongji-{name}.service has no {setting} in seconds or milliseconds")
    return float(found[1]) / (1000 if found[2] == "ms" else 1)


def killed_to_ready() -> None:
    """Each process killed beside the others, and how long its start took; with the times of its unit."""
    processes = {"control": (), "engine": (), "web": ("--port", str(free_port()))}
    with tempfile.TemporaryDirectory() as root:
        supervisor = Supervisor(Path(root))
        try:
            running = {}
            for name, words in processes.items():
                running[name] = supervisor.start(name, *words)
                supervisor.hear("READY=1")
            for name, words in processes.items():
                running[name].kill()
                running[name].wait()
                begin_s = time.monotonic()
                supervisor.start(name, *words)
                supervisor.hear("READY=1")
                start_s = time.monotonic() - begin_s
                again_s = unit_s(name, "RestartSec") + start_s
                print(
                    f"  {name:8s} start to ready {start_s:5.2f} s; killed to ready {again_s:5.2f} s; "
                    f"hung to ready about {unit_s(name, 'WatchdogSec') + again_s:5.2f} s (target 10 s)"
                )
        finally:
            supervisor.close()
