"""Error pages: what happened and what to do; JSON for programs; never a traceback."""

from __future__ import annotations

import logging

from flask import Flask, jsonify, render_template, request
from flask.typing import ResponseReturnValue
from flask_login import current_user
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException

from appliance.client import CallFailed, PeerAway
from appliance.store import InvalidRow, StoreError
from webui.roles import wants_json
from webui.sentences import all_in_words, in_words
from webui.tongue import gettext as _

LOG = logging.getLogger("zongji.web")


def _texts(code: int) -> tuple[str, str, str]:
    """Icon, headline and advice for a status code."""
    table = {
        400: (
            "alert-triangle",
            _("The request was not understood"),
            _("Go back, reload the page and try again. If you had the page open for long, sign in again."),
        ),
        401: ("lock", _("Please sign in"), _("Your session has ended. Sign in again to go on.")),
        403: (
            "lock",
            _("Your role does not allow this"),
            _("Ask an administrator to do it or to give you the right. The attempt has been noted."),
        ),
        404: (
            "map-search",
            _("There is nothing here"),
            _("The address is wrong or the entry has been deleted. Use the menu to find your way."),
        ),
        405: (
            "alert-triangle",
            _("This is not possible here"),
            _("Go back and use the buttons on the page."),
        ),
        413: (
            "file-x",
            _("The file is too large"),
            _("Files of up to 32 MB are taken. Split it and try again."),
        ),
        429: (
            "hourglass",
            _("Too many tries"),
            _("Wait a minute, then try again."),
        ),
        503: (
            "plug-connected-x",
            _("The call service is away"),
            _(
                "Telephones still work. The box restarts the service by itself; reload this page in "
                "a few seconds."
            ),
        ),
    }
    return table.get(
        code,
        (
            "alert-triangle",
            _("Something went wrong in the box"),
            _(
                "Nothing you entered was the cause. Try again; if it happens again, tell your "
                "administrator the time."
            ),
        ),
    )


def answer(code: int, detail: str = "") -> ResponseReturnValue:
    """The page, or the JSON, for a status code."""
    icon, headline, advice = _texts(code)
    if wants_json():
        return jsonify(error={"code": code, "message": detail or headline, "advice": advice}), code
    signed_in = code not in (500, 503) and _user_known()
    template = "errors/inside.html" if signed_in else "errors/outside.html"
    return (
        render_template(template, icon_name=icon, headline=headline, advice=advice, detail=detail, code=code),
        code,
    )


def _user_known() -> bool:
    return bool(current_user and current_user.is_authenticated)


def install(app: Flask) -> None:
    """Handlers for every kind of error."""

    @app.errorhandler(CSRFError)
    def csrf(_error: CSRFError) -> ResponseReturnValue:
        return answer(400, _("The page was too old for this action: its safety mark no longer fits."))

    @app.errorhandler(HTTPException)
    def http(error: HTTPException) -> ResponseReturnValue:
        if error.code is not None and 300 <= error.code < 400:
            return error
        return answer(error.code or 500)

    @app.errorhandler(PeerAway)
    def away(error: PeerAway) -> ResponseReturnValue:
        LOG.warning("%s %s: %s", request.method, request.path, error)
        return answer(503)

    @app.errorhandler(CallFailed)
    def refused(error: CallFailed) -> ResponseReturnValue:
        return answer(502, in_words(str(error)))

    @app.errorhandler(StoreError)
    def database(error: StoreError) -> ResponseReturnValue:
        LOG.error("%s %s: %s", request.method, request.path, error)
        headline = _("The box is in maintenance")
        advice = _(
            "Its database cannot be opened. Telephones still work and calls are kept until it is back."
        )
        if wants_json():
            return jsonify(error={"code": 503, "message": headline, "advice": advice}), 503
        page = render_template(
            "errors/maintenance.html",
            icon_name="tool",
            headline=headline,
            advice=advice,
            detail=in_words(str(error)),
            code=503,
            rescue=True,
        )
        return page, 503

    @app.errorhandler(InvalidRow)
    def refused_by_the_store(error: InvalidRow) -> ResponseReturnValue:
        """Asked for: something no row can have, such as a number of thirty digits. Sent: bad data."""
        return answer(404) if request.method == "GET" else answer(400, " ".join(all_in_words(error.problems)))

    @app.errorhandler(Exception)
    def unexpected(error: Exception) -> ResponseReturnValue:
        LOG.exception("%s %s", request.method, request.path, exc_info=error)
        return answer(500)
