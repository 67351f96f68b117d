"""The blacklist: who is not let in, and how often they tried."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from appliance.store import InvalidRow, NotFound
from appliance.store.blacklist import FIELDS
from webui import audit, labels, paging, words
from webui.box import plan_changed, store
from webui.forms import Input, input_for, read_form
from webui.roles import LEADERS, allow
from webui.tongue import gettext as _

blueprint = Blueprint("blacklist", __name__, url_prefix="/admin/blacklist")


def _inputs(row: dict[str, Any] | None) -> dict[str, Input]:
    inputs = {
        spec.name: input_for(
            spec,
            str(words.LABELS["blacklist"][spec.name]),
            str(words.HELP["blacklist"].get(spec.name, "")),
            row[spec.name] if row else None,
            [(k, str(v)) for k, v in labels.BLOCK_ACTION.items()] if spec.name == "action" else (),
            str(words.HINTS["blacklist"].get(spec.name, "")),
        )
        for spec in FIELDS
    }
    if not row:
        inputs["pattern"].value = request.args.get("number", "")
    return inputs


@blueprint.get("/")
@allow(*LEADERS)
def index() -> ResponseReturnValue:
    """All entries with their hits."""
    text = request.args.get("q", "").strip()
    page = paging.of_list(
        store().blacklist.list(),
        text,
        ("pattern", "note"),
        ("pattern", "action", "hits", "added_at"),
        "added_at",
        descending=True,
    )
    return render_template("admin/blacklist.html", page=page, text=text)


@blueprint.route("/new", methods=["GET", "POST"])
@allow(*LEADERS)
def new() -> ResponseReturnValue:
    """Block a number."""
    return _edit(None)


@blueprint.route("/<int:entry_id>", methods=["GET", "POST"])
@allow(*LEADERS)
def edit(entry_id: int) -> ResponseReturnValue:
    """Change an entry."""
    row = store().blacklist.get(entry_id)
    if row is None:
        abort(404)
    return _edit(row)


def _edit(row: dict[str, Any] | None) -> ResponseReturnValue:
    inputs = _inputs(row)
    failed = False
    if request.method == "POST":
        failed = True
        data = read_form(inputs, FIELDS, request.form)
        if data is not None:
            try:
                stored = store().blacklist.put(data | ({"id": row["id"]} if row else {}))
            except InvalidRow:
                inputs["pattern"].complain(
                    _(
                        "This is not a number, a beginning such as 0755*, or “withheld”, or it is on "
                        "the list already."
                    )
                )
            else:
                audit.note("blacklist changed" if row else "blacklist added", stored["pattern"])
                kind, message = plan_changed()
                flash(message, kind)
                return redirect(url_for("blacklist.index"))
    page = render_template("admin/blacklist_edit.html", inputs=inputs, row=row)
    return page, 400 if failed else 200


@blueprint.post("/<int:entry_id>/delete")
@allow(*LEADERS)
def delete(entry_id: int) -> ResponseReturnValue:
    """Let the number in again."""
    row = store().blacklist.get(entry_id)
    try:
        store().blacklist.delete(entry_id)
    except NotFound:
        abort(404)
    audit.note("blacklist removed", row["pattern"] if row else "")
    kind, message = plan_changed()
    flash(message, kind)
    return redirect(url_for("blacklist.index"))
