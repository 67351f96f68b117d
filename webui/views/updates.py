"""Updates: brought by the browser, a stick or an address; looked at, installed, and what became of them."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Flask, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from appliance.paths import updates_folder
from webui import audit, boxsystem, problems
from webui.boxsystem import SystemProblem, ask
from webui.formats import size
from webui.roles import ADMIN, allow
from webui.tongue import gettext as _

blueprint = Blueprint("updates", __name__, url_prefix="/admin/updates")

MAX_BYTES = 400_000_000
SPARE_BYTES = 50_000_000
"""These two and NAME are the box's own limits (image/box/update), which pages may not import."""
CHUNK = 1 << 18
NAME = re.compile(r"[\w][\w .+()-]{0,120}\.raucb")


def install(app: Flask) -> None:
    """Let an upload be larger than any other request. Before what reads requests (CSRF)."""

    @app.before_request
    def larger() -> None:
        if request.endpoint == "updates.upload":
            request.max_content_length = MAX_BYTES


@blueprint.get("/")
@allow(ADMIN)
def show() -> ResponseReturnValue:
    """What runs, what can be installed, and the history."""
    try:
        found, sticks, box = ask("update.status"), ask("usb.list")["sticks"], ask("status")
    except SystemProblem as problem:
        return render_template("system/away.html", title=_("Updates"), problem=problem)
    return render_template(
        "system/updates.html",
        found=found,
        sticks=sticks,
        box=box,
        in_words=problems.in_words,
        most=MAX_BYTES,
        far=far(found["update"]),
    )


def far(job: dict[str, Any]) -> str:
    """How far an installation is, in words: bytes, calls that are waited for; "" where there is no more to
    say than its state."""
    state, done = job.get("state"), job.get("done", 0)
    if state == "fetching" and done:
        if job.get("size"):
            return _("%(done)s of %(size)s", done=size(done), size=size(job["size"]))
        return _("%(done)s so far", done=size(done))
    if state in ("waiting_calls", "waiting_reboot") and job.get("calls"):
        return _("Calls that are waited for: %(count)s", count=job["calls"])
    if state == "installing":
        return f"{job.get('percent', 0)} %"
    return ""


@blueprint.get("/state")
@allow(ADMIN)
def state() -> ResponseReturnValue:
    """The running installation, for the page that watches it."""
    try:
        job = ask("update.status")["update"]
    except SystemProblem as problem:
        return {"state": "away", "text": str(problem)}
    problem_text = problems.in_words(job["problem"]) if job.get("problem") else ""
    return {
        "state": job.get("state", "idle"),
        "percent": job.get("percent", 0),
        "far": far(job),
        "may_cancel": job.get("may_cancel", False),
        "text": problem_text,
    }


@blueprint.put("/upload")
@allow(ADMIN)
def upload() -> ResponseReturnValue:
    """The file as the body of the request; streamed to the disk, never held in memory."""
    name = request.args.get("name", "")
    if not NAME.fullmatch(name):
        return {"error": _("An update is a file whose name ends in .raucb.")}, 400
    length = request.content_length or 0
    folder = updates_folder()
    if not 0 < length <= MAX_BYTES:
        return {"error": _("This file is too large for an update of this box.")}, 413
    try:
        if length + SPARE_BYTES > shutil.disk_usage(folder).free:
            return {
                "error": _("There is not enough room for the update: delete recordings or old updates first.")
            }, 507
        whole = _store(folder / f".{name}.part", folder / name, length)
    except OSError as error:
        return {
            "error": _("The upload could not be stored: %(detail)s", detail=error.strerror or str(error))
        }, 507
    if not whole:
        return {"error": _("The upload ended early; try again.")}, 400
    audit.note("update uploaded", name)
    return {"look": url_for("updates.look", kind="upload", name=name)}


def _store(half: Path, goal: Path, length: int) -> bool:
    stored = 0
    half.unlink(missing_ok=True)
    try:
        with half.open("xb") as file:
            while chunk := request.stream.read(CHUNK):
                file.write(chunk)
                stored += len(chunk)
            file.flush()
            os.fsync(file.fileno())
        if stored != length:
            return False
        half.replace(goal)
        return True
    finally:
        half.unlink(missing_ok=True)


def _source() -> dict[str, str]:
    values = request.form if request.method == "POST" else request.args
    parts = ("kind", "name", "stick", "url")
    return {part: values[part].strip() for part in parts if values.get(part)}


@blueprint.get("/look")
@allow(ADMIN)
def look() -> ResponseReturnValue:
    """What a bundle is, before it is installed."""
    source = _source()
    try:
        found = ask("update.inspect", source=source) if source.get("kind") != "url" else {}
    except SystemProblem as problem:
        flash(str(problem), "error")
        audit.note("update refused", f"{source.get('name', '')} {problem.code}")
        return redirect(url_for("updates.show"))
    trouble: dict[str, Any] | None = found.get("problem")
    return render_template(
        "system/update_look.html",
        source=source,
        found=found,
        problem=problems.in_words(trouble) if trouble else "",
        consent=trouble is not None and trouble["code"] == "downgrade",
    )


@blueprint.post("/install")
@allow(ADMIN)
def begin() -> ResponseReturnValue:
    """Begin the installation."""
    wanted: dict[str, Any] = {
        "source": _source(),
        "downgrade_consent": "consent" in request.form,
        "now": "now" in request.form,
    }
    try:
        ask("update.install", **wanted)
    except SystemProblem as problem:
        flash(str(problem), "error")
    else:
        source = wanted["source"]
        # Of an address without what stands behind the path: it may be a password.
        plain = urlsplit(source.get("url", ""))._replace(query="", fragment="").geturl()
        audit.note("update begun", source.get("name") or plain)
    return redirect(url_for("updates.show"))


def _plain(method: str, what: str, **params: Any) -> ResponseReturnValue:
    try:
        ask(method, **params)
    except SystemProblem as problem:
        flash(str(problem), "error")
    else:
        audit.note(what, " ".join(str(value) for value in params.values()))
        boxsystem.changed()
    return redirect(url_for("updates.show"))


@blueprint.post("/cancel")
@allow(ADMIN)
def cancel() -> ResponseReturnValue:
    """End an installation that has not begun to write."""
    return _plain("update.cancel", "update cancelled")


@blueprint.post("/discard")
@allow(ADMIN)
def discard() -> ResponseReturnValue:
    """Delete an upload."""
    return _plain("update.discard", "update deleted", name=request.form.get("name", ""))


@blueprint.post("/acknowledge")
@allow(ADMIN)
def acknowledge() -> ResponseReturnValue:
    """The fall-back has been read."""
    return _plain("update.acknowledge", "fall-back read")


@blueprint.post("/eject")
@allow(ADMIN)
def eject() -> ResponseReturnValue:
    """Let a stick be pulled."""
    return _plain("usb.eject", "stick ejected", name=request.form.get("name", ""))
