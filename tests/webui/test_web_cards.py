"""The page of the cards: what was found and what is missing, ports, clocks, radio, tests, firmware."""

import io
import time

import pytest

from webui import hardware

from . import demo
from .conftest import text_of

ENGLISH = {"Accept-Language": "en"}


@pytest.fixture
def state(app):
    """What the page shows."""

    def at():
        with app.test_request_context(headers=ENGLISH):
            told = demo.hardware()
            return {
                "cards": hardware.cards(told["health"], demo.live()),
                "notices": hardware.notices(told["notices"]),
            }

    return at


def card(found, name):
    return next(one for one in found["cards"] if one["id"] == name)


def test_cards_with_a_problem_come_first_and_say_what_is_missing(state):
    found = state()
    assert [one["state"] for one in found["cards"]] == ["lost", "problem", "in use", "in use"]
    missing = card(found, "pci-0000:04:08.0")
    assert "Debian's dahdi-dkms" in missing["problem"] and missing["model"] == "Digium TDM2400P"


def test_ports_have_their_line_state_voltage_radio_and_test(state):
    ports = {port["name"]: port for one in state()["cards"] for port in one["ports"]}
    assert ports["ZJ1/0"]["volts"] == -48.2 and ports["ZJ1/0"]["used_as"] == "L1"
    assert ports["ZJ1/3"]["state"] == "unused"
    assert ports["sim1/0"]["radio"]["signal_dbm"] == -87
    results = {one["test"]: one for one in ports["ZJ1/1"]["test"]["results"]}
    assert results["rflt"]["name"] == "Insulation resistance" and results["ringers"]["value"] is None


def test_a_line_in_quarantine_and_a_port_that_is_gone_say_why(app):
    told, live = demo.hardware(), demo.live()
    live["lines"][1] |= {"state": "quarantined", "reason": "hum"}
    told["health"]["sockets"][3]["state"] = "no battery: is the line plugged in?"
    with app.test_request_context(headers=ENGLISH):
        found = hardware.cards(told["health"], live)
    ports = {port["name"]: port for one in found for port in one["ports"]}
    assert (ports["ZJ1/1"]["state"], "earthing" in ports["ZJ1/1"]["reason"]) == ("quarantined", True)
    assert (ports["ZJ1/3"]["state"], "battery" in ports["ZJ1/3"]["reason"]) == ("fault", True)


def test_clocks_show_role_drift_and_what_was_counted(state):
    clock = card(state(), "sim1")["clock"]
    assert (clock["leads"], clock["drift_ppm"], clock["counted"]["slips"]) == (False, -41.5, 2)
    assert clock["device"] == {"underruns": 3}


def test_notices_about_cards_and_lines_are_sentences_and_others_are_left_out(state):
    found = state()["notices"]
    assert len(found) == 3
    assert found[0]["text"].startswith("Line L2 is out of use") and "hum" in found[0]["text"]


def test_every_notice_pattern_can_be_filled(app):
    """With the values that the engine and the core send."""
    data = {"card": "a", "reason": "r", "ports": 2, "line": "L1", "phone": "801", "failures": 3}
    told = [{"code": code, "data": data, "at": 1.0, "level": "info"} for code in hardware.NOTICES]
    with app.test_request_context(headers=ENGLISH):
        for notice in hardware.notices(told):
            assert "%(" not in notice["text"] and "{" not in notice["text"]


def test_the_page_and_its_state_in_chinese(sign_in, control):
    control.hardware = demo.hardware()
    client = sign_in("boss")
    client.post("/language", data={"language": "zh_Hans", "next": "/cards"})
    assert "板卡" in text_of(client.get("/cards").text)
    found = client.get("/cards/state").json
    assert "没有安装驱动 wctdm24xxp" in card(found, "pci-0000:04:08.0")["problem"]
    assert "电源哼声大" in found["notices"][0]["text"]


def test_without_control_or_engine_the_page_says_so(sign_in, control):
    client = sign_in("boss")
    control.hardware = {"engine": {"up": False}, "health": {}, "notices": []}
    assert "engine is away" in client.get("/cards/state").json["problem"]
    control.close()
    assert "call service is away" in client.get("/cards/state").json["problem"]


def test_a_line_test_and_firmware_go_through_control_and_are_audited(sign_in, control, box_store):
    boss, admin = sign_in("boss"), sign_in("admin")
    assert boss.post("/cards/test", json={"port": "ZJ1/1"}).json["ref"]
    assert control.wait_for("line_test")[-1] == {"port": "ZJ1/1"}
    given = {"card": "ZJ1", "file": (io.BytesIO(b"ABC"), "zj1.fw")}
    assert admin.post("/cards/firmware", data=given).json["ref"]
    assert control.wait_for("firmware")[-1] == {"card": "ZJ1", "data": "QUJD"}
    assert {"line test", "card firmware"} <= {row["what"] for row in box_store.audit.list()}
    assert admin.post("/cards/firmware", data={"card": "ZJ1"}).status_code == 400
    assert boss.post("/cards/firmware", data={"card": "ZJ1"}).status_code == 403
    control.close()
    assert boss.post("/cards/test", json={"port": "ZJ1/1"}).status_code == 503


@pytest.mark.browser
def test_the_page_follows_a_test_and_an_update_without_reloading(open_as, pages, control):
    expect = pytest.importorskip("playwright.sync_api").expect
    page = open_as("admin")
    page.goto(f"{pages.url}/cards")
    page.wait_for_selector("body.is-live")
    page.evaluate("window.notReloaded = true")
    first = page.locator(".hardware-card", has_text="ZJ1/0")
    row = first.locator("tr", has_text="ZJ1/2")
    row.locator("button").click()
    assert control.wait_for("line_test")[-1] == {"port": "ZJ1/2"}
    work = {"ref": "2", "work": "line_test", "card": "ZJ1", "port": "ZJ1/2", "state": "running", "reason": ""}
    told = demo.hardware()
    told["health"]["work"].append(work | {"results": [], "at": time.time()})
    control.hardware = told
    expect(row).to_contain_text("The card is measuring")
    told = demo.hardware()
    results = [{"test": "roh", "quality": "fail", "value": 1, "unit": ""}]
    told["health"]["work"].append(work | {"state": "done", "results": results, "at": time.time()})
    control.hardware = told
    expect(row).to_contain_text("Receiver off hook: yes")
    page.on("dialog", lambda dialog: dialog.accept())
    upload = {"name": "zj1.fw", "mimeType": "application/octet-stream", "buffer": b"ABC"}
    first.locator("input[type=file]").set_input_files(upload)
    first.locator("button", has_text="New firmware").click()
    assert control.wait_for("firmware")[-1]["data"] == "QUJD"
    told = demo.hardware()
    update = {
        "ref": "3",
        "work": "firmware",
        "card": "ZJ1",
        "state": "running",
        "reason": "",
        "step": "sending",
    }
    told["health"]["work"].append(update | {"sent": 512, "size": 1024, "version": "2.0", "at": time.time()})
    control.hardware = told
    expect(first.locator(".update-state")).to_contain_text("Sending firmware 2.0 · 50 %")
    assert page.evaluate("window.notReloaded")
