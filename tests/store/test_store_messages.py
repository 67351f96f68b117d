"""Short messages: each once, with its fate, in one conversation per number."""

import pytest

from appliance.store import InvalidRow, NotFound

CHINESE = "您好，明天下午三点送货可以吗？😀"


@pytest.fixture
def messages(store):
    store.lines.put({"id": "L9", "port": "sim1/0", "number": "13700000000", "label": "mobile"})
    return store.messages


def came_in(messages, name="in-a", number="13800138000", text=CHINESE, at=1000.0):
    told = {"kind": "received", "port": "sim1/0", "number": number, "text": text}
    return messages.save(name, told | {"missing": 0, "sent_at": at - 5, "at": at}, True)


def fate(messages, row, state, at=2000.0, **more):
    told = {"kind": "sent", "port": "sim1/0", "number": row["dial"], "text": row["text"], "at": at}
    return messages.save(row["id"], told | {"state": state, "reason": "", "unsure": False} | more, True)


def report(messages, name, reference, state="delivered", at=2010.0, number="+8613800138000"):
    told = {"kind": "report", "port": "sim1/0", "number": number, "reference": reference, "state": state}
    return messages.save(name, told | {"at": at}, True)


def test_the_same_message_told_twice_is_stored_once_and_stays_read(messages):
    row = came_in(messages)
    assert (row["text"], row["line"], row["line_number"]) == (CHINESE, "L9", "13700000000")
    assert messages.unread() == 1
    assert messages.read("+86 138 0013 8000", 1000.0) == 1
    came_in(messages)
    assert messages.unread() == 0
    assert messages.search()[1] == 1


def test_all_spellings_of_a_number_are_one_conversation_with_its_customer(store, messages):
    came_in(messages, "in-a", "13800138000", "one", 1000.0)
    came_in(messages, "in-b", "+8613800138000", "two", 1001.0)
    answer = messages.write("138-0013-8000", "three", "wang")
    assert [row["text"] for row in messages.thread("8613800138000")] == ["one", "two", "three"]
    customer = store.customers.add({"name": "王芳", "phones": [{"number": "138 0013 8000", "label": ""}]})
    [talk], total = messages.conversations()
    assert (total, talk["messages"], talk["unread"], talk["text"]) == (1, 3, 2, "three")
    assert (talk["customer"], talk["customer_name"]) == (customer, "王芳")
    assert [row["id"] for row in messages.of_customer(customer)] == [answer["id"], "in-b", "in-a"]


def test_a_sender_that_is_a_word_has_its_conversation_and_cannot_be_answered(messages):
    came_in(messages, number="Bank3", text="code 1234")
    assert [row["text"] for row in messages.thread("bank3")] == ["code 1234"]
    with pytest.raises(InvalidRow, match="not a telephone number"):
        messages.write("Bank3", "hello", "wang")


@pytest.mark.parametrize("number, text", [("", "x"), ("abc", "x"), ("10086", " \n"), ("10086", "x" * 5000)])
def test_what_cannot_be_sent_is_not_written(messages, number, text):
    with pytest.raises(InvalidRow):
        messages.write(number, text, "wang")
    assert messages.unsent() == []


def test_an_answer_goes_by_the_module_that_the_other_side_wrote_to(messages):
    came_in(messages)
    assert messages.write("13800138000", "yes", "wang")["port"] == "sim1/0"
    assert messages.write("10086", "balance", "wang")["port"] == ""
    assert messages.write("10086", "balance", "wang", line="L9")["port"] == "sim1/0"


def test_a_message_waits_until_its_fate_is_known_and_keeps_it(messages):
    row = messages.write("13800138000", "hello", "wang")
    assert [one["id"] for one in messages.unsent()] == [row["id"]]
    assert row["dial"] == "+8613800138000"
    told = {"kind": "sent", "port": "sim1/0", "number": "x", "text": "x", "state": "queued", "at": 1.0}
    messages.save(row["id"], told, False)
    assert [one["id"] for one in messages.unsent()] == [row["id"]]
    assert fate(messages, row, "sent", references=[7])["state"] == "sent"
    assert messages.unsent() == []
    fate(messages, row, "failed")
    assert messages.get(row["id"])["state"] == "sent", "the first fate counts"


def test_it_is_delivered_when_all_parts_are_even_if_reports_come_first(messages):
    row = messages.write("13800138000", "long", "wang")
    at = row["at"]
    assert report(messages, "report-1", 7, at=at + 1) == {}
    assert fate(messages, row, "sent", at + 2, references=[7, 8])["state"] == "sent"
    assert report(messages, "report-2", 8, at=at + 3)["state"] == "delivered"
    assert messages.get(row["id"])["settled_at"] == at + 3


def test_reports_of_an_earlier_message_with_the_same_reference_are_not_taken(messages):
    first, second = (messages.write("13800138000", text, "wang") for text in ("one", "two"))
    at = second["at"]
    fate(messages, first, "sent", at + 1, references=[7])
    report(messages, "report-1", 7, at=at + 2)
    fate(messages, second, "sent", at + 3, references=[7])
    assert [messages.get(one["id"])["state"] for one in (first, second)] == ["delivered", "sent"]
    assert report(messages, "report-2", 7, "failed", at + 4)["id"] == second["id"]
    row = messages.get(second["id"])
    assert (row["state"], row["reason"]) == ("failed", "the network could not deliver it")


def test_a_failed_message_is_sent_again_once(messages):
    row = messages.write("13800138000", "hello", "wang")
    with pytest.raises(InvalidRow):
        messages.write_again(row["id"], "li")
    failed = fate(messages, row, "failed", reason="no network", unsure=True)
    assert (failed["reason"], failed["unsure"]) == ("no network", True)
    new = messages.write_again(row["id"], "li")
    assert (new["text"], new["who"], new["state"]) == ("hello", "li", "queued")
    assert messages.get(row["id"])["again"] == new["id"]
    with pytest.raises(InvalidRow):
        messages.write_again(row["id"], "li")
    with pytest.raises(NotFound):
        messages.write_again("out-none", "li")


def test_the_fate_of_a_message_that_a_restored_backup_does_not_know(messages):
    fate(messages, {"id": "out-old", "dial": "+8613800138000", "text": "hello"}, "sent", references=[1])
    [row] = messages.thread("13800138000")
    assert (row["text"], row["state"], row["direction"]) == ("hello", "sent", "out")


def test_search_by_text_number_customer_and_state(store, messages):
    store.customers.add({"name": "Emily", "phones": [{"number": "13900000001", "label": ""}]})
    came_in(messages, "in-a", "13800138000", "100% of the price", 1000.0)
    came_in(messages, "in-b", "13900000001", "delivery", 1001.0)
    came_in(messages, "in-c", "10086", "balance", 1002.0)

    def found(**wanted):
        return [row["id"] for row in messages.search(**wanted)[0]]

    assert found(text="100%") == ["in-a"]
    assert found(text="0138000") == ["in-a"]
    assert found(text="emily") == ["in-b"]
    assert found(state="failed") == []
    assert found(unread=True, since=1001.0, until=1002.0) == ["in-b"]
    names = [row["peer"] for row in messages.conversations(sort="peer", descending=False)[0]]
    assert names == sorted(names) and len(names) == 3
    with pytest.raises(ValueError, match="not sorted by"):
        messages.conversations(sort="text; DROP TABLE messages")


def test_a_new_country_joins_conversations_anew(store, messages):
    came_in(messages, number="4155550132")
    assert messages.thread("+14155550132") == []
    store.settings.set("country", "US", "admin")
    assert len(messages.thread("+14155550132")) == 1


@pytest.mark.parametrize(
    "told",
    [
        {"kind": "received", "port": "a/0", "number": 1, "text": "x", "missing": 0, "at": 1.0},
        {"kind": "sent", "port": "a/0", "number": "1", "text": "x", "state": "lost", "at": 1.0},
        {"kind": "fax"},
    ],
)
def test_what_is_no_message_is_refused(messages, told):
    with pytest.raises(InvalidRow):
        messages.save("in-x", told, True)
