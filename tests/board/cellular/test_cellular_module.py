"""A cellular module on two ptys: set-up, calls, messages, faults. Virtual clock."""

import numpy as np
import pytest
from at_bench import BenchTime, BenchWire
from module_emulator import Module, delivers

from board import api
from board.api import BoardError, CommandDone, CommandFailed, DialNumber, SendSms, SetHook, SmsStored
from board.cellular import open_cellular

MAKERS = ("quectel", "simcom", "huawei")


class Rig:
    """A module, its card and what came out of it."""

    def __init__(self, monkeypatch, address="", **module):
        self.module = Module(**module)
        self.time = BenchTime(self.module, self.module.sound)
        self.address = address
        self.events = []
        self.heard = []
        self.lost = 0
        self.card = None
        devices = {"/dev/ttyUSB2": self.module, "/dev/ttyUSB1": self.module.sound}
        monkeypatch.setattr("board.cellular.card.SerialWire", lambda path: BenchWire(path, devices[path]))

    def open(self):
        self.card = open_cellular(f"/dev/ttyUSB2,audio=/dev/ttyUSB1{self.address}", time=self.time)
        return self

    def run(self, seconds, say=None):
        for _ in range(round(seconds * 50)):
            tick = self.card.read()
            self.events += tick.events
            self.heard.append(tick.audio[0])
            self.lost += tick.lost
            self.card.write(np.zeros((1, 160), np.int16) if say is None else say().reshape(1, 160))
        return self

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]

    def names(self):
        return [type(event).__name__ for event in self.events]

    def states(self):
        return [event.state for event in self.of(api.CallStateChanged)]

    def answer(self, **ring):
        self.module.ring(**ring)
        self.run(0.2)
        self.card.command(0, SetHook(True))
        self.run(0.3)
        assert self.module.state == "active"
        return self

    def close(self):
        if self.card is not None:
            self.card.close()
        self.module.close()
        self.module.sound.close()


@pytest.fixture
def make(monkeypatch):
    rigs = []

    def build(address="", **module):
        rigs.append(Rig(monkeypatch, address, **module))
        return rigs[-1]

    yield build
    for rig in rigs:
        rig.close()


def tone(hz=1000, peak=12000):
    at = [0]

    def block():
        n = np.arange(at[0], at[0] + 160)
        at[0] += 160
        return (peak * np.sin(2 * np.pi * hz * n / 8000)).astype(np.int16)

    return block


def share(samples, hz):
    x = samples.astype(np.float64)
    n = np.arange(len(x))
    power = np.abs(np.exp(-2j * np.pi * hz * n / 8000) @ x) ** 2 * 2 / len(x)
    return power / max(1.0, float(x @ x))


# ------------------------------------------------------------------------- set-up
@pytest.mark.parametrize("maker", MAKERS)
def test_a_module_is_recognised_and_ready(make, maker):
    rig = make(make=maker).open().run(0.5)
    assert rig.card.module.profile.name == maker
    assert rig.of(api.PortGone) == []
    assert rig.card.measure(0).radio == api.RadioState("ready", "home", -73)
    assert {"dials", "sms", "callerid"} <= rig.card.ports[0].can
    assert ("keys" in rig.card.ports[0].can) == (maker != "huawei")
    assert rig.of(api.RadioChanged)[-1].radio.registration == "home"


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("/dev/ttyUSB2", "where does the sound go"),
        ("/dev/ttyUSB2,audio=/dev/ttyUSB1,profile=x", "unknown profile 'x'; choose one of quectel"),
        ("/dev/ttyUSB2,audio=/dev/ttyUSB1,pin=12", "4 to 8 digits"),
        ("/dev/ttyUSB2,baud=1", "is no setting"),
    ],
)
def test_addresses_that_make_no_sense(address, says):
    with pytest.raises(BoardError, match=says):
        open_cellular(address)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"sim": ""}, "no SIM card"),
        ({"sim": "SIM PIN"}, "needs its PIN"),
        ({"sim": "SIM PUK"}, "PUK"),
        ({"creg": 2, "cereg": 2}, "no network yet"),
        ({"creg": 3, "cereg": 3}, "refuses this SIM"),
    ],
)
def test_a_line_without_sim_or_network_is_gone_with_the_reason_and_comes_back(make, change, says):
    rig = make()
    for name, value in change.items():
        setattr(rig.module, name, value)
    rig.open().run(0.2)
    assert says in rig.of(api.PortGone)[0].reason
    rig.card.command(0, DialNumber("10086"))
    rig.run(0.1)
    assert says in rig.of(CommandFailed)[0].reason
    rig.module.sim, rig.module.creg, rig.module.cereg = "READY", 1, 5
    rig.run(12)
    assert len(rig.of(api.PortBack)) == 1


def test_registered_for_data_alone_is_enough(make):
    rig = make()
    rig.module.creg, rig.module.cereg = 2, 5
    rig.open().run(0.1)
    assert rig.card.measure(0).radio.registration == "roaming"
    assert rig.of(api.PortGone) == []


def test_the_pin_is_given_once(make):
    rig = make(",pin=1234")
    rig.module.sim = "SIM PIN"
    rig.open().run(0.2)
    assert rig.module.pin_tries == 1 and rig.of(api.PortGone) == []


def test_a_wrong_pin_is_never_given_twice(make):
    rig = make(",pin=9999")
    rig.module.sim = "SIM PIN"
    rig.open().run(60)
    rig.module.text("RDY")
    rig.run(60)
    assert rig.module.pin_tries == 1
    assert "refuses its PIN" in rig.of(api.PortGone)[0].reason


def test_network_lost_and_found_again(make):
    rig = make().open().run(0.2)
    rig.module.creg = rig.module.cereg = 2
    rig.module.text("+CREG: 2", "+CEREG: 2")
    rig.run(1)
    assert "no network" in rig.of(api.PortGone)[0].reason
    rig.module.creg = 1
    rig.module.text('+CREG: 1,"1A2B","01C3D4E5",7')
    rig.run(1)
    assert len(rig.of(api.PortBack)) == 1


def test_signal_is_told_when_it_moves(make):
    rig = make().open().run(0.2)
    rig.events.clear()
    rig.module.csq = 21
    rig.run(11)
    assert rig.of(api.RadioChanged) == []
    rig.module.csq = 8
    rig.run(11)
    assert [event.radio.signal_dbm for event in rig.of(api.RadioChanged)] == [-97]


def test_an_unknown_module_is_named(make):
    rig = make()
    rig.module.answers["AT+CGMI"] = ["ACME", "OK"]
    rig.module.answers["ATI"] = ["Model 1", "OK"]
    rig.open().run(0.1)
    assert "unknown module ACME Model 1; there are Quectel" in rig.of(api.PortGone)[0].reason


# -------------------------------------------------------------------------- calls
@pytest.mark.parametrize("signs", [True, False])
@pytest.mark.parametrize("maker", MAKERS)
def test_a_call_comes_in_is_answered_and_ended_by_the_caller(make, maker, signs):
    rig = make(make=maker, signs=signs).open()
    rig.module.incoming = tone(700)
    rig.module.ring(number="8613800138000", kind=145)
    rig.run(7)
    assert rig.names().count("RingOn") == 2
    [seen] = rig.of(api.CallerIdReported)
    assert (seen.number, seen.presentation) == ("+8613800138000", "shown")
    number = rig.card.command(0, SetHook(True))
    rig.run(0.5)
    assert [event.command_id for event in rig.of(CommandDone)] == [number]
    rig.heard.clear()
    rig.lost = 0
    rig.run(1.0, tone(1900))
    assert share(np.concatenate(rig.heard)[1600:], 700) > 0.99
    assert share(rig.module.sound.samples()[-4000:], 1900) > 0.99
    assert rig.lost == 0
    rig.module.over()
    rig.run(0.2 if signs else 6)
    assert rig.states() == ["ended"]
    assert rig.card.measure(0).off_hook is False
    if maker == "simcom":
        assert "AT+CPCMREG=0" in rig.module.asked


@pytest.mark.parametrize(
    ("validity", "presentation"), [(1, "withheld"), (2, "unavailable"), (0, "unavailable")]
)
def test_callers_without_a_number(make, validity, presentation):
    rig = make().open()
    rig.module.ring(number="", validity=validity)
    rig.run(6)
    [seen] = rig.of(api.CallerIdReported)
    assert (seen.number, seen.presentation) == ("", presentation)


def test_a_module_that_tells_a_call_once_still_rings_and_tells_the_number(make):
    rig = make().open()
    rig.module.ring(times=0)
    rig.run(11)
    assert rig.names().count("RingOn") == 3
    assert [event.number for event in rig.of(api.CallerIdReported)] == ["13800138000"]


@pytest.mark.parametrize("signs", [True, False])
def test_a_caller_who_gives_up(make, signs):
    rig = make(signs=signs).open()
    rig.module.ring()
    rig.run(2)
    rig.module.over(told=signs)
    rig.run(6)
    assert rig.states() == ["ended"]
    assert rig.names().count("RingOn") == rig.names().count("RingOff")
    rig.card.command(0, SetHook(True))
    rig.run(0.1)
    assert "nobody is calling any more" in rig.of(CommandFailed)[0].reason


def test_answering_too_late(make):
    rig = make(signs=False).open()
    rig.module.ring()
    rig.run(0.5)
    rig.module.state = ""
    rig.card.command(0, SetHook(True))
    rig.run(0.5)
    assert "could not be answered" in rig.of(CommandFailed)[0].reason
    assert rig.states() == ["ended"]


@pytest.mark.parametrize("maker", MAKERS)
def test_a_call_out(make, maker):
    rig = make(make=maker).open()
    rig.module.incoming = tone(450)
    rig.card.command(0, DialNumber("13900139000"))
    rig.run(0.3)
    rig.module.alert()
    rig.run(0.3)
    rig.module.connect()
    rig.run(0.5)
    assert rig.states() == ["dialling", "alerting", "connected"]
    assert "ATD13900139000;" in rig.module.asked
    assert share(np.concatenate(rig.heard[-15:]), 450) > 0.99
    rig.card.command(0, api.SendKeys("1#"))
    rig.run(0.3)
    assert rig.module.keys == ["1", "#"]
    rig.card.command(0, SetHook(False))
    rig.run(0.5)
    assert rig.module.state == "" and rig.states()[-1] == "connected"
    assert len(rig.of(CommandDone)) == 3


@pytest.mark.parametrize("maker", MAKERS)
def test_a_busy_number(make, maker):
    rig = make(make=maker).open()
    rig.card.command(0, DialNumber("13900139000"))
    rig.run(0.5)
    rig.module.over(cause=17)
    rig.run(0.2)
    [*_, ended] = rig.of(api.CallStateChanged)
    assert ended.state == "ended"
    assert ended.cause == ("busy" if maker == "huawei" else ended.cause)


def test_busy_as_the_answer_to_the_dialling(make):
    rig = make().open()
    rig.module.answers["ATD1;"] = ["BUSY"]
    rig.card.command(0, DialNumber("1"))
    rig.run(0.2)
    [ended] = rig.of(api.CallStateChanged)
    assert (ended.state, ended.cause) == ("ended", "busy")


@pytest.mark.parametrize("number", ["", "12a", "1;+CFUN=1,1", "1" * 41])
def test_numbers_that_cannot_be_dialled(make, number):
    rig = make().open()
    rig.card.command(0, DialNumber(number))
    rig.run(0.1)
    assert "cannot be dialled" in rig.of(CommandFailed)[0].reason
    assert not any(text.startswith("ATD") for text in rig.module.asked)


def test_glare(make):
    rig = make().open()
    rig.module.ring()
    rig.run(0.1)
    rig.card.command(0, DialNumber("10086"))
    rig.run(0.1)
    assert "a call is coming in" in rig.of(CommandFailed)[0].reason
    assert rig.module.state == "incoming"


@pytest.mark.parametrize(("maker", "urc"), [("quectel", "+QTONEDET: 53"), ("simcom", "+RXDTMF: 5")])
def test_keys_are_reported(make, maker, urc):
    rig = make(make=maker).open()
    rig.module.text(urc)
    rig.answer()
    rig.module.text(urc, "+QTONEDET: 999", "+RXDTMF: ?")
    rig.run(0.1)
    assert [event.key for event in rig.of(api.KeyReported)] == ["5"]


def test_sound_that_has_piled_up_before_the_call_is_dropped(make):
    rig = make(signs=False).open()
    stale = tone(3000)
    burst = np.concatenate([stale() for _ in range(10)]).astype("<i2").tobytes()
    rig.module.sound.send(burst)
    rig.module.incoming = tone(700)
    connect = rig.module.connect

    def connect_late():
        # Written before the answer reaches us, read together with it.
        rig.module.sound.send(burst)
        connect()

    rig.module.connect = connect_late
    rig.answer()
    rig.run(1)
    heard = np.concatenate(rig.heard)
    first = heard[np.flatnonzero(heard)[0] :][:480]
    assert share(first, 700) > 0.9 and share(first, 3000) < 0.01


def test_what_is_said_while_the_call_connects_is_heard(make):
    rig = make().open()
    rig.module.late["ATA"] = 1.0
    rig.module.ring()
    rig.run(0.1)
    rig.card.command(0, SetHook(True))
    say = tone(1000)
    rig.run(0.5, say)
    rig.run(2)
    loud = np.flatnonzero(np.abs(rig.module.sound.samples()) > 2000)
    assert abs((loud[-1] - loud[0]) - 4000) < 30


def test_a_sound_port_that_takes_nothing_drops_the_oldest(make):
    rig = make().open()
    rig.answer()
    rig.module.sound.takes_bytes = 33
    rig.run(2, tone(1000))
    assert rig.card.unsent_samples > 0
    assert len(rig.card._audio_unsent) <= 1920 + 320
    rig.module.sound.takes_bytes = None
    rig.run(0.5, tone(1900))
    assert share(rig.module.sound.samples()[-2400:], 1900) > 0.99


# ----------------------------------------------------------------------- messages
LONG = "您好，这是总机发出的长短信。" * 12 + "😀"


@pytest.mark.parametrize("text", ["hello {€}", "你好", LONG, "a" * 400])
def test_messages_out(make, text):
    rig = make().open()
    number = rig.card.command(0, SendSms("+8613800138000", text, report=True))
    rig.run(10)
    [sent] = rig.of(api.SmsSent)
    assert sent.command_id == number
    assert sent.references == tuple(range(1, len(rig.module.sent) + 1))
    assert "".join(part.text for part in rig.module.sent) == text
    assert all(part.to == "+8613800138000" and part.report for part in rig.module.sent)


@pytest.mark.parametrize("text", ["hello", "你好", LONG])
def test_messages_in_are_read_and_deleted_once_they_are_safe(make, text):
    rig = make().open()
    rig.module.deliver(*delivers(text))
    rig.run(2)
    [message] = rig.of(api.SmsReceived)
    assert (message.number, message.text, message.missing) == ("+8613800138000", text, 0)
    assert message.sent_unix_s is not None
    assert len(rig.module.store) == len(delivers(text)), "the card keeps its copy until it is told"
    rig.card.command(0, SmsStored(message.receipt))
    rig.run(2)
    assert rig.module.store == {}


def test_a_message_not_said_to_be_stored_is_told_again_with_the_same_receipt(make):
    rig = make()
    rig.module.boot_s = 5.0
    rig.open()
    rig.module.deliver(delivers("hello")[0])
    rig.run(2)
    rig.module.deliver(delivers("hello")[0])  # the network brings it twice
    rig.run(2)
    rig.module.text("RDY")
    rig.run(20)
    receipts = [message.receipt for message in rig.of(api.SmsReceived)]
    assert len(receipts) == 4 and len(set(receipts)) == 1
    rig.card.command(0, SmsStored(receipts[0]))
    rig.run(2)
    assert rig.module.store == {}


def test_messages_stored_before_the_start_are_found_and_half_ones_are_kept(make):
    rig = make()
    parts = delivers(LONG)
    rig.module.store = {3: delivers("hi")[0], 5: parts[0], 6: "garbage"}
    rig.open().run(3)
    [message] = rig.of(api.SmsReceived)
    assert message.text == "hi"
    rig.card.command(0, SmsStored(message.receipt))
    rig.run(2)
    assert list(rig.module.store) == [5]
    rig.module.deliver(*parts[1:])
    rig.run(2)
    assert rig.of(api.SmsReceived)[1].text == LONG
    rig.card.command(0, SmsStored(rig.of(api.SmsReceived)[1].receipt))
    rig.run(2)
    assert rig.module.store == {}


def test_messages_handed_over_directly_and_status_reports(make):
    rig = make().open()
    rig.module.text("+CMT: ,23", delivers("direct")[0])
    rig.module.text("+CDS: 25", "00" + "062A" + "0D91683108108300F0" + "62111232950023" * 2 + "00")
    rig.run(0.2)
    assert [message.text for message in rig.of(api.SmsReceived)] == ["direct"]
    [report] = rig.of(api.SmsReported)
    assert (report.reference, report.number, report.state) == (0x2A, "+8613800138000", "delivered")


def test_a_message_that_the_network_refuses(make):
    rig = make().open()
    rig.module.sms_error = "+CMS ERROR: 500"
    rig.card.command(0, SendSms("10086", "x"))
    rig.card.command(0, SendSms("CMCC", "x"))
    rig.run(3)
    reasons = sorted(event.reason for event in rig.of(api.SmsFailed))
    assert "+CMS ERROR: 500" in reasons[1] and "no number" in reasons[0]
    assert not any(event.unsure for event in rig.of(api.SmsFailed))


def test_numbers_that_were_garbled_on_the_wire_are_none(make):
    """0xB2 is a digit to some, and no number."""
    rig = make().open()
    rig.module.text('+CMTI: "SM",\xb2')
    rig.module.sms_error = "+CMS ERROR: \xb2"
    rig.card.command(0, SendSms("10086", "x"))
    rig.run(3)
    [failed] = rig.of(api.SmsFailed)
    assert "+CMS ERROR" in failed.reason


def test_a_message_that_was_with_a_module_that_restarts_may_have_gone_out(make):
    rig = make().open()
    rig.module.sms_error = ""  # it takes the text and says nothing any more
    rig.card.command(0, SendSms("10086", "under way"))
    rig.card.command(0, SendSms("10086", "waits"))
    rig.run(2)
    rig.module.text("RDY")
    rig.run(1)
    assert [event.unsure for event in rig.of(api.SmsFailed)] == [True, False]


def test_a_message_whose_prompt_never_comes(make):
    rig = make().open()
    rig.module.silent.add("AT+CMGS=11")
    rig.card.command(0, SendSms("10086", "x"))
    rig.run(70)
    assert "no answer" in rig.of(api.SmsFailed)[0].reason
    rig.card.command(0, SendSms("10086", "works"))
    rig.run(5)
    assert len(rig.of(api.SmsSent)) == 1


def test_a_call_comes_before_the_other_parts_of_a_message(make):
    rig = make().open()
    rig.card.command(0, SendSms("10086", LONG))
    rig.run(0.3)
    rig.module.ring()
    rig.run(3)
    assert len(rig.module.sent) == 1
    rig.card.command(0, SetHook(True))
    rig.run(5)
    assert len(rig.of(api.SmsSent)) == 1


# ------------------------------------------------------------------------- faults
def test_a_module_that_hangs_in_a_call_is_restarted_and_comes_back(make):
    rig = make().open()
    rig.run(65)
    rig.answer()
    rig.module.dead = True
    rig.run(15)
    assert rig.states() == ["ended"]
    assert "does not answer" in rig.of(api.PortGone)[0].reason
    rig.module.dead = False
    rig.run(15)
    assert len(rig.of(api.PortBack)) == 1
    rig.answer()


def test_a_restart_takes_both_ports_away_for_a_while(make):
    rig = make().open()
    rig.run(65)
    rig.module.restart()
    rig.run(40)
    assert len(rig.of(api.PortBack)) == 1
    rig.answer()


def test_a_module_that_restarts_by_itself_is_set_up_again(make):
    rig = make().open().run(1)
    rig.module.echo = True
    rig.module.text("RDY")
    rig.run(10)
    assert rig.names().count("PortGone") == rig.names().count("PortBack") == 1
    assert rig.module.asked.count("AT+CLIP=1") == 2


def test_a_module_that_never_answers_is_given_up(make):
    rig = make()
    rig.module.dead = True
    rig.open()
    with pytest.raises(BoardError, match="given up after 8 attempts"):
        rig.run(900)
    assert rig.card.module.resets == 3


def test_a_call_without_sound_has_the_module_restarted_when_it_is_over(make):
    rig = make().open()
    rig.run(65)
    rig.module.sound_works = False
    rig.answer()
    rig.run(8)
    assert rig.module.state == "active"
    rig.card.command(0, SetHook(False))
    rig.run(1)
    assert rig.module.resets == 1
    rig.run(45)
    assert len(rig.of(api.PortBack)) == 1
    rig.answer()


def test_pulled_out(make):
    rig = make().open()
    rig.answer()
    rig.module.unplug()
    rig.module.sound.unplug()
    rig.run(0.1)
    assert "has gone" in rig.of(api.PortGone)[0].reason
    assert rig.states() == ["ended"]
    with pytest.raises(BoardError, match="given up"):
        rig.run(120)


def test_results_in_the_middle_of_answers(make):
    rig = make()
    rig.module.between = {
        "AT+CPIN?": ["RING", '+CLIP: "10086",129'],
        "AT+CSQ": ['+CREG: 1,"1A2B","01C3D4E5",7'],
        "AT+CREG?": ["+CREG: 1", "^RSSI:21", "garbage"],
    }
    rig.open().run(1)
    assert rig.card.measure(0).radio == api.RadioState("ready", "home", -73)


def test_garbage_harms_nothing(make):
    rng = np.random.default_rng(5)
    rig = make().open()
    for _ in range(20):
        rig.module.send(rng.integers(0, 256, 500, np.uint8).tobytes())
        rig.module.text("+CLCC: x,y", "+CLCC:", '+QIND: "ccinfo"', "^CEND:", "+CLIP:", "+CMTI: ,", "+CREG:")
        rig.run(0.2)
    rig.module.send(b"\r\n")
    rig.run(15)
    rig.events.clear()
    rig.answer()


def test_late_answers_are_not_taken_for_others(make):
    rig = make().open().run(1)
    rig.module.late["AT+CSQ"] = 5.2
    rig.run(30)
    assert rig.card.module.ready
    del rig.module.late["AT+CSQ"]
    rig.run(21)
    assert rig.card.measure(0).radio == api.RadioState("ready", "home", -73)
    assert rig.card.module.line.counters.late_answers > 0
    assert rig.of(api.PortGone) == []
