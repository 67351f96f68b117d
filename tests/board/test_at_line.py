"""The AT command line alone, real ptys with real time, and the ALSA wire on a stand-in for ALSA."""

import errno
import os
import sys
import termios
import tty
import types

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from board.api import BoardError
from board.atline import CTRL_Z, ESC, AtLine, Query, fields
from board.atport import RealTime, SerialWire, WireLost
from board.elastic import FILL_SAMPLES, MOST_SAMPLES, LateSpeech, SampleQueue
from board.linecard.serialline import SerialLine
from board.registry import open_board, schemes


class Line:
    def __init__(self, **options):
        self.urcs, self.results, self.dle = [], [], []
        self.at = AtLine(("RING", "+CREG:"), self.urcs.append, ("+CMT:",), **options)

    def ask(self, text, now=0.0, **options):
        self.at.send(Query(text, **options), self.results.append)
        return self.at.outgoing(now)

    def statuses(self):
        return [result.status for result in self.results]


def test_one_command_at_a_time():
    line = Line()
    assert line.ask("AT+A") == b"AT+A\r"
    assert line.ask("AT+B") == b""
    line.at.feed(b"AT+A\r\r\n+A: 1\r\n\r\nOK\r\n", 0.1)
    assert line.at.outgoing(0.1) == b"AT+B\r"
    line.at.feed(b"\r\n+CME ERROR: 10\r\n", 0.2)
    assert line.statuses() == ["OK", "ERROR"]
    assert line.results[1].reason == "AT+B was answered with +CME ERROR: 10"


def test_unsolicited_lines_in_the_middle_of_an_answer():
    line = Line()
    line.ask("AT+CSQ", prefix="+CSQ:")
    line.at.feed(b"\r\nRING\r\n\r\n+CSQ: 20,99\r\n\r\n+CMT: ,24\r\n0791\r\n\r\nOK\r\n", 0.1)
    assert line.urcs == ["RING", "+CMT: ,24\n0791"]
    assert line.results[0].lines == ("+CSQ: 20,99",)


def test_a_late_ok_is_not_the_answer_to_the_next_question():
    line = Line()
    line.ask("AT+A", timeout_s=1.0)
    line.at.tick(1.0)
    assert line.statuses() == ["TIMEOUT"]
    line.ask("AT+CSQ", 1.1, prefix="+CSQ:")
    assert line.at.outgoing(1.2) == b""
    assert line.at.outgoing(1.6) == b"AT+CSQ\r"
    line.at.feed(b"\r\nOK\r\n", 1.7)
    assert line.statuses() == ["TIMEOUT"]
    line.at.feed(b"\r\n+CSQ: 3,99\r\n\r\nOK\r\n", 1.8)
    assert line.statuses() == ["TIMEOUT", "OK"]
    assert not line.at.hung


def test_three_unanswered_commands_mean_nobody_is_there():
    line = Line()
    for number in range(3):
        assert not line.at.hung
        line.ask("AT", now=number * 10.0, timeout_s=1.0)
        line.at.tick(number * 10 + 1.0)
    assert line.at.hung


def test_the_prompt_and_what_follows_it():
    line = Line()
    line.ask("AT+CMGS=5", prefix="+CMGS:", body=b"0011")
    line.at.feed(b"\r\n> ", 0.1)
    assert line.at.outgoing(0.1) == b"0011" + CTRL_Z
    line.at.feed(b"\r\n+CMGS: 7\r\n\r\nOK\r\n", 0.2)
    assert line.results[0].lines == ("+CMGS: 7",)
    line.ask("AT+CMGS=5", timeout_s=1.0, body=b"0011")
    line.at.tick(5.0)
    assert line.at.outgoing(5.0) == ESC


def test_a_stream_begins_after_the_line_feed_of_connect():
    for cut in range(1, 12):
        line = Line()
        line.ask("AT+VTR", stream=True)
        data = b"\r\nCONNECT\r\n\x0asound"
        rest = line.at.feed(data[:cut], 0.1)
        if not line.results:
            assert rest == b""
            rest = line.at.feed(data[cut:], 0.1)
        else:
            rest += data[cut:]
        assert rest == b"\x0asound"


@given(st.lists(st.binary(max_size=60), max_size=12))
def test_garbage_never_breaks_a_line(pieces):
    line = Line(on_dle=lambda code: None)
    line.ask("AT", body=b"x", stream=True)
    for piece in pieces:
        line.at.feed(piece, 0.1)
        line.at.outgoing(0.1)
    line.at.tick(100.0)
    line.at.feed(b"\x00\r\n" + b"z" * 5000 + b"\r\n", 101.0)
    line.ask("AT+CSQ", 200.0, prefix="+CSQ:")
    line.at.outgoing(200.0)
    line.at.feed(b"\r\n+CSQ: 3,99\r\n\r\nOK\r\n", 200.1)
    assert line.results[-1].ok or line.at.counters.late_answers


def test_values_of_a_line():
    assert fields('+CLIP: "a,b",129,,,"",0') == ["a,b", "129", "", "", "", "0"]
    assert fields("+X:") == [""]


# ------------------------------------------------------------------ queues
def test_the_queue_fills_slips_and_runs_dry():
    queue = SampleQueue()
    queue.put(np.ones(159, np.int16))
    assert queue.take()[0].sum() == 0 and not queue.ready
    queue.put(np.ones(161, np.int16))
    assert len(queue) == 320 and queue.take()[0].sum() == 160
    queue.take()
    samples, lost = queue.take()
    assert (samples.sum(), lost, queue.underruns) == (0, 160, 1)
    queue.put(np.ones(MOST_SAMPLES + 5, np.int16))
    assert queue.slipped_samples == MOST_SAMPLES + 5 - FILL_SAMPLES
    assert queue.take()[1] == queue.slipped_samples


def test_late_speech_catches_up_in_pauses_alone():
    speech = LateSpeech()
    loud, quiet = np.full(160, 5000, np.int16), np.full(160, 20, np.int16)
    speech.put(np.zeros(160, np.int16))
    assert len(speech) == 0
    for block in (loud, quiet, quiet, loud, quiet):
        speech.put(block)
    assert [int(speech.take()[0]) for _ in range(4)] == [5000, 5000, 20, 0]


# --------------------------------------------------------------- real wires
def test_a_real_pty_both_ways_and_its_end():
    master, slave = os.openpty()
    tty.setraw(slave)
    wire = SerialWire(os.ttyname(slave))
    os.close(slave)
    wire.write(b"AT\r")
    assert os.read(master, 10) == b"AT\r"
    os.write(master, b"OK")
    RealTime().wait([wire], 2.0)
    assert wire.read() == b"OK"
    assert wire.read() == b""
    os.close(master)
    with pytest.raises(WireLost, match="has gone"):
        for _ in range(2):
            RealTime().wait([wire], 1.0)
            wire.read()
    wire.close()
    wire.close()


def test_an_input_output_error_is_a_lost_wire(monkeypatch):
    master, slave = os.openpty()
    wire = SerialWire(os.ttyname(slave))
    os.write(master, b"x\n")
    RealTime().wait([wire], 2.0)

    def broken(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "read", broken)
    monkeypatch.setattr(os, "write", broken)
    for use in (wire.read, lambda: wire.write(b"x")):
        with pytest.raises(WireLost, match="Input/output error"):
            use()
    monkeypatch.undo()
    wire.close()
    os.close(master)
    os.close(slave)


def test_two_cards_cannot_share_a_port():
    master, slave = os.openpty()
    first = SerialWire(os.ttyname(slave))
    with pytest.raises(WireLost, match="another program uses it"):
        SerialWire(os.ttyname(slave))
    first.close()
    os.close(master)
    os.close(slave)


def test_modems_and_modules_are_in_the_registry():
    assert "modem:" in schemes() and "cellular:" in schemes()
    with pytest.raises(BoardError, match="does not know the option 'pace'"):
        open_board("modem:/dev/ttyACM0", pace="wall")
    with pytest.raises(BoardError, match="where does the sound go"):
        open_board("cellular:/dev/ttyUSB2")


# --------------------------------------------------------------------- ALSA
class FakePcm:
    def __init__(self, direction, mode, **wanted):
        self.wanted, self.written, self.closed = wanted, [], False
        self.to_read = [(160, b"\x01\x00" * 160), (-32, b""), (0, b"")]
        self.broken = None

    def info(self):
        return {"rate": FAKE["rate"], "channels": 1}

    def read(self):
        if self.broken:
            raise self.broken
        return self.to_read.pop(0) if self.to_read else (0, b"")

    def write(self, data):
        self.written.append(data)
        return min(100, len(data) // 2)

    def polldescriptors(self):
        return [(7, 1)]

    def close(self):
        self.closed = True


FAKE = {"rate": 8000}


@pytest.fixture
def alsa(monkeypatch):
    fake = types.ModuleType("alsaaudio")
    fake.PCM, fake.ALSAAudioError = FakePcm, type("ALSAAudioError", (Exception,), {})
    fake.PCM_CAPTURE, fake.PCM_PLAYBACK, fake.PCM_NONBLOCK, fake.PCM_FORMAT_S16_LE = range(4)
    monkeypatch.setitem(sys.modules, "alsaaudio", fake)
    monkeypatch.setitem(FAKE, "rate", 8000)
    return fake


def test_sound_card_of_a_module(alsa):
    from board.cellular.sound import MOST_XRUNS, AlsaWire

    wire = AlsaWire("plughw:Android")
    assert wire.read() == b"\x01\x00" * 160
    assert wire.xruns == 1
    assert wire.write(b"ab" * 160 + b"c") == 200
    assert list(wire.fds()) == [7]
    wire._capture.to_read = [(-32, b"")] * 500
    with pytest.raises(WireLost, match="gives no sound"):
        for _ in range(MOST_XRUNS + 2):
            wire.read()
    wire._capture.broken = alsa.ALSAAudioError("No such device")
    with pytest.raises(WireLost, match="No such device"):
        wire.read()
    capture = wire._capture
    wire.close()
    wire.close()
    assert capture.closed


def test_a_sound_card_of_another_rate_is_refused(alsa):
    from board.cellular.sound import AlsaWire

    FAKE["rate"] = 48000
    with pytest.raises(WireLost, match="48000 Hz and 1 channels"):
        AlsaWire("hw:Android")


@pytest.mark.parametrize(("port", "error"), [(SerialWire, WireLost), (SerialLine, BoardError)])
def test_a_device_that_goes_while_it_is_being_opened_is_lost_like_any_other(monkeypatch, port, error):
    def gone(*_):
        raise termios.error(errno.EIO, "Input/output error")

    far, near = os.openpty()
    monkeypatch.setattr("termios.tcsetattr", gone)
    try:
        with pytest.raises(error, match="Input/output error"):
            port(os.ttyname(near))
    finally:
        os.close(far)
        os.close(near)
