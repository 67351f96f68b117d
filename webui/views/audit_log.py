"""The audit log: who did what, when, from where."""

from __future__ import annotations

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from webui.box import store
from webui.paging import PER_PAGE, wanted_page
from webui.roles import ADMIN, allow

blueprint = Blueprint("audit", __name__, url_prefix="/admin/audit")


@blueprint.get("/")
@allow(ADMIN)
def index() -> ResponseReturnValue:
    """Newest first; `?who=` and `?what=` narrow it."""
    number = wanted_page()
    who, what = request.args.get("who", "").strip(), request.args.get("what", "").strip()
    rows = store().audit.list(PER_PAGE + 1, (number - 1) * PER_PAGE, who, what)
    return render_template(
        "admin/audit.html", rows=rows[:PER_PAGE], more=len(rows) > PER_PAGE, number=number, who=who, what=what
    )
