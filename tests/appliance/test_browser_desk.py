"""Two agents, a supervisor and a caller at the real box: what the desk can do with a call, by keyboard."""

import re

import pytest
from playwright.sync_api import expect

from appliance.paths import Home
from appliance.store import open_store
from tests.appliance.newcomer import Person, call_the_box, chromium, press_outside, telephone
from tests.appliance.running_box import finished, until
from tests.appliance.test_browser_call import PATIENCE_MS, wait_heard

pytestmark = [pytest.mark.process, pytest.mark.browser]

NAME = "<img src=x onerror='document.title=1'> Li"
NOTE = "=1+1 <b>call back on Friday</b>"


def in_state(person, words):
    expect(person.page.locator("#my-state")).to_contain_text(words, timeout=PATIENCE_MS)


def lift(office, extension):
    """Answer a telephone that rings."""
    phone = telephone(office, extension)
    expect(phone).to_have_class(re.compile("is-ringing"), timeout=PATIENCE_MS)
    phone.locator(".btn-hook").click()


def hang_up(office, extension):
    telephone(office, extension).locator(".btn-hook").click()


def test_hold_transfer_blocking_forcing_and_dialling(start):
    box = start()
    address = box.wait_printed(r"ready:\s+(http://\S+)\s")[1]
    code = box.wait_printed(r"Claim code[^:]*:\s+(\d+)\s")[1]
    store = open_store(Home(box.home).database)
    with chromium() as browser:
        owner = Person(browser, address)
        owner.claim(code)
        people = {}
        for username, number, phone in (("wang", "1001", "801"), ("zhao", "1002", "802")):
            owner.add_agent_user(username, number, "en")
            people[username] = Person(browser, address)
            people[username].sign_in(username)
            people[username].sit_down(phone)
        wang, zhao = people["wang"], people["zhao"]
        office = owner.enter_office()
        office.locator("#chips button", has_text="802").click()
        expect(office.locator("#out-number")).to_have_text(re.compile(r"\d{5,}"))
        number = office.locator("#out-number").text_content()
        store.customers.add({"name": NAME, "phones": [{"number": number, "label": ""}]})

        # A call for the only agent who is ready.
        wang.page.keyboard.press("r")
        in_state(wang, "Ready")
        call_the_box(office, number, "LI")
        expect(office.locator("#out-keypad")).to_be_visible(timeout=PATIENCE_MS)
        wait_heard(office.locator("#outside"))
        press_outside(office, "1")
        expect(wang.page.locator("#c-name")).to_have_value(NAME, timeout=PATIENCE_MS)
        lift(office, "801")
        in_state(wang, "Talking")

        # Hold and back, not ready for afterwards, a note: all from the keyboard.
        wang.page.keyboard.press("h")
        in_state(wang, "On hold")
        wait_heard(office.locator("#outside"))  # music
        wang.page.keyboard.press("h")
        in_state(wang, "Talking")
        wang.page.keyboard.press("n")
        wang.page.keyboard.press("2")
        expect(wang.page.locator("#reasons")).to_be_hidden()
        in_state(wang, "Talking")
        wang.page.keyboard.press("m")
        wang.page.keyboard.type(NOTE)
        wang.page.keyboard.press("Control+Enter")
        expect(wang.page.locator("#notes")).to_contain_text(NOTE)

        # The menu is changed and published meanwhile; the call does not notice.
        owner.page.goto("/admin/flows/main")
        owner.page.fill("#title", "Changed while somebody calls")
        owner.page.click("button[value=publish]")
        expect(owner.page.locator(".alert-success")).to_contain_text("Calls in progress are not affected")
        in_state(wang, "Talking")

        # To a colleague, with everything that belongs to the call.
        zhao.page.keyboard.press("r")
        in_state(zhao, "Ready")
        wang.page.keyboard.press("Alt+t")  # works while typing, too
        wang.page.keyboard.type("1002")
        wang.page.keyboard.press("Enter")
        expect(zhao.page.locator("#c-name")).to_have_value(NAME, timeout=PATIENCE_MS)
        expect(zhao.page.locator("#notes")).to_contain_text(NOTE)
        in_state(zhao, "Ringing")
        hang_up(office, "801")
        lift(office, "802")
        in_state(zhao, "Talking")
        wait_not_ready(wang, "Break")

        # The supervisor ends the call and keeps the agent from the next one.
        owner.page.goto("/board")
        owner.page.once("dialog", lambda question: question.accept())
        owner.page.locator("#calls button").click()
        expect(owner.page.locator("#calls tr")).to_have_count(0, timeout=PATIENCE_MS)
        hang_up(office, "802")
        zhao.page.locator("#h-note").click()
        in_state(zhao, "Wrap-up")
        zhao.page.keyboard.press("w")
        in_state(zhao, "Ready")
        tile = owner.page.locator("#agents > [data-key='1002']")
        tile.locator("button[data-bs-toggle]").click()
        tile.get_by_text("Set not ready").click()
        in_state(zhao, "Set by supervisor")
        office.locator("#out-hang-up").click()
        expect(office.locator("#out-call")).to_be_visible(timeout=PATIENCE_MS)

        # Calling the customer back with one click.
        wang.page.locator("#today button").first.click()
        lift(office, "801")
        expect(office.locator("#out-answer")).to_be_visible(timeout=PATIENCE_MS)
        office.locator("#out-answer").click()
        in_state(wang, "Outbound call")
        expect(wang.page.locator("#c-name")).to_have_value(NAME)
        wang.page.keyboard.press("x")
        hang_up(office, "801")
        expect(wang.page.locator("#today .today-row")).to_have_count(2, timeout=PATIENCE_MS)

        for person in (owner, wang, zhao):
            assert person.complaints == []
            assert person.page.title() != "1"

    (out, came), total = until(lambda: finished(store.calls.search()), "the record is final")
    assert total == 2
    assert (came["direction"], came["agents"], came["end_reason"]) == ("in", ["1001", "1002"], "forced")
    assert [s["what"] for s in came["steps"] if s["what"] in ("hold", "retrieve", "transfer")] == [
        "hold",
        "retrieve",
        "transfer",
    ]
    assert [note["text"] for note in store.calls.notes(came["id"])] == [NOTE]
    assert (out["direction"], out["agent"], out["number"]) == ("out", "1001", number)
    assert came["customer"] == out["customer"] is not None
    assert box.interrupt() == 0


def wait_not_ready(person, reason):
    """After the call, with the wrap-up ended by hand where there is one."""
    page = person.page
    expect(page.locator("#my-state")).to_contain_text(re.compile(f"Wrap-up|{reason}"), timeout=PATIENCE_MS)
    if page.locator("#do-wrap-done").is_visible():
        page.locator("#h-today").click()
        page.keyboard.press("w")
    in_state(person, reason)
