"""Customers: list, search, edit, history, import and export."""

from __future__ import annotations

import json
from typing import Any

from flask import Blueprint, Response, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from appliance.store import InvalidRow, NotFound
from appliance.store.customers import FIELDS, MAX_PHONES, SORTS
from webui import audit
from webui.box import store
from webui.paging import PER_PAGE, Page, wanted_order, wanted_page
from webui.roles import LEADERS, STAFF, allow
from webui.screenpop import messages_with
from webui.sentences import all_in_words
from webui.tongue import gettext as _
from webui.tongue import ngettext
from webui.visible import may_open

blueprint = Blueprint("customers", __name__, url_prefix="/customers")

HISTORY = 50


def from_form(given: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Checked fields and phones of a customer, and what is wrong with them in words."""
    problems = []
    data: dict[str, Any] = {}
    for spec in FIELDS:
        value = given.get(spec.name, spec.default)
        try:
            data[spec.name] = spec.check(value)
        except ValueError:
            problems.append(_("“%(value)s” is too long or has strange characters.", value=str(value)[:30]))
    numbering = store().numbering()
    phones = []
    for phone in given.get("phones") or []:
        number, label = str(phone.get("number", "")).strip(), str(phone.get("label", "")).strip()
        if number and not numbering.normalise(number):
            problems.append(_("“%(number)s” is not a telephone number. Write digits.", number=number[:40]))
        elif number:
            phones.append({"number": number, "label": label[:40]})
    if len(phones) > MAX_PHONES:
        problems.append(_("At most %(count)s telephone numbers.", count=MAX_PHONES))
    data["phones"] = phones
    if not problems and not (data.get("name") or data.get("company") or phones):
        problems.append(_("Give at least a name, a company or a telephone number."))
    return data, problems


def _posted() -> dict[str, Any]:
    """The customer form as plain data."""
    given: dict[str, Any] = {spec.name: request.form.get(spec.name, "") for spec in FIELDS}
    given["vip"] = "vip" in request.form
    numbers, labels = request.form.getlist("phone_number"), request.form.getlist("phone_label")
    given["phones"] = [{"number": n, "label": w} for n, w in zip(numbers, labels, strict=False) if n.strip()]
    return given


@blueprint.get("/")
@allow(*STAFF)
def index() -> ResponseReturnValue:
    """Search and list, newest change first."""
    text = request.args.get("q", "").strip()
    number = wanted_page()
    sort, down = wanted_order(SORTS, "updated_at", descending=True)
    rows, total = store().customers.search(
        text, PER_PAGE, (number - 1) * PER_PAGE, sort=sort, descending=down
    )
    page = Page(rows, total, number, sort=sort, descending=down)
    return render_template("customers/index.html", page=page, text=text)


@blueprint.route("/new", methods=["GET", "POST"])
@allow(*STAFF)
def new() -> ResponseReturnValue:
    """Add a customer; `?number=` fills the first telephone."""
    given: dict[str, Any] = {"phones": [{"number": request.args.get("number", ""), "label": ""}]}
    problems: list[str] = []
    if request.method == "POST":
        given = _posted()
        data, problems = from_form(given)
        if not problems:
            try:
                customer_id = store().customers.add(data)
            except InvalidRow as error:
                problems = all_in_words(error.problems)
            else:
                audit.note("customer added", str(customer_id))
                flash(_("Customer added."), "success")
                return redirect(url_for("customers.show", customer_id=customer_id))
    page = render_template(
        "customers/edit.html",
        customer=given,
        problems=problems,
        history=[],
        phones=json.dumps(given["phones"]),
    )
    return page, 400 if problems else 200


@blueprint.route("/<int:customer_id>", methods=["GET", "POST"])
@allow(*STAFF)
def show(customer_id: int) -> ResponseReturnValue:
    """One customer with every contact."""
    customer = store().customers.get(customer_id)
    if customer is None:
        abort(404)
    problems: list[str] = []
    if request.method == "POST":
        customer = {**customer, **_posted()}
        data, problems = from_form(customer)
        if not problems:
            try:
                store().customers.update(customer_id, data)
            except InvalidRow as error:
                problems = all_in_words(error.problems)
            except NotFound:
                abort(404)  # deleted meanwhile
            else:
                audit.note("customer changed", str(customer_id))
                flash(_("Customer saved."), "success")
                return redirect(url_for("customers.show", customer_id=customer_id))
    calls = [{"at": r["started_at"], "call": r} for r in store().customers.history(customer_id, HISTORY)]
    written = messages_with("", customer, current_user.role, HISTORY)
    history = sorted(
        [*calls, *({"at": m["at"], "message": m} for m in written)], key=lambda one: one["at"], reverse=True
    )
    phones = [{"number": p["number"], "label": p["label"]} for p in customer["phones"]]
    page = render_template(
        "customers/edit.html",
        customer=customer,
        problems=problems,
        history=history,
        names={a["number"]: a["name"] for a in store().agents.list()},
        may_open=lambda call: may_open(call, current_user.role, current_user.agent),
        phones=json.dumps(phones),
    )
    return page, 400 if problems else 200


@blueprint.post("/<int:customer_id>/delete")
@allow(*LEADERS)
def delete(customer_id: int) -> ResponseReturnValue:
    """Remove a customer; the calls stay."""
    try:
        store().customers.delete(customer_id)
    except NotFound:
        abort(404)
    audit.note("customer deleted", str(customer_id))
    flash(_("Customer deleted. The calls with this customer are kept."), "success")
    return redirect(url_for("customers.index"))


@blueprint.get("/export.csv")
@allow(*LEADERS)
def export() -> Response:
    """All customers as CSV."""
    audit.note("customers exported", str(store().customers.count()))
    response = Response(store().customers.export_csv(), mimetype="text/csv")
    response.headers["Content-Disposition"] = 'attachment; filename="customers.csv"'
    return response


@blueprint.route("/import", methods=["GET", "POST"])
@allow(*LEADERS)
def import_() -> ResponseReturnValue:
    """Add and update customers from a CSV file."""
    report = None
    problem = ""
    if request.method == "POST":
        problem, report = _import(request.files.get("file"))
    return render_template("customers/import.html", report=report, problem=problem), 400 if problem else 200


def _import(file: Any) -> tuple[str, dict[str, Any] | None]:
    """(problem, report) of an upload."""
    octets = file.read() if file else b""
    if not octets:
        return _("Choose a CSV file first."), None
    try:
        text = octets.decode("utf-8-sig")
    except UnicodeDecodeError:
        try:
            text = octets.decode("gb18030")  # what Chinese spreadsheets write without being asked for UTF-8
        except UnicodeDecodeError:
            return _("This file is not text in UTF-8 or GB18030. Save the sheet as CSV and try again."), None
    try:
        report = store().customers.import_csv(text)
    except InvalidRow:
        return (
            _(
                "This is not a table with headings. The first line must name the columns: name, "
                "company, phone …"
            ),
            None,
        )
    for error in report["errors"]:
        error["problem"] = " ".join(all_in_words(error["problems"]))
    audit.note("customers imported", f"{report['added']} added, {report['updated']} updated")
    done = ngettext("%(num)d customer read.", "%(num)d customers read.", report["added"] + report["updated"])
    flash(done, "success")
    return "", report
