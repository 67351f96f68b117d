"""The real web server and headless Chromium, for tests that look at pages as people do."""

import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from tests.ports import free_port
from webui.i18n import LANGUAGES

from . import demo
from .fakes import PATIENCE_S

CHROMIUM = "/usr/bin/chromium"
SWITCHES = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
]
WIDE, NARROW = {"width": 1366, "height": 768}, {"width": 390, "height": 844}


class Pages:
    """The real web server as its own process."""

    def __init__(self, home):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = (home.root / "web.log").open("w+")
        command = [
            sys.executable,
            "-m",
            "appliance.cli.main",
            "web",
            "--home",
            str(home.root),
            "--port",
            str(self.port),
        ]
        self.process = subprocess.Popen(command, stdout=self.log, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                with urllib.request.urlopen(f"{self.url}/health", timeout=PATIENCE_S):
                    return
            except (urllib.error.URLError, ConnectionError):
                assert time.monotonic() < deadline and self.process.poll() is None, self.said()
                self.process_wait(0.1)

    def process_wait(self, seconds):
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return

    def said(self):
        self.log.seek(0)
        return self.log.read()

    def stop(self, how=signal.SIGTERM):
        """Ask it to end; returns the exit status."""
        self.process.send_signal(how)
        return self.process.wait(PATIENCE_S)


@pytest.fixture
def pages(home, box_store, control, office):
    demo.customers(box_store)
    demo.calls(box_store, home, 6)
    demo.messages(box_store)
    control.hardware = demo.hardware()
    server = Pages(home)
    yield server
    if server.process.poll() is None:
        server.stop()
    server.log.close()


@pytest.fixture(scope="module")
def chromium():
    playwright = pytest.importorskip("playwright.sync_api")
    playwright.expect.set_options(timeout=1000 * PATIENCE_S)
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=SWITCHES, timeout=1000 * PATIENCE_S)
        yield browser
        browser.close()


@pytest.fixture
def open_as(chromium, pages):
    """open_as("wang") -> a page of a signed-in browser; script errors and refused resources fail the test."""
    contexts, problems = [], []

    def enter(name, language="en", size=WIDE):
        context = chromium.new_context(viewport=size, locale="en-US")
        context.set_default_timeout(1000 * PATIENCE_S)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda m: problems.append(m.text) if "Content Security Policy" in m.text else None)
        page.goto(f"{pages.url}/sign-in")
        page.locator(f".door-languages button:has-text('{LANGUAGES[language]}')").click()
        page.fill("#username", name)
        page.fill("#password", demo.PASSWORD)
        page.click("form .btn-primary")
        page.wait_for_url(re.compile(r"/(desk|board|admin)"))
        return page

    yield enter
    for context in contexts:
        context.close()
    assert problems == []
