"""The engine as a process: lock, log, sockets and the loop that paces it."""

from __future__ import annotations

import fcntl
import logging
import logging.handlers
import os
import queue
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from appliance import notify
from appliance.client import Message, WireError
from appliance.engine import pace, plans
from appliance.engine.engine import CardsLost, Engine
from appliance.engine.finder import Finder, NoWatcher
from appliance.engine.keeper import SystemdKeeper
from appliance.engine.line_server import Client, LineServer
from appliance.engine.office_gate import OfficeGate
from appliance.engine.reasons import reason_text
from appliance.engine.tonehelper import ToneHelper
from appliance.logs import handler_for
from appliance.paths import Home
from board.api import Board, BoardError
from board.hotplug import Inventory, udev
from board.keep import Keeper
from board.registry import KEEPING, open_board
from board.sim import SimBoard
from board.sim.pace import WallPace

log = logging.getLogger(__name__)

AUTO = "auto"
"""Given as an address: all cards that are plugged in, now and later."""
SPARE_PORTS = 64
"""Rows for cards that are plugged in while the engine runs, and for each still being opened at its start."""
MOST_BEHIND_S = 0.1
"""Without a card there is no sound to catch up with: more than this is left out."""


class StartError(Exception):
    """The engine cannot start; the text says what to do."""


@dataclass(frozen=True)
class Settings:
    """What the command line gives."""

    home: Home
    boards: tuple[str, ...] = ("sim:",)
    sim_config: dict[str, Any] | None = None
    realtime: bool = False


class Lock:
    """One engine per data directory. The kernel drops it with the process, however that ends."""

    def __init__(self, path: Path) -> None:
        """Raises StartError when another engine holds it."""
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            pid = os.pread(self._fd, 20, 0).decode("ascii", "replace").strip()
            os.close(self._fd)
            raise StartError(
                f"an engine already runs on {path.parent.parent} (process {pid or 'unknown'}): "
                "stop it first, or give this one its own data directory with --home"
            ) from error
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let the next engine start."""
        os.close(self._fd)


def log_from_helper(level: int = logging.INFO) -> logging.handlers.QueueListener:
    """Send all logging through a helper thread: a stuck terminal or journal must not stop the tick.

    The caller stops the listener at the end.
    """
    lines: queue.SimpleQueue[Any] = queue.SimpleQueue()
    listener = logging.handlers.QueueListener(lines, handler_for("engine"))
    root = logging.getLogger()
    root.handlers[:] = [logging.handlers.QueueHandler(lines)]
    root.setLevel(level)
    listener.start()
    return listener


def opener(keeper: Keeper | None) -> Callable[..., Board]:
    """`open_board`, which lets cards that can do so leave their lines with `keeper`."""

    def open_(address: str, **options: Any) -> Board:
        if keeper is not None and address.partition(":")[0] in KEEPING:
            options["keeper"] = keeper
        return open_board(address, **options)

    return open_


def open_boards(settings: Settings, open_: Callable[..., Board]) -> list[Board]:
    """The cards given by address, at the pace of real time. Raises StartError."""
    boards: list[Board] = []
    try:
        for address in settings.boards:
            if address == AUTO:
                continue
            options: dict[str, Any] = {}
            if address.partition(":")[0] == "sim":
                options = {"pace": "wall", "config": settings.sim_config}
            boards.append(open_(address, **options))
    except BoardError as error:
        for board in boards:
            board.close()
        raise StartError(str(error)) from error
    return boards


def find_boards(settings: Settings, keeper: Keeper | None = None) -> tuple[list[Board], Finder]:
    """All cards to begin with, and who looks after them from then on. Raises StartError."""
    open_ = opener(keeper)
    boards = open_boards(settings, open_)
    addresses = [address for address in settings.boards if address != AUTO]
    auto = len(addresses) < len(settings.boards)
    try:
        watcher = udev.Monitor() if auto else NoWatcher()
        finder = Finder(watcher, Inventory(udev.driver_state), open_, threaded=True)
    except BoardError as error:
        for board in boards:
            board.close()
        raise StartError(str(error)) from error
    for address, board in zip(addresses, boards, strict=True):
        finder.adopt(address, board.id)
    boards += finder.first()
    return boards, finder


def no_cards(finder: Finder) -> str:
    """What to tell when no card can be used."""
    seen = [f"{row['model'] or row['name']}: {row['problem']}" for row in finder.state() if row["problem"]]
    if seen:
        return "no line card can be used: " + "; ".join(seen)
    return (
        "no line card was found: plug one in and it is used at once "
        "(`zongji board list` shows what is seen; --board sim: is the simulated office)"
    )


class Metronome:
    """Ticks of real time while no card gives any. After a time with cards it begins anew."""

    def __init__(self) -> None:
        self._pace = WallPace(buffer_s=MOST_BEHIND_S)
        self._last_s = 0.0

    def wait(self) -> int:
        """Until the next tick is due; samples of time that are left out because the machine was busy."""
        now_s = time.monotonic()
        if now_s - self._last_s > 1.0:
            self._pace = WallPace(buffer_s=MOST_BEHIND_S)
        self._last_s = now_s
        return self._pace.wait()


class Process:
    """Everything around one engine."""

    def __init__(self, settings: Settings) -> None:
        """Open cards and sockets. Raises StartError with one clear sentence."""
        self._settings = settings
        self._stop = ""
        home = settings.home
        # Before any other process begins, which would inherit the lines.
        self._keeper = SystemdKeeper() if notify.supervised() else None
        try:
            home.create()
            self._lock = Lock(home.run / "engine.lock")
        except OSError as error:
            raise StartError(f"cannot use the data directory {home.root}: {reason_text(error)}") from error
        self._tones = ToneHelper()
        self._gate: OfficeGate | None = None
        self._server: LineServer | None = None
        try:
            self._open_all(home)
        except StartError:
            self._lock.release()
            raise

    def _open_all(self, home: Home) -> None:
        found = plans.load(home)
        boards, self._finder = find_boards(self._settings, self._keeper)
        self.engine = Engine(
            boards,
            home,
            found.plan,
            time.time,
            self._publish,
            threaded=True,
            spare_ports=SPARE_PORTS * (1 + self._finder.opening),
            without_cards=Metronome().wait,
            on_lost=self._finder.lost,
            hardware=self._finder.state,
            study=self._tones.study,
        )
        self.engine.stopwatch.beats = True
        if not boards and not self._finder.opening:
            self.engine.notice("no_cards", {"reason": no_cards(self._finder)}, "error")
        if found.code:
            self.engine.notice(found.code, found.data, "error")
        try:
            self._server = LineServer(home.engine_socket, self._message, self._open)
            self._gate = self._office_gate(boards)
            self._finder.start(self.engine.shelf.offer)
        except WireError as error:
            if self._server is not None:
                self._server.close()
            self._finder.close()
            self.engine.close()
            raise StartError(str(error)) from error

    def run(self) -> int:
        """Ticks until told to stop; returns the exit status."""
        previous = {one: signal.signal(one, self._signal) for one in (signal.SIGTERM, signal.SIGINT)}
        pace.hurry_threads()
        realtime = pace.RealTime()
        if self._settings.realtime:
            log.info("real-time scheduling: %s", realtime.begin() or "on")
        rubbish = pace.Rubbish()
        ports = len(self.engine.table)
        cards = ", ".join(board.id for board in self.engine.boards) or "no card"
        log.info("engine runs: %d ports on %s", ports, cards)
        status = 0
        try:
            self._loop(rubbish, realtime)
        except CardsLost as error:
            log.error("%s", error)
            status = 1
        finally:
            log.info("engine stops: %s", self._stop or "failure")
            if self._stop:
                notify.stopping()
            self.close()
            rubbish.close()
            for one, handler in previous.items():
                signal.signal(one, handler)
        return status

    def close(self) -> None:
        """Close recordings, keep records, remove sockets, release cards and lock.

        After a failure, lines in a call are left to the next engine.
        """
        if self._keeper is not None:
            self._keeper.close(failing=not self._stop)
        if self._gate is not None:
            self._gate.close()
        self._finder.close()
        self.engine.close()
        self._tones.close()
        if self._server is not None:
            self._server.close()
        self._lock.release()

    def _loop(self, rubbish: pace.Rubbish, realtime: pace.RealTime) -> None:
        engine, gate = self.engine, self._gate
        watchdog, first = notify.Watchdog(), True
        while not self._stop:
            engine.run_tick()
            watchdog.beat()
            if self._keeper is not None:
                self._keeper.tick()
            if first:
                watchdog.ready(f"{len(engine.table)} ports")
                first = False
            if gate is not None:
                gate.tick()
            if engine.stopwatch.ticks % pace.WINDOW == 0:
                realtime.look()
            rubbish.tick_done(engine.idle, engine.stopwatch.left_s())

    def _signal(self, number: int, frame: FrameType | None) -> None:
        self._stop = signal.Signals(number).name

    # -------------------------------------------------------------- sockets
    def _publish(self, topic: str, data: Message) -> bool:
        if self._server is None or not self._server.clients:
            return False
        self._server.publish({"event": topic, "data": data})
        return True

    def _message(self, client: Client, message: Message) -> None:
        self.engine.command(message)

    def _open(self, client: Client) -> None:
        self.engine.connected()

    def _office_gate(self, boards: Sequence[Board]) -> OfficeGate | None:
        for board in boards:
            if isinstance(board, SimBoard):
                return OfficeGate(self._settings.home.office_socket, board.office, self.engine.table)
        return None


def run(settings: Settings) -> int:
    """The whole life of the engine process; returns the exit status. Raises StartError."""
    listener = log_from_helper()
    try:
        return Process(settings).run()
    finally:
        listener.stop()
