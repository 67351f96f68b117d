"""system.sock: who may ask, JSON lines in and out, one thread for each connection."""

from __future__ import annotations

import logging
import os
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from appliance.client import LineReader, Message, WireError, encode, listen
from image.box.problem import Problem

log = logging.getLogger(__name__)

Handler = Callable[[str, Message], Any]

MAX_PEERS = 32
MAX_LINE_BYTES = 1 << 18
UCRED = struct.Struct("3i")


def peer_uid(connection: socket.socket) -> int:
    """User id of the process at the other end, from the kernel."""
    _, uid, _ = UCRED.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, UCRED.size))
    return int(uid)


class Server:
    """Answers requests until it is closed. `handle(method, params)` gives the result or raises Problem."""

    def __init__(self, path: Path, handle: Handler, allowed: frozenset[int], group: int | None) -> None:
        """allowed: user ids that may ask. group: may connect. Raises WireError, OSError."""
        self._path = path
        self._handle = handle
        self._allowed = allowed
        self._listener = listen(path)
        if group is not None:
            os.chown(path, 0, group)
        self._peers: set[socket.socket] = set()
        self._lock = threading.Lock()

    def serve(self) -> None:
        """Until `close` is called."""
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            uid = peer_uid(connection)
            with self._lock:
                welcome = uid in self._allowed and len(self._peers) < MAX_PEERS
                if welcome:
                    self._peers.add(connection)
            if not welcome:
                log.warning("user %d may not ask the system daemon, or too many do", uid)
                connection.close()
                continue
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def close(self) -> None:
        """End `serve` and all connections. Idempotent."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._path.unlink(missing_ok=True)
        with self._lock:
            peers = list(self._peers)
        for peer in peers:
            with suppress(OSError):
                peer.shutdown(socket.SHUT_RDWR)

    def _talk(self, connection: socket.socket) -> None:
        lines, unfinished = LineReader(), 0
        try:
            while data := connection.recv(1 << 16):
                unfinished = len(data) if b"\n" in data else unfinished + len(data)
                if unfinished > MAX_LINE_BYTES:
                    raise WireError("a request is too long")
                for message in lines.feed(data):
                    connection.sendall(encode(self.answer(message)))
        except WireError as error:
            log.warning("a peer was disconnected: %s", error)
        except (OSError, RecursionError) as error:
            log.info("a peer has gone: %s", error)
        finally:
            with self._lock:
                self._peers.discard(connection)
            connection.close()

    def answer(self, message: Message) -> Message:
        """The answer to one request; never raises."""
        request, method, params = message.get("id"), message.get("method"), message.get("params", {})
        try:
            if not isinstance(method, str) or not isinstance(params, dict):
                raise Problem("bad_request", "a request needs a method and params (a group)")
            return {"id": request, "result": self._handle(method, params)}
        except Problem as problem:
            return {"id": request, "error": problem.as_dict()}
        except OSError as error:
            log.exception("%s failed", method)
            text = f"the box could not do it: {error.strerror or error}"
            return {"id": request, "error": Problem("failed", text, detail=str(error)).as_dict()}
        except Exception as error:  # a defect in one method must not take the others away
            log.exception("%s failed", method)
            return {
                "id": request,
                "error": Problem("failed", f"a defect: {error}", detail=str(error)).as_dict(),
            }
