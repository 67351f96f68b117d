"""What the pages show and do: hostile names stay inert, saves reach the store and control."""

import io
import json
import re

import pytest

from appliance.store import open_store
from webui import create_app

from . import demo
from .conftest import text_of

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{7*7}}"
ADMIN_PAGES = [
    "/admin/",
    "/admin/lines/",
    "/admin/lines/new",
    "/admin/lines/L1",
    "/admin/phones/",
    "/admin/phones/801",
    "/admin/agents/",
    "/admin/agents/1001",
    "/admin/queues/",
    "/admin/queues/sales",
    "/admin/flows/",
    "/admin/flows/new",
    "/admin/flows/main",
    "/admin/blacklist/",
    "/admin/blacklist/new",
    "/admin/users/",
    "/admin/users/1",
    "/admin/users/new",
    "/admin/users/roles",
    "/admin/settings/",
    "/admin/settings/log",
    "/admin/audit/",
    "/board",
    "/board?tv=1",
    "/calls/",
    "/customers/",
    "/customers/new",
    "/customers/import",
    "/password",
]


@pytest.mark.parametrize("language", ["zh_Hans", "zh_Hant", "en"])
def test_every_page_opens_in_every_language(sign_in, box_store, language):
    client = sign_in("admin")
    client.post("/language", data={"language": language})
    for page in ADMIN_PAGES:
        answer = client.get(page)
        assert answer.status_code == 200, page
        if language == "en":
            named = {"总机", "简体中文", "繁體中文"}
            left = re.findall(r"[\u4e00-\u9fff]+", text_of(answer.text))
            assert not {w for w in left if w not in named and w not in demo_words()}, page


def demo_words():
    words = set()
    for text in (
        *demo.NAMES,
        "外线",
        "坐席",
        "销售",
        "客服",
        "主菜单",
        "姓名",
        "公司",
        "电话",
        "地址",
        "装机地址",
    ):
        words.add(text)
    return words | {"备注", "重要客户", "类型"}


def test_hostile_names_stay_text(sign_in, box_store, home):
    box_store.queues.put({"id": "sales", "name": HOSTILE[:60]})
    box_store.lines.put({"id": "L1", "label": HOSTILE[:60], "port": "sim/0"})
    box_store.agents.put({"number": "1001", "name": HOSTILE[:60]})
    customer = box_store.customers.add(
        {
            "name": HOSTILE[:100],
            "company": HOSTILE,
            "notes": HOSTILE,
            "phones": [{"number": "13800000000", "label": HOSTILE[:40]}],
        }
    )
    record = {
        "id": "h1",
        "direction": "in",
        "caller_number": "13800000000",
        "caller_name": HOSTILE,
        "agent": "1001",
        "agents": ["1001"],
        "queue": "sales",
        "started_at": 1.8e9,
        "steps": [{"at": 1.8e9, "what": HOSTILE, "x": HOSTILE}],
    }
    box_store.calls.save(record)
    box_store.calls.note("h1", "1001", HOSTILE)
    box_store.blacklist.put({"pattern": "123", "note": HOSTILE})
    box_store.audit.add(HOSTILE[:30], HOSTILE, HOSTILE)
    client = sign_in("admin")
    pages = [
        *ADMIN_PAGES,
        f"/customers/{customer}",
        "/calls/h1",
        "/desk",
        "/calls/?q=" + HOSTILE,
        "/nothing" + HOSTILE,
    ]
    for page in pages:
        text = client.get(page).text
        assert "<script>alert" not in text, page
        assert "<img src=x" not in text, page
        assert "49" not in re.findall(r"\{\{.*?\}\}", text), page
    agent = sign_in("wang")
    desk = agent.get("/desk").text
    data = desk.split('id="page-data">')[1].split("</script>")[0]
    assert json.loads(data)["phones"], "the data block ends where it should"


def test_empty_pages_say_how_to_fill_them(app, store):
    demo.user(store, "admin", "admin")
    client = app.test_client()
    client.post("/sign-in", data={"username": "admin", "password": demo.PASSWORD})
    for page, words in {
        "/calls/": "No calls yet",
        "/customers/": "Add a customer",
        "/admin/lines/": "Plug a phone-company line",
        "/admin/phones/": "Plug an ordinary telephone",
        "/admin/agents/": "Add an agent",
        "/admin/queues/": "Add a queue",
        "/admin/flows/": "Add a menu",
        "/admin/blacklist/": "Block a number",
        "/calls/?q=nobody": "No call fits this search",
        "/customers/?q=nobody": "No customer fits",
    }.items():
        assert words in text_of(client.get(page).text), page


# ------------------------------------------------------------------ settings
def test_a_line_is_saved_and_control_is_told(sign_in, box_store, control):
    client = sign_in("admin")
    form = {
        "port": "sim/0",
        "label": "Front desk",
        "number": "021-1",
        "group": "all",
        "flow": "main",
        "extension": "",
        "fallback_queue": "",
        "inbound": "on",
        "answer_after_rings": "3",
    }
    answer = client.post("/admin/lines/L1", data=form, follow_redirects=True)
    assert "in use" in text_of(answer.text)
    row = box_store.lines.get("L1")
    assert (row["label"], row["answer_after_rings"], row["outbound"]) == ("Front desk", 3, False)
    control.wait_for("plan_changed")
    assert box_store.audit.list(what="lines changed")[0]["who"] == "admin"


def test_problems_of_the_plan_are_shown(sign_in, control):
    control.plan = {
        "published": False,
        "problems": ["flow main: queue nowhere does not exist"],
        "warnings": [],
    }
    form = {"ext": "850", "port": "sim/50", "label": ""}
    page = sign_in("admin").post("/admin/phones/new", data=form, follow_redirects=True).text
    assert "not yet in use" in page and "queue nowhere does not exist" in page


@pytest.mark.parametrize(
    ("page", "form", "words"),
    [
        ("/admin/lines/new", {"id": "X9", "port": "sim/70"}, "A capital L and a number"),
        ("/admin/lines/new", {"id": "L9", "port": ""}, "This is needed"),
        ("/admin/lines/new", {"id": "L9", "port": "sim/0"}, "already belongs to L1"),
        ("/admin/lines/new", {"id": "L1", "port": "sim/70"}, "There is one with this number"),
        ("/admin/lines/new", {"id": "L9", "port": "sim/70", "answer_after_rings": "99"}, "from 1 to 10"),
        ("/admin/queues/new", {"id": "Sales Team", "name": "x"}, "Small letters"),
        ("/admin/queues/sales", {"name": ""}, "This is needed"),
        ("/admin/queues/sales", {"name": "x", "ring_s": "nan"}, "from 5 to 120"),
        ("/admin/agents/new", {"number": "1100", "name": "A", "pin": "12"}, "4 to 12 digits"),
        ("/admin/agents/new", {"number": "1100", "name": "A", "pin": "7777"}, "too easy"),
        ("/admin/blacklist/new", {"pattern": "what", "action": "drop", "prompt": "x"}, "0755*"),
        (
            "/admin/users/new",
            {"username": "a b", "role": "agent", "language": "en", "password": "x"},
            "without blanks",
        ),
        (
            "/admin/users/new",
            {"username": "WANG", "role": "agent", "language": "en", "password": "x" * 12},
            "name already",
        ),
        (
            "/admin/users/new",
            {"username": "new", "role": "god", "language": "en", "password": "a b c d e f g"},
            "from the list",
        ),
    ],
)
def test_bad_input_gets_a_message_at_its_field(sign_in, page, form, words):
    answer = sign_in("admin").post(page, data={**BLANK, **form})
    assert answer.status_code == 400
    assert words in text_of(answer.text)


BLANK = {
    "group": "all", "flow": "main", "answer_after_rings": "2", "strategy": "longest_idle", "weight": "0",
    "ring_s": "20", "wrap_up_s": "15", "max_wait_s": "0", "max_waiting": "0", "misses_allowed": "2",
    "music": "music",
    "announce_every_s": "60", "announce": "please_wait", "agent_number": "",
}  # fmt: skip


def test_a_pin_is_stored_as_a_hash_and_kept(sign_in, box_store):
    client = sign_in("admin")
    form = {"name": "Wang", "queues": ["sales"], "pin": "480213"}
    assert client.post("/admin/agents/1001", data=form).status_code == 302
    stored = box_store.agents.get("1001")["pin_hash"]
    assert stored.startswith("$argon2id$")
    client.post("/admin/agents/1001", data={**form, "pin": ""})
    assert box_store.agents.get("1001")["pin_hash"] == stored
    assert stored not in client.get("/admin/agents/1001").text


def test_the_agents_page_tells_how_to_sign_in_by_telephone(sign_in):
    page = text_of(sign_in("admin").get("/admin/agents/").text)
    for code in ("*11", "*12", "*13", "*14"):
        assert code in page


def test_tables_are_sorted_as_asked(sign_in, box_store, home):
    demo.customers(box_store)
    demo.calls(box_store, home, 12)
    client = sign_in("boss")
    for path, first, last in (
        ("/customers/?sort=name", "Emily Carter", "陈建国"),
        ("/calls/?sort=line", "L1", "L6"),
    ):
        up = text_of(client.get(path + "&order=asc").text.partition("<tbody>")[2])
        down = text_of(client.get(path + "&order=desc").text.partition("<tbody>")[2])
        assert up.index(first) < up.index(last), path
        assert down.index(last) < down.index(first), path
    assert client.get("/calls/?sort=id;drop").status_code == 200
    assert client.get("/calls/export.csv?sort=wait_s").status_code == 200


def test_the_audit_log_is_searched_everywhere_and_exported(sign_in, box_store):
    box_store.audit.add("=cmd()", "customer changed", "4711 [10.1.2.3]")
    client = sign_in("admin")
    for text in ("4711", "10.1.2.3", "=CMD", "Customer changed"):
        assert "4711" in text_of(client.get("/admin/audit/", query_string={"q": text}).text), text
    client.post("/language", data={"language": "zh_Hans"})
    assert "4711" in client.get("/admin/audit/?q=修改客户").text, "by what the page calls it"
    assert "4711" not in client.get("/admin/audit/?q=nothing of it").text
    sheet = client.get("/admin/audit/export.csv?q=4711").text.splitlines()
    assert sheet[0].endswith("time,who,what,detail")
    assert len(sheet) == 2 and ",'=cmd()," in sheet[1]


def test_what_is_used_is_not_deleted(sign_in, box_store):
    client = sign_in("admin")
    page = client.post("/admin/queues/sales/delete", follow_redirects=True)
    assert "still used by" in text_of(page.text)
    assert box_store.queues.get("sales")
    client.post("/admin/phones/808/delete")
    assert box_store.phones.get("808") is None


def test_settings_are_saved_together_or_not_at_all(sign_in, box_store, control):
    client = sign_in("admin")
    form = {
        key: ", ".join(v) if isinstance(v, list) else str(v)
        for key, v in box_store.settings.all().items()
        if not isinstance(v, bool)
    }
    form["recording.enabled"] = "on"
    bad = client.post("/admin/settings/", data={**form, "company": "Ming", "max_call_s": "5"})
    assert bad.status_code == 400 and "from 60 to 86400" in bad.text
    assert box_store.settings.get("company") == ""
    good = client.post(
        "/admin/settings/",
        data={**form, "company": "Ming", "disk.warn_percent": "95", "disk.alarm_percent": "97"},
    )
    assert good.status_code == 302, text_of(good.text)
    assert box_store.settings.get("company") == "Ming"
    assert box_store.settings.get("disk.warn_percent") == 95
    control.wait_for("plan_changed")
    log = text_of(client.get("/admin/settings/log").text)
    assert "Company name" in log and "Ming" in log and "admin" in log
    client.post("/admin/settings/reset", data={"key": "company"})
    assert box_store.settings.get("company") == ""


# --------------------------------------------------------------------- menus
def test_a_menu_is_checked_before_it_is_stored(sign_in, box_store, control):
    client = sign_in("admin")
    control.flow_problems = ["node menu: there is no prompt 'nothing'"]
    text = 'start = "a"\n[nodes.a]\ntype = "hangup"\nprompt = "nothing"\n'
    bad = client.post("/admin/flows/main", data={"title": "T", "text": text, "action": "publish"})
    assert bad.status_code == 400 and "no prompt" in bad.text
    assert box_store.flows.get("main")["version"] == 1
    control.flow_problems = []
    client.post("/admin/flows/main", data={"title": "T", "text": text, "action": "save"})
    assert box_store.flows.get("main")["version"] == 2
    assert box_store.flows.get("main")["published"] == 1, "a draft answers no calls"
    client.post("/admin/flows/main", data={"title": "T", "text": text, "action": "publish"})
    assert box_store.flows.get("main")["published"] == 3
    client.post("/admin/flows/main/rollback")
    assert box_store.flows.get("main")["published"] == 1
    assert control.wait_for("flow_check", 3)[0]["flow"]["nodes"]["a"]["prompt"] == "nothing"


def test_text_that_cannot_be_read_names_the_line(sign_in):
    page = sign_in("admin").post("/admin/flows/main", data={"text": "start = \n", "action": "check"})
    assert page.status_code == 400
    assert "line 1" in text_of(page.text)


# ------------------------------------------------------------ calls, customers
def test_calls_are_found_and_paged(sign_in, box_store, home):
    demo.customers(box_store)
    newest = demo.calls(box_store, home, 40)
    client = sign_in("boss")
    first = client.get("/calls/").text
    assert "1–25 of 40" in text_of(first)
    assert "26–40 of 40" in text_of(client.get("/calls/?page=2").text)
    assert "demo-003" in client.get("/calls/?q=赵海").text
    assert client.get("/calls/?direction=out").text.count("dir-out") == 8
    page = text_of(client.get(f"/calls/{newest}").text)
    assert "Connected" in page and "price list" in page


def test_a_recording_is_played_in_ranges_and_never_from_elsewhere(sign_in, box_store, home):
    newest = demo.calls(box_store, home, 1)
    client = sign_in("boss")
    with client.get(f"/calls/{newest}/recording.wav") as whole:
        assert whole.data[:4] == b"RIFF" and whole.mimetype == "audio/wav"
    with client.get(f"/calls/{newest}/recording.wav", headers={"Range": "bytes=44-143"}) as part:
        assert part.status_code == 206 and len(part.data) == 100
    assert box_store.audit.list(what="recording played")
    (home.root / "secret.wav").write_bytes(b"RIFF secret")
    for n, path in enumerate(
        ("../secret.wav", str(home.root / "secret.wav"), "/etc/passwd", "2026/11/21/gone.wav")
    ):
        box_store.calls.save({"id": f"evil{n}", "direction": "in", "started_at": 1.8e9, "recording": path})
        assert client.get(f"/calls/evil{n}/recording.wav").status_code == 404, path
    assert "not on the disk" in client.get("/calls/evil3").text


def test_calls_as_csv_hold_no_formulas(sign_in, box_store):
    box_store.calls.save(
        {
            "id": "f",
            "direction": "in",
            "caller_name": "=HYPERLINK(1)",
            "caller_number": "+8613800000000",
            "started_at": 1.8e9,
        }
    )
    text = sign_in("boss").get("/calls/export.csv").text
    assert text.startswith("\ufeffid,direction")
    assert "'=HYPERLINK(1)" in text and ",+8613800000000," in text
    assert box_store.audit.list(what="calls exported")


def test_a_call_gets_a_star_and_a_note(sign_in, box_store, home):
    demo.calls(box_store, home, 2)
    client = sign_in("wang")
    client.post("/calls/demo-000/star")
    assert box_store.calls.get("demo-000")["starred"] is False, "the demo's newest call had one"
    client.post("/calls/demo-000/note", data={"text": "call back"})
    assert [n["text"] for n in box_store.calls.notes("demo-000")][-1] == "call back"
    assert client.post("/calls/demo-001/note", data={"text": "not mine"}).status_code == 403


def test_customers_are_added_changed_and_deleted(sign_in, box_store):
    agent, boss = sign_in("wang"), sign_in("boss")
    form = {
        "name": "Li",
        "phone_number": ["138 0000 1111", "021-5555 1234"],
        "phone_label": ["mobile", ""],
        "vip": "on",
    }
    made = agent.post("/customers/new", data=form)
    customer = box_store.customers.by_phone("13800001111")
    assert made.location == f"/customers/{customer['id']}"
    assert box_store.customers.by_phone("02155551234")["id"] == customer["id"]
    agent.post(made.location, data={**form, "name": "Li Ming"})
    assert box_store.customers.get(customer["id"])["name"] == "Li Ming"
    bad = agent.post("/customers/new", data={"name": "x", "phone_number": "call me", "phone_label": ""})
    assert bad.status_code == 400 and "not a telephone number" in bad.text
    assert agent.post("/customers/new", data={}).status_code == 400
    assert agent.post(f"/customers/{customer['id']}/delete").status_code == 403
    boss.post(f"/customers/{customer['id']}/delete")
    assert box_store.customers.get(customer["id"]) is None


@pytest.mark.parametrize("encoding", ["utf-8-sig", "gb18030"])
def test_a_sheet_is_imported(sign_in, box_store, encoding):
    sheet = "姓名,电话\n陈建国,13812345678\n坏行,abc\n".encode(encoding)
    client = sign_in("boss")
    page = client.post("/customers/import", data={"file": (io.BytesIO(sheet), "c.csv")})
    assert page.status_code == 200
    assert box_store.customers.by_phone("13812345678")["name"] == "陈建国"
    assert "Line of the file" in text_of(page.text)
    exported = client.get("/customers/export.csv").text
    assert "陈建国" in exported


@pytest.mark.parametrize("octets", [b"", b"\x00\x01\x02\xff\xfe", b"just words"])
def test_a_sheet_that_is_none_is_refused(sign_in, octets):
    answer = sign_in("boss").post("/customers/import", data={"file": (io.BytesIO(octets), "c.csv")})
    assert answer.status_code == 400


# --------------------------------------------------------------------- faults
def test_a_damaged_database_shows_maintenance(home, control):
    home.database.write_bytes(b"not a database at all" * 100)
    app = create_app(home, TESTING=True, WTF_CSRF_ENABLED=False)
    answer = app.test_client().get("/sign-in", headers={"Accept-Language": "en"})
    app.extensions["box"].close()
    assert answer.status_code == 503
    assert "maintenance" in answer.text and "Telephones still work" in answer.text
    assert "Traceback" not in answer.text
    assert home.database.read_bytes().startswith(b"not a database"), "it was not replaced"


def test_a_database_that_comes_back_is_used(home, control):
    home.database.write_bytes(b"broken" * 100)
    app = create_app(home, TESTING=True, WTF_CSRF_ENABLED=False)
    client = app.test_client()
    assert client.get("/sign-in").status_code == 503
    home.database.unlink()
    open_store(home.database).close()
    assert client.get("/claim").status_code == 200
    app.extensions["box"].close()


def test_without_control_saving_still_works(sign_in, box_store, control):
    client = sign_in("admin")
    control.close()
    page = client.post("/admin/phones/801", data={"port": "sim/8", "label": "Window"}, follow_redirects=True)
    assert "The call service is away" in text_of(page.text)
    assert box_store.phones.get("801")["label"] == "Window"
    assert "does not answer" in text_of(client.get("/admin/").text)
    answer = sign_in("wang").post("/desk/do", json={"verb": "ready"})
    assert answer.status_code == 503 and "telephone still works" in answer.json["message"]


def test_odd_addresses_do_no_harm(sign_in, box_store, home):
    demo.calls(box_store, home, 1)
    client = sign_in("admin")
    page = client.get("/calls/?_scheme=javascript&_external=1&_anchor=x&q=").text
    assert "javascript:" not in page
    for address in (f"/customers/{10**30}", f"/admin/flows/main?version={10**30}", f"/admin/users/{10**30}"):
        assert client.get(address).status_code == 404, address
    for address in (
        "/calls/?from=x&to=9999-99-99&page=-1",
        "/calls/?q=%00%27--",
        f"/customers/?q={'x' * 3000}",
    ):
        assert client.get(address).status_code == 200, address


@pytest.mark.parametrize("code", [400, 403, 404, 405])
def test_errors_say_what_to_do(sign_in, code):
    client = sign_in("wang")
    answer = {
        400: lambda: client.post("/language", data={"language": "xx"}),
        403: lambda: client.get("/admin/"),
        404: lambda: client.get("/calls/none"),
        405: lambda: client.post("/board"),
    }[code]()
    assert answer.status_code == code
    assert f"Error {code}" in text_of(answer.text)
    assert 'class="btn btn-primary"' in answer.text


def test_a_defect_shows_no_traceback(home, control, monkeypatch, box_store):
    monkeypatch.setattr("webui.views.calls.index.__code__", (lambda: 1 / 0).__code__)
    app = create_app(home, WTF_CSRF_ENABLED=False, RATELIMIT_ENABLED=False)
    client = app.test_client()
    client.post("/sign-in", data={"username": "boss", "password": demo.PASSWORD})
    answer = client.get("/calls/")
    app.extensions["box"].close()
    assert answer.status_code == 500
    assert "ZeroDivisionError" not in answer.text and "Something went wrong in the box" in answer.text
