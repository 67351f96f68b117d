"""Short messages at the real box: a module's emulator on one side, a browser on the other."""

import contextlib
import os
import select
import sys
import threading
import time
from pathlib import Path

import pytest
from playwright.sync_api import expect

from appliance.paths import Home
from appliance.store import open_store
from tests.appliance.newcomer import Person, chromium
from tests.appliance.test_browser_call import PATIENCE_MS

sys.path.append(str(Path(__file__).parents[1] / "board"))
sys.path.append(str(Path(__file__).parents[1] / "board/cellular"))
from module_emulator import Module, delivers

pytestmark = [pytest.mark.process, pytest.mark.browser]

NUMBER = "+8613800138000"
QUESTION = "您好，我订的二十件货什么时候可以发出？" * 5 + "😀"
REPLY = "您好，明天上午发货。"


class Plugged:
    """The emulator in real time, on a thread of its own."""

    def __init__(self):
        self.module = Module("quectel")
        self.lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    @property
    def address(self):
        return f"cellular:{self.module.path},audio={self.module.sound.path},id=sim1"

    def do(self, what):
        """Something happens in the network."""
        with self.lock:
            return what(self.module)

    def wait(self, what, within_s=60.0):
        """Until `what(module)` holds."""
        end = time.monotonic() + within_s
        while not self.do(what):
            assert time.monotonic() < end, (self.module.asked[-20:], self.module.sent)
            self._stopping.wait(0.02)

    def _run(self):
        devices = (self.module, self.module.sound)
        while not self._stopping.is_set():
            select.select([device.master for device in devices], [], [], 0.01)
            with self.lock:
                for device in devices:
                    device.now = time.monotonic()
                    with contextlib.suppress(BlockingIOError):
                        device.received(os.read(device.master, 65536))
                    device.run(time.monotonic())

    def close(self):
        self._stopping.set()
        self._thread.join()
        self.module.close()
        self.module.sound.close()


@pytest.fixture
def plugged():
    made = Plugged()
    yield made
    made.close()


def report(reference):
    return "00" + f"06{reference:02X}" + "0D91683108108300F0" + "62111232950023" * 2 + "00"


def test_a_message_comes_is_answered_and_delivered_and_nothing_is_lost_or_sent_twice(start, plugged):
    box = start(None, None, "--board", plugged.address)
    address = box.wait_printed(r"ready:\s+(http://\S+)\s")[1]
    code = box.wait_printed(r"Claim code[^:]*:\s+(\d+)\s")[1]
    store = open_store(Home(box.home).database)
    with chromium() as browser:
        owner = Person(browser, address)
        owner.claim(code)
        store.customers.add({"name": "Li Lei", "phones": [{"number": "138 0013 8000", "label": ""}]})
        page = owner.page
        page.goto("/messages/")
        expect(page.locator("body")).to_have_class("is-live", timeout=PATIENCE_MS)

        plugged.do(lambda module: module.deliver(*delivers(QUESTION)))
        row = page.locator("#conversations tr.is-unread")
        expect(row).to_contain_text("Li Lei", timeout=PATIENCE_MS)
        plugged.wait(lambda module: module.store == {})
        row.locator("a").click()
        expect(page.locator("#thread li")).to_contain_text(QUESTION)
        expect(page.locator("#unread")).to_be_hidden()

        page.fill("#message-text", REPLY)
        page.keyboard.press("Control+Enter")
        fate = page.locator("#thread li.is-out .message-state").last
        expect(fate).to_have_text("Sent", timeout=PATIENCE_MS)
        assert plugged.do(lambda module: [(part.to, part.text) for part in module.sent]) == [(NUMBER, REPLY)]
        plugged.do(lambda module: module.text("+CDS: 25", report(1)))
        expect(fate).to_have_text("Delivered", timeout=PATIENCE_MS)

        # One that the network refuses says why, and goes when it is sent again.
        plugged.do(lambda module: setattr(module, "sms_error", "+CMS ERROR: 38"))
        page.fill("#message-text", "second")
        page.keyboard.press("Control+Enter")
        expect(fate).to_have_text("Not sent", timeout=PATIENCE_MS)
        expect(page.locator("#thread li").last).to_contain_text("try again later (+CMS ERROR: 38)")
        plugged.do(lambda module: setattr(module, "sms_error", None))
        page.locator("#thread button", has_text="Send again").click()
        expect(fate).to_have_text("Sent", timeout=PATIENCE_MS)

        # Control is killed; what comes meanwhile is there when it is back.
        box.kill("control")
        plugged.do(lambda module: module.deliver(delivers("while control was away")[0]))
        expect(page.locator("#thread")).to_contain_text("while control was away", timeout=PATIENCE_MS)

        # The engine is killed; what is written meanwhile goes out once when it is back.
        box.kill("engine")
        plugged.do(lambda module: module.deliver(delivers("while the engine was away")[0]))
        page.fill("#message-text", "third")
        page.keyboard.press("Control+Enter")
        expect(page.locator("#thread")).to_contain_text("while the engine was away", timeout=PATIENCE_MS)
        plugged.wait(lambda module: module.sent[-1].text == "third")
        expect(fate).to_have_text("Sent", timeout=PATIENCE_MS)
        plugged.wait(lambda module: module.store == {})
        assert plugged.do(lambda module: [part.text for part in module.sent]) == [REPLY, "second", "third"]
        came = [row["text"] for row in store.messages.search(direction="in")[0]]
        assert sorted(came) == sorted([QUESTION, "while control was away", "while the engine was away"])
    store.close()
