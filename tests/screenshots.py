"""Pictures of the pages for README.md and docs/, taken from a real box with a call in progress.

`python -m tests.screenshots [FOLDER]` (make screenshots) writes all of them to FOLDER (build/screenshots) and
those that the documents show to docs/img. Nothing is drawn by hand: a box is started
on the simulated office, claimed, called and answered, in Chinese and in English.
"""

import re
import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, expect

from appliance.paths import Home
from appliance.store import open_store
from tests.appliance.newcomer import Person, call_the_box, chromium, press_outside, speak, telephone
from tests.appliance.running_box import Box

ROOT = Path(__file__).resolve().parents[1]
SHOWN_IN_DOCUMENTS = ("desk-pop-en", "desk-pop-zh", "office-en", "board-zh", "call-en")
SPEECH = Path("/usr/share/asterisk/sounds/en_US_f_Allison/demo-instruct.wav")
PATIENCE_MS = 60_000
CUSTOMERS = {
    "en": {
        "name": "Li Lei",
        "company": "Blue Bay Trading",
        "address": "12 Harbour Road",
        "notes": "Prefers mornings.",
    },
    "zh_Hans": {
        "name": "李雷",
        "company": "蓝湾贸易有限公司",
        "address": "海港路12号",
        "notes": "上午联系较方便。",
    },
}
NOTE = {"en": "Asks for a new offer, 20 pieces.", "zh_Hans": "询问新报价，20 件。"}


def pictures(language: str, folder: Path) -> None:
    """One box, one newcomer, one call; every page on the way."""
    with tempfile.TemporaryDirectory() as data, chromium() as browser:
        box = Box(Path(data) / "box")
        try:
            address = box.wait_printed(r"ready:\s+(http://\S+)\s")[1]
            code = box.wait_printed(r"Claim code[^:]*:\s+(\d+)\s")[1]
            owner = Person(browser, address, language)
            owner.page.goto("/")
            keep(owner.page, folder, "claim", language)
            owner.claim(code)
            owner.add_agent_user("wang", "1001", language)
            store = open_store(Home(box.home).database)
            for number in ("13912345678", "13800138000"):
                phones = [{"number": number, "label": ""}]
                store.customers.add(
                    {**CUSTOMERS[language], "phones": phones, "vip": number.startswith("139")}
                )
            agent = Person(browser, address, language)
            agent.sign_in("wang")
            agent.take_a_seat("801")
            office = owner.enter_office()
            for _ in range(2):
                one_call(office, agent.page, folder, language)
            agent.page.click("#do-wrap-done")
            keep(agent.page, folder, "desk-ready", language)
            for name, path in PAGES.items():
                owner.page.goto(path)
                keep(owner.page, folder, name, language)
            owner.page.goto("/calls/")
            owner.page.locator("main tbody a").first.click()
            expect(owner.page.locator("main audio, main canvas, main [data-player]").first).to_be_attached()
            keep(owner.page, folder, "call", language)
            owner.page.set_viewport_size({"width": 390, "height": 844})
            for name in ("board", "calls", "office"):
                owner.page.goto(PAGES.get(name, f"/{name}"))
                keep(owner.page, folder, f"{name}-phone", language)
        finally:
            box.interrupt()
            box.clean_up()


PAGES = {
    "start": "/admin/",
    "board": "/board",
    "calls": "/calls/",
    "customers": "/customers/",
    "messages": "/messages/",
    "cards": "/cards",
    "lines": "/admin/lines/",
    "agents": "/admin/agents/",
    "queues": "/admin/queues/",
    "flow": "/admin/flows/main",
    "settings": "/admin/settings/",
    "users": "/admin/users/",
}


def one_call(office: Page, desk: Page, folder: Path, language: str) -> None:
    """A customer calls, presses 1, is popped, answered and noted."""
    if desk.locator("#do-wrap-done").is_visible():
        desk.click("#do-wrap-done")
    call_the_box(office, "13912345678", "LI LEI")
    expect(office.locator("#out-keypad")).to_be_visible(timeout=PATIENCE_MS)
    press_outside(office, "1")
    expect(desk.locator("#call-number")).to_contain_text(re.compile(r"139"), timeout=PATIENCE_MS)
    phone = telephone(office, "801")
    expect(phone).to_have_class(re.compile("is-ringing"), timeout=PATIENCE_MS)
    keep(desk, folder, "desk-pop", language)
    phone.locator(".btn-hook").click()
    speak(office.locator("#outside"), SPEECH)
    desk.fill("#note-text", NOTE[language])
    desk.locator("#note-form button").last.click()
    expect(desk.locator("#note-saved")).to_be_visible()
    desk.wait_for_timeout(1500)
    keep(desk, folder, "desk-talk", language)
    keep(office, folder, "office", language)
    office.locator("#out-hang-up").click()
    expect(desk.locator("#do-wrap-done")).to_be_visible(timeout=PATIENCE_MS)
    phone.locator(".btn-hook").click()
    keep(desk, folder, "desk-wrap-up", language)


def keep(page: Page, folder: Path, name: str, language: str) -> None:
    """One picture; the page has had a moment to draw what is live."""
    page.bring_to_front()
    page.wait_for_timeout(700)
    page.screenshot(path=folder / f"{name}-{language.split('_')[0]}.png")


def main() -> None:
    """All pictures in both languages."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    for language in CUSTOMERS:
        pictures(language, folder)
    for name in SHOWN_IN_DOCUMENTS:
        shutil.copy(folder / f"{name}.png", ROOT / "docs" / "img")
    print(f"{len(list(folder.glob('*.png')))} pictures in {folder}")


if __name__ == "__main__":
    main()
