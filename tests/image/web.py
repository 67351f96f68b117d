"""A web server of this machine that a box in QEMU reaches at 10.0.2.5: a file, whole or cut off."""

import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.image.samba import RELAY
from tests.ports import free_port

ADDRESS = "10.0.2.5"
CUT_AFTER = 3_000_000


class Web:
    """A context manager. /whole is the file; /cut tells its whole length and ends after CUT_AFTER bytes."""

    def __init__(self, folder: Path, file: Path) -> None:
        self._relay = folder / "relay.py"
        self._relay.write_text(RELAY)

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self):
                data = file.read_bytes()
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data[:CUT_AFTER] if self.path == "/cut" else data)

            def log_message(self, *_):
                pass

        self.port = free_port()
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Answer)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def network(self) -> str:
        """What QEMU's user network has to know."""
        return f"guestfwd=tcp:{ADDRESS}:80-cmd:{sys.executable} {self._relay} {self.port}"

    def __enter__(self) -> "Web":
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
