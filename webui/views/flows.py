"""Menus: readable text, checked by the box before it is published, every version kept."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from appliance.client import CallFailed, PeerAway
from appliance.store import InvalidRow, NotFound
from webui import audit, flowtext, paging
from webui.box import box, plan_changed, store
from webui.flowtext import FlowTextError
from webui.roles import ADMIN, allow
from webui.sentences import all_in_words, in_words, toml_in_words
from webui.tongue import gettext as _

blueprint = Blueprint("flows", __name__, url_prefix="/admin/flows")

EXAMPLE = """start = "hello"

[nodes.hello]
type = "play"
prompt = "greeting"
next = "choose"

[nodes.choose]
type = "menu"
prompt = "menu_main"
timeout_s = 5.0
repeats = 2
on_fail = "service"

[nodes.choose.keys]
1 = "service"

[nodes.service]
type = "queue"
queue = "service"
"""


def check(flow: dict[str, Any]) -> tuple[list[str], bool]:
    """(problems, checked): what the box says about a flow; checked False when it could not be asked."""
    try:
        answer = box().control.call("flow_check", flow=flow)
    except PeerAway:
        return [
            _("The call service is away, so the menu could not be checked. Try again in a few seconds.")
        ], False
    except CallFailed as error:
        return [in_words(str(error))], False
    problems = answer.get("problems", []) if isinstance(answer, dict) else answer or []
    return all_in_words(problems), True


def prompts() -> list[dict[str, Any]]:
    """Names of what can be played; empty while control is away (the page says so by its banner)."""
    try:
        answer = box().control.call("prompts")
    except (PeerAway, CallFailed):
        return []
    found = answer.get("prompts", []) if isinstance(answer, dict) else answer
    return list(found or [])


@blueprint.get("/")
@allow(ADMIN)
def index() -> ResponseReturnValue:
    """All menus."""
    used: dict[str, list[str]] = {}
    for line in store().lines.list():
        if not line["extension"]:
            used.setdefault(line["flow"], []).append(line["id"])
    rows = [{**f, "lines": ", ".join(used.get(f["id"], []))} for f in store().flows.list()]
    text = request.args.get("q", "").strip()
    page = paging.of_list(rows, text, ("id", "title", "lines"), ("id", "title", "at", "published"), "id")
    return render_template("admin/flows.html", page=page, text=text)


@blueprint.route("/new", methods=["GET", "POST"])
@allow(ADMIN)
def new() -> ResponseReturnValue:
    """A new menu, beginning with an example."""
    return _editor(None, request.form.get("text", EXAMPLE))


@blueprint.route("/<flow_id>", methods=["GET", "POST"])
@allow(ADMIN)
def edit(flow_id: str) -> ResponseReturnValue:
    """The newest version, or `?version=`, in the editor."""
    version = request.args.get("version", type=int)
    flow = store().flows.get(flow_id, version)
    if flow is None:
        abort(404)
    return _editor(flow, request.form.get("text") or flowtext.write(flow["definition"]))


def _editor(flow: dict[str, Any] | None, text: str) -> ResponseReturnValue:
    """Show; on POST check, and with action=save or publish store what is right."""
    problems: list[str] = []
    good = False
    definition: dict[str, Any] = flow["definition"] if flow else {}
    flow_id = flow["id"] if flow else request.form.get("id", "").strip()
    title = request.form.get("title", flow["title"] if flow else "").strip()
    if request.method == "POST":
        action = request.form.get("action", "check")
        try:
            definition = flowtext.read(text)
        except FlowTextError as error:
            problems = [_("The text cannot be read: %(problem)s", problem=toml_in_words(error.problem))]
        else:
            problems, _checked = check({"id": flow_id, "title": title, **definition})
        if not flow and store().flows.get(flow_id) is not None:
            problems.append(_("There is a menu with this short name already. Choose another."))
        good = not problems
        if action in ("save", "publish") and good:
            done = _store(flow_id, title, definition, action == "publish", problems)
            if done is not None:
                return done
    page = render_template(
        "admin/flow.html",
        flow=flow,
        flow_id=flow_id,
        title_text=title,
        text=text,
        problems=problems,
        good=good,
        outline=flowtext.outline(definition),
        versions=store().flows.versions(flow["id"]) if flow else [],
        prompts=prompts(),
        queues=store().queues.list(),
        phones=store().phones.list(),
    )
    return page, 400 if problems else 200


def _store(
    flow_id: str, title: str, definition: dict[str, Any], publish: bool, problems: list[str]
) -> ResponseReturnValue | None:
    try:
        stored = store().flows.put(
            {"id": flow_id, "title": title, "definition": definition}, current_user.username
        )
    except InvalidRow as error:
        problems += all_in_words(error.problems)
        return None
    audit.note("menu saved", f"{flow_id} version {stored['version']}")
    if publish:
        store().flows.publish(flow_id, stored["version"], current_user.username)
        audit.note("menu published", f"{flow_id} version {stored['version']}")
        kind, message = plan_changed()
        flash(message, kind)
    else:
        flash(
            _(
                "Saved as version %(version)s. Callers still hear the published one.",
                version=stored["version"],
            ),
            "success",
        )
    return redirect(url_for("flows.edit", flow_id=flow_id))


@blueprint.post("/<flow_id>/publish")
@allow(ADMIN)
def publish(flow_id: str) -> ResponseReturnValue:
    """Let an old version answer again, after checking it against the box of today."""
    flow = store().flows.get(flow_id, request.form.get("version", type=int))
    if flow is None:
        abort(404)
    problems, _checked = check({"id": flow_id, "title": flow["title"], **flow["definition"]})
    if problems:
        flash(_("Not published: %(problem)s", problem=" ".join(problems)), "error")
        return redirect(url_for("flows.edit", flow_id=flow_id, version=flow["version"]))
    store().flows.publish(flow_id, flow["version"], current_user.username)
    audit.note("menu published", f"{flow_id} version {flow['version']}")
    kind, message = plan_changed()
    flash(message, kind)
    return redirect(url_for("flows.edit", flow_id=flow_id))


@blueprint.post("/<flow_id>/rollback")
@allow(ADMIN)
def rollback(flow_id: str) -> ResponseReturnValue:
    """Back to what was published before."""
    try:
        flow = store().flows.rollback(flow_id, current_user.username)
    except NotFound:
        abort(404)
    except InvalidRow:
        flash(_("There is no earlier published version to go back to."), "error")
    else:
        audit.note("menu rolled back", f"{flow_id} to version {flow['version']}")
        kind, message = plan_changed()
        flash(message, kind)
    return redirect(url_for("flows.edit", flow_id=flow_id))


@blueprint.post("/<flow_id>/delete")
@allow(ADMIN)
def delete(flow_id: str) -> ResponseReturnValue:
    """Remove a menu that no line uses."""
    try:
        store().flows.delete(flow_id)
    except NotFound:
        abort(404)
    except InvalidRow:
        flash(_("A line still uses this menu. Give the line another menu first."), "error")
        return redirect(url_for("flows.edit", flow_id=flow_id))
    audit.note("menu deleted", flow_id)
    kind, message = plan_changed()
    flash(message, kind)
    return redirect(url_for("flows.index"))
