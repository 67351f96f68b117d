"""The page on the network, encrypted. Nothing can be done without the presence code from the box's screen."""

from __future__ import annotations

import html
import http.server
import json
import secrets
import socket
import ssl
from urllib.parse import parse_qs

from image.box.places import Places
from recovery.choices import CHOICES, Choice
from recovery.desk import Desk
from recovery.plan import Plan
from recovery.refused import Changed, Refused
from recovery.words import ACTIONS, LANGUAGES, problem, say, step_name

MAX_BYTES = 8192
STYLE = (
    "body{font:16px/1.5 sans-serif;max-width:44rem;margin:2rem auto;padding:0 1rem;color:#1d2a3d}"
    "form{border:1px solid #d5dde8;border-radius:8px;padding:.8rem 1rem;margin:.6rem 0}"
    "label{display:block;margin:.4rem 0}input{width:100%;padding:.4rem;box-sizing:border-box}"
    "button{padding:.45rem 1rem}.bad{color:#a32020}.good{color:#1a7a3c}progress{width:100%}"
)


class Page:
    """Pages as text, and what is done by their forms; no socket here."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._tokens: set[str] = set()

    def known(self, token: str) -> bool:
        """Has this browser given the code?"""
        return token in self._tokens

    def enter(self, code: str) -> str:
        """A token for a browser that gives the right code, "" for another."""
        if not self._desk.present(code):
            return ""
        token = secrets.token_urlsafe(24)
        self._tokens.add(token)
        return token

    def show(self, token: str, language: str, note: str = "") -> str:
        """The page."""

        def word(key: str) -> str:
            return html.escape(say(key, language))

        other = "".join(
            f' <a href="/?lang={code}">{html.escape(name)}</a>' for code, name in LANGUAGES.items()
        )
        serial = html.escape(self._desk.box.serial) or word(self._desk.box.nameless)
        body = f"<h1>{word('title')}</h1><p>{word('serial')}: <b>{serial}</b>{other}</p>"
        body += _alert(note)
        if not self.known(token):
            body += (
                f'<form method="post" action="/enter?lang={language}"><label>{word("enter_code")}'
                f'<input name="code" inputmode="numeric" autocomplete="off" required></label>'
                f"<button>OK</button></form>"
            )
            return self._whole(body, language)
        step = self._desk.step
        if step is not None:
            body += f"<p>{word('busy')}: {html.escape(step_name(step[0], language))}</p>"
            body += f"<progress max=100 value={int(step[1])}></progress>"
            return self._whole(body, language, refresh=True)
        body += self._last(language)
        body += "".join(self._form(choice, language) for choice in CHOICES)
        return self._whole(body, language)

    def _last(self, language: str) -> str:
        result = self._desk.result
        if result is None:
            return ""
        if result["ok"]:
            text = f"{say('done', language)} {self._desk.told}".rstrip()
        else:
            text = problem(result["code"], result["text"], language)
        kind = "good" if result["ok"] else "bad"
        return f'<p class="{kind}">{html.escape(say("last", language))}: {html.escape(text)}</p>'

    def _form(self, choice: Choice, language: str) -> str:
        asks = [*choice.asks, *(["serial"] if choice.serial else [])]
        fields = ""
        for ask in asks:
            word = ask if ask != "serial" else "type_serial" if self._desk.box.serial else "type_yes"
            text = say(word, language)
            fields += (
                f'<label>{html.escape(text)}<input name="{ask}" autocomplete="off" maxlength=200></label>'
            )
        name = html.escape(ACTIONS[choice.key][language])
        return (
            f'<form method="post" action="/plan?lang={language}">'
            f'<input type="hidden" name="what" value="{choice.key}">'
            f"<b>{name}</b>{fields}<p><button>{html.escape(say('go_on', language))}</button></p></form>"
        )

    @staticmethod
    def _whole(body: str, language: str, refresh: bool = False) -> str:
        again = f'<meta http-equiv="refresh" content="2;url=/?lang={language}">' if refresh else ""
        return (
            f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">{again}'
            f'<meta name="viewport" content="width=device-width"><title>Zongji</title>'
            f"<style>{STYLE}</style></head><body>{body}</body></html>"
        )

    def plan(self, token: str, fields: dict[str, str], language: str) -> str:
        """The page that says what a form asks for, with the button that does it; or why it is not done."""
        choice = self._chosen(token, fields)
        if choice is None:
            return self.show(token, language, say("enter_code", language))
        try:
            plan = self._desk.plan(choice, fields)
            self._desk.check_name(choice, fields)
        except Refused as refused:
            return self.show(token, language, problem(refused.code, refused.text, language))
        return self._asked(choice, fields, plan, language)

    def _asked(
        self, choice: Choice, fields: dict[str, str], plan: Plan, language: str, note: str = ""
    ) -> str:
        kept = {"what": choice.key} | {key: fields[key] for key in (*choice.asks, "serial") if key in fields}
        kept["plan"] = plan.mark
        hidden = "".join(
            f'<input type="hidden" name="{key}" value="{html.escape(value)}">' for key, value in kept.items()
        )
        return self._whole(
            f"<h1>{html.escape(ACTIONS[choice.key][language])}</h1>{_alert(note)}"
            f"<p>{html.escape(say('will', language))}: <b>{html.escape(plan.say(language))}</b></p>"
            f'<form method="post" action="/do?lang={language}">{hidden}'
            f"<button>{html.escape(say('do', language))}</button></form>"
            f'<p><a href="/?lang={language}">{html.escape(say("back", language))}</a></p>',
            language,
        )

    def do(self, token: str, fields: dict[str, str], language: str) -> str:
        """Begin what was shown; "", or the page that says why not: with what it would be now, where that is
        something else."""
        choice = self._chosen(token, fields)
        if choice is None:
            return self.show(token, language, say("enter_code", language))
        try:
            self._desk.start(choice, fields, fields.get("plan", ""), "page")
        except Changed as changed:
            return self._asked(choice, fields, changed.plan, language, say("changed", language))
        except Refused as refused:
            return self.show(token, language, problem(refused.code, refused.text, language))
        return ""

    def _chosen(self, token: str, fields: dict[str, str]) -> Choice | None:
        """What a form is about; None also for a browser that has not given the code."""
        return next((one for one in CHOICES if self.known(token) and one.key == fields.get("what")), None)


def _alert(note: str) -> str:
    return f'<p class="bad" role="alert">{html.escape(note)}</p>' if note else ""


class Handler(http.server.BaseHTTPRequestHandler):
    """One request. `page` is set by `serve`."""

    page: Page
    desk: Desk
    timeout = 30
    server_version = "Zongji"
    sys_version = ""

    def do_GET(self) -> None:
        """The page, or its state for programs."""
        if self.path.startswith("/state"):
            # How far, not what: anybody in the network may ask this.
            step = self.desk.step
            state = {"serial": self.desk.box.serial, "stick": self.desk.box.stick is not None}
            state |= {"busy": step is not None, "percent": (step or ("", 0))[1]}
            self._send(200, json.dumps(state), "application/json")
        elif self.path.partition("?")[0] == "/":
            self._send(200, self.page.show(self._token(), self._language()))
        else:
            self._send(404, "", "text/plain")

    def do_POST(self) -> None:
        """A form of the page."""
        length = int(self.headers.get("Content-Length") or 0)
        origin = self.headers.get("Origin", "")
        if not 0 < length <= MAX_BYTES or (origin and origin.partition("//")[2] != self.headers.get("Host")):
            self._send(400, "", "text/plain")
            return
        form = parse_qs(self.rfile.read(length).decode("utf-8", "replace"))
        fields = {key: values[0] for key, values in form.items()}
        language, token, note, text = self._language(), self._token(), "", ""
        if self.path.startswith("/enter"):
            token = self.page.enter(fields.get("code", ""))
            wait = self.desk.locked_s()
            note = (
                ""
                if token
                else say("wrong_code", language)
                + (f" ({say('locked', language)} {wait:.0f} s)" if wait else "")
            )
        elif self.path.startswith("/plan"):
            text = self.page.plan(token, fields, language)
        elif self.path.startswith("/do"):
            text = self.page.do(token, fields, language)
        if note:
            text = self.page.show(token, language, note)
        if text:
            self._send(200, text)
            return
        self.send_response(303)
        self.send_header("Location", f"/?lang={language}")
        if token:
            self.send_header("Set-Cookie", f"recovery={token}; HttpOnly; SameSite=Strict; Secure; Path=/")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _token(self) -> str:
        for part in self.headers.get("Cookie", "").split(";"):
            name, _, value = part.strip().partition("=")
            if name == "recovery":
                return value
        return ""

    def _language(self) -> str:
        wanted = parse_qs(self.path.partition("?")[2]).get("lang", [""])[0]
        if wanted in LANGUAGES:
            return wanted
        return "zh" if self.headers.get("Accept-Language", "").lower().startswith("zh") else "en"

    def _send(self, status: int, text: str, kind: str = "text/html; charset=utf-8") -> None:
        data = text.encode("utf-8", "replace")  # names of a stick may be no text
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Cache-Control", "no-store")
        self.send_header(
            "Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'"
        )
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Requests are not logged: the code may be among them."""


def listener(host: str, port: int) -> socket.socket:
    """A listening socket. host "": every address, IPv4 and IPv6. Raises OSError."""
    both = not host and socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if both else socket.AF_INET
    return socket.create_server((host, port), family=family, dualstack_ipv6=both)


def serve(desk: Desk, host: str, port: int, tls: Places) -> http.server.ThreadingHTTPServer:
    """The server, listening; call its `serve_forever`. tls: where its certificate and key are. Raises
    OSError."""
    handler = type("RecoveryHandler", (Handler,), {"page": Page(desk), "desk": desk})
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trust.load_cert_chain(tls.certificate, tls.key)
    server = http.server.ThreadingHTTPServer((host, port), handler, bind_and_activate=False)
    server.socket.close()
    # Each browser's greeting is waited for in its own thread: one that says nothing keeps nobody away.
    server.socket = trust.wrap_socket(
        listener(host, port), server_side=True, do_handshake_on_connect=False, suppress_ragged_eofs=True
    )
    server.server_address = server.socket.getsockname()
    server.server_port = server.server_address[1]
    server.daemon_threads = True
    return server
