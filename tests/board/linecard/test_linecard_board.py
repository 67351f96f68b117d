"""The line-card back-end against the reference card, through pyalsaaudio and a pty."""

import random
import threading

import numpy as np
import pytest
from loopboard import DelayMeter, LoopBoard

from board import api
from board.api import BoardError
from board.door import Door
from board.linecard import LinecardBoard
from board.linecard import messages as msg
from board.linecard.serialline import SerialLine
from board.linecard.sound import PRIME
from board.linecard.update import FirmwareUpdate, Progress
from board.registry import open_board
from dsp.callerid_send import display_samples, send_plan

BLOCK = api.BLOCK_SAMPLES


class Host:
    """Reads and writes like an engine, and keeps what it saw."""

    def __init__(self, board):
        self.board = board
        self.events = []
        self.heard = []
        self.say = {}
        """Port → samples still to be played."""

    def tick(self):
        tick = self.board.read()
        self.events += tick.events
        self.heard.append(tick.audio)
        out = np.zeros((len(self.board.ports), BLOCK), np.int16)
        for port, samples in self.say.items():
            piece = samples[:BLOCK]
            out[port, : len(piece)] = piece
            self.say[port] = samples[BLOCK:]
        self.board.write(out)
        return tick

    def run(self, seconds):
        for _ in range(round(seconds * 50)):
            self.tick()

    def until(self, kind, port=None, within_s=4.0):
        for _ in range(round(within_s * 50)):
            for event in self.events:
                if isinstance(event, kind) and port in (None, event.port):
                    self.events.remove(event)
                    return event
            self.tick()
        raise AssertionError(f"no {kind.__name__} within {within_s} s: {self.events}, {self.board.health()}")


def sine(hz, seconds, peak=8000):
    return (peak * np.sin(2 * np.pi * hz / 8000 * np.arange(round(seconds * 8000)))).astype(np.int16)


def strength(samples, hz):
    """Amplitude of a frequency."""
    turn = np.exp(-2j * np.pi * hz / 8000 * np.arange(len(samples)))
    return 2 * abs((samples * turn).mean())


def test_a_telephone_rings_is_lifted_talks_flashes_and_hangs_up(rigs, open_card):
    rig = rigs(lines=1, phones=1, hasty=True)
    host = Host(open_card(rig))
    assert [(p.name, p.kind) for p in host.board.ports] == [
        ("REF0001/0", api.PortKind.FXO),
        ("REF0001/1", api.PortKind.FXS),
    ]
    phone = rig.office.phone(1)
    asked = host.board.command(1, api.StartRinging((1000, 4000)))
    assert host.until(api.CommandDone).command_id == asked
    assert rig.act(lambda: phone.ringing)
    rig.act(phone.lift)
    lifted = host.until(api.OffHook, 1)
    assert not rig.act(lambda: phone.ringing), "lifting must trip the ringing"
    rig.act(lambda: phone.say(sine(1000, 1.0)))
    host.say[1] = sine(600, 1.0)
    host.run(1.2)
    heard = np.concatenate(host.heard, axis=1)[1, -6000:]
    assert strength(heard, 1000) > 2000
    assert strength(rig.act(lambda: phone.ear.heard(0.5)).astype(float), 600) > 2000
    rig.act(lambda: phone.flash(200))
    assert 150 <= host.until(api.Flash, 1).duration_ms <= 250
    rig.act(phone.hang_up)
    hung_up = host.until(api.OnHook, 1)
    assert 0 <= lifted.clock < hung_up.clock <= rig.card.device.clock


def test_a_line_is_called_answered_heard_and_measured(rigs, open_card):
    rig = rigs(lines=1, phones=1, hasty=True)
    host = Host(open_card(rig))
    caller = rig.office.outside("Anna")
    rig.act(lambda: caller.call(0, number="13800001111"))
    ring = host.until(api.RingOn, 0)
    assert host.until(api.RingOff, 0).clock - ring.clock == pytest.approx(8000, abs=320)
    asked = host.board.command(0, api.SetHook(True))
    assert host.until(api.CommandDone, 0).command_id == asked
    rig.act(lambda: caller.say(sine(1000, 1.0)))
    host.run(1.0)
    assert strength(np.concatenate(host.heard, axis=1)[0, -6000:], 1000) > 500
    host.board.measure(0)
    host.run(0.1)
    now = host.board.measure(0)
    assert now.off_hook and now.milliamps == pytest.approx(25.0) and now.volts == pytest.approx(8.0, abs=0.1)
    rig.act(lambda: rig.office.line(0).unplug())
    host.until(api.BatteryLost, 0)
    rig.act(lambda: rig.office.line(0).plug())
    host.until(api.BatteryBack, 0)


def test_commands_that_cannot_be_done_fail_with_a_reason(rigs, open_card):
    rig = rigs(lines=1, phones=1, hasty=True)
    host = Host(open_card(rig))
    rig.act(rig.office.phone(1).lift)
    host.until(api.OffHook)
    for port, command, why in (
        (0, api.StartRinging(), "not for FXO"),
        (1, api.SetHook(True), "not for FXS"),
        (1, api.StartRinging(), "off hook"),
        (0, api.FlashHook(300), "take it first"),
        (0, api.DialPulses("12a"), "cannot be dialled"),
    ):
        asked = host.board.command(port, command)
        failed = host.until(api.CommandFailed)
        assert failed.command_id == asked and why in failed.reason
    with pytest.raises(BoardError, match="ports are 0 to 1"):
        host.board.command(2, api.StopRinging())
    with pytest.raises(BoardError, match=r"needs int16 samples \[2, 160\]"):
        host.board.write(np.zeros((2, 80), np.int16))


def test_a_minute_of_64_ports_loses_nothing_and_the_delay_is_constant(rigs, open_card):
    rig = rigs(board=LoopBoard(64), hasty=True)
    meter = DelayMeter(open_card(rig))
    ticks = [meter.tick() for _ in range(3000)]
    assert len(set(meter.delays)) == 1, f"the delay moved: {sorted(set(meter.delays))} samples"
    assert not meter.torn
    assert not any(tick.lost for tick in ticks)
    assert [tick.clock for tick in ticks] == [i * BLOCK for i in range(3000)]
    health = meter.board.health()
    assert (health["overruns"], health["underruns"], health["dropped_blocks"]) == (0, 0, 0)


def test_after_a_pause_of_ours_the_delay_is_what_it_was(rigs, open_card):
    rig = rigs(board=LoopBoard(2), hasty=True)
    meter = DelayMeter(open_card(rig))
    for _ in range(60):
        meter.tick()
    before = meter.delays[-1]

    def ahead():
        """Of the card's clock; where this thread had to wait the card was further for a moment."""
        return min(-meter.tick().clock + rig.act(lambda: rig.card.device.clock) for _ in range(20))

    ahead_before = ahead()
    for _ in range(20):
        rig.act(rig.card.step)
    ticks = [meter.tick() for _ in range(60)]
    health = meter.board.health()
    assert health["underruns"] and health["overruns"]
    assert sum(tick.lost for tick in ticks) > 0
    assert meter.delays[-10:] == [before] * 10
    # The sample clock of the board is still that of the card.
    assert ahead() == pytest.approx(ahead_before, abs=2 * BLOCK)


def test_a_block_too_many_before_the_card_is_left_out_again(rigs, open_card):
    rig = rigs(board=LoopBoard(2), hasty=True)
    meter = DelayMeter(open_card(rig))
    for _ in range(60):
        meter.tick()
    before = meter.delays[-1]
    meter.board._sound._play(bytes(BLOCK * 4))
    for _ in range(40):
        meter.tick()
    assert meter.delays[-10:] == [before] * 10
    assert meter.board.health()["dropped_blocks"] == 1


def test_a_device_that_answers_xrun_for_ever_is_lost_at_once(rigs, open_card):
    rig = rigs(lines=1, phones=1, pcm="stuck 1", hasty=True)
    board = open_card(rig)
    began_s = rig.now_s()
    with pytest.raises(BoardError, match=r"overruns for ever.*pulled out or is broken"):
        board.read()
    assert rig.now_s() - began_s <= PRIME * 0.02, "no time but that of the silence played at the start"


def test_a_device_that_stops_giving_samples_is_lost_after_a_second(rigs, open_card):
    rig = rigs(lines=1, phones=1, hasty=True)
    host = Host(open_card(rig))
    host.run(0.2)
    began_s = rig.now_s()
    rig.card.streaming = False
    with pytest.raises(BoardError, match="has given no samples for 1 s"):
        host.run(0.4)
    assert rig.now_s() - began_s >= 1.0


def test_a_period_of_another_size_is_refused(rigs):
    rig = rigs(lines=1, phones=1, pcm="only_period 256")
    with pytest.raises(BoardError, match=r"period_size 256, but 160 is needed: use the card's own device"):
        LinecardBoard(str(rig.control), "REF0001")


def test_devices_that_are_missing_or_no_card_are_named(rigs, tmp_path):
    rig = rigs(lines=1, phones=1, hasty=True)
    with pytest.raises(BoardError, match="sound device nowhere cannot be opened"):
        LinecardBoard(str(rig.control), "nowhere")
    with pytest.raises(BoardError, match=f"control port {tmp_path}/none cannot be opened"):
        open_board(f"linecard:serial={tmp_path}/none,pcm=REF0001")
    with pytest.raises(BoardError, match="write it like linecard:serial="):
        open_board("linecard:pcm=hw:1")
    rig.card.talking = False
    with pytest.raises(BoardError, match="control port does not answer: check its cable"):
        LinecardBoard(str(rig.control), "REF0001")


def test_a_card_pulled_out_is_lost_and_comes_back_with_the_same_names(rigs, open_card):
    rig = rigs(lines=1, phones=1, hasty=True)
    host = Host(open_card(rig))
    host.run(0.2)
    names = [port.name for port in host.board.ports]
    rig.act(rig.card.unplug)
    # At once: not after a second without samples.
    with pytest.raises(BoardError, match="was lost"):
        host.run(1.0)
    host.board.close()
    rig.act(rig.card.plug)
    again = Host(open_card(rig))
    assert [port.name for port in again.board.ports] == names
    rig.act(rig.office.phone(1).lift)
    again.until(api.OffHook, 1)


def test_a_dead_control_port_takes_the_ports_but_not_the_tick_and_they_come_back(rigs, open_card):
    rig = rigs(lines=1, phones=1, hasty=True)
    host = Host(open_card(rig))
    rig.act(rig.office.phone(1).lift)
    host.until(api.OffHook, 1)
    rig.card.talking = False
    gone = host.until(api.PortGone, 1)
    assert "control port does not answer" in gone.reason
    host.until(api.PortGone, 0)
    refused = host.board.command(1, api.StopRinging())
    assert host.until(api.CommandFailed).command_id == refused
    assert host.board.measure(1) == api.LineMeasure(), "what is not known must not be reported"
    rig.card.talking = True
    host.until(api.PortBack, 1)
    host.until(api.OffHook, 1, within_s=0.5)  # the card says how things stand
    health = host.board.health()
    assert (health["overruns"], health["underruns"], health["control"]) == (0, 0, "up")


def test_garbage_flipped_bits_and_half_frames_cost_repeats_only(rigs, open_card):
    rig = rigs(lines=1, phones=1, hasty=True)
    host = Host(open_card(rig))
    chance = random.Random(5)

    spoilt = []

    def mangle(data):
        # Never twice running: five tries in a row would take the ports, which is another test.
        data = bytearray(data)
        if data and spoilt:
            spoilt.clear()
            return bytes(data)
        before = bytes(data)
        if data and chance.random() < 0.3:
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        if data and chance.random() < 0.1:
            del data[chance.randrange(len(data)) :]
        if bytes(data) != before:
            spoilt.append(True)
        return bytes(data)

    rig.card.mangle = mangle
    phone = rig.office.phone(1)
    for _ in range(8):
        rig.card.noise = bytes(chance.randrange(256) for _ in range(40))
        rig.act(phone.lift)
        host.until(api.OffHook, 1, within_s=30)
        asked = host.board.command(0, api.SetHook(True))
        assert host.until(api.CommandDone, within_s=30).command_id == asked
        rig.act(phone.hang_up)
        host.until(api.OnHook, 1, within_s=30)
    health = host.board.health()
    assert health["bad_frames"] > 0 and health["repeats"] > 0
    assert health["events_lost"] == 0 and health["sessions"] == 1
    assert not [e for e in host.events if isinstance(e, api.OffHook | api.OnHook | api.PortGone)]


def test_a_card_that_starts_anew_says_why_and_its_ports_come_back(rigs, open_card, caplog):
    rig = rigs(lines=1, phones=1, hasty=True)
    host = Host(open_card(rig))
    host.run(0.1)
    host.board.request(0xFF, msg.Reboot(), lambda answer: None)
    host.until(api.PortGone, 0)
    host.until(api.PortBack, 0)
    host.run(0.1)
    assert "the card started (reason: commanded)" in caplog.text


def test_new_firmware_is_sent_verified_started_and_reported(rigs, open_card):
    rig = rigs(lines=1, phones=1, hasty=True)
    host = Host(open_card(rig))
    image = random.Random(1).randbytes(5000)
    update = FirmwareUpdate(host.board, image, "1.1.0")
    host.until(api.PortGone, 0, within_s=60)
    assert (update.progress, update.sent_bytes) == (Progress.DONE, 5000)
    host.until(api.PortBack, 0, within_s=60)
    assert host.board.caps.firmware == "1.1.0"


def test_firmware_that_arrives_damaged_is_not_started(rigs, open_card, monkeypatch):
    rig = rigs(lines=1, phones=1, hasty=True)
    host = Host(open_card(rig))
    plain = rig.card.device._slot.chunk
    monkeypatch.setattr(
        rig.card.device._slot, "chunk", lambda one: plain(msg.FwChunk(one.offset, one.data[:-1] + b"!"))
    )
    update = FirmwareUpdate(host.board, bytes(1000), "1.1.0")
    host.run(0.5)
    assert update.progress is Progress.FAILED and "hash does not agree" in update.reason
    assert not [event for event in host.events if isinstance(event, api.PortGone)]


def test_a_control_port_that_is_held_in_closing_does_not_hold_the_sound(rigs):
    rig = rigs(lines=1, phones=1, hasty=True)
    door: Door[SerialLine] = Door("control")
    board = LinecardBoard(str(rig.control), rig.card.device.serial, rig.now_s, door=door)
    through = threading.Event()
    try:
        host = Host(board)
        host.run(0.2)
        line = board._line
        close = line.close

        def lost():
            raise BoardError("control port was lost: Input/output error")

        def held():
            assert through.wait(60.0)
            close()

        line.read, line.close = lost, held
        assert "Input/output error" in host.until(api.PortGone, 1).reason
        host.run(6)
        assert door.busy and not [event for event in host.events if isinstance(event, api.PortBack)]
        through.set()
        assert door.wait(60.0)
        host.run(0.1)
        assert door.wait(60.0)
        host.until(api.PortBack, 1)
        health = board.health()
        assert (health["overruns"], health["underruns"], health["control"]) == (0, 0, "up")
    finally:
        through.set()
        board.close()


def test_a_telephone_on_hook_is_spoken_to_and_its_lamp_is_lit(rigs, open_card):
    rig = rigs(lines=1, phones=1, hasty=True)
    host = Host(open_card(rig))
    assert {"onhook-audio", "lamp"} <= host.board.ports[1].can and "breaks" not in host.board.ports[1].can
    number = host.board.command(1, api.OnHookTransfer(3000))
    assert host.until(api.CommandDone, 1).command_id == number
    host.say[1] = display_samples(send_plan("CN"), "13912345678", "李雷", "11281130").astype(np.int16)
    host.run(1.5)
    shown = rig.office.phone(1).display.shown
    assert (shown.number, shown.name) == ("13912345678", "李雷")
    for on in (True, False):
        host.board.command(1, api.MessageLamp(on))
        host.until(api.CommandDone, 1)
        assert rig.office.phone(1).lamp is on
    host.board.command(1, api.ReadBreaks(True))
    assert "ReadBreaks is not for FXS ports" in host.until(api.CommandFailed, 1).reason
