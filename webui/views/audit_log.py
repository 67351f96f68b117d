"""The audit log: who did what, when, from where."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask import Blueprint, Response, render_template, request
from flask.typing import ResponseReturnValue

from webui import audit, formats, labels
from webui.box import store
from webui.paging import PER_PAGE, Page, wanted_order, wanted_page
from webui.roles import ADMIN, allow
from webui.spreadsheet import csv_response

blueprint = Blueprint("audit", __name__, url_prefix="/admin/audit")

EXPORT_BATCH = 1000
EXPORT_LIMIT = 1_000_000


def wanted() -> dict[str, Any]:
    """The search as the address says it. A word finds actions by what they are called on the page, too."""
    text = request.args.get("q", "").strip()
    called = [code for code, word in labels.AUDIT.items() if text and text.casefold() in str(word).casefold()]
    return {
        "text": text,
        "also": called,
        "who": request.args.get("who", "").strip(),
        "what": request.args.get("what", "").strip(),
        "oldest_first": not wanted_order(("at",), "at", descending=True)[1],
    }


@blueprint.get("/")
@allow(ADMIN)
def index() -> ResponseReturnValue:
    """Newest first; `?q=` searches everything, `?who=` and `?what=` narrow it."""
    number = wanted_page()
    search = wanted()
    rows, total = store().audit.search(**search, limit=PER_PAGE, offset=(number - 1) * PER_PAGE)
    page = Page(rows, total, number, sort="at", descending=not search["oldest_first"])
    return render_template("admin/audit.html", page=page, search=search)


@blueprint.get("/export.csv")
@allow(ADMIN)
def export() -> Response:
    """The entries of the present search as CSV."""
    search = wanted()
    known = store().audit
    _rows, total = known.search(**search, limit=0)
    audit.note("audit exported", str(total))
    search["oldest_first"] = True  # so that entries made meanwhile move nothing

    def rows() -> Iterator[list[Any]]:
        for offset in range(0, min(total, EXPORT_LIMIT), EXPORT_BATCH):
            for row in known.search(**search, limit=EXPORT_BATCH, offset=offset)[0]:
                yield [formats.full_time(row["at"]), row["who"], row["what"], row["detail"]]

    return csv_response("audit.csv", ("time", "who", "what", "detail"), rows())
