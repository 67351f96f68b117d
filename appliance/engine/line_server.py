"""Listening side of our JSON-lines sockets: one helper thread, bounded queues.

Nothing here ever blocks the tick: messages are put into a queue and leave when
the client reads. A client that does not read is dropped and may come back.
"""

from __future__ import annotations

import errno
import logging
import os
import selectors
import socket
import threading
import weakref
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from appliance.client import LineReader, Message, WireError, encode, listen

log = logging.getLogger(__name__)

MAX_UNSENT_BYTES = 4 << 20
MAX_QUEUED = 10_000
MAX_CLIENTS = 64


class Client:
    """One connection. `send` may be called from any thread and never blocks."""

    def __init__(self, server: LineServer, sock: socket.socket) -> None:
        self.sock = sock
        self.reader = LineReader()
        self.unsent = bytearray()
        self.dropped = False
        self.tag: Any = None
        """Whatever the owner of the server wants to remember."""
        self._server = server

    def send(self, message: Message) -> None:
        """Queue a message for this client."""
        self._server.queue(message, self)


class LineServer:
    """Serves one socket path. The callbacks run on the server's thread."""

    def __init__(
        self,
        path: Path,
        on_message: Callable[[Client, Message], None],
        on_open: Callable[[Client], None] | None = None,
        on_close: Callable[[Client], None] | None = None,
        max_unsent_bytes: int = MAX_UNSENT_BYTES,
        kernel_buffer_bytes: int = 0,
    ) -> None:
        """Raises WireError when the path cannot be listened on.

        kernel_buffer_bytes: how much the kernel may hold for a slow client (live sound
        must not wait there); 0 leaves it alone.
        """
        self._path = path
        self._on_message = on_message
        self._on_open = on_open
        self._on_close = on_close
        self._max_unsent_bytes = max_unsent_bytes
        self._kernel_buffer_bytes = kernel_buffer_bytes
        self._outbox: deque[tuple[Client | None, Message]] = deque()
        self.overflowed = 0
        self._clients: list[Client] = []
        self._closing = False
        self._ended = False
        self._listener = listen(path)
        self._listener.setblocking(False)
        self._wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        # Open until nobody can wake us any more: its number may soon be another file's.
        weakref.finalize(self, os.close, self._wake_fd)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._wake_fd, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, name=path.name, daemon=True)
        self._thread.start()

    @property
    def clients(self) -> int:
        """Connections open now."""
        return len(self._clients)

    def publish(self, message: Message) -> None:
        """Queue a message for every client; any thread, never blocks."""
        if self._clients:
            self.queue(message, None)

    def queue(self, message: Message, client: Client | None) -> None:
        """Queue a message for one client, or for all (None). After the end it goes nowhere."""
        if self._ended:
            return
        if len(self._outbox) >= MAX_QUEUED:
            self.overflowed += 1
            return
        self._outbox.append((client, message))
        self._wake()

    def close(self) -> None:
        """Send what is queued as far as clients take it, disconnect all, remove the socket. Idempotent."""
        if self._closing:
            return
        self._closing = True
        self._wake()
        self._thread.join(5.0)
        self._path.unlink(missing_ok=True)

    def _wake(self) -> None:
        os.eventfd_write(self._wake_fd, 1)

    # ---------------------------------------------------------- helper thread
    def _run(self) -> None:
        try:
            while not self._closing:
                for key, events in self._selector.select():
                    if key.fileobj is self._listener:
                        self._accept()
                    elif key.fileobj == self._wake_fd:
                        os.eventfd_read(self._wake_fd)
                    else:
                        self._serve(key.data, events)
                self._distribute()
            self._distribute()
        finally:
            self._ended = True
            for client in list(self._clients):
                self._drop(client, "")
            self._selector.close()
            self._listener.close()

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError as error:
            # The client has left again, or there are no descriptors: it will try once more.
            log.warning("%s: a connection could not be accepted: %s", self._path.name, error.strerror)
            return
        if len(self._clients) >= MAX_CLIENTS:
            log.warning("%s: more than %d connections, one refused", self._path.name, MAX_CLIENTS)
            sock.close()
            return
        sock.setblocking(False)
        if self._kernel_buffer_bytes:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self._kernel_buffer_bytes)
        client = Client(self, sock)
        self._selector.register(sock, selectors.EVENT_READ, client)
        self._clients.append(client)
        if self._on_open is not None:
            self._on_open(client)

    def _serve(self, client: Client, events: int) -> None:
        if client.dropped:
            return
        if events & selectors.EVENT_WRITE:
            self._flush(client)
        if events & selectors.EVENT_READ and not client.dropped:
            self._read(client)

    def _read(self, client: Client) -> None:
        try:
            data = client.sock.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError as error:
            self._drop(client, "" if error.errno == errno.ECONNRESET else str(error))
            return
        if not data:
            self._drop(client, "")
            return
        try:
            messages = client.reader.feed(data)
        except WireError as error:
            self._drop(client, str(error))
            return
        for message in messages:
            self._on_message(client, message)

    def _distribute(self) -> None:
        while self._outbox:
            client, message = self._outbox.popleft()
            line = encode(message)
            for target in [client] if client is not None else list(self._clients):
                if not target.dropped:
                    target.unsent += line
        for target in list(self._clients):
            if target.unsent:
                self._flush(target)

    def _flush(self, client: Client) -> None:
        try:
            while client.unsent:
                sent = client.sock.send(client.unsent[: 1 << 18])
                del client.unsent[:sent]
        except BlockingIOError:
            pass
        except OSError as error:
            self._drop(client, "" if error.errno in (errno.EPIPE, errno.ECONNRESET) else str(error))
            return
        if len(client.unsent) > self._max_unsent_bytes:
            self._drop(client, "does not read fast enough")
            return
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if client.unsent else 0)
        self._selector.modify(client.sock, wanted, client)

    def _drop(self, client: Client, why: str) -> None:
        if client.dropped:
            return
        client.dropped = True
        if why:
            log.warning("%s: a client was dropped: %s", self._path.name, why)
        self._clients.remove(client)
        self._selector.unregister(client.sock)
        client.sock.close()
        if self._on_close is not None:
            self._on_close(client)
