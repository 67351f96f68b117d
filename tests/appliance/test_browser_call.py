"""A newcomer calls the box in one tab and answers in another: real box, real browser, real sound."""

import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
from playwright.sync_api import expect

from appliance.paths import Home
from appliance.store import open_store
from tests.appliance.newcomer import Person, call_the_box, chromium, press_outside, speak, telephone
from tests.appliance.running_box import finished, until

pytestmark = [pytest.mark.process, pytest.mark.browser]

NUMBER = "13912345678"
SPEECH = Path("/usr/share/asterisk/sounds/en_US_f_Allison")
PATIENCE_MS = 60_000


def wait_heard(card):
    """Until the page's own meter shows that something is heard."""
    meter = card.locator(".sound-meter meter").last.element_handle()
    card.page.wait_for_function("meter => meter.value > 0.02", arg=meter, timeout=PATIENCE_MS)


@pytest.mark.parametrize("language", ["en", "zh_Hans"])
def test_a_newcomer_calls_and_answers(start, language):
    box = start()
    address = box.wait_printed(r"ready:\s+(http://\S+)\s")[1]
    code = box.wait_printed(r"Claim code[^:]*:\s+(\d+)\s")[1]
    with chromium() as browser:
        owner = Person(browser, address, language)
        owner.claim(code)
        owner.add_agent_user("wang", "1001", language)
        agent = Person(browser, address, language)
        agent.sign_in("wang")
        agent.take_a_seat("801")

        office = owner.enter_office()
        call_the_box(office, NUMBER, "LI LEI")
        outside = office.locator("#outside")
        expect(office.locator("#out-keypad")).to_be_visible(timeout=PATIENCE_MS)
        wait_heard(outside)
        press_outside(office, "1")

        # The screen pops before anybody has answered.
        expect(agent.page.locator("#call-number")).to_contain_text(
            re.compile(r"139\s?1234\s?5678"), timeout=PATIENCE_MS
        )
        set_801 = telephone(office, "801")
        expect(set_801).to_have_class(re.compile("is-ringing"), timeout=PATIENCE_MS)
        set_801.locator(".btn-hook").click()
        speak(outside, SPEECH / "demo-instruct.wav")
        wait_heard(set_801)
        speak(set_801, SPEECH / "demo-congrats.wav")
        wait_heard(outside)

        agent.page.fill("#note-text", "想要新的报价 · wants a new offer")
        agent.page.locator("#note-form button").last.click()
        expect(agent.page.locator("#note-saved")).to_be_visible()
        office.locator("#out-hang-up").click()
        expect(agent.page.locator("#do-wrap-done")).to_be_visible(timeout=PATIENCE_MS)
        set_801.locator(".btn-hook").click()

        calls = owner.page
        calls.goto(f"/calls/?text={NUMBER}")
        calls.locator("main tbody a").first.click()
        expect(calls.locator("main")).to_contain_text("想要新的报价")
        assert owner.complaints == []
        assert agent.complaints == []

    calls = open_store(Home(box.home).database).calls
    (record,), _ = until(lambda: finished(calls.search(number=NUMBER)), "the record is final")
    assert (record["keys"], record["agent"], record["end_reason"]) == ("1", "1001", "caller_hangup")
    sound, rate = soundfile.read(box.home / record["recording"], dtype="int16")
    assert rate == 8000
    assert sound.ndim == 1
    assert np.abs(sound).max() > 1000
    assert box.interrupt() == 0
