"""The live board: lines, queues, agents and calls as they are now."""

from __future__ import annotations

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue
from flask_login import current_user

from appliance.client import CallFailed, PeerAway
from webui import audit
from webui.box import box, company
from webui.labels import desk_error
from webui.roles import LEADERS, STAFF, allow
from webui.tongue import gettext as _

blueprint = Blueprint("board", __name__)

SUPERVISOR_VERBS = frozenset({"force_not_ready", "force_sign_out", "drop_call"})


@blueprint.get("/board")
@allow(*STAFF)
def show() -> ResponseReturnValue:
    """The board; `?tv=1` is the same without menus, for a screen on the wall."""
    return render_template("board/board.html", tv=request.args.get("tv") == "1", company=company())


@blueprint.post("/board/do")
@allow(*LEADERS)
def act() -> ResponseReturnValue:
    """A supervisor's hand: force an agent's state, end a call. Always audited."""
    asked = request.get_json()
    verb, agent = str(asked.get("verb", "")), str(asked.get("agent", ""))
    if verb not in SUPERVISOR_VERBS:
        return {"error": "unknown_verb", "message": desk_error("unknown_verb")}, 400
    args: dict[str, object] = {
        k: str(v) for k, v in dict(asked.get("args") or {}).items() if k in ("reason", "call")
    }
    audit.note(verb, f"{agent} {args.get('call', '')}".strip())
    return desk_call(verb, agent or current_user.agent, args)


def desk_call(verb: str, agent: str, args: dict[str, object]) -> ResponseReturnValue:
    """Ask the call core through control; the answer for the page, with a sentence for people."""
    try:
        reply = box().control.call("desk", verb=verb, agent=agent, args=args)
    except CallFailed as error:
        return {"error": error.code, "message": desk_error(error.code)}, 409
    except PeerAway:
        text = _("The call service is away. Your telephone still works; try again in a few seconds.")
        return {"error": "away", "message": text}, 503
    code = str((reply or {}).get("error") or "")
    if code:
        return {"error": code, "message": desk_error(code)}, 409
    return {"error": "", "message": "", "data": (reply or {}).get("data") or {}}
