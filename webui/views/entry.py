"""The door: claiming a new box, sign-in, sign-out, own password, language."""

from __future__ import annotations

import re
import time
from urllib.parse import urlsplit

from flask import Blueprint, abort, current_app, flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_user, logout_user

from appliance.store import InvalidRow, speak_language
from webui import accounts, audit, boxsystem, sessions
from webui.accounts import MAX_PASSWORD, MIN_PASSWORD, LockOut, User
from webui.box import box, company, plan_changed, store
from webui.i18n import LANGUAGES, language
from webui.limits import CLAIM_LIMIT, SIGN_IN_LIMIT, limiter
from webui.roles import ANYONE, STAFF, allow
from webui.sentences import all_in_words
from webui.tongue import gettext as _
from webui.tongue import ngettext

blueprint = Blueprint("entry", __name__)

USERNAME_MAX = 40
USERNAME = re.compile(rf"[^\s/:]{{1,{USERNAME_MAX}}}")


def inside(target: str) -> str:
    """A path on this box to go on to; anything else becomes the home page."""
    parts = urlsplit(target)
    if parts.scheme or parts.netloc or not target.startswith("/") or target.startswith(("//", "/\\")):
        return url_for("entry.home")
    return target.rstrip("?")


def claimed() -> bool:
    """Does the box have an administrator?"""
    return store().users.count() > 0


def password_problem(password: str, again: str, username: str) -> str:
    """Why this password cannot be taken; "" when it can."""
    if len(password) < MIN_PASSWORD:
        return _("The password needs at least %(count)s characters.", count=MIN_PASSWORD)
    if len(password) > MAX_PASSWORD:
        return _("The password may have at most %(count)s characters.", count=MAX_PASSWORD)
    if username and username.casefold() in password.casefold():
        return _("The password must not contain the user name.")
    if len(set(password)) < 5:
        return _("The password repeats too few characters. Use a sentence or several words.")
    if password != again:
        return _("The two passwords differ. Type the same one twice.")
    return ""


def enter(row: dict[str, object]) -> None:
    """Begin a session as this user."""
    chosen = session.get("language")
    session.clear()
    if chosen:
        session["language"] = chosen
    session.permanent = True
    sessions.begin(session)
    user = User(row)
    session["stamp"] = user.stamp
    login_user(user)


@blueprint.get("/")
@allow(ANYONE)
def home() -> ResponseReturnValue:
    """The right first page for whoever comes."""
    if not claimed():
        return redirect(url_for("entry.claim"))
    if not current_user.is_authenticated:
        return redirect(url_for("entry.sign_in"))
    if current_user.role == "agent":
        return redirect(url_for("desk.show"))
    return redirect(url_for("board.show"))


@blueprint.route("/claim", methods=["GET", "POST"])
@allow(ANYONE)
@limiter.limit(CLAIM_LIMIT, methods=["POST"])
def claim() -> ResponseReturnValue:
    """Make the first administrator, with the one-time code that only the box itself shows."""
    if claimed():
        return redirect(url_for("entry.home"))
    problem = ""
    if request.method == "POST":
        username = request.form.get("username", "").strip()
        password = request.form.get("password", "")
        if not USERNAME.fullmatch(username):
            problem = _(
                "Choose a user name of 1 to %(count)s characters, without blanks, / and :", count=USERNAME_MAX
            )
        problem = problem or password_problem(password, request.form.get("again", ""), username)
        if not problem:
            problem = _use_code(request.form.get("code", ""))
        if not problem:
            try:
                row = store().users.create(
                    username, accounts.hash_password(password), "admin", language=language()
                )
            except InvalidRow as error:
                problem = " ".join(all_in_words(error.problems))
            else:
                audit.note("claim", f"administrator {username}", who=username)
                # The box answers callers in its owner's language, and its ready-made names follow.
                speak_language(store(), "zh" if language().startswith("zh") else "en", username)
                plan_changed()
                enter(row)
                flash(_("The box is yours. Next: check the lines and add your agents."), "success")
                return redirect(url_for("admin.start"))
    return render_template("auth/claim.html", problem=problem, form=request.form), 400 if problem else 200


def _use_code(code: str) -> str:
    """Try the claim code; the reason why it was refused, "" when it was right."""
    if store().claim.use("".join(code.split())):
        return ""
    audit.note("claim refused", "wrong code", who="-")
    if store().claim.locked_s() > 0:
        return _("Too many wrong codes. Wait ten minutes; the box then shows a new code.")
    if boxsystem.status():
        return _(
            "This code is not right. The box's own screen shows it, and its telephones say it when lifted."
        )
    return _("This code is not right. It is shown where the box was started, or with “zongji claim-code”.")


@blueprint.route("/sign-in", methods=["GET", "POST"])
@allow(ANYONE)
@limiter.limit(SIGN_IN_LIMIT, methods=["POST"])
def sign_in() -> ResponseReturnValue:
    """User name and password."""
    if not claimed():
        return redirect(url_for("entry.claim"))
    if current_user.is_authenticated:
        return redirect(url_for("entry.home"))
    problem = ""
    username = request.form.get("username", "").strip()[:USERNAME_MAX]
    if request.method == "POST":
        lockout: LockOut = current_app.extensions["lockout"]
        with lockout.one_at_a_time:
            problem = _try(lockout, username, request.form.get("password", ""))
        if not problem:
            return redirect(inside(request.args.get("next", "/")))
    return render_template(
        "auth/sign_in.html", problem=problem, username=username, company=company()
    ), 401 if problem else 200


def _try(lockout: LockOut, username: str, password: str) -> str:
    """Sign this user in; why not, in words, or "" when it was done."""
    locked_s = lockout.locked_for_s(username or "-")
    if locked_s > 0:
        return _locked(locked_s)
    row = store().users.by_username(username) if username else None
    fits = accounts.password_fits(row["password_hash"] if row else None, password)
    if row is None or not fits:
        locks = lockout.this_locks(username or "-")
        audit.note(accounts.BAD, accounts.WRONG_PASSWORD, who=username or "-")
        if locks:
            audit.note(accounts.LOCKED, username, who=username or "-")
            return _locked(accounts.LOCK_S)
        return _("User name or password is wrong. Check capital letters and try again.")
    if row.get("disabled"):
        audit.note(accounts.BAD, "disabled user", who=username)
        return _("This user has been disabled. Ask an administrator.")
    enter(row)
    store().users.update(int(row["id"]), {"last_login_at": time.time()})
    audit.note(accounts.GOOD)
    return ""


def _locked(seconds: float) -> str:
    minutes = max(1, round(seconds / 60))
    return ngettext(
        "Too many wrong passwords. This name is locked for another minute.",
        "Too many wrong passwords. This name is locked for another %(num)d minutes.",
        minutes,
    )


@blueprint.post("/sign-out")
@allow(*STAFF)
def sign_out() -> ResponseReturnValue:
    """End the session. The agent stays signed in to the telephone: that is the desk's matter."""
    audit.note("sign-out")
    accounts.sessions().end(str(session.get("sid", "")))
    box().hub.nudge()
    logout_user()
    session.clear()
    flash(_("You have signed out."), "success")
    return redirect(url_for("entry.sign_in"))


@blueprint.route("/password", methods=["GET", "POST"])
@allow(*STAFF)
@limiter.limit(SIGN_IN_LIMIT, methods=["POST"])
def password() -> ResponseReturnValue:
    """Change the own password; other sessions of the user end."""
    problem = ""
    if request.method == "POST":
        row = store().users.get(int(current_user.id))
        if row is None:
            abort(401)
        new = request.form.get("password", "")
        if not accounts.password_fits(row["password_hash"], request.form.get("old", "")):
            problem = _("The present password is wrong.")
            audit.note("password change refused")
        problem = problem or password_problem(new, request.form.get("again", ""), current_user.username)
        if not problem:
            changed = store().users.update(
                int(current_user.id), {"password_hash": accounts.hash_password(new)}
            )
            session["stamp"] = accounts.session_stamp(changed)
            accounts.sessions().rights_changed()
            box().hub.nudge()
            audit.note("password changed")
            flash(_("Your password has been changed. Other browsers have been signed out."), "success")
            return redirect(url_for("entry.home"))
    return render_template("auth/password.html", problem=problem), 400 if problem else 200


@blueprint.post("/language")
@allow(ANYONE)
def set_language() -> ResponseReturnValue:
    """Choose the language: remembered for the user, and in this browser before the sign-in."""
    chosen = request.form.get("language", "")
    if chosen not in LANGUAGES:
        abort(400)
    session["language"] = chosen
    if current_user.is_authenticated:
        store().users.update(int(current_user.id), {"language": chosen})
    return redirect(inside(request.form.get("next", "/")))


@blueprint.get("/health")
@allow(ANYONE)
def health() -> ResponseReturnValue:
    """For watchdogs: is the web server alive, does it hear control?"""
    return {"web": "ok", "control": box().hub.connected}
