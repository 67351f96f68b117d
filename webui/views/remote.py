"""Remote support: SSH for some hours with the public key of whoever helps."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from webui import audit, boxsystem
from webui.boxsystem import SystemProblem, ask
from webui.roles import ADMIN, allow
from webui.tongue import gettext as _

blueprint = Blueprint("remote", __name__, url_prefix="/admin/remote-support")

HOURS = (1, 2, 4, 8, 24, 72)


@blueprint.get("/")
@allow(ADMIN)
def show() -> ResponseReturnValue:
    """Open or closed."""
    return _page("")


def _page(key: str, wrong: str = "", status: int = 200) -> ResponseReturnValue:
    boxsystem.changed()
    try:
        found = ask("status")
    except SystemProblem as problem:
        return render_template("system/away.html", title=_("Remote support"), problem=problem)
    page = render_template("system/remote.html", ssh=found["ssh"], hours=HOURS, key=key, wrong=wrong)
    return page, status


@blueprint.post("/")
@allow(ADMIN)
def enable() -> ResponseReturnValue:
    """Open it."""
    key, chosen = request.form.get("key", ""), request.form.get("hours", "")
    hours = next((one for one in HOURS if str(one) == chosen), HOURS[0])
    try:
        found = ask("ssh.enable", hours=hours, key=key, by=current_user.username)
    except SystemProblem as problem:
        audit.note("remote support refused", problem.code)
        return _page("" if problem.code == "private_key" else key, str(problem), 400)
    audit.note("remote support opened", f"{hours} h, {found.get('fingerprint', '')}")
    flash(_("Remote support is open. It closes by itself."), "success")
    return redirect(url_for("remote.show"))


@blueprint.post("/close")
@allow(ADMIN)
def close() -> ResponseReturnValue:
    """Close it now."""
    try:
        ask("ssh.disable")
    except SystemProblem as problem:
        flash(str(problem), "error")
    else:
        audit.note("remote support closed")
        flash(_("Remote support is closed."), "success")
    return redirect(url_for("remote.show"))
