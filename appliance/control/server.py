"""Control's shell: the two sockets, the threads for work, the clock. All decisions are in `Control`."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import signal
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

from appliance import notify
from appliance.client import LineReader, WireError, encode, listen
from appliance.control.control import Control
from appliance.control.effects import Effect, Stream, ToClient, ToEngine, Work
from appliance.paths import Home
from appliance.store.numbers import load_areas

log = logging.getLogger(__name__)

RECONNECT_S = 0.5
READ_BYTES = 1 << 16
MAX_UNREAD_BYTES = 8 << 20
"""A client that lets this much pile up is disconnected; it may come back."""
UNWATCHED_S = 10.0
"""Between signs of life for which nobody waits."""


class AlreadyRunning(Exception):
    """Another control works on this data directory; the text says which and what to do."""


@contextmanager
def only_one(home: Home) -> Iterator[None]:
    """Hold the lock file of this data directory. Raises AlreadyRunning."""
    path = home.run / "control.lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(descriptor, 32).decode("ascii", "replace").strip() or "unknown"
            raise AlreadyRunning(
                f"control already runs on {home.root} (process {owner}); stop it first, or use another --home"
            ) from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(descriptor)


class Server:
    """Runs one `Control` until `stop` is called."""

    def __init__(self, home: Home, control: Control) -> None:
        self._home = home
        self._control = control
        self._clients: dict[int, asyncio.StreamWriter] = {}
        self._last_client = 0
        self._engine: asyncio.StreamWriter | None = None
        self._lanes: dict[str, ThreadPoolExecutor] = {}
        self._stopping = asyncio.Event()
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    def stop(self) -> None:
        """End `run`."""
        self._stopping.set()
        self._wake.set()

    async def run(self) -> None:
        """Serve until `stop`. Raises WireError when control.sock cannot be listened on."""
        listener = listen(self._home.control_socket)
        server = await asyncio.start_unix_server(self._serve, sock=listener, limit=READ_BYTES)
        link = asyncio.create_task(self._engine_link())
        clock = asyncio.create_task(self._clock())
        alive = asyncio.create_task(_signs_of_life(f"listening on {self._home.control_socket.name}"))
        stopped = asyncio.create_task(self._stopping.wait())
        try:
            done, _ = await asyncio.wait({link, clock, alive, stopped}, return_when=asyncio.FIRST_COMPLETED)
            for task in done - {stopped}:
                task.result()  # none ever ends by itself: what ended it goes up
            notify.stopping()
        finally:
            server.close()
            self._home.control_socket.unlink(missing_ok=True)
            running = (link, clock, alive, stopped, *self._tasks)
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            for writer in [*self._clients.values(), *([self._engine] if self._engine else [])]:
                writer.transport.abort()
            for lane in self._lanes.values():
                lane.shutdown(wait=True, cancel_futures=True)
            self._control.close()

    # --------------------------------------------------------------- the loops
    async def _clock(self) -> None:
        while not self._stopping.is_set():
            self._carry_out(self._control.tick(time.monotonic()))
            self._wake.clear()
            wait_s = max(0.0, self._control.due(time.monotonic()) - time.monotonic())
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._wake.wait()

    async def _engine_link(self) -> None:
        while True:
            try:
                reader, writer = await _connect(self._home.engine_socket)
            except OSError as error:
                why = f"the call engine is not running ({error.strerror or error}); it is tried all the time"
                self._carry_out(self._control.engine_down(why, time.monotonic()))
            else:
                why = "the call engine has gone; it is tried again all the time"
                try:
                    self._engine = writer
                    log.info("connected to the engine")
                    self._carry_out(self._control.engine_up(time.monotonic()))
                    await self._hear_engine(reader)
                except (OSError, WireError) as error:
                    why = f"the connection to the call engine broke: {error}"
                finally:
                    self._engine = None
                    writer.transport.abort()
                log.warning("%s", why)
                self._carry_out(self._control.engine_down(why, time.monotonic()))
            await asyncio.sleep(RECONNECT_S)

    async def _hear_engine(self, reader: asyncio.StreamReader) -> None:
        lines = LineReader()
        while data := await reader.read(READ_BYTES):
            for message in lines.feed(data):
                self._carry_out(self._control.from_engine(message, time.monotonic()))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._last_client += 1
        client = self._last_client
        self._clients[client] = writer
        lines = LineReader()
        try:
            while data := await reader.read(READ_BYTES):
                for message in lines.feed(data):
                    self._carry_out(self._control.from_client(client, message, time.monotonic()))
        except WireError as error:
            log.warning("a client was disconnected: %s", error)
        except OSError as error:
            log.debug("a client has gone: %s", error)
        finally:
            self._clients.pop(client, None)
            self._control.client_gone(client)
            writer.transport.abort() if self._stopping.is_set() else writer.close()

    # ------------------------------------------------------------- the effects
    def _carry_out(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            match effect:
                case ToEngine(message):
                    if self._engine is not None:
                        self._engine.write(encode(message))
                case ToClient(client, message):
                    self._send(client, encode(message))
                case Stream(topic, data):
                    line = encode({"event": topic, "data": data})
                    for client in self._control.subscribers:
                        self._send(client, line)
                case Work():
                    task = asyncio.get_running_loop().create_task(self._work(effect))
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)
        self._wake.set()

    def _send(self, client: int, line: bytes) -> None:
        writer = self._clients.get(client)
        if writer is None:
            return
        if writer.transport.get_write_buffer_size() > MAX_UNREAD_BYTES:
            log.warning("a client does not read what it is sent and was disconnected")
            writer.transport.abort()
            return
        writer.write(line)

    async def _work(self, work: Work) -> None:
        lane = self._lanes.get(work.lane)
        if lane is None:
            lane = self._lanes[work.lane] = ThreadPoolExecutor(1, thread_name_prefix=work.lane)
        value, failed = None, None
        try:
            value = await asyncio.get_running_loop().run_in_executor(lane, work.run)
        except Exception as error:  # whatever it is, `Control.done` decides and logs it
            failed = error
        self._carry_out(self._control.done(work, value, failed, time.monotonic()))


async def _signs_of_life(status: str) -> None:
    """Tells systemd that the event loop serves, and that it turns, as often as it wants to hear it."""
    watchdog = notify.Watchdog()
    watchdog.ready(status)
    while True:
        watchdog.beat()
        await asyncio.sleep((watchdog.every_s or UNWATCHED_S) / 2)


async def _connect(path: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to a Unix socket, however long its path is. Raises OSError."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return await asyncio.open_unix_connection(f"/proc/self/fd/{folder}/{path.name}", limit=READ_BYTES)
    finally:
        os.close(folder)


def serve(home: Home) -> None:
    """Run control on `home` until SIGTERM or SIGINT. Raises AlreadyRunning, WireError, OSError."""

    async def main() -> None:
        server = Server(home, Control(home, time.time))
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, server.stop)
        await server.run()

    home.create()
    with only_one(home):
        load_areas()
        asyncio.run(main())
