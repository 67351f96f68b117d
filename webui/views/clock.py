"""The box's time: zone, servers, and setting it from the computer that looks at the page."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webui import audit, boxsystem
from webui.boxsystem import SystemProblem, ask
from webui.roles import ADMIN, allow
from webui.tongue import gettext as _

blueprint = Blueprint("clock", __name__, url_prefix="/admin/time")


@blueprint.get("/")
@allow(ADMIN)
def show() -> ResponseReturnValue:
    """What time it is, and where it comes from."""
    try:
        found = ask("time.get")
    except SystemProblem as problem:
        return render_template("system/away.html", title=_("Time"), problem=problem)
    return render_template("system/time.html", found=found)


@blueprint.post("/")
@allow(ADMIN)
def save() -> ResponseReturnValue:
    """Zone and servers."""
    servers = request.form.get("servers", "").replace(",", " ").split()
    zone = request.form.get("zone", "").strip()
    wanted: dict[str, Any] = {"zone": zone, "ntp": "ntp" in request.form, "servers": servers}
    return _set(
        wanted,
        f"{zone} {' '.join(servers)}",
        _("Saved. The pages start anew when the time zone has changed."),
    )


@blueprint.post("/now")
@allow(ADMIN)
def now() -> ResponseReturnValue:
    """The time of the computer at which the page was open."""
    try:
        unix_s = float(request.form.get("time", ""))
    except ValueError:
        flash(_("The browser sent no time; switch JavaScript on and try again."), "error")
        return redirect(url_for("clock.show"))
    return _set({"time": unix_s}, f"{unix_s:.0f}", _("The time is set."))


def _set(wanted: dict[str, Any], detail: str, done: str) -> ResponseReturnValue:
    try:
        ask("time.set", **wanted)
    except SystemProblem as problem:
        flash(str(problem), "error")
    else:
        audit.note("time set", detail)
        boxsystem.changed()
        flash(done, "success")
    return redirect(url_for("clock.show"))
