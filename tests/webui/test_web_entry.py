"""Claiming, signing in and out, locking out, languages, CSRF, headers."""

import stat

import pytest

from appliance.store.users import Audit
from webui import accounts, create_app
from webui.accounts import LockOut
from webui.i18n import from_browser
from webui.limits import limiter
from webui.views.entry import inside

from . import demo
from .conftest import text_of

GOOD = "a calm long phrase"


@pytest.fixture
def client(app):
    return app.test_client()


def claim(client, code, **changes):
    form = {"code": code, "username": "chief", "password": GOOD, "again": GOOD, **changes}
    return client.post("/claim", data=form)


def test_a_new_box_asks_to_be_claimed(client):
    assert client.get("/", follow_redirects=True).request.path == "/claim"
    assert client.get("/sign-in").location == "/claim"


def test_the_code_makes_the_administrator_once(client, store):
    answer = claim(client, f" {store.claim.code()} ")
    assert answer.location == "/admin/"
    assert client.get("/admin/").status_code == 200
    assert store.users.by_username("chief")["role"] == "admin"
    assert store.claim.code() is None
    assert client.get("/claim").status_code == 302, "a claimed box cannot be claimed again"
    assert claim(client, "00000000").status_code == 302
    assert store.users.count() == 1


def test_a_wrong_code_makes_nobody(client, store):
    wrong = "1" * 8 if store.claim.code() != "1" * 8 else "2" * 8
    answer = claim(client, wrong)
    assert answer.status_code == 400
    assert "zongji claim-code" in answer.text
    assert store.users.count() == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"password": "short", "again": "short"},
        {"password": "aaaaaaaaaaaaaa", "again": "aaaaaaaaaaaaaa"},
        {"password": "I am chief here", "again": "I am chief here"},
        {"again": "something else"},
        {"username": "two words"},
        {"username": ""},
    ],
)
def test_a_bad_form_does_not_use_the_code_up(client, store, changes):
    code = store.claim.code()
    assert claim(client, code, **changes).status_code == 400
    assert claim(client, code).status_code == 302


def test_guessing_codes_is_stopped(client, store):
    wrong = "1" * 8 if store.claim.code() != "1" * 8 else "2" * 8
    for _ in range(5):
        claim(client, wrong)
    assert store.claim.locked_s() > 0
    answer = claim(client, store.claim.code())
    assert answer.status_code == 400
    assert store.users.count() == 0


def test_signing_in_and_out(client, box_store):
    bad = client.post("/sign-in", data={"username": "wang", "password": "wrong"})
    assert bad.status_code == 401
    ok = client.post("/sign-in?next=/calls/", data={"username": "WANG", "password": demo.PASSWORD})
    assert ok.location == "/calls/"
    assert client.get("/calls/").status_code == 200
    client.post("/sign-out")
    assert client.get("/calls/").status_code == 302
    assert [e["what"] for e in box_store.audit.list()][:3] == ["sign-out", "sign-in", "sign-in refused"]


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:1"]
)
def test_the_sign_in_leads_nowhere_else(app, target):
    with app.test_request_context():
        assert inside(target) == "/"


def test_ten_bad_tries_lock_the_name(client, box_store):
    for _ in range(9):
        client.post("/sign-in", data={"username": "wang", "password": "wrong"})
    tenth = client.post(
        "/sign-in", data={"username": "wang", "password": "wrong"}, headers={"Accept-Language": "en"}
    )
    assert "locked for another 15 minutes" in tenth.text
    right = client.post("/sign-in", data={"username": "Wang", "password": demo.PASSWORD})
    assert right.status_code == 401, "the right password does not open a locked name"
    assert box_store.audit.list(what="locked out")
    other = client.post("/sign-in", data={"username": "boss", "password": demo.PASSWORD})
    assert other.status_code == 302, "other names are not locked"


def test_the_lock_opens_after_its_time(box_store):
    now = [1.8e9]
    log = Audit(box_store._database, lambda: now[0])
    lock = LockOut(lambda: log, lambda: now[0])

    def bad():
        locks = lock.this_locks("x")
        log.add("x", accounts.BAD, accounts.WRONG_PASSWORD + " [::1]")
        if locks:
            log.add("x", accounts.LOCKED, "x")
        return locks

    assert [bad() for _ in range(accounts.BAD_TRIES)] == [False] * 9 + [True]
    assert lock.locked_for_s("X") == accounts.LOCK_S
    now[0] += accounts.LOCK_S
    assert lock.locked_for_s("x") == 0
    bad()
    log.add("x", accounts.GOOD)
    assert [bad() for _ in range(9)] == [False] * 9, "a good sign-in forgets the bad ones"
    now[0] += accounts.FORGET_S
    assert not bad(), "so does time"


def test_a_restart_does_not_open_a_locked_name(home, control, client, box_store):
    for _ in range(10):
        client.post("/sign-in", data={"username": "wang", "password": "wrong"})
    again = create_app(home, TESTING=True, WTF_CSRF_ENABLED=False, RATELIMIT_ENABLED=False)
    right = {"username": "wang", "password": demo.PASSWORD}
    assert again.test_client().post("/sign-in", data=right).status_code == 401
    again.extensions["box"].close()


def test_a_new_password_from_the_administrator_opens_a_locked_name(client, sign_in, box_store):
    admin = sign_in("admin")
    for _ in range(10):
        client.post("/sign-in", data={"username": "wang", "password": "wrong"})
    user = box_store.users.by_username("wang")
    form = {k: user[k] for k in ("username", "role", "agent_number")} | {"language": "en", "password": GOOD}
    assert admin.post(f"/admin/users/{user['id']}", data=form).status_code == 302
    assert client.post("/sign-in", data={"username": "wang", "password": GOOD}).status_code == 302


def test_tries_from_one_address_are_limited(home, control, box_store, monkeypatch):
    monkeypatch.setattr(accounts, "_DUMMY", demo._HASH)  # as slow as it should be, thirty tries take long
    app = create_app(home, TESTING=True, WTF_CSRF_ENABLED=False)
    with app.app_context():
        limiter.reset()
    client = app.test_client()
    statuses = [
        client.post("/sign-in", data={"username": f"u{n}", "password": "x"}).status_code for n in range(32)
    ]
    app.extensions["box"].close()
    assert statuses[:30] == [401] * 30
    assert statuses[30:] == [429] * 2


def test_a_disabled_user_is_out_at_once(client, box_store, sign_in):
    inside_client = sign_in("wang")
    box_store.users.update(box_store.users.by_username("wang")["id"], {"disabled": True})
    assert inside_client.get("/calls/").status_code == 302
    answer = client.post("/sign-in", data={"username": "wang", "password": demo.PASSWORD})
    assert answer.status_code == 401


def test_a_changed_password_ends_other_sessions(sign_in):
    here, there = sign_in("wang"), sign_in("wang")
    assert here.post("/password", data={"old": "no", "password": GOOD, "again": GOOD}).status_code == 400
    answer = here.post("/password", data={"old": demo.PASSWORD, "password": GOOD, "again": GOOD})
    assert answer.status_code == 302
    assert here.get("/calls/").status_code == 200
    assert there.get("/calls/").status_code == 302


def test_forms_need_their_mark(home, control, box_store):
    app = create_app(home, TESTING=True)
    client = app.test_client()
    bare = client.post("/sign-in", data={"username": "wang", "password": demo.PASSWORD})
    assert bare.status_code == 400
    page = client.get("/sign-in").text
    mark = page.split('name="csrf_token" value="')[1].split('"')[0]
    good = client.post("/sign-in", data={"username": "wang", "password": demo.PASSWORD, "csrf_token": mark})
    assert good.status_code == 302
    assert client.post("/desk/do", json={"verb": "ready"}).status_code == 400
    app.extensions["box"].close()


def test_pages_carry_the_headers(client, sign_in):
    for page in (client.get("/sign-in"), sign_in("admin").get("/admin/")):
        policy = page.headers["Content-Security-Policy"]
        assert "script-src 'self';" in policy, "no inline scripts, no other hosts"
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
        assert page.headers["X-Content-Type-Options"] == "nosniff"
        assert page.headers["Cache-Control"] == "no-store"
        assert "http://" not in page.text.replace("http://www.w3.org/2000/svg", ""), (
            "nothing from other hosts"
        )


def test_the_cookie_is_kept_from_scripts_and_other_sites(client, box_store):
    answer = client.post("/sign-in", data={"username": "wang", "password": demo.PASSWORD})
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie


def test_the_key_is_made_once_and_private(home, app):
    path = home.root / "web-secret.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    first = path.read_bytes()
    assert len(first) == 32
    again = create_app(home)
    assert again.config["SECRET_KEY"] == first
    assert [p.name for p in home.root.glob(".web-secret*")] == []


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh_Hans"),
        ("zh-TW", "zh_Hant"),
        ("zh-Hant-HK", "zh_Hant"),
        ("zh-Hans-HK", "zh_Hans"),
        ("de, en-GB;q=0.7, zh;q=0.3", "en"),
        ("fr;q=broken", None),
        ("", None),
    ],
)
def test_the_browsers_language_is_understood(header, language):
    assert from_browser(header) == language


def test_the_language_is_the_users(client, box_store):
    assert "登录" in client.get("/sign-in", headers={"Accept-Language": "zh-CN"}).text
    client.post("/language", data={"language": "zh_Hant", "next": "/sign-in"})
    page = client.get("/sign-in", headers={"Accept-Language": "en"}).text
    assert 'lang="zh-Hant"' in page and "登入" in page
    client.post("/sign-in", data={"username": "wang", "password": demo.PASSWORD})
    client.post("/language", data={"language": "en", "next": "/calls/"})
    assert box_store.users.by_username("wang")["language"] == "en"
    assert "Calls" in text_of(client.get("/calls/", headers={"Accept-Language": "zh-CN"}).text)
    assert client.post("/language", data={"language": "klingon"}).status_code == 400
