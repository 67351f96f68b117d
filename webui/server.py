"""Serves the pages: gunicorn with threads, one process, clean end.

Each open page holds one thread for its events, each held telephone of the
simulated office one more: THREADS is the number of pages that may be open.
"""

from __future__ import annotations

from types import FrameType
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.workers.gthread import ThreadWorker

from appliance.logs import set_up
from appliance.paths import Home
from webui.app import create_app
from webui.box import Box

THREADS = 160
CONNECTIONS = 1000
GRACE_S = 4


class PageWorker(ThreadWorker):  # type: ignore[misc]
    """Ends the event streams when asked to stop, so that the stop takes no grace time."""

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

    def __init__(self, app: Flask, host: str, port: int) -> None:
        self._app = app
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
        for name, value in settings.items():
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def load(self) -> Flask:
        """The application, in the worker."""
        return self._app


def serve(home: Home, host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT. Raises OSError when the data directory cannot be written."""
    set_up("web")
    Pages(create_app(home), host, port).run()
