"""The cards: what was found, what is missing, ports, clocks, radio; line tests and new firmware."""

from __future__ import annotations

import base64
from typing import Any

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from appliance.client import CallFailed, WireError
from webui import audit
from webui.box import box
from webui.hardware import cards, notices
from webui.roles import ADMIN, LEADERS, allow
from webui.sentences import in_words
from webui.tongue import gettext as _

blueprint = Blueprint("cards", __name__, url_prefix="/cards")

MOST_FIRMWARE_BYTES = 3 << 20


def present() -> dict[str, Any]:
    """What the page shows now; `problem`: why it cannot be known."""
    try:
        found = box().control.call("hardware")
    except WireError:
        text = _("The call service is away: what is shown here is old. The box restarts it by itself.")
        return {"problem": text, "cards": [], "notices": []}
    engine = found.get("engine", {})
    problem = "" if engine.get("up") else _("The call engine is away: its cards cannot be seen now.")
    return {
        "problem": problem,
        "cards": cards(found.get("health", {}), box().hub.snapshot or {}),
        "notices": notices(found.get("notices", [])),
    }


@blueprint.get("")
@allow(*LEADERS)
def show() -> ResponseReturnValue:
    """The page."""
    return render_template("cards/cards.html", state=present())


@blueprint.get("/state")
@allow(*LEADERS)
def state() -> ResponseReturnValue:
    """The same for a page that is open."""
    return present()


@blueprint.post("/test")
@allow(*LEADERS)
def test() -> ResponseReturnValue:
    """Let a line card test a line; its results are in the state."""
    port = str(request.get_json().get("port", ""))
    audit.note("line test", port)
    return _begin("line_test", port=port)


@blueprint.post("/firmware")
@allow(ADMIN)
def firmware() -> ResponseReturnValue:
    """Give a line card the posted file; how it goes is in the state. Not while a call is up on the card."""
    card, file = request.form.get("card", ""), request.files.get("file")
    data = file.read(MOST_FIRMWARE_BYTES + 1) if file is not None else b""
    if not data or len(data) > MOST_FIRMWARE_BYTES:
        text = _("Choose the firmware file of the card's maker; it has at most 2 MB.")
        return {"error": "bad_request", "message": text}, 400
    audit.note("card firmware", f"{card}: {file.filename if file is not None else ''}")
    return _begin("firmware", card=card, data=base64.b64encode(data).decode("ascii"))


def _begin(method: str, **params: str) -> ResponseReturnValue:
    try:
        answer = box().control.call(method, **params)
    except CallFailed as error:
        return {"error": error.code, "message": in_words(str(error))}, 409
    except WireError:
        text = _("The call service is away: nothing was done. Try again in a few seconds.")
        return {"error": "away", "message": text}, 503
    return {"error": "", "ref": answer["ref"]}
