"""The box's network: settings on trial until they are confirmed from the network that they make."""

from __future__ import annotations

import ipaddress
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from webui import audit, boxsystem
from webui.boxsystem import SystemProblem, ask
from webui.limits import SIGN_IN_LIMIT, limiter
from webui.roles import ADMIN, ANYONE, allow
from webui.tongue import gettext as _

blueprint = Blueprint("network", __name__, url_prefix="/admin/network")

TRIAL = "network_trial"


def wanted() -> dict[str, Any]:
    """The settings as the form has them."""
    form = request.form
    family = {
        name: {part: form.get(f"{name}.{part}", "").strip() for part in ("method", "address", "gateway")}
        for name in ("ipv4", "ipv6")
    }
    servers = form.get("dns", "").replace(",", " ").split()
    return {
        "hostname": form.get("hostname", "").strip(),
        "interface": form.get("interface", ""),
        "dns": servers,
        **family,
    }


@blueprint.get("/")
@allow(ADMIN)
def show() -> ResponseReturnValue:
    """Settings and what there is now."""
    try:
        found = ask("network.get")
    except SystemProblem as problem:
        return render_template("system/away.html", title=_("Network"), problem=problem)
    return _page(found, found["settings"], {})


def _page(
    found: dict[str, Any], settings: dict[str, Any], wrong: dict[str, str], status: int = 200
) -> ResponseReturnValue:
    token = session.get(TRIAL, "") if found.get("trial") else ""
    links = [_link(one, token) for one in _reached(found.get("trial"))] if token else []
    return render_template(
        "system/network.html", found=found, settings=settings, wrong=wrong, token=token, links=links
    ), status


def _reached(trial: dict[str, Any] | None) -> list[str]:
    """Where the box is reached with the settings on trial."""
    if not trial:
        return []
    settings = trial["settings"]
    fixed = [settings[name]["address"] for name in ("ipv4", "ipv6") if settings[name]["method"] == "static"]
    return [*(one.partition("/")[0] for one in fixed), f"{settings['hostname']}.local"]


def _link(host: str, token: str) -> tuple[str, str]:
    try:
        shown = f"[{host}]" if ipaddress.ip_address(host).version == 6 else host
    except ValueError:
        shown = host
    return shown, f"{request.scheme}://{shown}{url_for('network.confirm', token=token)}"


@blueprint.post("/")
@allow(ADMIN)
def apply() -> ResponseReturnValue:
    """Put the settings on trial."""
    settings = wanted()
    try:
        answer = ask("network.apply", settings=settings)
    except SystemProblem as problem:
        wrong = {part.field: str(part) for part in problem.parts}
        if not wrong:
            flash(str(problem), "error")
        try:
            return _page(ask("network.get"), settings, wrong, 400)
        except SystemProblem as second:
            return render_template("system/away.html", title=_("Network"), problem=second), 503
    audit.note("network on trial", settings["hostname"])
    session[TRIAL] = answer["token"]
    boxsystem.changed()
    return redirect(url_for("network.show"))


@blueprint.post("/revert")
@allow(ADMIN)
def revert() -> ResponseReturnValue:
    """Back to the former settings at once."""
    try:
        ask("network.revert")
        flash(_("The former network settings are back."), "success")
    except SystemProblem as problem:
        flash(str(problem), "error")
    session.pop(TRIAL, None)
    boxsystem.changed()
    return redirect(url_for("network.show"))


@blueprint.route("/confirm/<token>", methods=["GET", "POST"])
@allow(ANYONE)
@limiter.limit(SIGN_IN_LIMIT, methods=["POST"])
def confirm(token: str) -> ResponseReturnValue:
    """Keep the settings: whoever opens this has reached the box with them. The token is known only to the
    page that put them on trial; at a new address the browser has no sign-in yet."""
    problem = ""
    if request.method == "POST":
        try:
            ask("network.confirm", token=token)
        except SystemProblem as error:
            problem = str(error)
        else:
            audit.note("network confirmed", who="-" if TRIAL not in session else "")
            session.pop(TRIAL, None)
            boxsystem.changed()
            flash(_("The new network settings are kept."), "success")
            return redirect(url_for("network.show"))
    return render_template("system/confirm.html", token=token, problem=problem), 400 if problem else 200
