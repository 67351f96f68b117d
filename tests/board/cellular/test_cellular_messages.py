"""Short messages through the whole engine: told to control until stored, sent once, their fate known."""

import json

import pytest
from at_bench import BenchTime, BenchWire
from at_story import AtBox
from module_emulator import Module, delivers

from board.cellular.pdu import Submit
from board.registry import open_board

CHINESE = "您好，这是总机发出的长短信。" * 12 + "😀"
NUMBER = "+8613800138000"


class MessageBox(AtBox):
    """The box, with control's side of the messages."""

    listening = True

    def _publish(self, topic, data):
        if self.listening:
            self.published.append((topic, json.loads(json.dumps(data))))
        return self.listening

    def told(self):
        """What control has been told of messages."""
        return self.of("message")

    def send(self, name="out-1", text="hi", number=NUMBER, port=""):
        command = {"cmd": "sms", "id": name, "number": number, "text": text, "port": port}
        self.engine.command(command)

    def acknowledge(self, name):
        self.engine.command({"cmd": "ack_message", "id": name})

    def fates(self):
        return [data["record"] for data in self.told() if data["final"]]

    def spooled(self):
        return sorted(path.name for path in self.home.message_spool.iterdir())


@pytest.fixture
def start(tmp_path, monkeypatch):
    """start(module) -> a box with it; the same module may be started anew, as after a crash."""
    module = Module("quectel")
    time = BenchTime(module, module.sound)
    devices = {"/dev/ttyUSB2": module, "/dev/ttyUSB1": module.sound}
    monkeypatch.setattr("board.cellular.card.SerialWire", lambda path: BenchWire(path, devices[path]))
    monkeypatch.setattr("board.atcard.RealTime", lambda: time)
    boxes = []

    def build():
        box = MessageBox(tmp_path, open_board("cellular:/dev/ttyUSB2,audio=/dev/ttyUSB1,id=sim1"), time)
        boxes.append(box)
        box.engine.connected()
        box.run(0.1)
        return box, module

    yield build
    for box in boxes:
        box.engine.close()
    module.close()
    module.sound.close()


def crash(box):
    """The process is gone: nothing is closed in order, only the kernel closes the ports."""
    box.engine.shelf.close()


def report(reference):
    return "00" + f"06{reference:02X}" + "0D91683108108300F0" + "62111232950023" * 2 + "00"


def test_a_message_is_spooled_then_deleted_from_the_sim_then_told_until_stored(start):
    box, module = start()
    box.listening = False
    module.deliver(*delivers(CHINESE))
    box.until(lambda: module.store == {}, 5)
    [name] = box.spooled()
    assert json.loads((box.home.message_spool / name).read_text())["record"]["text"] == CHINESE
    box.listening = True
    box.engine.connected()
    box.run(0.1)
    [told] = box.told()
    assert told["id"] + ".json" == name
    assert (told["record"]["number"], told["record"]["port"]) == (NUMBER, "sim1/0")
    box.acknowledge(told["id"])
    box.run(0.1)
    assert box.spooled() == []


def test_a_message_stays_on_the_sim_while_the_disk_takes_nothing_and_control_has_not_stored_it(start):
    box, module = start()
    box.home.message_spool.rmdir()
    module.deliver(delivers("hello")[0])
    box.run(3)
    assert len(module.store) == 1
    [told] = box.told()
    box.acknowledge(told["id"])
    box.until(lambda: module.store == {}, 2)
    assert "spool_failed" in [notice["code"] for notice in box.of("notice")]
    box.home.message_spool.mkdir()


def test_a_message_still_on_the_sim_after_a_crash_has_the_same_name(start):
    box, module = start()
    module.silent.add("AT+CMGD=0")
    module.deliver(delivers("hello")[0])
    box.run(3)
    [first] = box.told()
    crash(box)
    module.silent.clear()
    again, module = start()
    again.run(3)
    assert {told["id"] for told in again.told()} == {first["id"]}
    assert module.store == {}


def test_a_message_goes_out_once_however_often_control_asks(start):
    box, module = start()
    for _ in range(3):
        box.send()
    box.run(3)
    box.send()
    box.run(3)
    assert [(part.to, part.text) for part in module.sent] == [(NUMBER, "hi")]
    [fate] = box.fates()
    assert (fate["state"], fate["references"], fate["port"]) == ("sent", [1], "sim1/0")
    module.text("+CDS: 25", report(1))
    box.run(0.5)
    delivered = box.fates()[-1]
    assert (delivered["kind"], delivered["state"], delivered["reference"]) == ("report", "delivered", 1)
    for told in box.told():
        box.acknowledge(told["id"])
    box.run(0.2)
    assert box.spooled() == []


def test_a_crash_before_control_has_stored_the_fate_sends_nothing_twice(start):
    box, module = start()
    box.listening = False
    box.send()
    box.run(3)
    crash(box)
    again, module = start()
    again.send()
    again.run(3)
    assert len(module.sent) == 1
    assert [fate["state"] for fate in again.fates()] == ["sent"]


def test_a_crash_while_it_is_being_sent_is_told_as_unsure_and_not_sent_again(start):
    box, module = start()
    module.sms_error = ""
    box.send()
    box.until(lambda: any("CMGS" in asked for asked in module.asked), 3)
    box.run(1)
    crash(box)
    module.sms_error = None
    again, module = start()
    again.send()
    again.run(5)
    [fate] = again.fates()
    assert (fate["state"], fate["unsure"]) == ("failed", True)
    assert module.sent == []
    again.acknowledge("out-1")
    again.send("out-2")
    again.run(5)
    assert [part.text for part in module.sent] == ["hi"], "a person may send it again"


def test_why_it_could_not_be_sent(start):
    box, module = start()
    module.sms_error = "+CMS ERROR: 38"
    box.send("out-1")
    box.run(3)
    module.sim = ""
    module.text("+CPIN: NOT READY")
    box.until(lambda: box.line_state() == "fault", 15)
    box.send("out-2")
    box.run(1)
    first, second = box.fates()
    assert "+CMS ERROR: 38" in first["reason"] and not first["unsure"]
    assert "sim1/0" in second["reason"] and "no SIM card" in second["reason"]
    assert all(isinstance(part, Submit) for part in module.sent) and module.sent == []


def test_a_module_that_is_pulled_while_it_sends(start):
    box, module = start()
    module.sms_error = ""
    box.send("out-1")
    box.run(2)
    box.engine.lose_card(0, "pulled")
    box.send("out-2")
    box.run(0.1)
    first, second = box.fates()
    assert (first["state"], first["unsure"]) == ("failed", True)
    assert (second["state"], second["unsure"]) == ("failed", False)


def test_a_box_without_a_module_says_so(tmp_path):
    from engine_box import Box

    box = Box(tmp_path)
    box.engine.command({"cmd": "sms", "id": "out-1", "number": NUMBER, "text": "hi", "port": ""})
    box.run(0.2)
    fate = box.of("message")[-1]["record"]
    assert (fate["state"], fate["reason"]) == ("failed", "no cellular module is plugged in")
    box.close()


def test_a_call_goes_on_while_messages_come_and_go(start):
    box, module = start()
    module.ring(number="8613800138000", kind=145)
    box.until(lambda: box.line_state() == "ivr", 8)
    module.deliver(delivers("in the call")[0])
    box.send(text=CHINESE)
    box.run(10)
    assert box.line_state() in ("ivr", "queued", "offered")
    assert "".join(part.text for part in module.sent) == CHINESE
    assert [data["record"]["text"] for data in box.told() if data["id"].startswith("in-")] == ["in the call"]
