"""The pages of short messages: conversations, reading, sending, who may."""

import pytest

from appliance.store import InvalidRow
from board.cellular.longsms import split

from . import demo
from .conftest import text_of
from .fakes import FakeControl


@pytest.fixture
def messages(box_store, control):
    """Some conversations, and a control that stores what is sent."""
    demo.customers(box_store)
    demo.messages(box_store)
    control.write = lambda params: writing(box_store, params)
    return box_store.messages


def writing(store, params):
    if params["again"]:
        return store.messages.write_again(params["again"], params["who"])
    return store.messages.write(params["number"], params["text"], params["who"])


def test_conversations_are_listed_with_their_customer_newest_message_and_unread(sign_in, messages):
    page = sign_in("wang").get("/messages/").text
    seen = text_of(page)
    assert "陈建国" in seen and "下午三点前送到" in seen and "TAXI-24" in seen
    assert page.count("<tr class=") == 4
    assert "<script>alert(1)</script>" not in page
    assert 'id="unread" >4<' in page


@pytest.mark.parametrize(
    "search, count",
    [
        ("q=发货", 1),
        ("q=138", 1),
        ("q=陈建国", 1),
        ("state=failed", 1),
        ("unread=1", 3),
        ("direction=out", 2),
    ],
)
def test_the_list_is_searched(sign_in, messages, search, count):
    assert sign_in("boss").get(f"/messages/?{search}").text.count("<tr class=") == count


def test_a_search_without_result_and_an_empty_box_say_what_to_do(sign_in, box_store):
    client = sign_in("wang")
    assert "cellular module" in text_of(client.get("/messages/").text)
    demo.messages(box_store)
    assert "All messages" in text_of(client.get("/messages/?q=nothing-like-this").text)


def test_sorting_and_paging(sign_in, box_store):
    for n in range(30):
        told = {"kind": "received", "port": "a/0", "number": f"139000000{n:02}", "text": f"text {n}"}
        box_store.messages.save(f"in-{n}", told | {"missing": 0, "sent_at": None, "at": 1000.0 + n}, True)
    client = sign_in("wang")
    first, second = client.get("/messages/").text, client.get("/messages/?page=2").text
    assert first.count("<tr class=") == 25 and second.count("<tr class=") == 5
    by_number = client.get("/messages/?sort=peer&order=asc").text
    assert by_number.index("13900000000") < by_number.index("13900000001")


def test_a_conversation_is_read(sign_in, messages):
    client = sign_in("wang")
    rows = client.get("/messages/list?number=138-1234-5678").json["messages"]
    assert [row["direction"] for row in rows] == ["in", "in", "out"]
    answer = client.post("/messages/read", json={"number": "13812345678", "until": rows[1]["at"]})
    assert answer.json == {"unread": 2}
    assert client.post("/messages/read", json={"number": "1", "until": "now"}).status_code == 400


def test_the_reason_of_a_failure_is_in_the_readers_language(sign_in, messages, box_store):
    client = sign_in("wang")
    client.post("/language", data={"language": "zh_Hans", "next": "/messages/"})
    rows = client.get("/messages/list?number=13900001111").json["messages"]
    assert rows[0]["reason"] == "网络现在不能收短信：请稍后再试（+CMS ERROR: 38）"
    assert rows[1]["unsure"]


def test_sending_goes_through_control_and_is_audited(sign_in, messages, control, box_store):
    client = sign_in("wang")
    answer = client.post("/messages/send", json={"number": "10086", "text": "hello"})
    assert answer.json["message"]["state"] == "queued"
    assert control.wait_for("send_message")[-1] == {
        "who": "1001",
        "number": "10086",
        "text": "hello",
        "again": "",
    }
    assert any(row["what"] == "message sent" for row in box_store.audit.list())


def test_what_control_refuses_and_an_absent_control_are_told_in_words(sign_in, control):
    client = sign_in("wang")
    answer = client.post("/messages/send", json={"number": "abc", "text": "x"})
    assert answer.status_code == 400 and "is not a telephone number" in answer.json["message"]
    control.close()
    answer = client.post("/messages/send", json={"number": "10086", "text": "x"})
    assert answer.status_code == 503 and "was not sent" in answer.json["message"]


@pytest.mark.parametrize(
    "who, agent, boss", [("everybody", 200, 200), ("leaders", 403, 200), ("nobody", 403, 403)]
)
def test_the_setting_says_who_reads_and_writes(sign_in, messages, box_store, who, agent, boss):
    box_store.settings.set("messages.who", who, "admin")
    for name, code in (("wang", agent), ("boss", boss)):
        client = sign_in(name)
        for path in ("/messages/", "/messages/list?number=10086", "/messages/new", "/api/messages"):
            assert client.get(path).status_code == code, (name, path)
        for path in ("/messages/send", "/api/messages"):
            answer = client.post(path, json={"number": "10086", "text": "x"})
            assert answer.status_code == code, (name, path)
        assert ("/messages/" in client.get("/calls/").text) == (code == 200), "the menu vanishes"
        card = client.get("/desk/card?number=13812345678").json
        assert bool(card["messages"]) == (code == 200)


def test_only_leaders_export(sign_in, messages):
    assert sign_in("wang").get("/messages/export.csv").status_code == 403
    table = sign_in("boss").get("/messages/export.csv?state=failed").text
    assert "请回电" in table and "TAXI-24" not in table and table.count("\r\n") == 3


def test_the_customers_page_shows_messages_among_the_calls(sign_in, messages, box_store):
    customer = box_store.customers.by_phone("13812345678")["id"]
    assert "什么时候发货" in text_of(sign_in("wang").get(f"/customers/{customer}").text)


def test_the_interface_for_programs(sign_in, messages):
    client = sign_in("boss")
    found = client.get("/api/messages?state=failed&limit=1").json
    assert (found["total"], len(found["data"]), found["limit"]) == (2, 1, 1)
    assert [row["id"] for row in client.get("/api/messages?number=TAXI-24").json["data"]] == ["in-4"]
    sent = client.post("/api/messages", json={"number": "10086", "text": "x"}).json["message"]
    assert client.get("/api/messages?number=10086").json["data"][-1]["id"] == sent["id"]


# ------------------------------------------------------------------ in the browser
TEXTS = [
    "",
    "hello",
    "a" * 160,
    "a" * 161,
    "{" * 80,
    "{" * 81,
    "a" * 152 + "{" * 2 + "b" * 60,
    "您好",
    "好" * 70,
]
TEXTS += ["好" * 71, "😀" * 35, "😀" * 36, "好" * 66 + "😀" * 3, "a" * 153 * 3 + "b", "€" * 400]


@pytest.mark.browser
def test_a_message_comes_is_answered_delivered_and_one_that_failed_is_sent_again(
    open_as,
    pages,
    control: FakeControl,
    box_store,
):
    expect = pytest.importorskip("playwright.sync_api").expect
    control.write = lambda params: writing(box_store, params)
    page = open_as("wang")
    page.goto(f"{pages.url}/messages/")
    page.wait_for_selector("body.is-live")
    expect(page.locator("#unread")).to_have_text("4")
    told = {"kind": "received", "port": "sim1/0", "number": "13700001234", "text": "在吗？", "missing": 0}
    row = box_store.messages.save("in-new", told | {"sent_at": None, "at": 2e9}, True)
    control.push("message", {key: row[key] for key in ("id", "direction", "state", "peer", "number")})
    expect(page.locator("#conversations tr.is-unread").first).to_contain_text("在吗？")
    expect(page.locator("#unread")).to_have_text("5")
    page.locator("#conversations a", has_text="13700001234").click()
    expect(page.locator("#thread li")).to_have_count(1)
    expect(page.locator("#unread")).to_have_text("4")
    for text in TEXTS:
        count = page.evaluate("text => Zongji.smsParts(text)", text)
        assert count["parts"] == (len(split("10086", text, 1)) if text else 0), text
    page.fill("#message-text", "在的，请讲。")
    expect(page.locator("#parts")).to_contain_text("Parts: 1, 64 characters left in the last (UCS-2)")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#thread li.is-out")).to_contain_text("Waiting to be sent")
    [sent] = box_store.messages.unsent()
    for fate in ({"state": "sent", "references": [9]}, None):
        told = {"kind": "sent", "port": "sim1/0", "number": sent["dial"], "text": sent["text"], "reason": ""}
        report = {"kind": "report", "port": "sim1/0", "number": sent["dial"], "reference": 9}
        what = told | fate if fate else report | {"state": "delivered"}
        row = box_store.messages.save(sent["id"] if fate else "report-1", what | {"at": sent["at"] + 1}, True)
        control.push("message", {key: row[key] for key in ("id", "direction", "state", "peer", "number")})
        words = "Sent" if fate else "Delivered"
        expect(page.locator("#thread li.is-out .message-state")).to_have_text(words)
    page.goto(f"{pages.url}/messages/with/13900001111")
    expect(page.locator("#thread")).to_contain_text("It may have gone out all the same")
    page.locator("#thread button", has_text="Send again").first.click()
    expect(page.locator("#thread li")).to_have_count(3)
    assert len(box_store.messages.unsent()) == 1
    with pytest.raises(InvalidRow):
        failed = box_store.messages.search(state="failed")[0][-1]
        box_store.messages.write_again(failed["id"], "wang")


HOLD_THE_FIRST = """asks => {
  const real = window.fetch;
  window.fetch = async (...what) => {
    const answer = await real(...what);
    if (!window.letGo && String(what[0]).includes(asks)) {
      document.body.classList.add("is-held");
      await new Promise((done) => { window.letGo = done; });
    }
    return answer;
  };
}"""
"""An answer that is on its way until letGo()."""


@pytest.mark.browser
@pytest.mark.parametrize(
    ("where", "asks", "rows", "shown"),
    [
        ("/messages/with/13700001234", "/messages/list?", "#thread li", ["the first", "the second"]),
        ("/messages/?q=1370000", "/messages/?q=", "#conversations tr", ["the second"]),
    ],
    ids=["thread", "list"],
)
def test_an_answer_that_comes_after_a_later_one_is_not_shown(
    open_as, pages, control, box_store, where, asks, rows, shown
):
    expect = pytest.importorskip("playwright.sync_api").expect
    page = open_as("wang")
    page.goto(f"{pages.url}{where}")
    page.wait_for_selector("body.is-live")
    page.evaluate(HOLD_THE_FIRST, asks)

    def comes(name, text, at):
        told = {"kind": "received", "port": "sim1/0", "number": "13700001234", "text": text, "missing": 0}
        row = box_store.messages.save(name, told | {"sent_at": None, "at": at}, True)
        control.push("message", {key: row[key] for key in ("id", "direction", "state", "peer", "number")})

    comes("in-a", "the first", 2e9)
    page.wait_for_selector("body.is-held")
    comes("in-b", "the second", 2e9 + 60)
    expect(page.locator(rows)).to_contain_text(shown)
    page.evaluate("letGo()")
    page.wait_for_timeout(300)  # nothing is to come
    expect(page.locator(rows)).to_contain_text(shown)


@pytest.mark.browser
def test_the_desk_tells_of_a_message_and_puts_it_among_the_contacts(open_as, pages, control, box_store):
    expect = pytest.importorskip("playwright.sync_api").expect
    live = demo.live()
    live["agents"][0] |= {"state": "talking", "call": "c1"}
    control.push("live", live)
    page = open_as("wang")
    pop = {"agent": "1001", "call": "c1", "number": "13812345678", "line": "L1", "direction": "in"}
    control.push("pop", pop)
    expect(page.locator("#history")).to_contain_text("下午三点前送到")
    expect(page.locator("#customer-write")).to_have_attribute("href", "/messages/with/13812345678")
    told = {"kind": "received", "port": "sim1/0", "number": "13812345678", "text": "已付款", "missing": 0}
    row = box_store.messages.save("in-new", told | {"sent_at": None, "at": 2e9}, True)
    summary = ("id", "direction", "state", "peer", "number", "customer", "customer_name")
    control.push("message", {key: row[key] for key in summary})
    expect(page.locator("#toasts")).to_contain_text("New message from 陈建国")
    expect(page.locator("#history li").first).to_contain_text("已付款")
