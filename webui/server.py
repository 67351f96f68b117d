"""Serves the pages: gunicorn with threads, one process, clean end.

Each open page holds one thread for its events, each held telephone of the
simulated office one more: THREADS is the number of pages that may be open.

Under systemd the listening socket may be handed in (socket activation): the address is then the unit's
matter.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.workers.gthread import ThreadWorker

from appliance import notify
from appliance.logs import set_up
from appliance.paths import Home
from webui.app import create_app
from webui.box import Box

THREADS = 160
CONNECTIONS = 1000
GRACE_S = 4
NOTIFY = "NOTIFY_SOCKET"


@dataclass(frozen=True)
class Tls:
    """The certificate and its key, PEM files. Read for each connection, so that a new one is used at once."""

    certificate: Path
    key: Path


class PageWorker(ThreadWorker):  # type: ignore[misc]
    """Ends the event streams when asked to stop, so that the stop takes no grace time; tells systemd that
    pages are served, and that the loop turns."""

    def run(self) -> None:
        """Serve."""
        os.environ.update(self.wsgi.extensions["supervisor"])
        self._watchdog = notify.Watchdog()
        self._watchdog.ready("serving pages")
        super().run()

    def notify(self) -> None:
        """Called whenever the loop comes round."""
        super().notify()
        self._watchdog.beat()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """SIGTERM: close streams and sockets first."""
        self._close_box()
        super().handle_exit(sig, frame)

    def handle_quit(self, sig: int, frame: FrameType | None) -> None:
        """SIGINT, SIGQUIT: the same; gunicorn's own end at once would leave threads behind."""
        self._close_box()
        super().handle_exit(sig, frame)

    def _close_box(self) -> None:
        box: Box = self.wsgi.extensions["box"]
        box.hub.close(wait_s=0)


class Pages(BaseApplication):  # type: ignore[misc]
    """gunicorn without its own command line."""

    def __init__(self, app: Flask, host: str, port: int, tls: Tls | None) -> None:
        self._app = app
        self._tls = tls
        self._address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        super().__init__()

    def load_config(self) -> None:
        """Our settings instead of a configuration file."""
        settings: dict[str, Any] = {
            "bind": self._address,
            "worker_class": "webui.server.PageWorker",
            "workers": 1,
            "threads": THREADS,
            "worker_connections": CONNECTIONS,
            "graceful_timeout": GRACE_S,
            "timeout": 60,
            "keepalive": 15,
            "proc_name": "zongji-web",
            "loglevel": "warning",
            "control_socket_disable": True,
        }
        if self._tls is not None:
            # Connections that end within their handshake are warnings to gunicorn; scanners make many.
            settings |= {"loglevel": "error"}
            settings |= {"certfile": str(self._tls.certificate), "keyfile": str(self._tls.key)}
        for name, value in settings.items():
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def load(self) -> Flask:
        """The application, in the worker."""
        return self._app


def serve(home: Home, host: str, port: int, tls: Tls | None = None) -> None:
    """Serve until SIGTERM or SIGINT; over HTTPS alone with `tls`.

    Raises OSError when the data directory cannot be written or a file of `tls` cannot be read.
    """
    set_up("web")
    if tls is not None:
        for path in (tls.certificate, tls.key):
            path.open("rb").close()
    secure = tls is not None
    app = create_app(home, SESSION_COOKIE_SECURE=secure, REMEMBER_COOKIE_SECURE=secure)
    # gunicorn would call the pages ready before its worker has started: only the worker gets the address.
    address = os.environ.pop(NOTIFY, "")
    app.extensions["supervisor"] = {NOTIFY: address} if address else {}
    Pages(app, host, port, tls).run()
