"""Backups, findings with their buttons, and what can be done while the database is away."""

import html
import re

import pytest

import webui.box
from appliance.services import checks
from appliance.store import open_store
from tests.services.test_checks import HEALTHY, SICK
from webui.build_translations import checks as sentences_of_checks
from webui.findings import JOB, PROBLEM, REPAIR, problem_words

from . import demo
from .conftest import text_of

HAN = re.compile("[\u4e00-\u9fff]")
BACKUP = {
    "name": "zongji-20270115-030000.zjb",
    "made_at": 1_800_000_000.0,
    "version": "0.1.0",
    "schema": 4,
    "automatic": True,
    "recordings": False,
    "passphrase": False,
    "verified_at": 1_800_000_000.0,
    "problem": "",
    "copies": ["KINGSTON"],
    "size": 123_456,
}
READY = {
    "step": "ready",
    "stamp": "1",
    "source": "zongji-1.zjb",
    "made_at": 1_800_000_000.0,
    "version": "0.1.0",
    "now": {"customers": 12, "calls": 300},
    "then": {"customers": 11, "calls": 290},
    "prompts": 2,
    "recordings": 5,
    "config": [],
    "last_call_at": 0.0,
}


def job(**more):
    base = {"what": "backup_make", "name": "", "step": "writing", "percent": 40, "began": 1.0, "ended": None}
    return base | {"problem": None} | more


@pytest.fixture
def page(sign_in, control):
    client = sign_in("admin")

    def page(language="en", path="/admin/backups/"):
        client.post("/language", data={"language": language})
        answer = client.get(path)
        assert answer.status_code == 200, answer.text
        return html.unescape(text_of(answer.text))

    page.client = client
    return page


def test_the_list_says_when_each_was_verified_and_where_copies_are(page, control):
    control.backups["backups"] = [BACKUP, BACKUP | {"name": "b.zjb", "problem": "bad"}]
    text = page()
    assert "copied to KINGSTON" in text and "damaged" in text and "without recordings" in text
    for language in ("zh_Hans", "zh_Hant"):
        assert not re.search(r"\b(backup|restore|verified|recordings)\b", page(language), re.I)


def test_without_backups_the_page_offers_to_make_one(page):
    assert "No backup yet" in page()


def test_making_one_hands_on_what_was_chosen(page, control):
    page.client.post("/admin/backups/make", data={"recordings": "on", "to": "stick/KINGSTON"})
    assert control.wait_for("backup_make")[0] == {
        "recordings": True,
        "passphrase": "",
        "stick": "KINGSTON",
    }
    answer = page.client.post("/admin/backups/make", data={"passphrase": "short"}, follow_redirects=True)
    assert "at least 12" in text_of(answer.text)
    assert len(control.wait_for("backup_make")) == 1


def test_progress_is_shown_and_followed(page, control):
    control.backups["job"] = job()
    assert "Making a backup" in page()
    found = page.client.get("/admin/backups/state").json
    assert (found["job"]["percent"], found["job"]["step_words"]) == (40, "writing")


@pytest.mark.parametrize("code", sorted(PROBLEM))
def test_every_problem_has_words_in_chinese(page, control, code):
    control.backups["job"] = job(ended=2.0, problem={"code": code, "text": "as it came"})
    text = page("zh_Hans")
    assert "as it came" not in text and HAN.search(text)


def test_a_problem_that_has_no_words_yet_is_shown_as_it_came(app):
    with app.test_request_context():
        assert problem_words({"code": "new", "text": "as it came"}) == "as it came"


def test_what_will_be_replaced_is_shown_before_it_is(page, control):
    control.backups["restore"] = READY
    text = page()
    assert "Customers 12 11" in text and "Calls 300 290" in text and "5 added, none removed" in text
    page.client.post("/admin/backups/commit", data={"source": "zongji-1.zjb"})
    assert control.wait_for("restore_commit")
    page.client.post("/admin/backups/discard")
    assert control.wait_for("restore_discard")


def test_an_upload_reaches_the_disk_whole_and_is_prepared(page, control, home):
    content = bytes(range(256)) * 20_000
    answer = page.client.put("/admin/backups/upload", data=content)
    assert answer.status_code == 200, answer.text
    name = answer.json["name"]
    assert (home.uploads / name).read_bytes() == content
    data = {"source": f"upload:{name}", "key": "AGE-SECRET-KEY-1X"}
    page.client.post("/admin/backups/prepare", data=data)
    assert control.wait_for("restore_prepare")[0] == {
        "name": name,
        "key": "AGE-SECRET-KEY-1X",
        "passphrase": "",
        "uploaded": True,
    }


def test_an_upload_may_be_larger_than_a_form_but_not_fill_the_disk(page, home, monkeypatch):
    from collections import namedtuple

    usage = namedtuple("usage", "total used free")
    assert page.client.put("/admin/backups/upload", data=bytes(40 << 20)).status_code == 200
    monkeypatch.setattr("webui.views.backups.shutil.disk_usage", lambda _: usage(100e6, 60e6, 40e6))
    answer = page.client.put("/admin/backups/upload", data=bytes(31_000_000))
    assert answer.status_code == 507 and "not enough room" in answer.json["error"]["message"]
    assert len(list(home.uploads.iterdir())) == 1
    assert page.client.put("/admin/backups/upload", data=b"").status_code == 400


def test_a_backup_from_a_stick(page, control):
    control.backups["sticks"] = [
        {
            "name": "sdb1",
            "label": "KINGSTON",
            "free": 10**9,
            "writable": True,
            "backups": [{"name": "x.zjb", "size": 5, "at": 0}],
        }
    ]
    assert "USB stick KINGSTON" in page()
    page.client.post("/admin/backups/prepare", data={"source": "stick/sdb1:x.zjb"})
    assert control.wait_for("restore_prepare")[0]["stick"] == "sdb1"


SHARE = {
    "share.copy": "on",
    "share.server": "nas",
    "share.name": "backup",
    "share.folder": "office/zongji",
    "share.user": "zongji",
    "share.domain": "",
    "share.keep": "30",
}
SECRET = "k33p,th!s=quiet"


@pytest.fixture
def shared(control):
    """The share of a flashed box."""
    control.backups["share"] |= {"there": True}
    return control.backups["share"]


def test_off_the_box_the_page_says_that_a_share_needs_the_box(page):
    text = page()
    assert "works on the flashed box only" in text and "Save and try it now" not in text


def test_a_share_is_kept_tried_and_its_password_shown_to_nobody(page, control, shared, store):
    assert "Save and try it now" in page()
    answer = page.client.post("/admin/backups/share", data=SHARE | {"password": SECRET})
    assert answer.status_code == 302
    assert control.wait_for("share_password")[0] == {"password": SECRET}
    assert control.wait_for("share_try")
    assert store.settings.get("share.server") == "nas" and store.settings.get("share.copy") is True
    shared |= {"has_password": True, "name": "//nas/backup/office/zongji"}
    for path in ("/admin/backups/", "/admin/settings/", "/admin/settings/log", "/admin/audit/"):
        answer = page.client.get(path)
        assert answer.status_code == 200 and SECRET not in html.unescape(answer.text)
    assert "share for backups changed" in {row["what"] for row in store.audit.list()}
    assert SECRET not in str(store.audit.list()) + str(store.settings.history())
    # kept without typing it again, but not for another server
    page.client.post("/admin/backups/share", data=SHARE | {"share.keep": "9"})
    assert store.settings.get("share.keep") == 9 and len(control.wait_for("share_password")) == 1
    answer = page.client.post("/admin/backups/share", data=SHARE | {"share.server": "elsewhere"})
    assert answer.status_code == 400 and "Type the password" in text_of(answer.text)
    assert store.settings.get("share.server") == "nas"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("share.server", ""),
        ("share.server", "nas/backup"),
        ("share.server", "a b"),
        ("share.name", ""),
        ("share.name", "a/b"),
        ("share.folder", "../etc"),
        ("share.folder", "a/../b"),
        ("share.user", "OFFICE\\li"),
        ("share.keep", "0"),
    ],
)
def test_what_is_no_share_is_refused_at_its_field(page, shared, control, store, field, value):
    answer = page.client.post("/admin/backups/share", data=SHARE | {"password": SECRET, field: value})
    assert answer.status_code == 400 and "invalid-feedback d-block" in answer.text
    assert not [method for method, _ in control.calls if method.startswith("share_")]
    assert store.settings.get("share.server") == ""


def test_how_trying_went_and_why_copies_fail_is_said_in_the_readers_language(page, control, shared):
    problem = {"code": "share_wrong_password", "text": "as it came", "detail": "STATUS_LOGON_FAILURE"}
    shared |= {"name": "//nas/backup", "tried": {"at": 1_800_000_000.0, "free": 0, "problem": problem}}
    assert "does not accept this user and password" in page() and "STATUS_LOGON_FAILURE" in page()
    control.findings = found("backup_share")
    shared |= {"problem": problem, "tried": {"at": 1_800_000_000.0, "free": 120 << 30, "problem": None}}
    assert "120.0 GB free" in page() and "was not copied to the network share" in page()
    for path in ("/admin/", "/admin/backups/"):
        text = page("zh_Hans", path)
        assert "每日备份没有复制到网络共享" in text and "as it came" not in text and "%(" not in text


def test_backups_are_copied_to_listed_on_and_restored_from_the_share(page, control, shared):
    control.backups["backups"] = [BACKUP]
    shared |= {"name": "//nas/backup"}
    assert "To the share" in page() and "There is no backup on" not in page()
    page.client.post(f"/admin/backups/{BACKUP['name']}/copy", data={"to": "share"})
    assert control.wait_for("backup_copy")[0] == {"name": BACKUP["name"], "share": True}
    page.client.post("/admin/backups/share/look")
    assert control.wait_for("share_look")
    shared["listed"] = []
    assert "There is no backup on the network share //nas/backup" in page()
    row = {"size": 5, "at": 0}
    shared["listed"] = [
        row | {"name": "x.zjb", "own": False, "box": "branch"},
        row | {"name": "y.zjb", "own": True, "box": "zongji"},
    ]
    assert "another box (branch)" in page() and "this box" in page()
    page.client.post("/admin/backups/prepare", data={"source": "share:x.zjb", "key": "K"})
    asked = control.wait_for("restore_prepare")[0]
    assert asked == {"name": "x.zjb", "share": True, "key": "K", "passphrase": ""}


def test_download_needs_a_name_of_the_list(page, home, store):
    home.backups.mkdir()
    (home.backups / "a.zjb").write_bytes(b"sealed")
    with page.client.get("/admin/backups/a.zjb") as answer:
        assert answer.data == b"sealed"
    for name in ("../web-secret.key", "a.zjb.json", "..%2fweb-secret.key", "none.zjb"):
        assert page.client.get(f"/admin/backups/{name}").status_code in (404, 405)
    assert store.audit.list()[0]["what"] == "backup downloaded"


def test_the_key_needs_the_password_once_more(page, store):
    assert "AGE-SE" not in page(path="/admin/backups/key")
    wrong = page.client.post("/admin/backups/key", data={"password": "nope"})
    assert wrong.status_code == 400 and "AGE-SE" not in wrong.text
    shown = page.client.post("/admin/backups/key", data={"password": demo.PASSWORD})
    assert "AGE-SE" in shown.text and "age1abc" in shown.text
    assert [row["what"] for row in store.audit.list()[:2]] == ["recovery key shown", "recovery key refused"]


@pytest.mark.parametrize("name", ["boss", "wang"])
def test_only_administrators(sign_in, name):
    client = sign_in(name)
    assert client.get("/admin/backups/").status_code == 403
    for path in ("make", "share", "share/look"):
        assert client.post(f"/admin/backups/{path}").status_code == 403
    assert client.put("/admin/backups/upload", data=b"x").status_code == 403


def test_a_refusal_of_control_is_told(page, control):
    control.care_refuses = {"code": "busy", "message": "x"}
    answer = page.client.post("/admin/backups/make", follow_redirects=True)
    assert "Wait until it has ended" in text_of(answer.text)


# ------------------------------------------------------------------------- findings
def found(name):
    from dataclasses import replace

    change = SICK[name][0]
    for key, value in change.items():
        if isinstance(value, dict) and isinstance(getattr(HEALTHY, key), dict):
            change = change | {key: getattr(HEALTHY, key) | value}
    return checks.run(replace(HEALTHY, **change))


@pytest.mark.parametrize("name", checks.NAMES)
def test_every_finding_is_said_in_the_readers_language(page, control, name):
    control.findings = found(name)
    english = page(path="/admin/")
    if name not in (
        "backup_failed",
        "backup_share",
        "update_failed",
    ):  # their problems have words of their own
        assert control.findings[0]["text"] % control.findings[0]["params"] in english
    chinese = page("zh_Hans", "/admin/")
    assert control.findings[0]["advice"][:25] not in chinese
    assert "%(" not in chinese and "%%" not in chinese


def test_why_the_daily_backup_failed_is_said_in_the_readers_language(page, control):
    control.backups["daily_problem"] = {"code": "no_space", "text": "as it came"}
    control.findings = found("backup_failed")
    for path in ("/admin/", "/admin/backups/"):
        text = page("zh_Hans", path)
        assert "空间不足" in text and "as it came" not in text and "no room" not in text


def test_every_check_brings_its_sentences_to_the_catalogue():
    assert {name for name, _ in sentences_of_checks()} == {*checks.NAMES, "__init__"}


def test_every_repair_has_a_button():
    from appliance.services import repairs

    assert set(REPAIR) == set(repairs.NAMES)
    assert set(REPAIR) <= set(JOB)


def test_the_button_asks_control_and_says_how_it_went(page, control):
    control.findings = found("backup_none")
    assert "Make a backup now" in page(path="/admin/")
    control.backups["job"] = job(what="make_backup", ended=2.0, problem={"code": "no_space", "text": ""})
    answer = page.client.post("/admin/backups/repair", data={"id": "make_backup"}, follow_redirects=True)
    assert control.wait_for("repair")[0] == {"id": "make_backup"}
    assert "There is not enough room" in text_of(answer.text)


def test_one_click_gives_the_support_bundle(page, control, home):
    bundle = home.root / "bundle.zip"
    bundle.write_bytes(b"PK")
    control.backups["job"] = job(what="support", ended=2.0) | {"result": str(bundle)}
    with page.client.post("/admin/backups/support") as answer:
        assert answer.data == b"PK" and answer.mimetype == "application/zip"
    control.backups["job"] = job(what="support", ended=2.0, problem={"code": "failed", "text": "no disk"})
    answer = page.client.post("/admin/backups/support", follow_redirects=True)
    assert "no disk" in text_of(answer.text)


# ------------------------------------------------------- while the database is away
@pytest.fixture
def broken(app, home, box_store, control):
    """break it() after somebody has signed in."""

    def damage():
        app.extensions["box"].close()
        box_store.close()
        for path in home.database.parent.glob("zongji.db*"):
            path.unlink()
        home.database.write_bytes(b"SQLite format 3\x00" + b"\xff" * 9000)
        control.backups["backups"] = [BACKUP]
        control.findings = found("database")

    return damage


def test_an_administrator_who_was_in_may_repair_and_collect(sign_in, broken, control, home):
    client = sign_in("admin")
    client.get("/admin/")
    broken()
    page = client.get("/admin/")
    assert page.status_code == 503 and "/rescue" in page.text
    text = text_of(client.get("/rescue").text)
    assert "The database cannot be used" in text and "Restore the newest backup" in text
    client.post("/rescue/restore")
    assert control.wait_for("repair")[0] == {"id": "restore_newest"}
    bundle = home.root / "bundle.zip"
    bundle.write_bytes(b"PK")
    control.backups["job"] = job(what="support", ended=2.0) | {"result": str(bundle)}
    with client.post("/rescue/support") as answer:
        assert answer.data == b"PK"


def test_anybody_else_needs_the_key_from_the_paper(app, sign_in, broken, control):
    agent = sign_in("wang")
    agent.get("/desk")
    broken()
    for client in (agent, app.test_client()):
        assert "/rescue/restore" not in client.get("/rescue").text
        client.post("/rescue/restore")
        client.post("/rescue/support")
        client.post("/rescue/key", data={"key": "a guess"})
        assert "/rescue/restore" not in client.get("/rescue").text
    assert not [method for method, _ in control.calls if method in ("repair", "support")]
    client.post("/rescue/key", data={"key": "the paper"})
    assert "/rescue/restore" in client.get("/rescue").text
    client.post("/rescue/restore")
    assert control.wait_for("repair")


def test_with_a_good_database_there_is_nothing_to_rescue(app, box_store, control):
    client = app.test_client()
    client.post("/rescue/key", data={"key": "the paper"})
    client.post("/rescue/restore")
    assert client.get("/rescue").status_code == 302
    assert not [method for method, _ in control.calls if method == "repair"]


def test_the_pages_notice_that_a_backup_was_restored(app, sign_in, home, tmp_path):
    client = sign_in("admin")
    assert client.get("/customers/").status_code == 200
    put_in_place(restored(home, tmp_path), home)
    assert "From The Backup" in client.get("/customers/").text


def test_a_backup_that_is_restored_while_the_database_is_opened_is_noticed(
    app, sign_in, home, tmp_path, monkeypatch
):
    client = sign_in("admin")
    fresh = restored(home, tmp_path)
    app.extensions["box"]._store = None
    opened = []

    def slowly(path):
        opened.append(open_store(path))
        if len(opened) == 1:
            put_in_place(fresh, home)
        return opened[-1]

    monkeypatch.setattr(webui.box, "open_store", slowly)
    assert client.get("/customers/").status_code == 200
    assert "From The Backup" in client.get("/customers/").text and len(opened) == 2


def restored(home, tmp_path):
    """A database beside the one in use, with an administrator and a customer."""
    other = tmp_path / "other" / "zongji.db"
    store = open_store(other)
    demo.user(store, "admin", "admin")
    store.customers.add({"name": "From The Backup"})
    store.close()
    return other.replace(home.database.with_name("zongji-2.db"))


def put_in_place(fresh, home):
    """As a restoration does it."""
    link = home.database.with_name("link")
    link.symlink_to(fresh.name)
    link.replace(home.database)
