"""Which language a page speaks, and the dictionary that its scripts use."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

from babel.messages.mofile import read_mo
from flask import Blueprint, Flask, Response, abort, request, session
from flask_babel import Babel, get_locale
from flask_login import current_user

from webui.roles import ANYONE, allow

LANGUAGES = {"zh_Hans": "简体中文", "zh_Hant": "繁體中文", "en": "English"}
HTML_LANG = {"zh_Hans": "zh-Hans", "zh_Hant": "zh-Hant", "en": "en"}
DEFAULT_LANGUAGE = "zh_Hans"
CATALOGUES = Path(__file__).with_name("translations")
TRADITIONAL_REGIONS = ("tw", "hk", "mo")

blueprint = Blueprint("i18n", __name__)


def from_browser(header: str) -> str | None:
    """The first language of an Accept-Language header that we speak.

    >>> from_browser("de, zh-HK;q=0.8, en;q=0.5")
    'zh_Hant'
    """
    weighted = []
    for part in header.split(","):
        tag, _, quality = part.strip().lower().partition(";q=")
        try:
            weighted.append((float(quality) if quality else 1.0, tag))
        except ValueError:
            continue
    for _quality, tag in sorted(weighted, key=lambda pair: -pair[0]):
        pieces = tag.replace("_", "-").split("-")
        if pieces[0] == "zh":
            traditional = "hant" in pieces or ("hans" not in pieces and pieces[-1] in TRADITIONAL_REGIONS)
            return "zh_Hant" if traditional else "zh_Hans"
        if pieces[0] == "en":
            return "en"
    return None


def choose() -> str:
    """Language of this request: the user's, else the visitor's choice, else the browser's."""
    if current_user and current_user.is_authenticated and current_user.language in LANGUAGES:
        return str(current_user.language)
    if session.get("language") in LANGUAGES:
        return str(session["language"])
    return from_browser(request.headers.get("Accept-Language", "")) or DEFAULT_LANGUAGE


def language() -> str:
    """The language in force, one of LANGUAGES."""
    locale = str(get_locale())
    return locale if locale in LANGUAGES else DEFAULT_LANGUAGE


@lru_cache
def _dictionary(name: str) -> str:
    path = CATALOGUES / name / "LC_MESSAGES" / "messages.mo"
    with path.open("rb") as file:
        catalogue = read_mo(file)
    words = {m.id: m.string for m in catalogue if isinstance(m.id, str) and m.id and m.string}
    return "window.ZONGJI_WORDS=" + json.dumps(words, ensure_ascii=False).replace("</", "<\\/") + ";\n"


@blueprint.get("/words/<name>.js")
@allow(ANYONE)
def words(name: str) -> Response:
    """The dictionary as a script; it changes only with the program's version, which its address carries."""
    if name not in LANGUAGES:
        abort(404)
    answer = Response(_dictionary(name), mimetype="text/javascript")
    answer.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    return answer


def install(app: Flask) -> None:
    """Babel and the dictionary route."""
    app.config["BABEL_DEFAULT_LOCALE"] = DEFAULT_LANGUAGE
    app.config["BABEL_TRANSLATION_DIRECTORIES"] = str(CATALOGUES)
    Babel(app, locale_selector=choose)
    app.register_blueprint(blueprint)
    app.jinja_env.globals.update(LANGUAGES=LANGUAGES, HTML_LANG=HTML_LANG, language=language)
