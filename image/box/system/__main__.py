"""The system daemon as a process."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable
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


class Ticker(threading.Thread):
    """Does one thing once a second, until told to stop."""

    def __init__(self, name: str, tick: Callable[[], None], stopping: threading.Event) -> None:
        super().__init__(name=name, daemon=True)
        self._tick = tick
        self._stopping = stopping
        self._began = time.monotonic()

    def run(self) -> None:
        """The thread."""
        while not self._stopping.is_set():
            self._began = time.monotonic()
            self._tick()
            self._stopping.wait(TICK_S)

    def works(self) -> bool:
        """Neither dead nor hung."""
        return self.is_alive() and time.monotonic() - self._began < LONGEST_TICK_S


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
    tickers = [
        Ticker("network", daemon.tick_network, stopping),
        Ticker("tick", daemon.tick, stopping),
    ]
    for ticker in tickers:
        ticker.start()
    threading.Thread(target=server.serve, name="server", daemon=True).start()
    watchdog = notify.Watchdog()
    watchdog.ready("listening")
    while not stopping.wait(TICK_S):
        if all(ticker.works() for ticker in tickers):
            watchdog.beat()
    notify.stopping()
    server.close()
    daemon.stop()


if __name__ == "__main__":
    main()
