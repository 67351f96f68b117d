"""A person at the box's pages: HTTPS, cookies, forms with their hidden token."""

import html
import html.parser
import http.cookiejar
import json
import re
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Mapping

from tests.image.vm import PATIENCE_S, Vm, VmError
from webui.build_translations import LANGUAGES, read

TOKEN = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"|value="([^"]+)"[^>]*name="csrf_token"')


def says(page: str, sentence: str) -> bool:
    """Does a page have this sentence in one of the languages, whatever stands at its %(places)s?"""
    text = html.unescape(page)
    said = [str(read(language).get(sentence).string).replace("%%", "%") for language in LANGUAGES]
    return any(one and all(part in text for part in re.split(r"%\(\w+\)s", one)) for one in said)


class Page(str):
    """The text of a page, with its status and address."""

    status: int
    url: str
    content: bytes


def _page(content: bytes) -> Page:
    page = Page(content.decode(errors="replace"))
    page.content = content
    return page


class _Form(html.parser.HTMLParser):
    """The fields of the form in a page's content that sends to the page itself."""

    def __init__(self):
        super().__init__()
        self.fields: dict[str, object] = {}
        self._inside, self._select = False, ""

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        name = given.get("name", "")
        if tag == "form":
            self._inside = given.get("method") == "post" and not given.get("action")
        elif not self._inside or (not name and tag != "option"):
            return
        elif tag == "input" and given.get("type") in ("checkbox", "radio"):
            if "checked" in given:
                value = given.get("value", "on")
                self.fields[name] = [*self.fields[name], value] if name in self.fields else [value]
        elif tag == "input":
            self.fields[name] = given.get("value") or ""
        elif tag == "textarea":
            self.fields[name] = ""
        elif tag == "select":
            self._select = name
        elif tag == "option" and self._select and ("selected" in given or self._select not in self.fields):
            self.fields[self._select] = given.get("value") or ""

    def handle_endtag(self, tag):
        if tag == "form":
            self._inside = False
        elif tag == "select":
            self._select = ""


class Pages:
    """A browser without scripts."""

    def __init__(self, vm: Vm, port: int = 0):
        """port: of this machine, when it is not the usual one."""
        self.port = port or vm.https_port
        self._base = f"https://127.0.0.1:{self.port}"
        trust = ssl.create_default_context()
        trust.check_hostname = False
        trust.verify_mode = ssl.CERT_NONE  # the certificate is the box's own, made at its first start
        self._vm = vm
        self._opener = urllib.request.build_opener(
            urllib.request.HTTPSHandler(context=trust),
            urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()),
        )

    def open(
        self, path: str, data: bytes | None = None, kind: str = "", timeout_s: float = 90.0, **headers: str
    ) -> Page:
        """A page, also one that reports an error. headers: further ones, `_` for `-`."""
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(
            self._base + path, data, {"Referer": self._base + path, "Accept": "text/html", **more}
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

    def wait_text(self, path: str, text: str, timeout_s: float = PATIENCE_S) -> Page:
        """Wait until a page says `text`: health checks run every few seconds."""
        until = time.monotonic() + timeout_s
        while text not in (page := self.open(path)):
            if time.monotonic() > until:
                raise VmError(f"{path} does not say {text!r}: {page[:3000]}")
            time.sleep(0.5)
        return page

    def wait_says(self, path: str, sentence: str, timeout_s: float = PATIENCE_S) -> Page:
        """The same for a sentence of the product, in whatever language the page is."""
        until = time.monotonic() + timeout_s
        while not says(page := self.open(path), sentence):
            if time.monotonic() > until:
                raise VmError(f"{path} does not say {sentence!r}: {page[:3000]}")
            time.sleep(0.5)
        return page

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

    def fill_in(self, path: str, **changes: object) -> Page:
        """Send the form of a page as it is, but for `changes`; True ticks a box, None or False does not."""
        form = _Form()
        form.feed(self.open(path))
        fields = {**form.fields, **changes}
        sent = {k: "on" if v is True else v for k, v in fields.items() if v is not None and v is not False}
        data = urllib.parse.urlencode(sent, doseq=True).encode()
        return self.open(path, data, "application/x-www-form-urlencoded")

    def json(self, path: str) -> dict:
        """An answer of the programs' interface."""
        return json.loads(self.open(path))

    def send(self, path: str, form_at: str, **fields) -> dict:
        """What a page's script sends, and the answer."""
        token = self.token(form_at)
        page = self.open(path, json.dumps(fields).encode(), "application/json", X_CSRFToken=token)
        assert page.status == 200, page
        return json.loads(page)

    def fetch(self, path: str, **headers: str) -> tuple[bytes, Mapping[str, str]]:
        """A file as it is, and what was said of it."""
        with self._opener.open(
            urllib.request.Request(self._base + path, headers=headers), timeout=90
        ) as answer:
            return answer.read(), answer.headers

    def certificate(self) -> bytes:
        """The certificate that the box shows, in its binary form."""
        text = ssl.get_server_certificate(("127.0.0.1", self.port), timeout=90)
        return ssl.PEM_cert_to_DER_cert(text)

    def claim(self, code: str, password: str, username: str = "admin") -> Page:
        """Become the administrator."""
        return self.post("/claim", code=code, username=username, password=password, again=password)

    def sign_in(self, password: str, username: str = "admin") -> Page:
        """Sign in."""
        return self.post("/sign-in", username=username, password=password)
