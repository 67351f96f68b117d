"""Calls: search, list, one call with its recording, star, notes, export."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, abort, flash, redirect, render_template, request, send_file, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from appliance.store import InvalidRow, NotFound
from appliance.store.calls import SORTS
from webui import audit, formats, labels
from webui.box import box, store
from webui.paging import PER_PAGE, Page, wanted_order, wanted_page
from webui.roles import LEADERS, STAFF, allow
from webui.spreadsheet import csv_response
from webui.tongue import gettext as _
from webui.visible import may_open

blueprint = Blueprint("calls", __name__, url_prefix="/calls")

EXPORT_BATCH = 500
EXPORT_LIMIT = 100_000


def wanted() -> dict[str, Any]:
    """The search as the address says it; agents only ever search their own calls."""
    args = request.args
    search: dict[str, Any] = {
        "text": args.get("q", "").strip(),
        "number": args.get("number", "").strip(),
        "agent": args.get("agent", ""),
        "queue": args.get("queue", ""),
        "direction": args.get("direction", ""),
        "line": args.get("line", ""),
        "since": formats.day_start(args.get("from", "")),
        "until": formats.day_end(args.get("to", "")),
        "with_recording": True if args.get("recorded") else None,
        "starred": True if args.get("starred") else None,
    }
    if current_user.role == "agent":
        search["agent"] = current_user.agent or "-"
    return search


def visible(call_id: str) -> dict[str, Any]:
    """The call, or 404; an agent sees those in which the agent took part."""
    call = store().calls.get(call_id)
    if call is None:
        abort(404)
    if not may_open(call, current_user.role, current_user.agent):
        audit.denied("calls.show")
        abort(403)
    return call


def recording_file(call: dict[str, Any]) -> Path | None:
    """The recording of a call, None when there is none or it has gone.

    The name comes from the database; one that points out of the recordings folder is refused.
    """
    if not call["recording"]:
        return None
    folder = box().home.recordings.resolve()
    named = Path(call["recording"])
    for base in (folder, folder.parent):
        path = (named if named.is_absolute() else base / named).resolve()
        if path.is_relative_to(folder) and path.is_file():
            return path
    return None


@blueprint.get("/")
@allow(*STAFF)
def index() -> ResponseReturnValue:
    """The list."""
    number = wanted_page()
    search = wanted()
    sort, down = wanted_order(SORTS, "started_at", descending=True)
    rows, total = store().calls.search(
        **search, limit=PER_PAGE, offset=(number - 1) * PER_PAGE, sort=sort, descending=down
    )
    names = {a["number"]: a["name"] for a in store().agents.list()}
    filtered = any(v for k, v in search.items() if not (k == "agent" and current_user.role == "agent"))
    return render_template(
        "calls/index.html",
        page=Page(rows, total, number, sort=sort, descending=down),
        names=names,
        agents=store().agents.list(),
        queues=store().queues.list(),
        queue_names={q["id"]: q["name"] for q in store().queues.list()},
        filtered=filtered,
    )


@blueprint.get("/<call_id>")
@allow(*STAFF)
def show(call_id: str) -> ResponseReturnValue:
    """One call: what happened, step by step, the recording, the notes."""
    call = visible(call_id)
    start = call["answered_at"] or call["started_at"]
    marks = [
        {
            "at": max(0.0, step["at"] - start),
            "what": step["what"],
            "label": " ".join(
                [labels.label(labels.STEP, step["what"]), *([str(step["node"])] if step.get("node") else [])]
            ),
        }
        for step in call["steps"]
        if isinstance(step, dict)
        and step.get("what") in ("node", "queue", "connect", "hold", "retrieve", "transfer")
    ]
    path = recording_file(call)
    return render_template(
        "calls/show.html",
        call=call,
        names={a["number"]: a["name"] for a in store().agents.list()},
        queue_names={q["id"]: q["name"] for q in store().queues.list()},
        marks=marks,
        recorded=path is not None,
        recording_lost=bool(call["recording"]) and path is None,
        area=store().numbering().area(call["number"], "zh" if formats_language() != "en" else "en")
        if call["number"]
        else "",
    )


def formats_language() -> str:
    """The page's language."""
    from webui.i18n import language

    return language()


@blueprint.get("/<call_id>/recording.wav")
@allow(*STAFF)
def recording(call_id: str) -> ResponseReturnValue:
    """The sound; `?download=1` as a file. Whole files go to the audit log, ranges only once."""
    call = visible(call_id)
    path = recording_file(call)
    if path is None:
        abort(404)
    if "Range" not in request.headers or request.headers["Range"].startswith("bytes=0-"):
        audit.note("recording downloaded" if request.args.get("download") else "recording played", call_id)
    response = send_file(
        path,
        mimetype="audio/wav",
        as_attachment=bool(request.args.get("download")),
        download_name=f"{call_id}.wav",
        conditional=True,
    )
    response.headers["Cache-Control"] = "private, max-age=300"
    return response


@blueprint.post("/<call_id>/star")
@allow(*STAFF)
def star(call_id: str) -> ResponseReturnValue:
    """Set or take away the star: a starred recording is never deleted by age."""
    call = visible(call_id)
    try:
        store().calls.star(call_id, not call["starred"])
    except NotFound:
        abort(404)
    audit.note("unstarred" if call["starred"] else "starred", call_id)
    return redirect(url_for("calls.show", call_id=call_id))


@blueprint.post("/<call_id>/note")
@allow(*STAFF)
def note(call_id: str) -> ResponseReturnValue:
    """Add a note."""
    visible(call_id)
    try:
        store().calls.note(call_id, current_user.agent or current_user.username, request.form.get("text", ""))
    except InvalidRow:
        flash(_("Write something first."), "error")
    else:
        flash(_("Note saved."), "success")
    return redirect(url_for("calls.show", call_id=call_id))


COLUMNS = (
    "id",
    "direction",
    "started_at",
    "line",
    "line_number",
    "caller_number",
    "caller_name",
    "called_number",
    "customer_name",
    "queue",
    "agent",
    "wait_s",
    "talk_s",
    "hold_s",
    "end_reason",
    "keys",
    "recording_s",
)


@blueprint.get("/export.csv")
@allow(*LEADERS)
def export() -> Response:
    """The calls of the present search as CSV for spreadsheets."""
    search = wanted()
    known = store()
    _rows, total = known.calls.search(**search, limit=1)
    audit.note("calls exported", f"{total}")
    search |= {"sort": "started_at", "descending": False}  # calls that come meanwhile move nothing

    def rows() -> Iterator[list[Any]]:
        for offset in range(0, min(total, EXPORT_LIMIT), EXPORT_BATCH):
            batch, _total = known.calls.search(**search, limit=EXPORT_BATCH, offset=offset)
            for row in batch:
                yield [{**row, "started_at": formats.full_time(row["started_at"])}[c] for c in COLUMNS]

    return csv_response("calls.csv", COLUMNS, rows())
