"""Short messages: conversations by number, reading, writing, sending again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask import Blueprint, Response, abort, render_template, request
from flask.typing import ResponseReturnValue
from flask_login import current_user

from appliance.client import CallFailed, WireError
from appliance.store import StoreError
from appliance.store.messages import MAX_CHARS, SORTS, STATES
from webui import audit, formats, labels
from webui.box import box, store
from webui.paging import PER_PAGE, Page, wanted_order, wanted_page
from webui.roles import LEADERS, STAFF, allow
from webui.screenpop import spoken
from webui.sentences import all_in_words
from webui.spreadsheet import csv_response
from webui.tongue import gettext as _
from webui.visible import may_read_messages

blueprint = Blueprint("messages", __name__, url_prefix="/messages")

THREAD = 200
EXPORT_BATCH = 500
EXPORT_LIMIT = 100_000


@blueprint.before_request
def check() -> None:
    """The setting may keep messages from agents, or switch them off."""
    if current_user.is_authenticated and not open_here():
        audit.denied(str(request.endpoint))
        abort(403)


def open_here() -> bool:
    """May the present user see messages at all?"""
    return may_read_messages(str(store().settings.get("messages.who")), current_user.role)


def unread_here() -> int:
    """Unread messages for the menu's badge."""
    return store().messages.unread()


def in_menu() -> int | None:
    """Unread messages for the menu's badge; None where there are no messages to open."""
    try:
        return unread_here() if open_here() else None
    except StoreError:
        return None  # the page that is being shown says what is wrong with the database


def wanted() -> dict[str, Any]:
    """The search as the address says it."""
    args = request.args
    state = args.get("state", "")
    return {
        "text": args.get("q", "").strip(),
        "direction": args.get("direction", "") if args.get("direction") in ("in", "out") else "",
        "state": state if state in STATES else "",
        "unread": bool(args.get("unread")),
        "since": formats.day_start(args.get("from", "")),
        "until": formats.day_end(args.get("to", "")),
    }


@blueprint.get("/")
@allow(*STAFF)
def index() -> ResponseReturnValue:
    """The conversations, newest first."""
    number, search = wanted_page(), wanted()
    sort, down = wanted_order(SORTS, "at", descending=True)
    rows, total = store().messages.conversations(
        PER_PAGE, (number - 1) * PER_PAGE, sort=sort, descending=down, **search
    )
    return render_template(
        "sms/index.html",
        page=Page(rows, total, number, sort=sort, descending=down),
        filtered=any(search.values()),
        states=STATES,
    )


@blueprint.get("/new")
@allow(*STAFF)
def new() -> ResponseReturnValue:
    """Write to a number; `?number=` fills it in."""
    number = request.args.get("number", "").strip()
    return render_template(
        "sms/thread.html", number=number, peer="", customer=None, rows=[], names={}, most=MAX_CHARS
    )


@blueprint.get("/with/<path:number>")
@allow(*STAFF)
def thread(number: str) -> ResponseReturnValue:
    """The conversation with a number, and a place to answer."""
    known = store()
    rows = known.messages.thread(number, THREAD)
    shown = rows[-1]["number"] if rows else number
    return render_template(
        "sms/thread.html",
        number=shown,
        peer=known.messages.peer(number),
        customer=known.customers.by_phone(number),
        rows=[spoken(row) for row in rows],
        names={a["number"]: a["name"] for a in known.agents.list()},
        most=MAX_CHARS,
    )


@blueprint.get("/list")
@allow(*STAFF)
def listed() -> ResponseReturnValue:
    """The newest messages of a conversation, for a page that is open."""
    rows = store().messages.thread(request.args.get("number", ""), THREAD)
    return {"messages": [spoken(row) for row in rows]}


@blueprint.get("/unread")
@allow(*STAFF)
def unread() -> ResponseReturnValue:
    """How many messages nobody has read."""
    return {"unread": unread_here()}


@blueprint.post("/read")
@allow(*STAFF)
def read() -> ResponseReturnValue:
    """What is on the screen has been read."""
    asked = request.get_json()
    until = asked.get("until")
    if isinstance(until, bool) or not isinstance(until, int | float):
        abort(400)
    store().messages.read(str(asked.get("number", "")), float(until))
    return {"unread": unread_here()}


@blueprint.post("/send")
@allow(*STAFF)
def send() -> ResponseReturnValue:
    """Write a message, or send one that failed again (`again`: its id)."""
    return send_asked(request.get_json())


def send_asked(asked: dict[str, Any]) -> ResponseReturnValue:
    """The answer to a wish {"number", "text"} or {"again"}: the message as it was stored."""
    wish = {key: str(asked.get(key) or "") for key in ("number", "text", "again")}
    who = current_user.agent or current_user.username
    try:
        row = box().control.call("send_message", who=who, **wish)
    except CallFailed as error:
        problems = " ".join(all_in_words(str(error).split("; ")))
        code = 400 if error.code == "bad_request" else 503
        return {"error": error.code, "message": problems}, code
    except WireError:
        text = _("The call service is away: the message was not sent. Try again in a few seconds.")
        return {"error": "away", "message": text}, 503
    audit.note("message sent again" if wish["again"] else "message sent", f"{row['number']} {row['id']}")
    return {"error": "", "message": spoken(row)}


COLUMNS = (
    *("id", "direction", "state", "reason", "at", "sent_at", "settled_at", "line", "line_number"),
    *("number", "customer_name", "who", "text"),
)
_TIMES = ("at", "sent_at", "settled_at")


@blueprint.get("/export.csv")
@allow(*LEADERS)
def export() -> Response:
    """The messages of the present search as CSV for spreadsheets."""
    search, known = wanted(), store()
    _rows, total = known.messages.search(limit=1, **search)
    audit.note("messages exported", f"{total}")

    def rows() -> Iterator[list[Any]]:
        for offset in range(0, min(total, EXPORT_LIMIT), EXPORT_BATCH):
            for row in known.messages.search(EXPORT_BATCH, offset, **search)[0]:
                times = {key: formats.full_time(row[key]) for key in _TIMES}
                said = {**row, **times, "state": labels.label(labels.MESSAGE_STATE, row["state"])}
                yield [said[column] for column in COLUMNS]

    return csv_response("messages.csv", COLUMNS, rows())
