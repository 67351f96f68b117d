"""While the database cannot be opened: whoever administers the box may restore it and fetch a support bundle.

Entitled is who was signed in as administrator when it broke, or who types the recovery key from the paper.
"""

from __future__ import annotations

import logging
import time

from flask import Blueprint, flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from appliance.client import WireError
from appliance.store import StoreError
from webui.box import box, store
from webui.findings import finding_words
from webui.limits import limiter
from webui.roles import ADMIN, ANYONE, allow
from webui.tongue import gettext as _
from webui.views.backups import ask, state, support_bundle

LOG = logging.getLogger("zongji.web")
blueprint = Blueprint("rescue", __name__, url_prefix="/rescue")

STAYS_S = 1800.0


def needed() -> bool:
    """Is the database away?"""
    try:
        store().users.count()
    except StoreError:
        return True
    return False


def entitled() -> bool:
    """May this visitor act?"""
    if current_user.is_authenticated and current_user.role == ADMIN:
        return True
    return time.time() - float(session.get("rescue_at", 0.0)) < STAYS_S


@blueprint.get("")
@allow(ANYONE)
def show() -> ResponseReturnValue:
    """What is wrong and what can be done."""
    if not needed():
        return redirect(url_for("entry.home"))
    found, findings = None, []
    if entitled():
        try:
            found = state()
            findings = [finding_words(one) for one in box().control.call("checks")["findings"]]
        except WireError as error:
            LOG.warning("rescue: %s", error)
    return render_template("errors/rescue.html", entitled=entitled(), found=found, findings=findings)


@blueprint.post("/key")
@allow(ANYONE)
@limiter.limit("5 per minute")
def key() -> ResponseReturnValue:
    """The recovery key instead of a password."""
    if needed() and box().control.call("backup_key_check", key=request.form.get("key", ""))["fits"]:
        session["rescue_at"] = time.time()
        LOG.warning("rescue: the recovery key was typed by %s", request.remote_addr)
    else:
        flash(_("This is not the recovery key of this box."), "error")
    return redirect(url_for("rescue.show"))


@blueprint.post("/restore")
@allow(ANYONE)
def restore() -> ResponseReturnValue:
    """The newest good backup in place of the database."""
    if needed() and entitled():
        LOG.warning("rescue: restore asked for by %s", request.remote_addr)
        ask("repair", id="restore_newest")
    return redirect(url_for("rescue.show"))


@blueprint.post("/support")
@allow(ANYONE)
def support() -> ResponseReturnValue:
    """The support bundle."""
    if not needed() or not entitled():
        return redirect(url_for("rescue.show"))
    return support_bundle()
