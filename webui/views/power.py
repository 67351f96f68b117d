"""The box as a whole: restart, switch off, real cards or the simulated office, its log."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webui import audit, boxsystem
from webui.box import box
from webui.boxsystem import SystemProblem, ask
from webui.roles import ADMIN, allow
from webui.tongue import gettext as _
from webui.tongue import lazy_gettext as _l

blueprint = Blueprint("power", __name__, url_prefix="/admin/restart")

ORDERED = {
    "menu": _l("The box starts its recovery system. Its screen shows the menu and the address of its page."),
    "reinstall": _l(
        "The box writes its system anew and starts it. This takes a few minutes; do not pull the plug."
    ),
    "factory_reset": _l(
        "The box goes back to its state of delivery. After that it has to be claimed with the code on its "
        "screen."
    ),
}
UNITS = ("engine", "control", "web", "system")
LINES = 200


@blueprint.get("/")
@allow(ADMIN)
def show() -> ResponseReturnValue:
    """What can be done, and how many calls it would end."""
    try:
        found = ask("status")
    except SystemProblem as problem:
        return render_template("system/away.html", title=_("Restart"), problem=problem)
    calls = len((box().hub.snapshot or {}).get("calls", []))
    return render_template("system/power.html", found=found, calls=calls)


@blueprint.post("/reboot")
@allow(ADMIN)
def reboot() -> ResponseReturnValue:
    """Start the box anew."""
    return _down(
        "power.reboot", "box restarted", _("The box starts anew. It takes calls again in about a minute.")
    )


@blueprint.post("/off")
@allow(ADMIN)
def off() -> ResponseReturnValue:
    """Switch the box off."""
    return _down("power.off", "box switched off", _("The box goes off. Press its button to start it again."))


def _down(method: str, what: str, text: str) -> ResponseReturnValue:
    audit.note(what)
    try:
        ask(method)
    except SystemProblem as problem:
        flash(str(problem), "error")
        return redirect(url_for("power.show"))
    return render_template("system/down.html", text=text, comes_back=method == "power.reboot")


@blueprint.get("/recovery")
@allow(ADMIN)
def recovery() -> ResponseReturnValue:
    """What the recovery system can be told to do."""
    return _recovery_page()


@blueprint.post("/recovery")
@allow(ADMIN)
def order_recovery() -> ResponseReturnValue:
    """Start the box into recovery with an order."""
    action = request.form.get("action", "")
    if action not in ORDERED:
        abort(400)
    params: dict[str, Any] = {"action": action}
    keeps = "delete_recordings" not in request.form
    if action == "factory_reset":
        params |= {"serial": request.form.get("serial", ""), "options": {"keep_recordings": keeps}}
    older = action == "reinstall" and "older" in request.form
    if older:
        params["options"] = {"older": True}
    try:
        ask("recovery.order", **params)
    except SystemProblem as problem:
        return _recovery_page(problem, not keeps), 400
    more = ("" if keeps else ", recordings deleted") + (", older version" if older else "")
    audit.note("recovery ordered", f"{action}{more}")
    return render_template("system/down.html", text=str(ORDERED[action]), comes_back=action != "menu")


def _recovery_page(wrong: SystemProblem | None = None, delete: bool = False) -> str:
    try:
        found = ask("status")
    except SystemProblem as problem:
        return render_template("system/away.html", title=_("Recovery system"), problem=problem)
    calls = len((box().hub.snapshot or {}).get("calls", []))
    return render_template("system/recovery.html", found=found, calls=calls, wrong=wrong, delete=delete)


@blueprint.post("/board")
@allow(ADMIN)
def board() -> ResponseReturnValue:
    """Real cards or the simulated office."""
    wanted = "sim" if request.form.get("board") == "sim" else "auto"
    try:
        ask("board.set", board=wanted)
    except SystemProblem as problem:
        flash(str(problem), "error")
    else:
        audit.note("cards chosen", wanted)
        boxsystem.changed()
        flash(_("The call engine has been started anew."), "success")
    return redirect(url_for("power.show"))


@blueprint.get("/log")
@allow(ADMIN)
def log() -> ResponseReturnValue:
    """The last lines of the log."""
    unit = request.args.get("unit", "")
    try:
        found = ask("log.tail", lines=LINES, unit=unit if unit in UNITS else "")
    except SystemProblem as problem:
        return render_template("system/away.html", title=_("Log"), problem=problem)
    return render_template("system/log.html", lines=found["lines"][::-1], unit=unit, units=UNITS)
