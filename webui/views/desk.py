"""The agent's desk: states, the call in hand, who is calling, notes."""

from __future__ import annotations

import time

from flask import Blueprint, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from appliance.store import InvalidRow
from webui import audit
from webui.audit import denied
from webui.box import box, store
from webui.labels import desk_error
from webui.roles import STAFF, allow
from webui.screenpop import customer_card
from webui.sentences import all_in_words
from webui.tongue import gettext as _
from webui.views.board import desk_call
from webui.views.customers import from_form as customer_from_form
from webui.views.messages import open_here
from webui.visible import may_open

blueprint = Blueprint("desk", __name__, url_prefix="/desk")

VERBS: dict[str, frozenset[str]] = {
    "sign_in": frozenset({"phone"}),
    "sign_out": frozenset(),
    "ready": frozenset(),
    "not_ready": frozenset({"reason"}),
    "wrap_up_done": frozenset(),
    "wrap_up_extend": frozenset(),
    "hang_up": frozenset(),
    "hold": frozenset(),
    "retrieve": frozenset(),
    "transfer": frozenset({"to"}),
    "dial": frozenset({"number", "customer"}),
    "record_pause": frozenset(),
    "record_resume": frozenset(),
}
TODAY = 10


@blueprint.get("")
@allow(*STAFF)
def show() -> ResponseReturnValue:
    """The desk, or how to get one."""
    if not current_user.agent:
        return (
            render_template("desk/none.html")
            if current_user.role == "agent"
            else redirect(url_for("board.show"))
        )
    known = store()
    return render_template(
        "desk/desk.html",
        phones=known.phones.list(),
        reasons=known.settings.get("not_ready_reasons"),
        agent=known.agents.get(current_user.agent),
        kinds=customer_kinds(),
        messages=open_here(),
    )


def customer_kinds() -> list[str]:
    """What `kind` may be chosen from."""
    return ["potential", "new", "old"]


@blueprint.post("/do")
@allow(*STAFF)
def act() -> ResponseReturnValue:
    """One wish of the agent, handed to the call core."""
    asked = request.get_json()
    verb = str(asked.get("verb", ""))
    if verb not in VERBS:
        return {"error": "unknown_verb", "message": desk_error("unknown_verb")}, 400
    if not current_user.agent:
        return {"error": "unknown_agent", "message": desk_error("unknown_agent")}, 409
    args: dict[str, object] = {
        k: v
        for k, v in dict(asked.get("args") or {}).items()
        if k in VERBS[verb] and isinstance(v, str | int)
    }
    return desk_call(verb, current_user.agent, args)


@blueprint.get("/card")
@allow(*STAFF)
def card() -> ResponseReturnValue:
    """Customer and history of a number, and the notes of the call in hand."""
    number, call = request.args.get("number", ""), request.args.get("call", "")
    return customer_card(
        number, current_user.role, current_user.agent, request.args.get("customer", type=int)
    ) | {"notes": store().calls.notes(call) if call and in_hand(call) else []}


def in_hand(call_id: str) -> bool:
    """Is this a call that the present user may read and write notes of?

    Agents: calls that were on their screen, and past ones that they took part in.
    """
    if current_user.role != "agent":
        return True
    agent = current_user.agent
    if agent and box().hub.handled(agent, call_id):
        return True
    stored = store().calls.get(call_id)
    return stored is not None and may_open(stored, current_user.role, agent)


@blueprint.post("/note")
@allow(*STAFF)
def note() -> ResponseReturnValue:
    """Save a note with a call, also while the call goes on."""
    asked = request.get_json()
    call, text = str(asked.get("call", "")), str(asked.get("text", ""))
    if call and not in_hand(call):
        denied("desk.note")
        abort(403)
    try:
        store().calls.note(call, current_user.agent or current_user.username, text)
    except InvalidRow:
        return {"error": "bad_request", "message": _("Write something first; a note belongs to a call.")}, 400
    return {"error": "", "notes": store().calls.notes(call)}


@blueprint.post("/customer")
@allow(*STAFF)
def customer() -> ResponseReturnValue:
    """Save the customer panel: a new customer, or changes to one."""
    asked = request.get_json()
    data, problems = customer_from_form(dict(asked.get("customer") or {}))
    if problems:
        return {"error": "bad_request", "message": " ".join(problems)}, 400
    customer_id = asked.get("id")
    known = store().customers
    try:
        if isinstance(customer_id, int):
            row = known.update(customer_id, data)
            audit.note("customer changed", f"{customer_id}")
        else:
            customer_id = known.add(data)
            row = known.get(customer_id) or {}
            audit.note("customer added", f"{customer_id}")
    except InvalidRow as error:
        return {"error": "bad_request", "message": " ".join(all_in_words(error.problems))}, 400
    return {"error": "", "customer": row}


@blueprint.get("/today")
@allow(*STAFF)
def today() -> ResponseReturnValue:
    """My calls of today, newest first, with their sums."""
    if not current_user.agent:
        return {"calls": [], "total": 0, "talk_s": 0}
    now = time.localtime()
    midnight = time.mktime((now.tm_year, now.tm_mon, now.tm_mday, 0, 0, 0, 0, 0, -1))
    rows, total = store().calls.search(agent=current_user.agent, since=midnight, limit=500)
    fields = (
        "id",
        "direction",
        "number",
        "customer",
        "customer_name",
        "started_at",
        "talk_s",
        "end_reason",
        "queue",
    )
    return {
        "calls": [{k: row[k] for k in fields} for row in rows[:TODAY]],
        "total": total,
        "in": sum(r["direction"] == "in" for r in rows),
        "out": sum(r["direction"] == "out" for r in rows),
        "talk_s": sum(r["talk_s"] for r in rows),
    }
