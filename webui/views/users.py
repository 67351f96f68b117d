"""Users of the pages and their roles."""

from __future__ import annotations

import re
from typing import Any

from flask import Blueprint, abort, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from appliance.store import InvalidRow, NotFound
from webui import accounts, audit, labels, paging, roles
from webui.box import box, store
from webui.forms import Input
from webui.i18n import LANGUAGES, language
from webui.roles import ADMIN, allow
from webui.tongue import gettext as _
from webui.views.entry import USERNAME, USERNAME_MAX, password_problem

blueprint = Blueprint("users", __name__, url_prefix="/admin/users")


def _inputs(row: dict[str, Any] | None) -> dict[str, Input]:
    agents = [
        ("", _("– none –")),
        *((a["number"], f"{a['number']} {a['name']}") for a in store().agents.list()),
    ]
    return {
        "username": Input(
            "username",
            "text",
            _("User name"),
            value=row["username"] if row else "",
            required=True,
            high=USERNAME_MAX,
        ),
        "role": Input(
            "role",
            "choice",
            _("Role"),
            _(
                "Agents work at their desk; supervisors also see the board, all calls and the "
                "blacklist; administrators set up the box."
            ),
            value=row["role"] if row else "agent",
            choices=[(k, str(v)) for k, v in labels.ROLE.items()],
        ),
        "agent_number": Input(
            "agent_number",
            "choice",
            _("Work number"),
            _("Whoever takes calls needs one; it opens the desk page."),
            value=row["agent_number"] if row else "",
            choices=agents,
        ),
        "language": Input(
            "language",
            "choice",
            _("Language"),
            value=accounts.LANGUAGE_OF_ROW.get(row["language"], "zh_Hans") if row else language(),
            choices=list(LANGUAGES.items()),
        ),
        "disabled": Input(
            "disabled",
            "bool",
            _("May not sign in"),
            _("For people who have left: their past stays readable."),
            value=bool(row and row["disabled"]),
        ),
        "password": Input(
            "password",
            "password",
            _("New password") if row else _("Password"),
            _("At least 10 characters. Leave empty to keep the present one.")
            if row
            else _("At least 10 characters. A short sentence is easy to remember."),
            required=row is None,
        ),
    }


@blueprint.get("/")
@allow(ADMIN)
def index() -> ResponseReturnValue:
    """All users."""
    names = {a["number"]: a["name"] for a in store().agents.list()}
    rows = [{**u, "agent_name": names.get(u["agent_number"], "")} for u in store().users.list()]
    text = request.args.get("q", "").strip()
    page = paging.of_list(
        rows,
        text,
        ("username", "agent_number", "agent_name"),
        ("username", "role", "agent_number", "last_login_at"),
        "username",
    )
    return render_template("admin/users.html", page=page, text=text)


@blueprint.route("/new", methods=["GET", "POST"])
@allow(ADMIN)
def new() -> ResponseReturnValue:
    """Add a user."""
    return _edit(None)


@blueprint.route("/<int:user_id>", methods=["GET", "POST"])
@allow(ADMIN)
def edit(user_id: int) -> ResponseReturnValue:
    """Change a user."""
    row = store().users.get(user_id)
    if row is None:
        abort(404)
    return _edit(row)


def _edit(row: dict[str, Any] | None) -> ResponseReturnValue:
    inputs = _inputs(row)
    failed = False
    if request.method == "POST":
        failed = True
        if _save(inputs, row):
            return redirect(url_for("users.index"))
    page = render_template("admin/user_edit.html", inputs=inputs, row=row)
    return page, 400 if failed else 200


def _save(inputs: dict[str, Input], row: dict[str, Any] | None) -> bool:
    """Check and store the posted user."""
    data: dict[str, Any] = {}
    for name in ("username", "role", "agent_number", "language"):
        data[name] = inputs[name].value = request.form.get(name, "").strip()
    data["disabled"] = inputs["disabled"].value = "disabled" in request.form
    password = request.form.get("password", "")
    if not USERNAME.fullmatch(data["username"]):
        inputs["username"].complain(
            _("Choose a user name of 1 to %(count)s characters, without blanks, / and :", count=USERNAME_MAX)
        )
    other = store().users.by_username(data["username"])
    if other and (row is None or other["id"] != row["id"]):
        inputs["username"].complain(_("There is a user with this name already. Choose another."))
    for name in ("role", "agent_number", "language"):
        if data[name] not in dict(inputs[name].choices):
            inputs[name].complain(_("Choose from the list."))
    if password or row is None:
        problem = password_problem(password, password, data["username"])
        if problem:
            inputs["password"].complain(problem)
    if any(i.errors for i in inputs.values()):
        return False
    try:
        if row is None:
            disabled = data.pop("disabled")
            made = store().users.create(password_hash=accounts.hash_password(password), **data)
            if disabled:
                store().users.update(int(made["id"]), {"disabled": True})
            audit.note("user added", f"{data['username']} ({data['role']})")
            flash(
                _(
                    "User added. Tell the person the name and the password; it can be changed after "
                    "the sign-in."
                ),
                "success",
            )
        else:
            if password:
                data["password_hash"] = accounts.hash_password(password)
            changed = [k for k, v in data.items() if row.get(k) != v]
            store().users.update(int(row["id"]), data)
            audit.note(
                "user changed", f"{row['username']}: {', '.join(re.sub('_hash$', '', c) for c in changed)}"
            )
            if password:  # whoever gets a new password may use it at once
                audit.note(accounts.OPENED, f"by {current_user.username}", who=row["username"])
            _look_again()
            flash(_("User saved."), "success")
    except InvalidRow:
        inputs["role"].complain(_("This is the last administrator. Make another one first."))
        return False
    return True


def _look_again() -> None:
    """End what is open in browsers of users whose rights have changed."""
    accounts.sessions().rights_changed()
    box().hub.nudge()


@blueprint.post("/<int:user_id>/delete")
@allow(ADMIN)
def delete(user_id: int) -> ResponseReturnValue:
    """Remove a user."""
    if str(user_id) == current_user.id:
        flash(_("You cannot delete yourself. Another administrator can."), "error")
        return redirect(url_for("users.edit", user_id=user_id))
    row = store().users.get(user_id)
    try:
        store().users.delete(user_id)
    except NotFound:
        abort(404)
    except InvalidRow:
        flash(_("This is the last administrator. Make another one first."), "error")
        return redirect(url_for("users.edit", user_id=user_id))
    audit.note("user deleted", row["username"] if row else "")
    _look_again()
    flash(_("User deleted. Past calls and log entries keep the name."), "success")
    return redirect(url_for("users.index"))


@blueprint.get("/roles")
@allow(ADMIN)
def matrix() -> ResponseReturnValue:
    """What each role may do: read from the program itself."""
    found = roles.matrix(current_app._get_current_object())  # type: ignore[attr-defined]
    areas: dict[str, dict[str, set[str]]] = {}
    for endpoint, allowed in found.items():
        area, _dot, action = endpoint.partition(".")
        if roles.ANYONE in allowed or not action:
            continue
        for role in allowed:
            areas.setdefault(area, {}).setdefault(role, set()).add(action)
    return render_template(
        "admin/roles.html",
        areas=areas,
        role_names=roles.ROLES,
        total={area: len(set().union(*by_role.values())) for area, by_role in areas.items()},
    )
