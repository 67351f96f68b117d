"""Settings: each with its default, one line of help, and who changed it when."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from appliance.store import SETTINGS, InvalidRow, Setting
from webui import audit
from webui.box import plan_changed, store
from webui.forms import Input, input_for, problem_in
from webui.i18n import language
from webui.labels import REASON
from webui.paging import PER_PAGE, Page, wanted_page
from webui.roles import ADMIN, allow
from webui.sentences import all_in_words
from webui.tongue import gettext
from webui.tongue import gettext as _

blueprint = Blueprint("settings", __name__, url_prefix="/admin/settings")

HISTORY = 1000
LISTED = {key: setting for key, setting in SETTINGS.items() if setting.section != "share"}
"""Those of this page; the share's are with the backups."""


def word(texts: dict[str, str]) -> str:
    """A setting's label or help in the page's language."""
    if language() == "zh_Hans":
        return texts["zh"]
    english = texts["en"]
    return english if language() == "en" else gettext(english)


def sections() -> dict[str, str]:
    """Headlines of the groups, in order."""
    return {
        "box": _("The box"),
        "outside": _("Dialling out"),
        "sound": _("Loudness"),
        "silence": _("Silence"),
        "fax": _("Fax"),
        "recording": _("Recording"),
        "messages": _("Messages"),
        "backup": _("Backups"),
        "disk": _("Disk"),
    }


def choice_words() -> dict[str, str]:
    """Words for what can be chosen."""
    return {
        "CN": _("China"),
        "US": _("United States"),
        "zh": _("Chinese"),
        "en": _("English"),
        "everybody": _("everybody"),
        "leaders": _("administrators and supervisors"),
        "nobody": _("nobody"),
    }


def units() -> dict[str, str]:
    """Words for units."""
    return {"s": _("s"), "h": _("o’clock"), "d": _("days"), "MB": "MB", "%": "%"}


def shown(setting: Setting, value: Any) -> str:
    """A value in words."""
    if setting.field.kind == "bool":
        return _("on") if value else _("off")
    if isinstance(value, list):
        if setting.key == "not_ready_reasons":
            return ", ".join(str(REASON.get(v, v)) for v in value)
        return ", ".join(map(str, value)) or _("none")
    if setting.field.kind == "choice":
        return choice_words().get(str(value), str(value))
    if isinstance(value, int | float):
        return f"{value:g} {units().get(setting.unit, setting.unit)}".strip()
    return str(value) if value != "" else _("empty")


def input_of(setting: Setting, value: Any) -> Input:
    """A setting as a field of a page."""
    choices = [(c, choice_words().get(c, c)) for c in setting.field.choices]
    made = input_for(
        setting.field,
        word(setting.label),
        word(setting.help),
        value,
        choices,
        _hint(setting),
        units().get(setting.unit, setting.unit),
    )
    made.name = setting.key
    if setting.field.kind == "list":
        made.value = ", ".join(map(str, value))
    return made


def _hint(setting: Setting) -> str:
    if setting.field.kind == "list":
        return _("Separate the entries with commas; each may have only the characters of the default.")
    return _("Write it like the default or the example.") if setting.field.pattern else ""


@blueprint.get("/")
@allow(ADMIN)
def index() -> ResponseReturnValue:
    """All settings."""
    values = store().settings.all()
    return _page({key: input_of(setting, values[key]) for key, setting in LISTED.items()})


def _page(inputs: dict[str, Input], status: int = 200) -> ResponseReturnValue:
    values = store().settings.all()
    page = render_template(
        "admin/settings.html",
        inputs=inputs,
        sections=sections(),
        settings=LISTED,
        defaults={key: shown(s, s.default) for key, s in LISTED.items()},
        changed={key for key, s in LISTED.items() if values[key] != s.default},
    )
    return page, status


def given_for(
    settings: dict[str, Setting], present: dict[str, Any]
) -> tuple[dict[str, Input], dict[str, Any]]:
    """The fields of these settings as they were sent, with complaints, and the values that differ."""
    inputs = {}
    wanted: dict[str, Any] = {}
    for key, setting in settings.items():
        given: Any = (
            key in request.form if setting.field.kind == "bool" else request.form.get(key, "").strip()
        )
        inputs[key] = input_of(setting, present[key])
        inputs[key].value = given
        problem = problem_in(setting.field, given, inputs[key].hint)
        if problem:
            inputs[key].complain(problem)
        elif setting.field.check(given) != present[key]:
            wanted[key] = setting.field.check(given)
    return inputs, wanted


@blueprint.post("/")
@allow(ADMIN)
def save() -> ResponseReturnValue:
    """Store what differs; everything is checked first, so that nothing is stored by halves."""
    present = store().settings.all()
    inputs, wanted = given_for(LISTED, present)
    merged = {**present, **wanted}
    if merged["disk.warn_percent"] >= merged["disk.alarm_percent"]:
        inputs["disk.warn_percent"].complain(_("The warning must be below the alarm."))
    if any(i.errors for i in inputs.values()):
        return _page(inputs, 400)
    if not wanted:
        flash(_("Nothing was changed."), "info")
        return redirect(url_for("settings.index"))
    try:
        with store().transaction():
            for key in sorted(wanted, key=lambda k: k == "disk.warn_percent" and merged[k] > present[k]):
                store().settings.set(key, wanted[key], current_user.username)
    except InvalidRow as error:
        flash(" ".join(all_in_words(error.problems)), "error")
        return _page(inputs, 400)
    audit.note("settings changed", ", ".join(wanted))
    kind, message = plan_changed()
    flash(message, kind)
    return redirect(url_for("settings.index"))


@blueprint.post("/reset")
@allow(ADMIN)
def reset() -> ResponseReturnValue:
    """One setting back to its default."""
    key = request.form.get("key", "")
    if key not in SETTINGS:
        abort(404)
    try:
        store().settings.set(key, SETTINGS[key].default, current_user.username)
    except InvalidRow as error:
        flash(" ".join(all_in_words(error.problems)), "error")
        return redirect(url_for("settings.index"))
    audit.note("settings changed", f"{key} to its default")
    kind, message = plan_changed()
    flash(message, kind)
    return redirect(url_for("settings.index", _anchor=key))


@blueprint.get("/log")
@allow(ADMIN)
def log() -> ResponseReturnValue:
    """Every change: when, who, from what to what."""
    key = request.args.get("key", "")
    entries = store().settings.history(key if key in SETTINGS else "", HISTORY)
    number = wanted_page()
    rows = [
        {
            **e,
            "label": word(SETTINGS[e["key"]].label) if e["key"] in SETTINGS else e["key"],
            "old": shown(SETTINGS[e["key"]], e["old"]) if e["key"] in SETTINGS else e["old"],
            "new": shown(SETTINGS[e["key"]], e["new"]) if e["key"] in SETTINGS else e["new"],
        }
        for e in entries[(number - 1) * PER_PAGE : number * PER_PAGE]
    ]
    names = {k: word(s.label) for k, s in SETTINGS.items()}
    return render_template(
        "admin/settings_log.html", page=Page(rows, len(entries), number), names=names, key=key
    )
