"""A modem on a pty: set-up, calls, caller ID, faults. Virtual clock."""

import numpy as np
import pytest
from at_bench import BenchTime, BenchWire
from modem_emulator import ALAW, CONEXANT, LINEAR16, USR, Modem, mdmf

from board import api
from board.api import BoardError, CommandDone, CommandFailed, SetHook
from board.modem import open_modem
from board.modem.formats import FORMATS
from board.modem.machine import Phase

CX_ENDS = (b"^",)


class Rig:
    """A modem, its card and what came out of it."""

    def __init__(self, monkeypatch, address="", **modem):
        self.modem = Modem(**modem)
        self.time = BenchTime(self.modem)
        self.address = address
        self.events = []
        self.heard = []
        self.lost = 0
        self.card = None
        monkeypatch.setattr("board.modem.card.SerialWire", lambda path: BenchWire(path, self.modem))

    def open(self):
        self.card = open_modem(f"/dev/ttyACM7{self.address}", time=self.time)
        return self

    def run(self, seconds, say=None):
        for _ in range(round(seconds * 50)):
            tick = self.card.read()
            assert tick.audio.shape == (1, 160) and tick.audio.dtype == np.int16
            self.events += tick.events
            self.heard.append(tick.audio[0])
            self.lost += tick.lost
            self.card.write(np.full((1, 160), 0, np.int16) if say is None else say())
        return self

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]

    def off_hook(self):
        number = self.card.command(0, SetHook(True))
        self.run(0.3)
        assert [event.command_id for event in self.of(CommandDone)] == [number]
        assert self.card.modem.phase is Phase.VOICE
        return self

    def close(self):
        if self.card is not None:
            self.card.close()
        self.modem.close()


@pytest.fixture
def make(monkeypatch):
    rigs = []

    def build(address="", **modem):
        rigs.append(Rig(monkeypatch, address, **modem))
        return rigs[-1]

    yield build
    for rig in rigs:
        rig.close()


def tone(hz=1000, peak=12000):
    """Blocks of a sine, one after the other."""
    at = [0]

    def block():
        n = np.arange(at[0], at[0] + 160)
        at[0] += 160
        return (peak * np.sin(2 * np.pi * hz * n / 8000)).astype(np.int16)

    return block


def share(samples, hz):
    """Part of the power that lies at one frequency."""
    x = samples.astype(np.float64)
    n = np.arange(len(x))
    power = np.abs(np.exp(-2j * np.pi * hz * n / 8000) @ x) ** 2 * 2 / len(x)
    return power / max(1.0, float(x @ x))


@pytest.mark.parametrize(
    ("facts", "ends", "profile", "vsm"),
    [
        (USR, (b"!", b"\x03"), "usr5637", "128,8000,0,0"),
        (CONEXANT, CX_ENDS, "cx93010", "1,8000,0,0"),
        (ALAW, CX_ENDS, "v253", "5,8000,0,0"),
        (LINEAR16, CX_ENDS, "v253", "133,8000,0,0"),
    ],
)
def test_a_modem_is_recognised_and_its_format_chosen(make, facts, ends, profile, vsm):
    rig = make(facts=facts, ends=ends).open()
    assert rig.card.modem.profile.name == profile
    assert rig.modem.vsm == vsm
    assert rig.modem.class_ == 8 and not rig.modem.off_hook
    assert rig.card.ports[0].kind is api.PortKind.FXO
    assert rig.card.id == "modem-ttyACM7"
    assert rig.run(0.1).events == []


def test_address_settings(make):
    rig = make(",profile=cx93010,id=front", facts=USR).open()
    assert rig.card.modem.profile.name == "cx93010"
    assert rig.card.ports[0].name == "front/0"
    with pytest.raises(BoardError, match="unknown profile 'x'"):
        open_modem("/dev/ttyACM7,profile=x", time=rig.time)
    with pytest.raises(BoardError, match="'speed=1' is no setting; there are id, profile"):
        open_modem("/dev/ttyACM7,speed=1", time=rig.time)
    with pytest.raises(BoardError, match="which device"):
        open_modem("")


def test_no_such_device_says_what_to_do(tmp_path):
    with pytest.raises(BoardError, match="there is no such device: check the cable"):
        open_modem(str(tmp_path / "ttyACM0"))


@pytest.mark.parametrize(
    ("facts", "ends", "code"),
    [
        (USR, (b"!", b"\x03"), "u8"),
        (CONEXANT, CX_ENDS, "u8"),
        (ALAW, CX_ENDS, "alaw"),
        (LINEAR16, CX_ENDS, "s16"),
    ],
)
def test_sound_flows_both_ways_and_the_line_is_released(make, facts, ends, code):
    form = FORMATS[code]
    rig = make(facts=facts, ends=ends, code=(form.from_linear, form.to_linear)).open()
    rig.modem.incoming = tone(700)
    said = []
    rig.modem.outgoing = said.append
    rig.off_hook()
    rig.heard.clear()
    say = tone(1900)
    rig.run(1.0, lambda: say().reshape(1, 160))
    heard = np.concatenate(rig.heard)
    assert share(heard[1600:], 700) > 0.99
    assert share(np.concatenate(said)[-4000:], 1900) > 0.99
    assert rig.lost == 0
    rig.card.command(0, SetHook(False))
    rig.run(0.3)
    assert not rig.modem.off_hook and not rig.modem.streaming
    assert len(rig.of(CommandDone)) == 2
    assert rig.card.measure(0).off_hook is False


def test_samples_cut_in_two_on_the_wire_are_put_together(make):
    form = FORMATS["s16"]
    rig = make(facts=LINEAR16, ends=CX_ENDS, code=(form.from_linear, form.to_linear)).open()
    rig.modem.incoming, rig.modem.cut = tone(700), 161
    rig.off_hook()
    rig.heard.clear()
    rig.run(1)
    assert share(np.concatenate(rig.heard)[1600:], 700) > 0.99


def test_the_modem_paces_the_card_by_its_own_clock(make):
    rig = make(ppm=2000.0).open()
    rig.off_hook()
    began, blocks = rig.time.now, 500
    rig.run(blocks * 0.02)
    assert abs((rig.time.now - began) - blocks * 0.02 * (1 - 2000e-6)) < 0.03
    assert rig.lost == 0


@pytest.mark.parametrize("in_call", [False, True])
def test_a_late_tick_is_caught_up_without_waiting(make, in_call):
    rig = make().open()
    if in_call:
        rig.off_hook()
    for _ in range(10):
        rig.time.wait([], 0.02)
        rig.card.read()
    rig.time.wait([], 0.1)
    before = rig.time.now
    for _ in range(5):
        rig.card.read()
    assert rig.time.now == before


def test_on_hook_a_block_takes_20_ms(make):
    rig = make().open()
    began = rig.time.now
    rig.run(1.0)
    assert abs(rig.time.now - began - 1.0) < 0.021
    tick = rig.card.read()
    assert tick.clock == 50 * 160


def test_ring_and_caller_id_between_rings(make):
    rig = make().open()
    rig.modem.after(0.1, rig.modem.ring)
    rig.modem.after(2.0, lambda: rig.modem.caller_id("13800138000", "ZHANG SAN"))
    rig.modem.after(5.1, rig.modem.ring)
    rig.run(7)
    assert [type(event).__name__ for event in rig.events] == [
        "RingOn",
        "RingOff",
        "CallerIdReported",
        "RingOn",
        "RingOff",
    ]
    [seen] = rig.of(api.CallerIdReported)
    assert (seen.number, seen.name, seen.presentation) == ("13800138000", "ZHANG SAN", "shown")
    on, off = rig.of(api.RingOn)[0], rig.of(api.RingOff)[0]
    assert 7000 <= off.clock - on.clock <= 9000


@pytest.mark.parametrize(
    ("number", "presentation"), [("P", "withheld"), ("O", "unavailable"), ("", "unavailable")]
)
def test_caller_id_without_a_number(make, number, presentation):
    rig = make().open()
    rig.modem.after(0.1, lambda: rig.modem.caller_id(number))
    rig.run(1)
    [seen] = rig.of(api.CallerIdReported)
    assert (seen.number, seen.presentation) == ("", presentation)


def test_caller_id_raw_and_damaged(make):
    rig = make().open()
    good = mdmf("4008123456", "LI").hex().upper()
    rig.modem.after(0.1, lambda: rig.modem.text(good))
    rig.modem.after(0.3, lambda: rig.modem.text(good[:-8] + "0" * 8))
    rig.modem.after(0.5, lambda: rig.modem.text(good[:20]))
    rig.run(1)
    [seen] = rig.of(api.CallerIdReported)
    assert (seen.number, seen.name) == ("4008123456", "LI")
    assert rig.card.modem._collector.bad == 2


def test_rings_reported_as_dle_events_count_too(make):
    rig = make(facts=CONEXANT, ends=CX_ENDS).open()
    rig.modem.after(0.1, lambda: rig.modem.event("R"))
    rig.run(1.5)
    assert len(rig.of(api.RingOn)) == len(rig.of(api.RingOff)) == 1


def test_dle_events_in_the_stream(make):
    rig = make().open()
    rig.off_hook()
    for code in ("/", "5", "5", "~", "7", "b", "d", "q", "l", "L", "u", "o", "?"):
        rig.modem.event(code)
    rig.run(0.2)
    assert [event.key for event in rig.of(api.KeyReported)] == ["5", "7"]
    assert [event.tone for event in rig.of(api.ToneReported)] == ["busy", "dial", "silence"]
    [ended] = rig.of(api.CallStateChanged)
    assert (ended.state, ended.cue) == ("ended", "battery")
    assert [event.reversed_ for event in rig.of(api.PolarityReversed)] == [True]
    counters = rig.card.modem.counters
    assert (counters.underruns, counters.overruns, counters.strange_events) == (1, 1, 1)


def test_caller_id_during_a_call_comes_as_a_complex_event(make):
    rig = make().open()
    rig.off_hook()
    rig.modem.send(b"\x10XNMBR = 10086\r\n\x10.")
    rig.run(1)
    assert [event.number for event in rig.of(api.CallerIdReported)] == ["10086"]


@pytest.mark.parametrize(
    ("command", "asked"),
    [(api.FlashHook(100), ["ATS29=10", "AT+VTS=!", "AT+VTR"]), (api.DialPulses("13"), ["ATDP13;", "AT+VTR"])],
)
def test_flash_and_pulses_leave_the_stream_and_come_back(make, command, asked):
    rig = make().open()
    rig.off_hook()
    del rig.modem.asked[:]
    rig.card.command(0, command)
    rig.run(0.5)
    assert rig.modem.asked == asked
    assert rig.modem.streaming and rig.modem.off_hook
    assert len(rig.of(CommandDone)) == 2


def test_what_is_said_before_the_stream_is_open_is_heard_a_little_later(make):
    rig = make().open()
    rig.modem.late["AT+VTR"] = 0.6
    said = []
    rig.modem.outgoing = said.append
    say = tone(1000)
    speech = np.concatenate([say() for _ in range(25)])
    rig.card.command(0, SetHook(True))
    blocks = iter(speech.reshape(25, 1, 160))
    rig.run(0.5, lambda: next(blocks))
    rig.run(1.0)
    heard = np.concatenate(said)
    loud = np.flatnonzero(np.abs(heard) > 2000)
    assert abs((loud[-1] - loud[0]) - len(speech)) < 20


@pytest.mark.parametrize("command", [api.StartRinging(), api.SendSms("1", "x"), api.DialNumber("1")])
def test_what_is_not_for_modems_is_refused(make, command):
    rig = make().open()
    rig.card.command(0, command)
    rig.run(0.1)
    [failed] = rig.of(CommandFailed)
    assert "not for voice modems" in failed.reason


# ------------------------------------------------------------------------- faults
def test_a_modem_that_never_answers_is_a_port_that_is_gone_and_given_up(make):
    rig = make()
    rig.modem.dead = True
    rig.open()
    rig.run(1)
    [gone, *_] = rig.of(api.PortGone)
    assert "set up" in gone.reason or "does not answer" in gone.reason
    rig.card.command(0, SetHook(True))
    rig.run(0.1)
    assert rig.of(CommandFailed)
    with pytest.raises(BoardError, match="given up after 8 attempts"):
        rig.run(600)


def test_a_modem_that_wakes_up_late_comes_into_use(make):
    rig = make()
    rig.modem.dead = True
    rig.open()
    rig.run(1)
    rig.modem.dead = False
    rig.run(30)
    assert rig.of(api.PortBack)
    rig.card.command(0, SetHook(True))
    rig.run(0.5)
    assert rig.modem.streaming


def test_a_late_answer_is_not_taken_for_the_next(make):
    rig = make()
    rig.modem.late["ATI0"] = 3.2
    rig.open()
    assert rig.card.modem.profile.name == "usr5637"
    assert rig.card.modem.ready
    assert rig.modem.vsm == "128,8000,0,0"


def test_rings_in_the_middle_of_answers(make):
    rig = make()
    rig.modem.between["AT+VSM=?"] = ["RING"]
    rig.open()
    rig.run(0.1)
    assert rig.modem.vsm == "128,8000,0,0"
    assert len(rig.of(api.RingOn)) == 1


def test_no_voice_modem_says_so(make):
    rig = make()
    rig.modem.answers["AT+FCLASS=8"] = ["ERROR"]
    rig.open()
    rig.run(0.1)
    [gone] = rig.of(api.PortGone)
    assert "AT+FCLASS=8 was answered with ERROR" in gone.reason


def test_a_modem_without_a_known_format_says_so(make):
    rig = make()
    rig.modem.answers["AT+VSM=?"] = ["2,ADPCM,2,0,7200,0,0", "garbage", "OK"]
    rig.open()
    rig.run(0.1)
    assert "no sample format of 8000 per second" in rig.of(api.PortGone)[0].reason


def test_garbage_harms_nothing(make):
    rng = np.random.default_rng(5)
    rig = make().open()
    for _ in range(20):
        junk = rng.integers(0, 256, 500, np.uint8).tobytes()
        rig.modem.send(junk)
        rig.run(0.2)
    rig.modem.send(b"\r\n")
    rig.run(2)
    rig.events.clear()
    rig.off_hook()


def test_vtr_refused_fails_the_command_and_puts_the_line_down(make):
    rig = make().open()
    rig.modem.answers["AT+VTR"] = ["ERROR"]
    rig.card.command(0, SetHook(True))
    rig.run(0.5)
    [failed] = rig.of(CommandFailed)
    assert "does not open its voice stream" in failed.reason
    assert not rig.modem.off_hook
    assert rig.card.modem.phase is Phase.ON_HOOK


def test_a_modem_that_ends_its_stream_by_itself_is_asked_again_then_given_up(make):
    rig = make().open()
    rig.off_hook()
    rig.modem.end_stream()
    rig.run(1)
    assert rig.modem.streaming
    rig.modem.answers["AT+VTR"] = ["NO CARRIER"]
    rig.modem.end_stream()
    rig.run(8)
    assert rig.of(api.PortGone)
    del rig.modem.answers["AT+VTR"]
    rig.run(5)
    assert rig.of(api.PortBack)


def test_a_stream_that_stalls_is_noticed(make):
    rig = make().open()
    rig.off_hook()
    rig.modem.stream_generation += 1
    rig.run(3)
    assert "stopped sending sound" in rig.of(api.PortGone)[0].reason


def test_a_modem_that_does_not_end_the_stream_is_set_up_anew(make):
    rig = make().open()
    rig.off_hook()
    rig.modem.deaf = True
    rig.card.command(0, SetHook(False))
    rig.run(5)
    [failed] = rig.of(CommandFailed)
    assert "does not end its voice stream" in failed.reason
    rig.modem.deaf = False
    rig.run(20)
    assert rig.of(api.PortBack) and not rig.modem.off_hook


def test_pulled_out_and_plugged_in_again(make):
    rig = make().open()
    rig.off_hook()
    rig.modem.unplug()
    rig.run(0.1)
    [gone] = rig.of(api.PortGone)
    assert "has gone" in gone.reason
    rig.run(2)
    rig.modem.plug_in()
    rig.modem.streaming = rig.modem.off_hook = False
    rig.run(10)
    assert len(rig.of(api.PortBack)) == 1


def test_pulled_out_for_good(make):
    rig = make().open()
    rig.modem.unplug()
    with pytest.raises(BoardError, match=r"no such device.*given up"):
        rig.run(120)
    rig.card.close()
    rig.card.close()
    with pytest.raises(BoardError, match="has been closed"):
        rig.card.read()


def test_short_writes_lose_nothing(make):
    rig = make().open()
    said = []
    rig.modem.outgoing = said.append
    rig.off_hook()
    rig.modem.takes_bytes = 100
    say = tone(1900)
    for _ in range(50):
        rig.card.write(say().reshape(1, 160))
        rig.card.read()
        rig.card._pump()
    assert share(np.concatenate(said)[-4000:], 1900) > 0.99


def test_writes_of_another_shape_are_refused(make):
    rig = make().open()
    with pytest.raises(BoardError, match=r"int16 samples \[1, 160\]"):
        rig.card.write(np.zeros((2, 160), np.int16))
    with pytest.raises(BoardError, match="port 1 does not exist"):
        rig.card.command(1, SetHook(True))


def test_closing_hangs_up(make):
    rig = make().open()
    rig.off_hook()
    rig.card.close()
    rig.modem.run(rig.time.now + 1)
    rig.modem.run(rig.time.now + 2)
    assert not rig.modem.off_hook
