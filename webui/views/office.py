"""The simulated office in the browser: an outside telephone, the agents' telephones, live sound.

Two kinds of message travel on the web socket: text is JSON (`{"do": …}` there, the telephone's
state back), binary is sound, 160 samples of int16 little-endian at 8 kHz in a message.
"""

from __future__ import annotations

import json
import logging
import re
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, abort, render_template, request
from flask.typing import ResponseReturnValue
from flask_login import current_user
from flask_sock import Sock
from simple_websocket import ConnectionClosed, Server

from appliance.client import OfficeClient, WireError
from webui.accounts import Watch, sessions
from webui.box import Box, box, store
from webui.roles import ADMIN, SUPERVISOR, allow

LOG = logging.getLogger("zongji.web")

blueprint = Blueprint("office", __name__, url_prefix="/office")
sockets = Sock()

BLOCK_BYTES = 320
ACTIONS: dict[str, frozenset[str]] = {
    "call": frozenset({"line", "number", "name", "callerid"}),
    "hang_up": frozenset(),
    "lift": frozenset(),
    "press": frozenset({"keys"}),
    "flash": frozenset(),
    "answer": frozenset(),
}
ACTOR = re.compile(r"caller:[\w .-]{1,40}|phone:[0-9]{2,6}")
IDLE_S = 0.5


@blueprint.get("")
@allow(ADMIN, SUPERVISOR)
def show() -> ResponseReturnValue:
    """The page; 404 on a box with real lines."""
    if not box().home.office_socket.exists():
        abort(404)
    return render_template("office/office.html", lines=store().lines.list(), phones=store().phones.list())


def same_site() -> bool:
    """Was the socket opened by one of our own pages? (Cross-site WebSocket hijacking.)"""
    origin = request.headers.get("Origin", "")
    return bool(origin) and urlsplit(origin).netloc == request.host


def sound(ws: Server, actor: str) -> None:
    """One telephone in the hand of one page."""
    if not same_site() or not ACTOR.fullmatch(actor):
        ws.close(1008, "not allowed")
        return
    LOG.info("%s holds %s", current_user.username, actor)
    Hand(ws, box(), actor, Watch(sessions(), store().users.get).over).run()


sound.allowed_roles = frozenset({ADMIN, SUPERVISOR})  # type: ignore[attr-defined]
sockets.route("/sound/<actor>", bp=blueprint)(sound)


class Hand:
    """One browser holding one telephone: passes messages both ways until either side goes."""

    def __init__(self, ws: Server, owner: Box, actor: str, over: Callable[[], bool]) -> None:
        self._ws = ws
        self._box = owner
        self._actor = actor
        self._over = over

    def run(self) -> None:
        """Until the browser, the office, the session or the web server ends it."""
        try:
            office = OfficeClient(self._box.home.office_socket, self._actor)
        except WireError as error:
            self._tell({"error": str(error), "away": True})
            self._ws.close(1013, "office away")
            return
        ears = threading.Thread(
            target=self._listen, args=(office,), name=f"office-{self._actor}", daemon=True
        )
        ears.start()
        try:
            while not self._box.hub.closing and not self._over():
                message = self._ws.receive(timeout=IDLE_S)
                if message is not None:
                    self._take(office, message)
        except (ConnectionClosed, WireError):
            LOG.debug("%s was let go", self._actor)
        finally:
            office.close()
            ears.join(2.0)

    def _take(self, office: OfficeClient, message: str | bytes) -> None:
        if isinstance(message, bytes):
            if len(message) == BLOCK_BYTES:
                office.audio(message)
            return
        try:
            asked: dict[str, Any] = json.loads(message)
            action = asked["do"]
            args = {k: str(v)[:64] for k, v in asked.items() if k in ACTIONS[action]}
        except (ValueError, KeyError, TypeError):
            self._tell({"error": "bad_request"})
            return
        office.do(action, **args)

    def _listen(self, office: OfficeClient) -> None:
        """The office's side, on its own thread."""
        try:
            while not self._box.hub.closing:
                message = office.receive(timeout_s=IDLE_S)
                if message is None:
                    continue
                if "audio" in message:
                    self._ws.send(message["audio"])
                else:
                    self._tell(message)
        except WireError:
            self._tell({"away": True})
        except ConnectionClosed:
            LOG.debug("%s: the browser has gone", self._actor)

    def _tell(self, message: dict[str, Any]) -> None:
        try:
            self._ws.send(json.dumps(message, ensure_ascii=False))
        except ConnectionClosed:
            LOG.debug("%s: the browser has gone", self._actor)
