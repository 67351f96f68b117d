"""Backups: make, copy, restore, the key on paper; health repairs and the support bundle."""

from __future__ import annotations

import logging
import os
import re
import secrets
import shutil
import time
from pathlib import Path
from typing import Any

from flask import Blueprint, abort, flash, jsonify, redirect, render_template, request, send_file, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from appliance.client import CallFailed
from appliance.store import SETTINGS, StoreError
from webui import audit
from webui.accounts import password_fits
from webui.box import box, store
from webui.findings import JOB, STEP, problem_words
from webui.forms import Input
from webui.roles import ADMIN, allow
from webui.tongue import gettext as _
from webui.views.settings import given_for, input_of

LOG = logging.getLogger("zongji.web")

blueprint = Blueprint("backups", __name__, url_prefix="/admin/backups")

NAME = re.compile(r"[A-Za-z0-9._-]{1,100}\.zjb")
UPLOAD_CHUNK = 1 << 20
ROOM_LEFT_PERCENT = 10
"""An upload ends where the disk would reach its alarm."""


def state() -> dict[str, Any]:
    """What control knows of backups, in words. Raises WireError."""
    found: dict[str, Any] = box().control.call("backups")
    job = found.get("job")
    if job:
        job["words"] = str(JOB.get(job["what"], job["what"]))
        job["step_words"] = str(STEP.get(job["step"], ""))
        job["problem_words"] = problem_words(job["problem"])
    found["daily_words"] = problem_words(found["daily_problem"])
    share = found["share"]
    share["problem_words"] = problem_words(share["problem"])
    share["tried_words"] = problem_words(share["tried"]["problem"]) if share["tried"] else ""
    return found


def ask(method: str, **params: Any) -> bool:
    """Ask control for a job or a change; a refusal is told to the user. Raises WireError when it is away."""
    try:
        box().control.call(method, **params)
    except CallFailed as error:
        flash(problem_words({"code": error.code, "text": str(error)}), "error")
        return False
    return True


@blueprint.get("/")
@allow(ADMIN)
def index() -> ResponseReturnValue:
    """All of it."""
    values = store().settings.all()
    return _page({key: input_of(setting, values[key]) for key, setting in SHARE.items()})


SHARE = {key: setting for key, setting in SETTINGS.items() if setting.section == "share"}


def _page(
    share_inputs: dict[str, Input], password: Input | None = None, status: int = 200
) -> ResponseReturnValue:
    settings = {
        name: store().settings.get(f"backup.{name}") for name in ("daily", "hour", "keep", "to_stick")
    }
    settings["to_share"] = store().settings.get("share.copy")
    shown = []
    for key, one in share_inputs.items():
        shown += [one, password or _password_input()] if key == "share.user" else [one]
    page = render_template("admin/backups.html", found=state(), settings=settings, share_inputs=shown)
    return page, status


def _password_input() -> Input:
    hint = _("Is kept on the box and never shown. Leave it empty to keep the present one.")
    return Input("password", "password", _("Password"), hint)


@blueprint.get("/state")
@allow(ADMIN)
def progress() -> ResponseReturnValue:
    """How far the job is, for the page's script."""
    found = state()
    return jsonify(job=found["job"], restore=found["restore"])


@blueprint.post("/make")
@allow(ADMIN)
def make() -> ResponseReturnValue:
    """Begin a backup."""
    passphrase = request.form.get("passphrase", "")
    if passphrase and len(passphrase) < MIN_PASSPHRASE:
        flash(_("A passphrase needs at least %(count)s characters.", count=MIN_PASSPHRASE), "error")
        return redirect(url_for("backups.index"))
    recordings = "recordings" in request.form
    if ask("backup_make", recordings=recordings, passphrase=passphrase, **_place(request.form.get("to", ""))):
        audit.note("backup made", "with recordings" if recordings else "")
    return redirect(url_for("backups.index"))


MIN_PASSPHRASE = 12


def _place(where: str) -> dict[str, Any]:
    """Parameters for control: `where` is "share", "stick/NAME", or something on the box."""
    if where == "share":
        return {"share": True}
    return {"stick": where.removeprefix("stick/")} if where.startswith("stick/") else {}


@blueprint.post("/<name>/<action>")
@allow(ADMIN)
def change(name: str, action: str) -> ResponseReturnValue:
    """Prove, copy to a stick or the share, or delete a backup."""
    if not NAME.fullmatch(name) or action not in ("verify", "copy", "delete"):
        abort(404)
    if ask(f"backup_{action}", name=name, **_place(request.form.get("to", ""))) and action == "delete":
        audit.note("backup deleted", name)
        flash(_("Backup deleted."), "success")
    return redirect(url_for("backups.index"))


@blueprint.get("/<name>")
@allow(ADMIN)
def download(name: str) -> ResponseReturnValue:
    """The file."""
    path = box().home.backups / name
    if not NAME.fullmatch(name) or not path.is_file():
        abort(404)
    audit.note("backup downloaded", name)
    return send_file(path, as_attachment=True, mimetype="application/octet-stream", conditional=True)


# ------------------------------------------------------------------------ restoring
@blueprint.put("/upload")
@allow(ADMIN)
def upload() -> ResponseReturnValue:
    """A backup from the browser, as the request's body, written to the disk as it comes."""
    folder = box().home.uploads
    length = request.content_length
    if length is None or length <= 0:
        return jsonify(error={"message": _("The file is empty.")}), 400
    folder.mkdir(mode=0o770, exist_ok=True)
    usage = shutil.disk_usage(folder)
    if usage.free - length < (usage.used + usage.free) * ROOM_LEFT_PERCENT // 100:
        return jsonify(error={"message": problem_words({"code": "no_space"})}), 507
    for old in folder.glob("*"):
        if old.stat().st_mtime < time.time() - STALE_S:
            old.unlink(missing_ok=True)
    name = f"upload-{secrets.token_hex(4)}.zjb"
    half = folder / f"{name}.part"
    try:
        _receive(half, length)
    except OSError:
        half.unlink(missing_ok=True)
        return jsonify(error={"message": problem_words({"code": "disk"})}), 507
    if half.stat().st_size != length:
        half.unlink()
        return jsonify(error={"message": _("The upload was interrupted. Send the file again.")}), 400
    half.replace(folder / name)
    return jsonify(name=name)


STALE_S = 3600.0


def _receive(half: Path, length: int) -> None:
    request.max_content_length = length
    with half.open("wb") as file:
        half.chmod(0o660)
        while chunk := request.stream.read(UPLOAD_CHUNK):
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())


@blueprint.post("/prepare")
@allow(ADMIN)
def prepare() -> ResponseReturnValue:
    """Make a backup ready: from the box, an upload, a stick, or the share."""
    where, _sep, name = request.form.get("source", "").partition(":")
    params: dict[str, Any] = {
        "key": request.form.get("key", ""),
        "passphrase": request.form.get("passphrase", ""),
    }
    params |= {"uploaded": True} if where == "upload" else _place(where)
    if not name:
        flash(_("Choose a backup first."), "error")
    else:
        ask("restore_prepare", name=name, **params)
    return redirect(url_for("backups.index", _anchor="restore"))


@blueprint.post("/commit")
@allow(ADMIN)
def commit() -> ResponseReturnValue:
    """Put in place what has been made ready."""
    audit.note("backup restored", request.form.get("source", ""))
    ask("restore_commit")
    return redirect(url_for("backups.index", _anchor="restore"))


@blueprint.post("/discard")
@allow(ADMIN)
def discard() -> ResponseReturnValue:
    """Give up what has been made ready."""
    if ask("restore_discard"):
        flash(_("Given up. Nothing was changed."), "success")
    return redirect(url_for("backups.index"))


# -------------------------------------------------------------------------- share
@blueprint.post("/share")
@allow(ADMIN)
def share() -> ResponseReturnValue:
    """Keep the settings of the share, then try it."""
    present = store().settings.all()
    inputs, wanted = given_for(SHARE, present)
    password = request.form.get("password", "")
    whose = [key for key in wanted if key in ("share.server", "share.name", "share.user", "share.domain")]
    secret = _password_input()
    for key in ("share.server", "share.name"):
        if not inputs[key].value:
            inputs[key].complain(_("This is needed."))
    if not password and inputs["share.user"].value and (whose or not state()["share"]["has_password"]):
        secret.complain(_("Type the password: none is kept for this server and user."))
    if any(one.errors for one in (secret, *inputs.values())):
        return _page(inputs, secret, 400)
    with store().transaction():
        for key, value in wanted.items():
            store().settings.set(key, value, current_user.username)
    if password or whose:
        box().control.call("share_password", password=password)
    audit.note("share for backups changed", ", ".join([*wanted, *(["password"] if password else [])]))
    ask("share_try")
    return redirect(url_for("backups.index", _anchor="share"))


@blueprint.post("/share/look")
@allow(ADMIN)
def share_look() -> ResponseReturnValue:
    """Have the backups on the share listed."""
    ask("share_look")
    return redirect(url_for("backups.index", _anchor="from"))


# ---------------------------------------------------------------------------- key
@blueprint.route("/key", methods=["GET", "POST"])
@allow(ADMIN)
def key() -> ResponseReturnValue:
    """The recovery key to be printed, once more after the password."""
    if request.method == "GET":
        return render_template("admin/backup_key.html", key=None)
    row = store().users.get(int(current_user.id))
    if not password_fits(row["password_hash"] if row else None, request.form.get("password", "")):
        audit.note("recovery key refused")
        flash(_("The password is wrong."), "error")
        return render_template("admin/backup_key.html", key=None), 400
    audit.note("recovery key shown")
    return render_template("admin/backup_key.html", key=box().control.call("backup_key"), now=time.time())


@blueprint.post("/key/printed")
@allow(ADMIN)
def printed() -> ResponseReturnValue:
    """Somebody says that the key is on paper."""
    if ask("backup_key_printed"):
        audit.note("recovery key printed")
    return redirect(url_for("backups.index"))


# ------------------------------------------------------------- repairs and support
@blueprint.post("/repair")
@allow(ADMIN)
def repair() -> ResponseReturnValue:
    """What a button of the start page does."""
    name = request.form.get("id", "")
    if ask("repair", id=name):
        _note("repair", name)
        _wait_for_job(REPAIR_WAIT_S)
        job = state()["job"]
        if job and job["ended"] and job["problem"]:
            flash(job["problem_words"], "error")
        elif job and job["ended"]:
            flash(_("Done."), "success")
    return redirect(url_for("admin.start"))


REPAIR_WAIT_S = 5.0
SUPPORT_WAIT_S = 150.0


@blueprint.post("/support")
@allow(ADMIN)
def support() -> ResponseReturnValue:
    """One click: collect and download."""
    return support_bundle()


def support_bundle() -> ResponseReturnValue:
    """Have control collect it, then send the file."""
    if not ask("support"):
        return redirect(url_for("admin.start"))
    _note("support bundle", "")
    _wait_for_job(SUPPORT_WAIT_S)
    job = state()["job"]
    path = Path(str(job.get("result", ""))) if job else Path()
    if not job or not job["ended"] or job["problem"] or not path.is_file():
        words = job["problem_words"] if job else ""
        flash(words or _("The support bundle was not made. Try again."), "error")
        return redirect(url_for("admin.start"))
    return send_file(path, as_attachment=True, mimetype="application/zip")


def _wait_for_job(longest_s: float) -> None:
    deadline_s = time.monotonic() + longest_s
    while time.monotonic() < deadline_s:
        job = state()["job"]
        if not job or job["ended"]:
            return
        time.sleep(0.2)


def _note(what: str, detail: str) -> None:
    """A line in the audit log; while the database is away, in the log of the pages."""
    try:
        audit.note(what, detail)
    except StoreError:
        LOG.warning("%s %s by %s", what, detail, request.remote_addr)
