"""The Flask application: extensions, blueprints, guards."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Any

from flask import Flask, request, url_for
from flask_wtf import CSRFProtect

from appliance.client import ControlClient
from appliance.paths import Home
from webui import (
    accounts,
    audit,
    boxsystem,
    errors,
    formats,
    headers,
    i18n,
    labels,
    problems,
    roles,
    secret,
    sentences,
    sessions,
)
from webui.box import Box, store
from webui.hub import Hub
from webui.limits import limiter
from webui.views import all_blueprints, messages, updates

SESSION_H = 12
MAX_UPLOAD_BYTES = 32 << 20
STATIC = Path(__file__).with_name("static")

csrf = CSRFProtect()

LABEL_TABLES: dict[str, dict[str, Any]] = {
    "role": labels.ROLE,
    "line": labels.LINE_STATE,
    "phone": labels.PHONE_STATE,
    "agent": labels.AGENT_STATE,
    "reason": labels.REASON,
    "direction": labels.DIRECTION,
    "end": labels.END_REASON,
    "cue": labels.CUE,
    "step": labels.STEP,
    "presentation": labels.PRESENTATION,
    "block": labels.BLOCK_ACTION,
    "audit": labels.AUDIT,
    "answer": labels.ANSWER_SEEN,
    "message": labels.MESSAGE_STATE,
}


def create_app(home: Home, **config: Any) -> Flask:
    """The application on the data directory `home`. `config` overrides Flask's settings.

    Raises OSError when the data directory cannot be written, UndeclaredRole when
    a route does not say who may use it.
    """
    app = Flask(__name__)
    app.config.update(
        SECRET_KEY=secret.load_or_make(home.root / "web-secret.key"),
        SESSION_COOKIE_NAME="zongji",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Strict",
        REMEMBER_COOKIE_HTTPONLY=True,
        PERMANENT_SESSION_LIFETIME=timedelta(hours=SESSION_H),
        MAX_CONTENT_LENGTH=MAX_UPLOAD_BYTES,
        MAX_FORM_MEMORY_SIZE=2 << 20,
        WTF_CSRF_TIME_LIMIT=None,
        SOCK_SERVER_OPTIONS={"ping_interval": 20, "max_message_size": 1 << 16},
        RATELIMIT_ENABLED=True,
        RATELIMIT_HEADERS_ENABLED=True,
    )
    app.config.update(config)
    app.session_interface = sessions.Cookies()
    control = ControlClient(home.control_socket)
    app.extensions["box"] = Box(home, control, Hub(control))

    app.extensions["box_status"] = boxsystem.Status()

    updates.install(app)
    csrf.init_app(app)
    limiter.init_app(app)
    i18n.install(app)
    accounts.install(app, lambda user_id: store().users.get(user_id), lambda: store().audit)
    formats.install(app)
    headers.install(app)
    errors.install(app)
    for blueprint in all_blueprints():
        app.register_blueprint(blueprint)
    roles.guard(app, audit.denied)
    _template_names(app)
    roles.matrix(app)  # stops the start when a route has no role
    return app


def _template_names(app: Flask) -> None:
    version = package_version("zongji")
    prints: dict[str, str] = {}

    def asset(name: str) -> str:
        """Address of a static file that changes with its content, so that it may be kept for ever."""
        if name not in prints or app.debug:
            prints[name] = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:10]
        return url_for("static", filename=name, v=prints[name])

    def label(table: str, code: str | None) -> str:
        return labels.label(LABEL_TABLES[table], code)

    def office_open() -> bool:
        home: Home = app.extensions["box"].home
        return bool(home.office_socket.exists() and roles.may("office.show"))

    catalogue = "".join(
        hashlib.sha256(file.read_bytes()).hexdigest()[:6] for file in sorted(i18n.CATALOGUES.glob("*/*/*.mo"))
    )
    app.jinja_env.globals.update(
        asset=asset,
        label=label,
        may=roles.may,
        office_open=office_open,
        box_status=boxsystem.status,
        unread_messages=messages.in_menu,
        version=f"{version}-{catalogue}",
        product_version=version,
        key_begins="AGE-SECRET-KEY-1…",
        words_for_scripts=labels.for_scripts,
        kind_word=lambda code: labels.label(labels.CUSTOMER_KIND, code),
    )
    app.jinja_env.filters["step_words"] = labels.step_words
    app.jinja_env.filters["in_words"] = sentences.in_words
    app.jinja_env.filters["box_state"] = problems.state
    app.jinja_env.filters["left_reason"] = problems.reason
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True

    @app.after_request
    def keep_static(response: Any) -> Any:
        if request.endpoint == "static" and "v" in request.args and response.status_code in (200, 304):
            response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response

    @limiter.request_filter
    def static_is_free() -> bool:
        return request.endpoint == "static"
