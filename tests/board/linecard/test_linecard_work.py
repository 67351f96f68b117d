"""Line tests and firmware through the engine, on the reference card."""

import base64
import random

import pytest
from card_box import card_box

from board.linecard import firmware
from board.linecard import messages as msg

__all__ = ["card_box"]

NAME = "Reference line card"
IMAGE = random.Random(1).randbytes(3000)


def told(box, ref):
    return [data for data in box.of("card_work") if data["ref"] == ref]


def line_test(box, port, ref="t1"):
    box.engine.command({"cmd": "line_test", "ref": ref, "port": port})
    box.until(lambda: told(box, ref) and told(box, ref)[-1]["state"] != "running")
    return told(box, ref)[-1]


def update(box, data, force=False, ref="f1", within_s=60):
    text = base64.b64encode(data).decode()
    command = {"cmd": "firmware", "ref": ref, "card": "REF0001", "data": text, "force": force}
    box.engine.command(command)
    box.until(lambda: told(box, ref) and told(box, ref)[-1]["state"] != "running", within_s)
    return told(box, ref)[-1]


def call_up(box):
    caller = box.office.outside("Anna")
    box.rig.act(lambda: caller.call(0, number="13800001111"))
    box.until(lambda: caller.talking)
    return caller


def test_a_line_is_tested_and_what_the_card_cannot_tell_is_unknown(card_box):
    box = card_box()
    found = line_test(box, "REF0001/1")
    assert found["state"] == "done"
    results = {one["test"]: (one["quality"], one["value"], one["unit"]) for one in found["results"]}
    assert results["roh"] == ("pass", 0, "")
    assert results["ringers"] == ("unknown", None, "REN")
    assert set(results) == {"hemf", "femf", "rflt", "roh", "ringers", "capacitance"}
    assert box.engine.health()["work"] == [found]


def test_values_have_their_units(card_box, monkeypatch):
    box = card_box()
    device = box.rig.card.device

    def measured(frame, message):
        for test, quality, value in ((1, 2, 503), (4, 1, 2_000_000), (16, 1, 127)):
            device._tell(frame.port, msg.LinetestResult(test, quality, value))
        device._tell(frame.port, msg.Done(frame.seq))
        return msg.Status.STARTED, b""

    monkeypatch.setattr(device, "_linetest", measured)
    results = {one["test"]: one for one in line_test(box, "REF0001/0")["results"]}
    assert (results["hemf"]["quality"], results["hemf"]["value"], results["hemf"]["unit"]) == (
        "fail",
        50.3,
        "V",
    )
    assert (results["rflt"]["value"], results["rflt"]["unit"]) == (2_000_000, "ohm")
    assert (results["ringers"]["value"], results["ringers"]["unit"]) == (1.27, "REN")


def test_a_line_in_a_call_and_a_socket_that_is_not_there_are_not_tested(card_box):
    box = card_box()
    call_up(box)
    found = line_test(box, "REF0001/0")
    assert (found["state"], found["results"]) == ("refused", []) and "in use" in found["reason"]
    assert "no socket" in line_test(box, "REF0001/9", "t2")["reason"]
    assert "no socket" in line_test(box, "nonsense", "t3")["reason"]


def test_a_card_that_never_ends_a_test_is_given_up(card_box, monkeypatch):
    box = card_box()
    monkeypatch.setattr(box.rig.card.device, "_linetest", lambda *_: (msg.Status.STARTED, b""))
    box.engine.command({"cmd": "line_test", "ref": "t1", "port": "REF0001/0"})
    box.until(lambda: told(box, "t1") and told(box, "t1")[-1]["state"] == "failed", 70)
    assert "does not go on" in told(box, "t1")[-1]["reason"]


def test_a_test_fails_when_the_control_port_is_lost_and_the_next_one_works(card_box, monkeypatch):
    box = card_box()
    device = box.rig.card.device
    plain = device._linetest
    monkeypatch.setattr(device, "_linetest", lambda *_: (msg.Status.STARTED, b""))
    box.engine.command({"cmd": "line_test", "ref": "t1", "port": "REF0001/0"})
    box.run(0.5)
    box.rig.card.talking = False
    box.until(lambda: told(box, "t1")[-1]["state"] == "failed")
    assert "does not answer" in told(box, "t1")[-1]["reason"]
    box.rig.card.talking = True
    monkeypatch.setattr(device, "_linetest", plain)
    box.until(lambda: box.engine.cards[0].control_up)
    assert line_test(box, "REF0001/0", "t2")["state"] == "done"


def test_new_firmware_is_sent_started_and_the_card_comes_back_with_it(card_box):
    box = card_box()
    done = update(box, firmware.write(NAME, "1.1.0", IMAGE))
    assert (done["state"], done["sent"], done["reason"]) == ("done", len(IMAGE), "")
    assert box.engine.cards[0].caps.firmware == "1.1.0"
    steps = [one["sent"] for one in told(box, "f1")]
    assert steps == sorted(steps) and len(set(steps)) > 1, "progress is told"
    box.until(lambda: box.engine.snapshot()["lines"][0]["state"] == "idle", 20)
    call_up(box)


GOOD = firmware.write(NAME, "1.1.0", IMAGE)


@pytest.mark.parametrize(
    "data, words",
    [
        (b"MZ\x90 something else", "no firmware file"),
        (GOOD[:-100], "cut short"),
        (GOOD[:-1] + bytes([GOOD[-1] ^ 1]), "SHA-256"),
        (GOOD + b"x", "SHA-256"),
        (GOOD.replace(b'"size": 3000', b'"size": "many"'), "head"),
        (firmware.MARK + b"{}\n", "head"),
        (firmware.MARK + b"{" * 3000, "head"),
        (firmware.write("Other card", "1.1.0", IMAGE), "is for Other card"),
    ],
)
def test_a_foreign_short_or_damaged_file_is_refused_before_the_card_gets_anything(card_box, data, words):
    box = card_box()
    refused = update(box, data)
    assert (refused["state"], refused["sent"]) == ("refused", 0) and words in refused["reason"]
    assert box.engine.cards[0].caps.firmware != "1.1.0"


def test_firmware_waits_for_the_end_of_calls_unless_it_is_forced(card_box):
    box = card_box()
    call_up(box)
    refused = update(box, GOOD)
    assert refused["state"] == "refused" and "--force" in refused["reason"]
    assert update(box, GOOD, force=True, ref="f2")["state"] == "done"
    box.until(lambda: any(data["final"] for data in box.of("record")), 30)


def test_a_card_that_comes_back_with_its_old_firmware_is_told(card_box, monkeypatch):
    box = card_box()
    device = box.rig.card.device
    before = device.firmware
    plain = device._restart

    def restart(why):
        device.firmware = before
        plain(why)

    monkeypatch.setattr(device, "_restart", restart)
    failed = update(box, GOOD)
    assert failed["state"] == "failed" and f"came back with firmware {before}" in failed["reason"]


def test_one_work_at_a_time_and_only_on_line_cards(card_box):
    box = card_box()
    text = base64.b64encode(GOOD).decode()
    for ref in ("f1", "f2"):
        box.engine.command({"cmd": "firmware", "ref": ref, "card": "REF0001", "data": text})
    box.run(0.2)
    assert told(box, "f2")[-1]["state"] == "refused" and "goes on" in told(box, "f2")[-1]["reason"]
    box.engine.command({"cmd": "firmware", "ref": "f3", "card": "nobody", "data": text})
    box.run(0.1)
    assert "no such card" in told(box, "f3")[-1]["reason"]
