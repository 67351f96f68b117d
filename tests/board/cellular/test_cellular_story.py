"""Whole calls through the engine on a cellular module."""

import pytest
from at_bench import BenchTime, BenchWire
from at_story import AtBox, FarEnd, likeness, speech
from module_emulator import Module

from board.registry import open_board


@pytest.fixture
def make(tmp_path, monkeypatch):
    opened = []

    def build(maker):
        module, far = Module(maker), FarEnd()
        module.incoming = far.block
        far.heard = module.sound.samples
        time = BenchTime(module, module.sound)
        devices = {"/dev/ttyUSB2": module, "/dev/ttyUSB1": module.sound}
        monkeypatch.setattr("board.cellular.card.SerialWire", lambda path: BenchWire(path, devices[path]))
        monkeypatch.setattr("board.atcard.RealTime", lambda: time)
        box = AtBox(tmp_path, open_board("cellular:/dev/ttyUSB2,audio=/dev/ttyUSB1"), time)
        opened.append((box, module))
        return box, module, far

    yield build
    for box, module in opened:
        box.engine.close()
        module.close()
        module.sound.close()


@pytest.mark.parametrize("maker", ["quectel", "huawei"])
def test_a_caller_is_greeted_led_and_talks_on_a_cellular_module(make, maker):
    box, module, far = make(maker)
    module.ring(number="8613800138000", kind=145)
    box.until(lambda: box.line_state() == "ivr", 8)
    box.run(2.5)
    assert likeness(far.heard(), speech("queue-thankyou")[2000:12000])[0] > 0.95
    if maker == "quectel":
        module.text("+QTONEDET: 49")  # its own receiver; the sound is not looked at for keys
    else:
        far.press("1")
    box.until(lambda: box.phone.ringing, 3)
    assert [pop["number"] for pop in box.of("pop")] == ["+8613800138000"]
    box.phone.lift()
    box.until(lambda: box.agent_state() == "talking")
    box.run(0.3)
    heard_by_agent, heard_by_caller = box.talk(far)
    assert heard_by_agent > 0.9 and heard_by_caller > 0.9
    module.over()
    record = box.record(1)
    assert (record["end_reason"], record["cue"]) == ("caller_hangup", "signalled")
    assert (record["caller_number"], record["keys"]) == ("+8613800138000", "1")
    assert box.line_state() == "idle"


def test_a_caller_who_gives_up_while_it_rings(make):
    box, module, _ = make("simcom")
    module.ring(number="", validity=1, clip=False)
    box.until(lambda: box.line_state() == "ringing", 2)
    module.over()
    assert box.record(1)["end_reason"] == "abandoned_ringing"
    assert module.state == ""


def test_an_agent_calls_out_and_the_answer_is_signalled(make):
    box, module, far = make("quectel")
    box.engine.command(
        {"cmd": "desk", "ref": 9, "verb": "dial", "agent": "1001", "args": {"number": "13900139000"}}
    )
    box.until(lambda: box.phone.ringing, 3)
    box.phone.lift()
    box.until(lambda: "ATD13900139000;" in module.asked, 3)
    box.run(0.5)
    module.alert()
    far.say(speech("tt-monkeys")[:16000])  # ring-back music with voices is no answer
    box.run(3)
    assert box.line_state() == "out_ringing"
    module.connect()
    box.until(lambda: box.line_state() == "out_talking", 1)
    heard_by_agent, heard_by_caller = box.talk(far)
    assert heard_by_agent > 0.9 and heard_by_caller > 0.9
    box.phone.hang_up()
    record = box.record(3)
    assert (record["end_reason"], record["answer_seen"]) == ("agent_hangup", "seen")
    box.until(lambda: module.state == "", 2)


def test_a_busy_number(make):
    box, module, _ = make("huawei")
    box.engine.command(
        {"cmd": "desk", "ref": 9, "verb": "dial", "agent": "1001", "args": {"number": "13900139000"}}
    )
    box.until(lambda: box.phone.ringing, 3)
    box.phone.lift()
    box.until(lambda: module.state == "dialing", 3)
    module.over(cause=17)
    assert box.record(3)["end_reason"] == "busy"
