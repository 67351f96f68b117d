"""Who did what: one line in the audit log for every change, sign-in and refusal."""

from __future__ import annotations

from flask import request
from flask_login import current_user

from webui.box import store


def note(what: str, detail: str = "", who: str = "") -> None:
    """Write one line; `who` defaults to the signed-in user."""
    if not who:
        who = current_user.username if current_user and current_user.is_authenticated else "-"
    address = request.remote_addr or ""
    store().audit.add(who, what, f"{detail} [{address}]" if address else detail)


def denied(endpoint: str) -> None:
    """A signed-in user asked for a page that the role does not open."""
    note("denied", f"{request.method} {request.path} ({endpoint})")
