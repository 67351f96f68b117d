"""A person at the box's pages: HTTPS, cookies, forms with their hidden token."""

import html
import http.cookiejar
import json
import re
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

from tests.image.vm import PATIENCE_S, Vm, VmError

TOKEN = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"|value="([^"]+)"[^>]*name="csrf_token"')


class Page(str):
    """The text of a page, with its status and address."""

    status: int
    url: str
    content: bytes


def _page(content: bytes) -> Page:
    page = Page(content.decode(errors="replace"))
    page.content = content
    return page


class Pages:
    """A browser without scripts."""

    def __init__(self, vm: Vm):
        self._base = f"https://127.0.0.1:{vm.https_port}"
        trust = ssl.create_default_context()
        trust.check_hostname = False
        trust.verify_mode = ssl.CERT_NONE  # the certificate is the box's own, made at its first start
        self._vm = vm
        self._opener = urllib.request.build_opener(
            urllib.request.HTTPSHandler(context=trust),
            urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()),
        )

    def open(self, path: str, data: bytes | None = None, kind: str = "", timeout_s: float = 90.0) -> Page:
        """A page, also one that reports an error."""
        request = urllib.request.Request(
            self._base + path, data, {"Referer": self._base + path, "Accept": "text/html"}
        )
        if kind:
            request.add_header("Content-Type", kind)
        try:
            with self._opener.open(request, timeout=timeout_s) as answer:
                page, status = _page(answer.read()), answer.status
                page.url = answer.url.removeprefix(self._base)
        except urllib.error.HTTPError as error:
            with error:
                page, status = _page(error.read()), error.code
                page.url = path
        page.status = status
        return page

    def wait(self, path: str = "/", status: int = 200, timeout_s: float = PATIENCE_S) -> Page:
        """Wait until a page is there."""
        until = time.monotonic() + timeout_s
        while True:
            try:
                page = self.open(path, timeout_s=30.0)
                if page.status == status:
                    return page
                said = f"status {page.status}: {page[:500]}"
            except OSError as error:
                said = str(error)
            if time.monotonic() > until:
                raise VmError(f"{path} does not answer: {said}\n{self._vm.log()[-3000:]}")
            time.sleep(0.5)

    def token(self, path: str) -> str:
        """The hidden token of a page's forms."""
        page = self.open(path)
        found = TOKEN.search(page) or re.search(r'<meta name="csrf-token" content="([^"]+)"', page)
        assert found, f"no form at {path}: {page[:800]}"
        return html.unescape(next(group for group in found.groups() if group))

    def post(
        self, path: str, form_at: str = "", files: dict[str, tuple[str, bytes]] | None = None, **fields
    ) -> Page:
        """Fill in the form found at `form_at` (default: `path`) and send it to `path`."""
        fields = {"csrf_token": self.token(form_at or path), **fields}
        if files is None:
            data = urllib.parse.urlencode(fields, doseq=True).encode()
            return self.open(path, data, "application/x-www-form-urlencoded")
        mark = uuid.uuid4().hex
        parts = [
            f'--{mark}\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n'.encode()
            for k, v in fields.items()
        ]
        for name, (filename, content) in files.items():
            head = f'--{mark}\r\nContent-Disposition: form-data; name="{name}"; filename="{filename}"\r\n'
            parts += [head.encode() + b"Content-Type: application/octet-stream\r\n\r\n", content, b"\r\n"]
        data = b"".join([*parts, f"--{mark}--\r\n".encode()])
        return self.open(path, data, f"multipart/form-data; boundary={mark}", timeout_s=PATIENCE_S)

    def json(self, path: str) -> object:
        """An answer of the programs' interface."""
        return json.loads(self.open(path))

    def claim(self, code: str, password: str, username: str = "admin") -> Page:
        """Become the administrator."""
        return self.post("/claim", code=code, username=username, password=password, again=password)

    def sign_in(self, password: str, username: str = "admin") -> Page:
        """Sign in."""
        return self.post("/sign-in", username=username, password=password)
