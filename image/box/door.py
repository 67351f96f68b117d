"""Port 80: sends browsers to https. Who comes first is told why the browser will warn, and what to compare.

The first page is the only one in plain http; it holds nothing that is secret.
"""

from __future__ import annotations

import html
import os
import re
import socket
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from image.box import certificate
from image.box.places import Places

HOST = re.compile(r"(\[[0-9A-Fa-f:]+\]|[A-Za-z0-9.-]{1,253})(:\d{1,5})?")
TIMEOUT_S = 10.0
COOKIE = "zongji-seen=1"

PAGE = """<!doctype html><html lang="zh"><head><meta charset="utf-8"><title>Zongji 总机</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>
body{{font:17px/1.6 system-ui,sans-serif;max-width:38em;margin:2em auto;padding:0 1em;color:#182433}}
a.go{{display:inline-block;background:#066fd1;color:#fff;padding:.6em 1.4em;border-radius:6px;
text-decoration:none}}
code{{overflow-wrap:anywhere;font-size:14px}}</style></head><body><h1>总机 Zongji</h1>
<p>本机使用自己签发的加密证书。浏览器会提示“连接不是私密连接”：请点“高级”，再点“继续前往”。只需一次。</p>
<p lang="en">This box encrypts with a certificate that it has made itself. Your browser will warn once: choose
“Advanced”, then “Continue”.</p><p><a class="go" href="{target}">继续 Continue</a></p>
<p>首次使用需要认领码：提起任一话机即可听到，也显示在本机屏幕上。<br>
<span lang="en">Claiming a new box needs its claim code: lift any
telephone to hear it, or read it on the box’s screen.</span></p>
<p>SHA-256<br><code>{fingerprint}</code></p></body></html>
"""


def target(host: str, path: str) -> str:
    """Where to go; "" when the request names no usable host."""
    found = HOST.fullmatch(host.strip())
    if not found:
        return ""
    clean = path if path.startswith("/") and not re.search(r"[\x00-\x20\x7f]", path) else "/"
    return f"https://{found[1]}{'/' + clean.lstrip('/')}"


class Door(BaseHTTPRequestHandler):
    """One request of one browser."""

    fingerprint = ""
    explains = True
    """Is the first page shown, or everybody sent on?"""
    timeout = TIMEOUT_S
    server_version = "Zongji"
    sys_version = ""

    def do_GET(self) -> None:
        """The first page with its explanation; everything else is sent on."""
        self._answer()

    do_HEAD = do_GET

    def do_POST(self) -> None:
        """What is sent in plain text is never taken: the browser has to say it again, encrypted."""
        self._answer()

    def _answer(self) -> None:
        to = target(self.headers.get("Host", ""), self.path)
        if not to:
            self.send_error(HTTPStatus.BAD_REQUEST, "no host")
            return
        first = self.explains and self.path == "/" and self.command != "POST"
        first = first and COOKIE not in self.headers.get("Cookie", "")
        body = b""
        if first:
            body = PAGE.format(target=html.escape(to), fingerprint=html.escape(self.fingerprint)).encode()
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
            self.send_header("Set-Cookie", f"{COOKIE}; Max-Age=31536000; SameSite=Strict; Path=/")
        else:
            self.send_response(HTTPStatus.TEMPORARY_REDIRECT)
            self.send_header("Location", to)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Scanners would fill the journal."""


def serve(listener: socket.socket, fingerprint: str, explains: bool = True) -> ThreadingHTTPServer:
    """A server on a socket that listens already."""
    handler = type("FingerprintDoor", (Door,), {"fingerprint": fingerprint, "explains": explains})
    server = ThreadingHTTPServer(("", 0), handler, bind_and_activate=False)
    server.socket.close()
    server.socket = listener
    server.daemon_threads = True
    return server


def main() -> None:
    """Serve on the socket that systemd hands in (sd_listen_fds(3): the first is 3)."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        raise SystemExit("this is started by zongji-door.socket, which listens on port 80 for it")
    from appliance import notify

    server = serve(socket.socket(fileno=3), certificate.fingerprint(Places()))
    if not notify.ready("serving port 80"):
        raise SystemExit(
            "systemd could not be told that port 80 is served: the next visitor starts this anew"
        )
    server.serve_forever()


if __name__ == "__main__":
    main()
