"""Pages of the box itself: network on trial, updates, time, remote support, restart."""

import re

import pytest

from . import system_demo as demo
from .conftest import text_of
from .fakes import PATIENCE_S

PAGES = ("network", "updates", "time", "remote-support", "restart", "restart/log", "restart/recovery")


@pytest.fixture
def box(control):
    control.system = demo.daemon()
    return control


def asked(control, method):
    return [
        params["params"] for name, params in control.calls if name == "system" and params["method"] == method
    ]


def wait_connected(app):
    """Until the pages hear control."""
    hub = app.extensions["box"].hub
    hub.start()
    with hub.listen() as mailbox:
        while not hub.connected:
            mailbox.get(timeout=PATIENCE_S)


def problem(code, field="", **params):
    return {"code": code, "message": f"English words of {code}", "params": params} | (
        {"field": field} if field else {}
    )


@pytest.mark.parametrize("page", PAGES)
def test_without_a_flashed_box_the_page_says_so(sign_in, page):
    answer = sign_in("admin").get(f"/admin/{page}/" if "/" not in page else f"/admin/{page}")
    assert answer.status_code == 200 and "only on the flashed box" in text_of(answer.text)


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("language", ["en", "zh_Hans", "zh_Hant"])
def test_every_page_shows_in_every_language(sign_in, box, page, language):
    client = sign_in("admin")
    client.post("/language", data={"language": language})
    answer = client.get(f"/admin/{page}/" if "/" not in page else f"/admin/{page}")
    assert answer.status_code == 200


@pytest.mark.parametrize("page", PAGES)
def test_only_administrators(sign_in, box, page):
    for name in ("boss", "wang"):
        assert (
            sign_in(name).get(f"/admin/{page}/" if "/" not in page else f"/admin/{page}").status_code == 403
        )


# ----------------------------------------------------------------------- network
FORM = {
    "hostname": "zongji",
    "interface": "",
    "dns": "192.168.7.1, 10.0.0.1",
    "ipv4.method": "static",
    "ipv4.address": "192.168.7.9/24",
    "ipv4.gateway": "192.168.7.1",
    "ipv6.method": "auto",
}


def test_a_flashed_box_says_where_its_claim_code_is(app, box, store):
    client = app.test_client()
    wait_connected(app)
    page = text_of(client.get("/claim", headers={"Accept-Language": "en"}).text)
    assert "own screen shows it" in page and "zongji claim-code" not in page
    form = {"code": "x", "username": "chief", "password": "a calm long phrase", "again": "a calm long phrase"}
    page = text_of(client.post("/claim", data=form, headers={"Accept-Language": "en"}).text)
    assert "This code is not right" in page and "zongji claim-code" not in page


def test_settings_go_on_trial_and_are_confirmed_at_the_new_address(app, sign_in, box):
    client = sign_in("admin")
    assert client.post("/admin/network/", data=FORM).status_code == 302
    (given,) = asked(box, "network.apply")
    assert given["settings"]["dns"] == ["192.168.7.1", "10.0.0.1"]
    assert given["settings"]["ipv4"] == {
        "method": "static",
        "address": "192.168.7.9/24",
        "gateway": "192.168.7.1",
    }
    trial = {"settings": demo.FIXED, "begins_in_s": 2.5, "left_s": 32.5}
    box.system["network.get"] = demo.NETWORK | {"trial": trial}
    page = client.get("/admin/network/").text
    assert 'data-left="32.5"' in page and "http://192.168.7.9/admin/network/confirm/T0ken" in page
    assert "They are in use in a moment" in page
    trial |= {"begins_in_s": 0.0, "left_s": 27.3}
    assert "They are in use in a moment" not in client.get("/admin/network/").text
    stranger = app.test_client()  # at the new address the browser is not signed in
    page = stranger.get("/admin/network/confirm/T0ken", headers={"Accept-Language": "en"}).text
    assert "Keep the new settings" in page
    assert asked(box, "network.confirm") == [], "opening the page alone confirms nothing"
    assert stranger.post("/admin/network/confirm/T0ken").status_code == 302
    assert asked(box, "network.confirm") == [{"token": "T0ken"}]


def test_a_trial_that_is_over_is_told(sign_in, box):
    box.system["network.confirm"] = {"problem": problem("trial_over")}
    answer = sign_in("admin").post("/admin/network/confirm/x")
    assert answer.status_code == 400 and "former settings are back" in text_of(answer.text)


def test_mistakes_stand_at_their_fields_and_nothing_typed_is_lost(sign_in, box):
    parts = [
        problem("bad_hostname", "hostname"),
        problem("gateway_outside", "ipv4.gateway", network="192.168.7.0/24"),
    ]
    box.system["network.apply"] = {"problem": problem("invalid", problems=parts)}
    answer = sign_in("admin").post("/admin/network/", data=FORM | {"ipv4.gateway": "10.9.9.9"})
    assert answer.status_code == 400
    text = answer.text
    assert 'id="ipv4.gateway-wrong">The router is not in the box’s own network 192.168.7.0/24.' in text
    assert 'id="hostname-wrong"' in text and 'value="10.9.9.9"' in text and 'value="192.168.7.9/24"' in text


# ------------------------------------------------------------------------ updates
@pytest.fixture
def folder(tmp_path, monkeypatch):
    made = tmp_path / "updates"
    made.mkdir()
    monkeypatch.setenv("ZONGJI_UPDATES", str(made))
    return made


def test_an_upload_larger_than_other_requests_is_streamed_to_the_disk(app, sign_in, box, folder):
    data = bytes(40_000_000)
    assert len(data) > app.config["MAX_CONTENT_LENGTH"]
    answer = sign_in("admin").put("/admin/updates/upload?name=zongji-0.3.0.raucb", data=data)
    assert answer.status_code == 200 and "kind=upload" in answer.json["look"]
    assert [(one.name, one.stat().st_size) for one in folder.iterdir()] == [("zongji-0.3.0.raucb", len(data))]


def test_an_upload_needs_the_token_against_forged_requests(home, control, box, box_store, folder):
    from webui import create_app

    made = create_app(home, TESTING=True, RATELIMIT_ENABLED=False)
    client = made.test_client()
    assert client.put("/admin/updates/upload?name=x.raucb", data=b"x").status_code in (400, 401, 302)
    assert not list(folder.iterdir())
    made.extensions["box"].close()


@pytest.mark.parametrize(
    "name", ["", "x.txt", "../x.raucb", "a/b.raucb", ".x.raucb", "-x.raucb", "x\n.raucb"]
)
def test_hostile_names_are_refused(sign_in, box, folder, name):
    answer = sign_in("admin").put("/admin/updates/upload", query_string={"name": name}, data=b"x")
    assert answer.status_code == 400 and not list(folder.iterdir())


def test_too_large_and_no_room(sign_in, box, folder, monkeypatch):
    from webui.views import updates

    monkeypatch.setattr(updates, "MAX_BYTES", 1000)
    assert sign_in("admin").put("/admin/updates/upload?name=x.raucb", data=bytes(1001)).status_code == 413
    monkeypatch.setattr(updates, "SPARE_BYTES", 1 << 60)
    answer = sign_in("admin").put("/admin/updates/upload?name=x.raucb", data=bytes(100))
    assert answer.status_code == 507 and "room" in answer.json["error"]
    assert not list(folder.iterdir())


def test_looking_at_a_bundle_and_installing_it(sign_in, box):
    client = sign_in("admin")
    page = client.get("/admin/updates/look?kind=upload&name=zongji-0.3.0.raucb").text
    assert "0.3.0" in page and 'name="consent"' not in page
    client.post("/admin/updates/install", data={"kind": "upload", "name": "zongji-0.3.0.raucb", "now": "on"})
    assert asked(box, "update.install") == [
        {"source": {"kind": "upload", "name": "zongji-0.3.0.raucb"}, "downgrade_consent": False, "now": True}
    ]


def test_an_older_version_needs_consent(sign_in, box):
    box.system["update.inspect"] = {
        "bundle": demo.BUNDLE | {"version": "0.1.0"},
        "running": "0.2.0",
        "problem": problem("downgrade", theirs="0.1.0", ours="0.2.0"),
    }
    page = sign_in("admin").get("/admin/updates/look?kind=upload&name=x.raucb").text
    assert "Version 0.1.0 is older than 0.2.0" in page and 'name="consent" required' in page


@pytest.mark.parametrize("code", ["wrong_hardware", "wrong_product", "too_large"])
def test_what_can_never_be_installed_has_no_button(sign_in, box, code):
    box.system["update.inspect"] = {
        "bundle": demo.BUNDLE,
        "running": "0.2.0",
        "problem": problem(code, theirs="arm64", ours="amd64"),
    }
    page = sign_in("admin").get("/admin/updates/look?kind=upload&name=x.raucb").text
    assert "Install</button>" not in page and "English words" not in page


def test_a_refused_bundle_is_named_and_logged(sign_in, box, box_store):
    box.system["update.inspect"] = {"problem": problem("bundle_tampered")}
    client = sign_in("admin")
    page = client.get("/admin/updates/look?kind=upload&name=x.raucb", follow_redirects=True)
    assert "was changed after it was signed" in text_of(page.text)
    assert "Update refused" in client.get("/admin/audit/").text


def test_a_fall_back_tells_version_reason_and_log(sign_in, box):
    box.system["update.status"] = demo.UPDATES | {"fell_back": demo.FELL_BACK}
    text = text_of(sign_in("admin").get("/admin/updates/").text)
    assert "Version 0.3.0 did not get healthy" in text and "zongji-engine is failed" in text
    assert "cannot open /dev/dahdi/channel" in text


def test_a_version_that_only_lost_its_place_did_not_fail(sign_in, box):
    told = demo.FELL_BACK | {"reason": "boot_state_lost", "log": []}
    box.system["update.status"] = demo.UPDATES | {"fell_back": told}
    text = text_of(sign_in("admin").get("/admin/updates/").text)
    assert "Version 0.3.0 is not the one that runs" in text and "boot state were lost" in text
    assert "did not get healthy; the box" not in text


def test_a_running_update_is_watched(sign_in, box):
    job = {"state": "installing", "percent": 40, "version": "0.3.0", "problem": None}
    box.system["update.status"] = demo.UPDATES | {"update": job}
    client = sign_in("admin")
    assert "Writing the new version" in client.get("/admin/updates/").text
    assert client.get("/admin/updates/state").json == {
        "state": "installing",
        "percent": 40,
        "far": "40 %",
        "may_cancel": False,
        "text": "",
    }


FETCHING = {
    **{"state": "fetching", "percent": 25, "done": 42_000_000, "size": 168_000_000},
    **{"calls": 0, "version": "", "problem": None, "may_cancel": True},
}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "40.1 MB of 160.2 MB"),
        ({"size": 0, "percent": 0}, "40.1 MB so far"),
        ({"state": "waiting_calls", "calls": 3}, "Calls that are waited for: 3"),
        ({"state": "waiting_reboot", "calls": 1, "may_cancel": False}, "Calls that are waited for: 1"),
    ],
)
def test_how_far_an_update_is_in_bytes_and_calls(sign_in, box, changes, words):
    job = FETCHING | changes
    box.system["update.status"] = demo.UPDATES | {"update": job}
    client = sign_in("admin")
    page = client.get("/admin/updates/").text
    assert words in text_of(page)
    assert ("Cancel the update" in page) == job["may_cancel"]
    told = client.get("/admin/updates/state").json
    assert (told["far"], told["may_cancel"]) == (words, job["may_cancel"])


def test_a_job_of_which_only_the_state_is_known_is_shown(sign_in, box):
    box.system["update.status"] = demo.UPDATES | {"update": {"state": "fetching"}}
    client = sign_in("admin")
    assert "Fetching the update" in client.get("/admin/updates/").text
    assert client.get("/admin/updates/state").json["far"] == ""


@pytest.mark.parametrize(
    ("language", "why", "words"),
    [
        ("en", "cut", "The connection ended before the update was whole"),
        ("en", "answer", "no web server as it should be (BadStatusLine)"),
        ("en", "other", "could not be fetched: BadStatusLine"),
        ("zh_Hans", "cut", "更新尚未传完"),
        ("zh_Hant", "answer", "不是正常的網頁伺服器（BadStatusLine）"),
    ],
)
def test_why_an_update_could_not_be_fetched(sign_in, box, language, why, words):
    told = problem("download_failed", why=why, detail="BadStatusLine")
    box.system["update.status"] = demo.UPDATES | {"update": FETCHING | {"state": "failed", "problem": told}}
    client = sign_in("admin")
    client.post("/language", data={"language": language})
    assert words in text_of(client.get("/admin/updates/").text)


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ("is not known", "cannot be read (torn). The history of updates may name it")),
        ("zh_Hans", ("最近一次更新的结果不明", "无法读取（torn）")),
        ("zh_Hant", ("最近一次更新的結果不明", "無法讀取（torn）")),
    ],
)
def test_a_fault_whose_note_is_damaged_is_told_all_the_same(sign_in, box, language, words):
    job = {"state": "failed", "problem": problem("fault_unreadable", detail="torn")}
    box.system["update.status"] = demo.UPDATES | {"update": job}
    client = sign_in("admin")
    client.post("/language", data={"language": language})
    told = text_of(client.get("/admin/updates/").text)
    assert all(one in told for one in words)
    assert "The update was not installed" not in told


def test_the_log_of_changes_names_an_address_without_its_token(sign_in, box):
    client, url = sign_in("admin"), "https://example.com/new/zongji.raucb?token=secret#secret"
    client.post("/admin/updates/install", data={"kind": "url", "url": url})
    assert asked(box, "update.install")[0]["source"]["url"] == url
    log = client.get("/admin/audit/").text
    assert "https://example.com/new/zongji.raucb" in log and "secret" not in log


def test_which_update_was_not_installed_and_when_is_said(sign_in, box):
    job = FETCHING | {"state": "failed", "problem": problem("bundle_tampered"), "ended": demo.NOW - 300}
    job |= {"version": "0.3.0", "file": "zongji-0.3.0.raucb"}
    box.system["update.status"] = demo.UPDATES | {"update": job}
    (notice,) = re.findall(
        r'<div class="alert alert-danger".*?</div></div>', sign_in("admin").get("/admin/updates/").text
    )
    assert "0.3.0 · zongji-0.3.0.raucb" in notice and re.search(r"\d\d:\d\d:\d\d", notice)


def test_pages_and_box_take_the_same_updates():
    from image.box.update import rules, verity
    from webui.views import updates

    assert (updates.MAX_BYTES, updates.SPARE_BYTES) == (rules.MAX_BUNDLE_BYTES, rules.SPARE_BYTES)
    assert updates.NAME == verity.NAME


# --------------------------------------------------------------------------- time
def test_the_time_of_the_browser(sign_in, box):
    client = sign_in("admin")
    client.post("/admin/time/now", data={"time": "1795000000.5"})
    client.post("/admin/time/now", data={"time": "now"})
    client.post("/admin/time/", data={"zone": "Europe/Berlin", "servers": "a.example b.example"})
    assert asked(box, "time.set") == [
        {"time": 1795000000.5},
        {"zone": "Europe/Berlin", "ntp": False, "servers": ["a.example", "b.example"]},
    ]


def test_a_lost_clock_is_told(sign_in, box):
    box.system["time.get"] = demo.TIME | {"unset": True, "synced": False}
    assert "The clock has lost the time" in sign_in("admin").get("/admin/time/").text


# ----------------------------------------------------------------- remote support
def test_remote_support_is_opened_and_every_page_says_so(app, sign_in, box, box_store):
    client, agent = sign_in("admin"), sign_in("wang")
    wait_connected(app)
    client.post("/admin/remote-support/", data={"key": "ssh-ed25519 AAAA x", "hours": "4"})
    assert asked(box, "ssh.enable") == [{"hours": 4, "key": "ssh-ed25519 AAAA x", "by": "admin"}]
    box.system["status"] = demo.STATUS | {"ssh": demo.OPEN_SSH}
    assert "Closes by itself in 3 h 30 min" in text_of(client.get("/admin/remote-support/").text)
    for one, page in ((client, "/calls/"), (agent, "/desk")):
        assert "Remote support is open for another 3 h 30 min" in text_of(
            one.get(page, follow_redirects=True).text
        )
    client.post("/admin/remote-support/close")
    assert asked(box, "ssh.disable") == [{}]
    log = text_of(client.get("/admin/audit/").text)
    assert "Remote support opened" in log and "Remote support closed" in log


def test_a_private_key_is_refused_and_not_shown_again(sign_in, box):
    box.system["ssh.enable"] = {"problem": problem("private_key")}
    answer = sign_in("admin").post("/admin/remote-support/", data={"key": "-----BEGIN PRIVATE KEY----- abc"})
    assert answer.status_code == 400
    assert "never leave its owner" in answer.text and "BEGIN PRIVATE" not in answer.text


# ------------------------------------------------------------------------ restart
def test_restart_off_and_cards(sign_in, box):
    client = sign_in("admin")
    assert "data-comes-back" in client.post("/admin/restart/reboot").text
    assert "data-comes-back" not in client.post("/admin/restart/off").text
    client.post("/admin/restart/board", data={"board": "sim"})
    assert (asked(box, "power.reboot"), asked(box, "power.off")) == ([{}], [{}])
    assert asked(box, "board.set") == [{"board": "sim"}]


def test_recovery_is_ordered_from_its_page(sign_in, box):
    client = sign_in("admin")
    assert 'href="/admin/restart/recovery"' in client.get("/admin/restart/").text
    page = client.get("/admin/restart/recovery").text
    assert page.count("data-confirm=") == 3, "each is asked about before it is sent"
    send = lambda **fields: client.post("/admin/restart/recovery", data=fields)  # noqa: E731
    assert "data-comes-back" not in send(action="menu").text, "it stays in the menu"
    assert "data-comes-back" in send(action="reinstall").text
    assert "has to be claimed" in send(action="factory_reset", serial="ZJ-7K2PM-X94QD").text
    send(action="factory_reset", serial="ZJ-7K2PM-X94QD", delete_recordings="1")
    assert asked(box, "recovery.order") == [
        {"action": "menu"},
        {"action": "reinstall"},
        {"action": "factory_reset", "serial": "ZJ-7K2PM-X94QD", "options": {"keep_recordings": True}},
        {"action": "factory_reset", "serial": "ZJ-7K2PM-X94QD", "options": {"keep_recordings": False}},
    ]
    assert send(action="install").status_code == 400 and len(asked(box, "recovery.order")) == 4
    log = text_of(client.get("/admin/audit/").text)
    assert "Recovery ordered" in log and "factory_reset, recordings deleted" in log


@pytest.mark.parametrize(
    ("why", "words"),
    [
        ("same", "Settings, calls and recordings stay."),
        ("copy", "the last one that it knows, of 2026-03-01, with the calls of the last 30 days"),
        ("none", "its pages show maintenance until"),
    ],
)
def test_reinstalling_an_older_version_is_told_at_the_box_that_agrees_to_it(sign_in, box, why, words):
    found = problem(
        "downgrade", "older", why=f"reinstall_{why}", theirs="0.1.0", ours="0.2.0", day="2026-03-01"
    )
    box.system["recovery.order"] = {"problem": found}
    client = sign_in("admin")
    answer = client.post("/admin/restart/recovery", data={"action": "reinstall"})
    assert answer.status_code == 400 and 'id="older-wrong">Version 0.1.0 would be written' in answer.text
    assert words in text_of(answer.text)
    box.system["recovery.order"] = {}
    client.post("/admin/restart/recovery", data={"action": "reinstall", "older": "1"})
    assert asked(box, "recovery.order")[-1] == {"action": "reinstall", "options": {"older": True}}
    assert "reinstall, older version" in text_of(client.get("/admin/audit/").text)


def test_a_reset_without_the_boxs_serial_number_is_refused_at_its_field(sign_in, box):
    box.system["recovery.order"] = {"problem": problem("wrong_serial", "serial")}
    client = sign_in("admin")
    answer = client.post(
        "/admin/restart/recovery",
        data={"action": "factory_reset", "serial": "ZJ-1", "delete_recordings": "1"},
    )
    assert answer.status_code == 400
    assert 'id="serial-wrong">This is not the serial number of this box.' in answer.text
    assert re.search(r'name="delete_recordings" value="1" checked', answer.text)
    assert "Recovery ordered" not in text_of(client.get("/admin/audit/").text)


def test_a_box_that_refuses_says_why(sign_in, box):
    box.system["power.reboot"] = {"problem": problem("not_down")}
    answer = sign_in("admin").post("/admin/restart/reboot", follow_redirects=True)
    assert "does not go down" in text_of(answer.text)


# --------------------------------------------------------------------- start page
@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ("The update is not signed by this product’s maker", "it did not start far enough")),
        ("zh_Hans", ("更新没有本产品厂商的签名", "没有启动到能说明原因的程度")),
    ],
)
def test_findings_say_the_boxs_own_problems_in_the_readers_language(app, sign_in, box, language, words):
    params = ({"problem": problem("bundle_foreign")}, {"version": "0.3.0", "reason": "never_started"})
    texts = (
        "The last update was not installed: %(problem)s",
        "Version %(version)s did not become healthy: %(reason)s",
    )
    box.findings = [
        {
            "id": f"f{n}",
            "severity": "warning",
            "text": text,
            "advice": "x",
            "params": given,
            "since": None,
            "repair": "",
        }
        for n, (text, given) in enumerate(zip(texts, params, strict=True))
    ]
    client = sign_in("admin")
    client.post("/language", data={"language": language})
    page = text_of(client.get("/admin/").text)
    for word in words:
        assert word in page
