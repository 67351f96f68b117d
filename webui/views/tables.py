"""Lines, telephones, agents and queues: four tables, one way to edit them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from appliance.store import InvalidRow, NotFound
from appliance.store.tables import Table
from webui import accounts, audit, paging, words
from webui.box import plan_changed, store
from webui.forms import Choices, Input, input_for, read_form
from webui.roles import ADMIN, allow
from webui.sentences import all_in_words
from webui.tongue import gettext as _
from webui.tongue import lazy_gettext as _l

PIN_MIN, PIN_MAX = 4, 12


@dataclass(frozen=True)
class Area:
    """What differs between the four."""

    name: str
    title: Any
    one: Any
    icon: str
    add: Any
    empty: Any
    columns: tuple[str, ...]
    sections: tuple[tuple[Any, tuple[str, ...]], ...]


AREAS = (
    Area(
        "lines",
        _l("Lines"),
        _l("Line"),
        "plug-connected",
        _l("Add a line"),
        _l("Plug a phone-company line into the box and add it here with its socket."),
        ("id", "label", "number", "port", "flow", "inbound", "outbound"),
        (
            (_l("This line"), ("id", "port", "label", "number", "group")),
            (_l("Incoming calls"), ("inbound", "flow", "extension", "fallback_queue", "answer_after_rings")),
            (_l("Calls out"), ("outbound",)),
            (_l("How the exchange behaves"), ("battery_drop_is_hangup", "polarity", "automatic_gain")),
        ),
    ),
    Area(
        "phones",
        _l("Telephones"),
        _l("Telephone"),
        "phone",
        _l("Add a telephone"),
        _l("Plug an ordinary telephone into the box and add it here with its socket."),
        ("ext", "label", "port"),
        ((_l("This telephone"), ("ext", "port", "label", "automatic_gain")),),
    ),
    Area(
        "agents",
        _l("Agents"),
        _l("Agent"),
        "users",
        _l("Add an agent"),
        _l("An agent takes calls at a telephone. Add one, then make a user for the pages under Users."),
        ("number", "name", "queues", "outbound", "pin"),
        (
            (_l("This agent"), ("number", "name", "queues", "outbound")),
            (_l("Sign-in at the telephone"), ("pin",)),
        ),
    ),
    Area(
        "queues",
        _l("Queues"),
        _l("Queue"),
        "users-group",
        _l("Add a queue"),
        _l("Callers wait in a queue until an agent is free. Add one, then send callers there in a menu."),
        ("id", "name", "ring_s", "wrap_up_s", "max_wait_s", "max_waiting"),
        (
            (_l("This queue"), ("id", "name", "strategy", "weight")),
            (_l("Times"), ("ring_s", "wrap_up_s", "misses_allowed")),
            (_l("Waiting callers"), ("max_wait_s", "max_waiting", "answer_when_nobody")),
            (_l("What callers hear"), ("music", "announce", "announce_every_s", "overflow")),
        ),
    ),
)


def _table(area: Area) -> Table:
    return {
        "lines": store().lines,
        "phones": store().phones,
        "agents": store().agents,
        "queues": store().queues,
    }[area.name]


def _choices(name: str, present: Any) -> Choices:
    """What a field may be chosen from; a present value that has gone stays visible."""
    known = store()
    lists: dict[str, Callable[[], list[tuple[str, str]]]] = {
        "flow": lambda: [(f["id"], f["title"] or f["id"]) for f in known.flows.list()],
        "extension": lambda: [
            ("", _("– no, by the menu –")),
            *((p["ext"], f"{p['ext']} {p['label']}".strip()) for p in known.phones.list()),
        ],
        "fallback_queue": lambda: [("", _("– none –")), *((q["id"], q["name"]) for q in known.queues.list())],
        "queues": lambda: [(q["id"], q["name"]) for q in known.queues.list()],
        "strategy": lambda: [(k, str(v)) for k, v in words.STRATEGY.items()],
    }
    if name not in lists:
        return ()
    offered = lists[name]()
    if isinstance(present, str) and present not in dict(offered):
        offered.append((present, _("%(name)s (does not exist)", name=present)))
    return offered


def _inputs(area: Area, row: dict[str, Any] | None) -> dict[str, Input]:
    schema = _table(area).schema
    inputs = {}
    for spec in schema.fields:
        if spec.name == "pin_hash":
            continue
        present = row[spec.name] if row else spec.default
        inputs[spec.name] = input_for(
            spec,
            str(words.LABELS[area.name][spec.name]),
            str(words.HELP[area.name].get(spec.name, "")),
            row[spec.name] if row else None,
            _choices(spec.name, present),
            str(words.HINTS.get(area.name, {}).get(spec.name, "")),
            str(words.UNITS.get(spec.name, "")),
        )
    if row:
        inputs[schema.key].readonly = True
    elif schema.key in ("id", "ext", "number"):
        inputs[schema.key].value = _next_key(area)
    if area.name == "agents":
        help_ = (
            _("4 to 12 digits. Leave empty to keep the present one.")
            if row
            else _("4 to 12 digits; empty: the agent signs in only on the desk page.")
        )
        inputs["pin"] = Input("pin", "password", _("New PIN") if row and row["pin_hash"] else _("PIN"), help_)
    return inputs


def _next_key(area: Area) -> str:
    """The number that would come next: L9 after L8, 817 after 816."""
    rows = _table(area).list()
    if area.name == "queues":
        return ""
    if not rows:
        return {"lines": "L1", "phones": "801", "agents": "1001"}[area.name]
    last = str(rows[-1][_table(area).schema.key])
    digits = "".join(c for c in last if c.isdigit())
    return last.replace(digits, str(int(digits) + 1)) if digits else ""


def _pin_problem(pin: str) -> str:
    if pin and not (pin.isascii() and pin.isdigit() and PIN_MIN <= len(pin) <= PIN_MAX):
        return _("A PIN has 4 to 12 digits.")
    if pin and len(set(pin)) == 1:
        return _("This PIN is too easy to guess.")
    return ""


def _save(area: Area, inputs: dict[str, Input], row: dict[str, Any] | None) -> bool:
    """Check and store the posted form; problems are written into the inputs."""
    table = _table(area)
    key = table.schema.key
    data = read_form(inputs, table.schema.fields, request.form)
    pin = request.form.get("pin", "").strip() if area.name == "agents" else ""
    pin_problem = _pin_problem(pin)
    if pin_problem:
        inputs["pin"].complain(pin_problem)
    if data is None or pin_problem:
        return False
    if row:
        data[key] = row[key]
    elif table.get(str(data[key])) is not None:
        inputs[key].complain(_("There is one with this number or name already. Choose another."))
        return False
    taken = _port_owner(area, str(data[key]), data.get("port"))
    if taken:
        inputs["port"].complain(_("This socket already belongs to %(name)s.", name=taken))
        return False
    if pin:
        data["pin_hash"] = accounts.hash_password(pin)
    try:
        table.put(data)
    except InvalidRow as error:
        inputs[key].complain(" ".join(all_in_words(error.problems)))
        return False
    changed = [n for n, v in data.items() if row is None or (n in row and row[n] != v)]
    audit.note(f"{area.name} {'changed' if row else 'added'}", f"{data[key]}: {', '.join(changed)}")
    return True


def _port_owner(area: Area, key: str, port: Any) -> str:
    if port is None:
        return ""
    for other, table, name in (("lines", store().lines, "id"), ("phones", store().phones, "ext")):
        for row in table.list():
            if row["port"] == port and not (other == area.name and row[name] == key):
                return str(row[name])
    return ""


def _used_by(area: Area, key: str) -> str:
    """What still points at this row, in words; "" when nothing does."""
    known = store()
    if area.name == "queues":
        users = [a["name"] for a in known.agents.list() if key in a["queues"]]
        lines = [line["id"] for line in known.lines.list() if line["fallback_queue"] == key]
        return ", ".join([*lines, *users[:5]])
    if area.name == "phones":
        return ", ".join(line["id"] for line in known.lines.list() if line["extension"] == key)
    if area.name == "agents":
        return ", ".join(u["username"] for u in known.users.list() if u["agent_number"] == key)
    return ""


def _make(area: Area) -> Blueprint:
    blueprint = Blueprint(area.name, __name__, url_prefix=f"/admin/{area.name}")

    @blueprint.get("/")
    @allow(ADMIN)
    def index() -> ResponseReturnValue:
        table = _table(area)
        rows = table.list()
        text = request.args.get("q", "").strip()
        key = table.schema.key
        keys = tuple(c for c in area.columns if c != "pin")
        page = paging.of_list(rows, text, keys, keys, key)
        return render_template(
            "admin/table.html",
            area=area,
            page=page,
            text=text,
            key=key,
            labels=words.LABELS[area.name],
            queue_names={q["id"]: q["name"] for q in store().queues.list()},
            flow_names={f["id"]: f["title"] or f["id"] for f in store().flows.list()},
        )

    @blueprint.route("/new", methods=["GET", "POST"])
    @allow(ADMIN)
    def new() -> ResponseReturnValue:
        return _edit(None)

    @blueprint.route("/<key>", methods=["GET", "POST"])
    @allow(ADMIN)
    def edit(key: str) -> ResponseReturnValue:
        row = _table(area).get(key)
        if row is None:
            abort(404)
        return _edit(row)

    def _edit(row: dict[str, Any] | None) -> ResponseReturnValue:
        inputs = _inputs(area, row)
        failed = False
        if request.method == "POST":
            if _save(area, inputs, row):
                kind, message = plan_changed()
                flash(message, kind)
                return redirect(url_for(f"{area.name}.index"))
            failed = True
        key = _table(area).schema.key
        page = render_template(
            "admin/edit.html",
            area=area,
            inputs=inputs,
            row=row,
            key=row[key] if row else "",
            used_by=_used_by(area, row[key]) if row else "",
        )
        return page, 400 if failed else 200

    @blueprint.post("/<key>/delete")
    @allow(ADMIN)
    def delete(key: str) -> ResponseReturnValue:
        used = _used_by(area, key)
        if used:
            flash(_("It is still used by %(names)s. Change these first.", names=used), "error")
            return redirect(url_for(f"{area.name}.edit", key=key))
        try:
            _table(area).delete(key)
        except NotFound:
            abort(404)
        audit.note(f"{area.name} deleted", key)
        kind, message = plan_changed()
        flash(message, kind)
        return redirect(url_for(f"{area.name}.index"))

    return blueprint


def blueprints() -> list[Blueprint]:
    """One blueprint per table."""
    return [_make(area) for area in AREAS]
