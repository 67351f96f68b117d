"""In headless Chromium, on the real server: live board, desk, player, simulated office."""

import re
import signal
import socket
import time

import pytest

from webui.i18n import LANGUAGES

from . import demo, system_demo
from .browser import NARROW, WIDE
from .fakes import PATIENCE_S, FakeControl

playwright = pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.browser

PATHS = [
    "/board",
    "/board?tv=1",
    "/calls/",
    "/calls/demo-000",
    "/customers/",
    "/customers/1",
    "/customers/import",
    "/cards",
    "/messages/",
    "/messages/new",
    "/messages/with/13812345678",
    "/messages/with/13900001111",
    "/admin/",
    "/admin/lines/",
    "/admin/lines/L1",
    "/admin/agents/",
    "/admin/queues/sales",
    "/admin/flows/main",
    "/admin/blacklist/",
    "/admin/users/",
    "/admin/users/roles",
    "/admin/settings/",
    "/admin/audit/",
    "/office",
    "/password",
]


def agent_in(state, **changes):
    live = demo.live()
    live["agents"][0] |= {"state": state, "call": "", **changes}
    return live


def test_the_board_follows_without_reloading(open_as, pages, control):
    page = open_as("boss")
    page.goto(f"{pages.url}/board")
    page.wait_for_selector("body.is-live")
    page.evaluate("window.notReloaded = true")
    tile = page.locator("#lines > [data-key=L6]")
    assert "Idle" in tile.text_content()
    live = demo.live()
    live["lines"][5] |= {"state": "ringing", "since": time.time() - 5, "caller_number": "10086"}
    control.push("live", live)
    playwright.expect(tile).to_contain_text("Ringing")
    playwright.expect(tile).to_contain_text("10086")
    before = tile.locator("[data-part=time]").text_content()
    playwright.expect(tile.locator("[data-part=time]")).not_to_have_text(before)
    assert page.evaluate("window.notReloaded")
    live["agents"][0]["name"] = "<img src=x onerror=window.hacked=1>"
    control.push("live", live)
    playwright.expect(page.locator("#agents")).to_contain_text("<img src=x")
    assert not page.evaluate("window.hacked")


def test_a_banner_says_when_control_is_away_and_goes_again(open_as, pages, control, home):
    page = open_as("boss")
    page.wait_for_selector("body.is-live")
    control.close()
    playwright.expect(page.locator("#away")).to_be_visible()
    playwright.expect(page.locator("#away")).to_contain_text("phone still works")
    back = FakeControl(home.control_socket, demo.live())
    playwright.expect(page.locator("#away")).to_be_hidden()
    back.close()


def test_a_running_update_says_how_far_it_is_until_it_cannot_be_cancelled(open_as, pages, control):
    job = {"state": "fetching", "percent": 25, "done": 42_000_000, "size": 168_000_000, "may_cancel": True}
    control.system = system_demo.daemon()
    control.system["update.status"] = system_demo.UPDATES | {"update": job}
    page = open_as("admin")
    page.goto(f"{pages.url}/admin/updates/")
    page.evaluate("window.notReloaded = true")
    far, cancel = page.locator("#job-far"), page.locator("#job-cancel")
    playwright.expect(far).to_have_text("40.1 MB of 160.2 MB")
    playwright.expect(cancel).to_be_visible()
    job |= {"state": "waiting_calls", "calls": 2}
    control.system["update.status"] = system_demo.UPDATES | {"update": job}
    playwright.expect(far).to_have_text("Calls that are waited for: 2")
    playwright.expect(cancel).to_be_visible()
    job |= {"state": "installing", "percent": 7, "calls": 0, "may_cancel": False}
    playwright.expect(far).to_have_text("7 %")
    playwright.expect(cancel).to_be_hidden()
    assert page.evaluate("window.notReloaded")


def test_the_desk_from_sign_in_to_wrap_up(open_as, pages, control, box_store):
    control.push("live", agent_in("signed_out", phone=""))
    page = open_as("wang")
    page.wait_for_selector("body.is-live")
    page.locator("#phone-choice button:has-text('801')").click()
    assert control.wait_for("desk")[-1] == {"verb": "sign_in", "agent": "1001", "args": {"phone": "801"}}
    control.push("live", agent_in("not_ready"))
    playwright.expect(page.locator("#do-ready")).to_be_visible()
    page.keyboard.press("r")
    assert control.wait_for("desk", 2)[-1]["verb"] == "ready"

    control.push("live", agent_in("ringing", call="c1"))
    control.push(
        "pop",
        {
            "agent": "1001",
            "phone": "801",
            "call": "c1",
            "number": "13812345678",
            "line": "L2",
            "queue": "sales",
            "keys": "1",
            "direction": "in",
        },
    )
    playwright.expect(page.locator("#c-name")).to_have_value("陈建国")
    playwright.expect(page.locator("#call-hint")).to_contain_text("Lift telephone 801")
    playwright.expect(page.locator("#history li").first).to_be_visible()

    control.push("live", agent_in("talking", call="c1"))
    playwright.expect(page.locator("#do-hold")).to_be_visible()
    page.keyboard.press("n")
    playwright.expect(page.locator("#reasons")).to_be_visible()
    page.keyboard.press("2")
    asked = control.wait_for("desk", 3)[-1]
    assert (asked["verb"], asked["args"]) == ("not_ready", {"reason": "break"})
    playwright.expect(page.locator("#toasts")).to_contain_text("not ready after this")
    page.keyboard.press("?")
    playwright.expect(page.locator("#keys-help")).to_contain_text("Hold, take back")
    page.keyboard.press("Escape")
    playwright.expect(page.locator("#keys-help")).to_be_hidden()
    page.keyboard.press("h")
    assert control.wait_for("desk", 4)[-1]["verb"] == "hold"
    page.keyboard.press("t")
    page.fill("#transfer-to", "802")
    page.press("#transfer-to", "Enter")
    assert control.wait_for("desk", 5)[-1] == {"verb": "transfer", "agent": "1001", "args": {"to": "802"}}
    page.fill("#note-text", "wants a price list")
    page.press("#note-text", "Control+Enter")
    playwright.expect(page.locator("#notes")).to_contain_text("wants a price list")
    assert box_store.calls.notes("c1")[0]["text"] == "wants a price list"
    page.fill("#c-company", "Mingde")
    page.click("#customer-save")
    playwright.expect(page.locator("#customer-saved")).to_have_text("Saved.")
    assert box_store.customers.by_phone("13812345678")["company"] == "Mingde"

    page.fill("#note-text", "typed but not saved")
    control.push("pop_end", {"agent": "1001", "call": "c1", "why": "ended"})
    control.push("live", agent_in("wrap_up", wrap_up_until=time.time() + 30))
    playwright.expect(page.locator("#do-wrap-done")).to_be_visible()
    playwright.expect(page.locator("#c-name")).to_have_value("陈建国")
    page.locator("#h-note").click()
    with page.expect_response("**/desk/note"):
        page.keyboard.press("w")
    assert control.wait_for("desk", 6)[-1]["verb"] == "wrap_up_done"
    control.push("live", agent_in("ready"))
    playwright.expect(page.locator("#customer-none")).to_be_visible()
    playwright.expect(page.locator("#note-card")).to_be_hidden()
    assert [n["text"] for n in box_store.calls.notes("c1")] == ["wants a price list", "typed but not saved"]


def test_a_card_that_comes_after_the_end_of_its_call_goes_with_it(open_as, control):
    """The page was opened in the middle of a call: it asks for its card, and it ends meanwhile."""
    control.push("live", agent_in("not_ready"))
    page = open_as("wang")
    held = []
    page.route("**/desk/card?*", lambda route: held.append(route))
    with page.expect_request("**/desk/card?*"):
        control.push("live", agent_in("talking", call="c0"))
    playwright.expect(page.locator("#call-number")).to_have_text("138 1234 5678")
    control.push("pop_end", {"agent": "1001", "call": "c0", "why": "ended"})
    control.push("live", agent_in("wrap_up", wrap_up_until=time.time() + 300))
    playwright.expect(page.locator("#do-wrap-done")).to_be_visible()
    while not held:  # the request is known before it is handed to us
        page.wait_for_timeout(20)
    with page.expect_response("**/desk/card?*"):
        held[0].continue_()
    playwright.expect(page.locator("#c-name")).to_have_value("陈建国")
    control.push("live", agent_in("ready"))
    playwright.expect(page.locator("#customer-none")).to_be_visible()


def test_a_refused_wish_is_told(open_as, control):
    control.push("live", agent_in("not_ready"))
    control.refuse["ready"] = "phone_off_hook"
    page = open_as("wang")
    page.click("#do-ready")
    playwright.expect(page.locator("#toasts")).to_contain_text("off the hook")


def test_a_recording_plays_and_jumps_to_the_talk(open_as, pages):
    page = open_as("boss")
    page.goto(f"{pages.url}/calls/demo-000")
    page.wait_for_selector("body.player-ready")
    page.click("#to-talk")
    playwright.expect(page.locator("#at")).to_have_text(re.compile(r"0:0[4-9]"))
    playwright.expect(page.locator("#play")).to_have_attribute("aria-label", "Pause")
    page.keyboard.press(" ")
    playwright.expect(page.locator("#play")).to_have_attribute("aria-label", "Play")


def test_the_office_calls_answers_and_carries_sound(open_as, pages, office, home):
    page = open_as("admin")
    page.goto(f"{pages.url}/office")
    page.wait_for_selector("body.is-live")
    playwright.expect(page.locator(".set .state")).to_contain_text("On hook")
    page.fill("#number", "13812345678")
    page.click("#out-call")
    playwright.expect(page.locator("#out-state")).to_contain_text("Calling")
    page.click("#out-keypad [data-digit='5']")
    office.wait_done(2)  # each telephone has a connection of its own: only so the order is certain
    office.ring("phone:801")
    playwright.expect(page.locator(".set.is-ringing .btn-hook")).to_contain_text("Answer")
    playwright.expect(page.locator(".set .set-display")).to_have_text(re.compile(r"13812345678\s+李雷"))
    assert page.locator(".set .set-lamp.is-lit").count() == 1
    page.click(".set .btn-hook")
    page.select_option(".set select", "microphone")
    with office.changed:
        assert office.changed.wait_for(lambda: len(office.sound) > 10, PATIENCE_S), (
            "the microphone is passed on"
        )
    demo.recording(home.root / "voice.wav", PATIENCE_S)
    page.select_option(".set select", "file")
    page.set_input_files(".set input[type=file]", home.root / "voice.wav")
    page.click("button:has-text('Speak voice.wav')")
    with office.changed:
        loud = office.changed.wait_for(lambda: any(any(block) for block in office.sound), PATIENCE_S)
    assert loud, "the file stands in for the microphone"
    assert {len(block) for block in office.sound} == {320}
    wait = """([meter], ms) => new Promise((done) => {
      setTimeout(done, ms, false);
      setInterval(() => { if (meter.value > 0.05) done(true); }, 50);
    })"""
    heard = page.locator(".set meter[title=Heard]").evaluate_all(wait, 1000 * PATIENCE_S)
    assert heard, "what comes back is played"
    page.click(".set .btn-hook")
    playwright.expect(page.locator(".set .state")).to_contain_text("On hook")
    page.click("#out-hang-up")
    office.wait_done(5)
    wishes = [(actor.split(":")[0], m["do"]) for actor, m in office.done]
    assert wishes == [
        ("caller", "call"),
        ("caller", "press"),
        ("phone", "lift"),
        ("phone", "hang_up"),
        ("caller", "hang_up"),
    ]
    assert office.done[0][1]["callerid"] == "fsk"


DIAL_AT_ONCE = """addEventListener("DOMContentLoaded", () => {
  if (location.pathname === "/office") document.getElementById("out-call").click();
});"""


def test_who_dials_before_the_office_is_connected_is_put_through(open_as, pages, office):
    page = open_as("admin")
    page.add_init_script(DIAL_AT_ONCE)
    page.goto(f"{pages.url}/office")
    playwright.expect(page.locator("#out-state")).to_contain_text("Calling")
    assert [wish["do"] for _, wish in office.done] == ["call"]


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_no_page_is_wider_than_its_window(open_as, pages, language, size):
    page = open_as("admin", language, size)
    for path in PATHS:
        page.goto(pages.url + path)
        if path.startswith("/board"):
            page.wait_for_selector("body.is-live")
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"], path


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_the_server_stops_at_once_with_pages_open(open_as, pages, how):
    page = open_as("admin")
    page.goto(f"{pages.url}/office")
    page.wait_for_selector("body.is-live")
    assert pages.stop(how) == 0, pages.said()
    assert "Traceback" not in pages.said()


def test_web_sockets_of_other_sites_are_refused(pages, open_as):
    page = open_as("admin")
    cookie = "; ".join(f"{c['name']}={c['value']}" for c in page.context.cookies())
    request = (
        f"GET /office/sound/phone:801 HTTP/1.1\r\nHost: 127.0.0.1:{pages.port}\r\nCookie: {cookie}\r\n"
        "Origin: http://evil.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", pages.port), PATIENCE_S) as raw:
        raw.sendall(request.encode())
        raw.settimeout(PATIENCE_S)
        answer = b""
        while b"not allowed" not in answer:
            piece = raw.recv(4096)
            assert piece, answer
            answer += piece
    assert b'"state"' not in answer
