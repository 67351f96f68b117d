"""What a newcomer does in the browser, one verb each; used by tests and by the screenshot maker."""

import contextlib
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.appliance.running_box import PATIENCE_S

PASSWORD = "a calm and long phrase"
CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]
LANGUAGES = {"zh_Hans": "zh-CN", "en": "en-US"}


@contextlib.contextmanager
def chromium():
    """Headless Debian Chromium; its profile goes with it. On a busy machine a page has a minute."""
    expect.set_options(timeout=1000 * PATIENCE_S)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=ARGUMENTS, timeout=1000 * PATIENCE_S
        )
        yield browser
        browser.close()


class Person:
    """Somebody at a browser window. What the page complains about is kept in `complaints`."""

    def __init__(
        self, browser: Browser, address: str, language: str = "en", width: int = 1366, height: int = 768
    ):
        self.context: BrowserContext = browser.new_context(
            locale=LANGUAGES[language], viewport={"width": width, "height": height}, base_url=address
        )
        self.context.set_default_timeout(1000 * PATIENCE_S)
        self.complaints: list[str] = []
        self.page: Page = self.new_tab()

    def new_tab(self) -> Page:
        page = self.context.new_page()
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda line: line.type == "error" and self.complaints.append(line.text))
        page.on("requestfailed", lambda request: self._failed(request))
        return page

    def _failed(self, request) -> None:
        if request.failure != "net::ERR_ABORTED":  # left on purpose, as event streams are
            self.complaints.append(f"{request.url}: {request.failure}")

    def claim(self, code: str) -> None:
        page = self.page
        page.goto("/")
        page.fill("#code", code)
        page.fill("#password", PASSWORD)
        page.fill("#again", PASSWORD)
        page.click("main form button.btn-primary")
        page.wait_for_url(lambda url: "/admin" in url)

    def add_agent_user(self, username: str, number: str, language: str) -> None:
        page = self.page
        page.goto("/admin/users/new")
        page.fill("#i-username", username)
        page.select_option("#i-agent_number", number)
        page.select_option("#i-language", language)
        page.fill("#i-password", PASSWORD)
        page.click("main form button.btn-primary")
        page.wait_for_url(lambda url: not url.endswith("/new"))

    def sign_in(self, username: str) -> None:
        page = self.page
        page.goto("/sign-in")
        page.fill("#username", username)
        page.fill("#password", PASSWORD)
        page.click("main form button.btn-primary")
        page.wait_for_url(lambda url: "/sign-in" not in url)

    # ------------------------------------------------------------- agent desktop
    def take_a_seat(self, phone: str) -> None:
        """Sign in to a telephone and become ready."""
        self.sit_down(phone)
        page = self.page
        page.click("#do-ready")
        expect(page.locator("#do-ready")).to_be_hidden()

    def sit_down(self, phone: str) -> None:
        """Sign in to a telephone; whoever does so is not ready yet."""
        self.page.goto("/desk")
        self.page.locator("#phone-choice .phone-button", has_text=phone).first.click()
        expect(self.page.locator("#do-ready")).to_be_visible()

    # ------------------------------------------------------------- simulated office
    def enter_office(self) -> Page:
        office = self.new_tab()
        office.goto("/office")
        office.click("#sound-off button")
        return office


def call_the_box(office: Page, number: str, name: str = "", line: str = "L1", callerid: str = "fsk") -> None:
    """With the outside telephone of the office page."""
    office.select_option("#line", line)
    office.select_option("#callerid", callerid)
    office.fill("#number", number)
    office.fill("#name", name)
    office.click("#out-call")


def press_outside(office: Page, key: str) -> None:
    office.click(f"#out-keypad [data-digit='{key}']")


def telephone(office: Page, extension: str):
    """The card of one of the box's telephones."""
    return office.locator(f".set[data-ext='{extension}']")


def speak(card, wav: Path) -> None:
    """Let a WAV file stand in for a telephone's microphone."""
    card.locator(".sound-row input[type=file]").set_input_files(wav)
    card.locator(".sound-row select").select_option("file")
    card.locator(".sound-row button").click()
