"""Who may open what. The matrix is written out: a change of rights must be made here too."""

import pytest
from flask import Blueprint

from webui import create_app, roles
from webui.roles import UndeclaredRole, allow

from .fakes import PATIENCE_S

ANYONE = {"anyone"}
ALL = {"admin", "supervisor", "agent"}
LEADERS = {"admin", "supervisor"}
ADMIN = {"admin"}

EXPECTED = {
    "static": ANYONE,
    "i18n.words": ANYONE,
    "entry.home": ANYONE,
    "entry.claim": ANYONE,
    "entry.sign_in": ANYONE,
    "entry.set_language": ANYONE,
    "entry.health": ANYONE,
    "entry.sign_out": ALL,
    "entry.password": ALL,
    "events.events": ALL,
    "board.show": ALL,
    "board.act": LEADERS,
    "desk.show": ALL,
    "desk.act": ALL,
    "desk.card": ALL,
    "desk.note": ALL,
    "desk.customer": ALL,
    "desk.today": ALL,
    "calls.index": ALL,
    "calls.show": ALL,
    "calls.recording": ALL,
    "calls.star": ALL,
    "calls.note": ALL,
    "calls.export": LEADERS,
    "customers.index": ALL,
    "customers.new": ALL,
    "customers.show": ALL,
    "customers.delete": LEADERS,
    "customers.export": LEADERS,
    "customers.import_": LEADERS,
    "messages.index": ALL,
    "messages.new": ALL,
    "messages.thread": ALL,
    "messages.listed": ALL,
    "messages.unread": ALL,
    "messages.read": ALL,
    "messages.send": ALL,
    "messages.export": LEADERS,
    "api.messages": ALL,
    "api.send_message": ALL,
    "cards.show": LEADERS,
    "cards.state": LEADERS,
    "cards.test": LEADERS,
    "cards.firmware": ADMIN,
    "blacklist.index": LEADERS,
    "blacklist.new": LEADERS,
    "blacklist.edit": LEADERS,
    "blacklist.delete": LEADERS,
    "network.show": ADMIN,
    "network.apply": ADMIN,
    "network.revert": ADMIN,
    "network.confirm": ANYONE,
    "updates.show": ADMIN,
    "updates.state": ADMIN,
    "updates.upload": ADMIN,
    "updates.look": ADMIN,
    "updates.begin": ADMIN,
    "updates.cancel": ADMIN,
    "updates.discard": ADMIN,
    "updates.acknowledge": ADMIN,
    "updates.eject": ADMIN,
    "clock.show": ADMIN,
    "clock.save": ADMIN,
    "clock.now": ADMIN,
    "remote.show": ADMIN,
    "remote.enable": ADMIN,
    "remote.close": ADMIN,
    "power.show": ADMIN,
    "power.reboot": ADMIN,
    "power.off": ADMIN,
    "power.board": ADMIN,
    "power.recovery": ADMIN,
    "power.order_recovery": ADMIN,
    "power.log": ADMIN,
    "office.show": LEADERS,
    "office.sound": LEADERS,
    "api.live": ALL,
    "api.calls": ALL,
    "api.call": ALL,
    "api.customers": ALL,
    "api.customer": ALL,
    "admin.start": ADMIN,
    "backups.index": ADMIN,
    "backups.progress": ADMIN,
    "backups.make": ADMIN,
    "backups.change": ADMIN,
    "backups.download": ADMIN,
    "backups.upload": ADMIN,
    "backups.prepare": ADMIN,
    "backups.commit": ADMIN,
    "backups.discard": ADMIN,
    "backups.share": ADMIN,
    "backups.share_look": ADMIN,
    "backups.key": ADMIN,
    "backups.printed": ADMIN,
    "backups.repair": ADMIN,
    "backups.support": ADMIN,
    "rescue.show": ANYONE,
    "rescue.key": ANYONE,
    "rescue.restore": ANYONE,
    "rescue.support": ANYONE,
    "flows.index": ADMIN,
    "flows.new": ADMIN,
    "flows.edit": ADMIN,
    "flows.publish": ADMIN,
    "flows.rollback": ADMIN,
    "flows.delete": ADMIN,
    "users.index": ADMIN,
    "users.new": ADMIN,
    "users.edit": ADMIN,
    "users.delete": ADMIN,
    "users.matrix": ADMIN,
    "settings.index": ADMIN,
    "settings.save": ADMIN,
    "settings.reset": ADMIN,
    "settings.log": ADMIN,
    "audit.index": ADMIN,
    "audit.export": ADMIN,
    **{
        f"{area}.{action}": ADMIN
        for area in ("lines", "phones", "agents", "queues")
        for action in ("index", "new", "edit", "delete")
    },
}
SAMPLE = {"key": "L1", "flow_id": "main", "name": "en", "filename": "logo.svg", "actor": "caller:x"}
LIVE_STREAMS = {"events.events", "office.sound"}


def test_every_route_has_the_roles_it_should(app):
    assert {e: set(r) for e, r in roles.matrix(app).items()} == EXPECTED


def test_a_route_without_a_role_stops_the_start(home, monkeypatch):
    careless = Blueprint("careless", __name__)

    @careless.get("/careless")
    def page():
        return "open to everybody"

    monkeypatch.setattr("webui.app.all_blueprints", lambda: [careless])
    with pytest.raises(UndeclaredRole, match=r"careless\.page"):
        create_app(home)


def test_an_unknown_role_is_refused():
    with pytest.raises(UndeclaredRole, match="owner"):
        allow("owner")


def addresses(app):
    for rule in app.url_map.iter_rules():
        if rule.endpoint in LIVE_STREAMS:
            continue
        values = {a: 1 if "_id" in a and a not in SAMPLE else SAMPLE.get(a, "x") for a in rule.arguments}
        with app.test_request_context():
            url = app.url_map.bind("localhost").build(rule.endpoint, values)
        for method in sorted(rule.methods & {"GET", "POST"}):
            yield rule.endpoint, method, url


@pytest.mark.parametrize(("name", "role"), [("admin", "admin"), ("boss", "supervisor"), ("wang", "agent")])
def test_each_role_is_let_in_and_kept_out(app, sign_in, box_store, name, role):
    client = sign_in(name)
    for endpoint, method, url in addresses(app):
        if endpoint in ("entry.sign_out", "entry.sign_in"):
            continue
        with client.open(url, method=method, json={} if method == "POST" else None) as answer:
            status = answer.status_code
        allowed = role in EXPECTED[endpoint] or EXPECTED[endpoint] == ANYONE
        assert (status == 403) == (not allowed), f"{role} {method} {url}: {status}"
        assert status < 500 or status == 503, f"{role} {method} {url}: {status}"


def test_strangers_are_sent_to_the_door(app, box_store):
    client = app.test_client()
    for endpoint, method, url in addresses(app):
        if EXPECTED[endpoint] == ANYONE:
            continue
        answer = client.open(url, method=method)
        if url.startswith("/api/"):
            assert answer.status_code == 401, url
        else:
            assert answer.status_code == 302 and "/sign-in" in answer.location, url


def test_a_denied_action_is_in_the_audit_log(sign_in, box_store):
    assert sign_in("wang").get("/admin/settings/").status_code == 403
    entry = box_store.audit.list(what="denied")[0]
    assert entry["who"] == "wang"
    assert "/admin/settings/" in entry["detail"]


def test_agents_see_their_own_calls_alone(sign_in, box_store, home):
    from . import demo

    demo.calls(box_store, home, 8)  # agents 1001 to 1004 in turn, one of them abandoned
    agent, boss = sign_in("wang"), sign_in("boss")
    mine = agent.get("/api/calls").json
    assert mine["total"] == 1
    assert {row["agent"] for row in mine["data"]} == {"1001"}
    assert agent.get("/api/calls?agent=1002").json["total"] == 1, "asking for a colleague's changes nothing"
    assert boss.get("/api/calls").json["total"] == 8
    assert agent.get("/calls/demo-001").status_code == 403
    assert agent.get("/calls/demo-001/recording.wav").status_code == 403
    assert agent.get("/api/calls/demo-001").status_code == 403
    assert boss.get("/calls/demo-001").status_code == 200


def test_agents_do_not_see_who_talks_to_colleagues(app, sign_in, control):
    app.extensions["box"].hub.start()
    control.wait_for_subscriber()
    client = sign_in("wang")
    hub = app.extensions["box"].hub
    with hub.listen() as mailbox:
        while not (hub.snapshot or {}).get("agents"):
            mailbox.get(timeout=PATIENCE_S)
    seen = client.get("/api/live").json["data"]
    assert {c["agent"] for c in seen["calls"]} == {"1001"}
    assert all("caller_number" not in line for line in seen["lines"])
    assert seen["agents"], "but they see who is free"
