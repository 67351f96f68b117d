"""Who may see what: every route declares its roles, an undeclared one stops the start.

The role matrix is therefore the code itself, and `matrix(app)` prints it.
A signed-in user who asks for more than the role allows gets 403 and a line in
the audit log.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from flask import Flask, abort, current_app, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

View = TypeVar("View", bound=Callable[..., ResponseReturnValue])

ADMIN = "admin"
SUPERVISOR = "supervisor"
AGENT = "agent"
ROLES = (ADMIN, SUPERVISOR, AGENT)
ANYONE = "anyone"
"""Marks a page that needs no sign-in."""

STAFF = ROLES
LEADERS = (ADMIN, SUPERVISOR)

ALWAYS_PUBLIC = frozenset({"static"})


class UndeclaredRole(RuntimeError):
    """A route was added without saying who may use it."""


def allow(*roles: str) -> Callable[[View], View]:
    """Declare the roles of a view; `allow(ANYONE)` for pages before the sign-in."""
    unknown = set(roles) - {*ROLES, ANYONE}
    if unknown or not roles:
        raise UndeclaredRole(f"unknown roles: {sorted(unknown)}; use some of {ROLES} or {ANYONE!r}")

    def mark(view: View) -> View:
        view.allowed_roles = frozenset(roles)  # type: ignore[attr-defined]
        return view

    return mark


def roles_of(app: Flask, endpoint: str) -> frozenset[str]:
    """The declared roles of an endpoint. Raises UndeclaredRole where there are none."""
    if endpoint in ALWAYS_PUBLIC:
        return frozenset({ANYONE})
    declared: frozenset[str] | None = getattr(app.view_functions[endpoint], "allowed_roles", None)
    if declared is None:
        raise UndeclaredRole(f"route {endpoint!r} declares no role: decorate its view with @allow(…)")
    return declared


def matrix(app: Flask) -> dict[str, frozenset[str]]:
    """Endpoint -> roles, of every route. Raises UndeclaredRole."""
    return {rule.endpoint: roles_of(app, rule.endpoint) for rule in app.url_map.iter_rules()}


def may(endpoint: str) -> bool:
    """May the present user open this endpoint? For menus and buttons."""
    allowed = roles_of(current_app._get_current_object(), endpoint)  # type: ignore[attr-defined]
    if ANYONE in allowed:
        return True
    return bool(current_user.is_authenticated and current_user.role in allowed)


def wants_json() -> bool:
    """Does a program ask, not a person looking at pages?"""
    if request.path.startswith("/api/") or request.headers.get("X-Requested-With") == "fetch":
        return True
    return request.accept_mimetypes.accept_json and not request.accept_mimetypes.accept_html


def guard(app: Flask, denied: Callable[[str], None]) -> None:
    """Check the roles before every request. `denied(endpoint)` is told of each refusal."""

    @app.before_request
    def check() -> ResponseReturnValue | None:
        if request.endpoint is None:
            return None
        allowed = roles_of(app, request.endpoint)
        if ANYONE in allowed:
            return None
        if not current_user.is_authenticated:
            if wants_json() or request.headers.get("Upgrade") or request.path.startswith("/events"):
                abort(401)
            return redirect(url_for("entry.sign_in", next=request.full_path.rstrip("?")))
        if current_user.role not in allowed:
            denied(request.endpoint)
            abort(403)
        return None
