"""A small JSON API for the same users and roles as the pages. Described in docs/api.md.

Sign in with the page's cookie; every answer is `{"data": …}` or `{"error": {…}}`.
"""

from __future__ import annotations

from flask import Blueprint, abort, request
from flask.typing import ResponseReturnValue
from flask_login import current_user

from webui.box import box, store
from webui.roles import STAFF, allow
from webui.screenpop import customer_card, spoken
from webui.views import messages as sms
from webui.views.calls import visible, wanted
from webui.visible import live_for

blueprint = Blueprint("api", __name__, url_prefix="/api")

MOST_ROWS = 200


def _window() -> tuple[int, int]:
    limit = max(1, min(request.args.get("limit", 50, type=int), MOST_ROWS))
    return limit, max(0, request.args.get("offset", 0, type=int))


@blueprint.get("/live")
@allow(*STAFF)
def live() -> ResponseReturnValue:
    """The live state as the board shows it; 503 while none has been heard."""
    snapshot = box().hub.snapshot
    if snapshot is None:
        abort(503)
    return {
        "data": live_for(snapshot, current_user.role, current_user.agent),
        "connected": box().hub.connected,
    }


@blueprint.get("/calls")
@allow(*STAFF)
def calls() -> ResponseReturnValue:
    """Calls by the search of the page: q, number, agent, queue, direction, from, to, recorded, starred."""
    limit, offset = _window()
    rows, total = store().calls.search(**wanted(), limit=limit, offset=offset)
    return {"data": rows, "total": total, "limit": limit, "offset": offset}


@blueprint.get("/calls/<call_id>")
@allow(*STAFF)
def call(call_id: str) -> ResponseReturnValue:
    """One call with steps and notes."""
    return {"data": visible(call_id)}


@blueprint.get("/messages")
@allow(*STAFF)
def messages() -> ResponseReturnValue:
    """Short messages by the search of the page (q, direction, state, unread, from, to), or with `number`."""
    if not sms.open_here():
        abort(403)
    limit, offset = _window()
    if number := request.args.get("number", ""):
        rows = store().messages.thread(number, limit, offset)
        return {"data": [spoken(row) for row in rows], "limit": limit, "offset": offset}
    rows, total = store().messages.search(limit, offset, **sms.wanted())
    return {"data": [spoken(row) for row in rows], "total": total, "limit": limit, "offset": offset}


@blueprint.post("/messages")
@allow(*STAFF)
def send_message() -> ResponseReturnValue:
    """Send {"number", "text"}, or {"again": id of one that failed}."""
    if not sms.open_here():
        abort(403)
    return sms.send_asked(request.get_json())


@blueprint.get("/customers")
@allow(*STAFF)
def customers() -> ResponseReturnValue:
    """Customers by q; by `number` exactly one, in any spelling, with the history."""
    number = request.args.get("number", "")
    if number:
        return {"data": customer_card(number, current_user.role, current_user.agent)}
    limit, offset = _window()
    rows, total = store().customers.search(request.args.get("q", ""), limit, offset)
    return {"data": rows, "total": total, "limit": limit, "offset": offset}


@blueprint.get("/customers/<int:customer_id>")
@allow(*STAFF)
def customer(customer_id: int) -> ResponseReturnValue:
    """One customer."""
    row = store().customers.get(customer_id)
    if row is None:
        abort(404)
    return {"data": row}
