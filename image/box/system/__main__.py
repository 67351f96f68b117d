"""The system daemon as a process."""

from __future__ import annotations

import logging
import signal
import threading
import time
from types import FrameType

from appliance import notify
from appliance.logs import set_up
from image.box.places import Places
from image.box.system.daemon import Daemon
from image.box.system.server import Server

log = logging.getLogger(__name__)

ROOT, CONTROL = 0, 902
GROUP = 900
TICK_S = 1.0
LONGEST_TICK_S = 120.0
"""A tick runs programs, each with its own limit; one that takes longer than this is hung."""


def main() -> None:
    """Serve until SIGTERM."""
    set_up("system")
    daemon = Daemon(Places())
    server = Server(Places().socket, daemon.handle, frozenset({ROOT, CONTROL}), GROUP)
    stopping = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        stopping.set()

    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, stop)
    daemon.start()
    began = [time.monotonic()]

    def work() -> None:
        while not stopping.is_set():
            began[0] = time.monotonic()
            daemon.tick()
            stopping.wait(TICK_S)

    worker = threading.Thread(target=work, name="tick", daemon=True)
    worker.start()
    threading.Thread(target=server.serve, name="server", daemon=True).start()
    notify.ready("listening")
    watchdog = notify.Watchdog()
    while not stopping.wait(TICK_S):
        if worker.is_alive() and time.monotonic() - began[0] < LONGEST_TICK_S:
            watchdog.beat()
    notify.stopping()
    server.close()
    daemon.stop()


if __name__ == "__main__":
    main()
