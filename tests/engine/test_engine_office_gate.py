"""A browser's hands on the office, over the real socket: a call by voice from one to the other."""

import numpy as np
import pytest
from engine_box import Box, likeness, speech

from appliance.client import OfficeClient
from appliance.engine.office_gate import MOST_BLOCKS, Jitter, OfficeGate


class Hand:
    """A client with what it has seen and heard."""

    def __init__(self, path, attach):
        self.client = OfficeClient(path, attach)
        self.states, self.errors, self.sound = [], [], []
        self.display = None

    def drain(self, timeout_s=0.0):
        while (message := self.client.receive(timeout_s)) is not None:
            if "audio" in message:
                self.sound.append(np.frombuffer(message["audio"], np.int16))
            elif "error" in message:
                self.errors.append(message["error"])
            else:
                self.states.append(message["state"])
                self.display = message.get("display")

    @property
    def state(self):
        return self.states[-1] if self.states else ""


class Room:
    """Box, gate and hands, one tick at a time."""

    def __init__(self, root):
        self.box = Box(root)
        path = self.box.home.office_socket
        self.gate = OfficeGate(path, self.box.office, self.box.engine.table)
        self.path = path
        self.hands = []

    def attach(self, what):
        self.hands.append(Hand(self.path, what))
        return self.hands[-1]

    def tick(self):
        self.box.engine.run_tick()
        self.gate.tick()
        for hand in self.hands:
            hand.drain()

    def until(self, what, ticks=1500):
        for _ in range(ticks):
            if what():
                return
            self.tick()
        raise AssertionError("did not happen")

    def close(self):
        for hand in self.hands:
            hand.client.close()
        self.gate.close()
        self.box.close()


@pytest.fixture
def room(tmp_path):
    room = Room(tmp_path)
    yield room
    room.close()


def talk(room, speaker, listener, words):
    """One hand speaks live, block by block as a browser does; what the other one heard."""
    listener.drain(0.05)
    listener.sound.clear()
    for at in range(0, len(words) - 159, 160):
        speaker.client.audio(words[at : at + 160].tobytes())
        for _ in range(20_000):
            if room.gate.backlog:
                break
            listener.drain(0.0005)
        room.tick()
    for _ in range(10):
        room.tick()
    listener.drain(0.05)
    return np.concatenate(listener.sound)


def test_two_tabs_talk_to_each_other_through_the_box(room):
    room.box.sign_in("1001", "801")
    caller, phone = room.attach("caller:Anna"), room.attach("phone:801")
    caller.client.do("call", line="L1", number="13800138000", name="Anna", callerid="fsk")
    room.until(lambda: caller.state == "calling")
    room.until(lambda: room.box.line_state() == "ivr")
    caller.client.do("press", keys="1")
    room.until(lambda: phone.state == "ringing")
    assert room.box.of("pop")[0]["number"] == "13800138000"
    shown = {"number": "13800138000", "name": "Anna", "presentation": "shown"}
    room.until(lambda: phone.display == shown)
    phone.client.do("lift")
    room.until(lambda: room.box.agent_state("1001") == "talking")
    words = speech("tt-weasels")[:16000]
    for speaker, listener in ((caller, phone), (phone, caller)):
        assert likeness(talk(room, speaker, listener, words), words[1600:9600])[0] > 0.97
    caller.client.do("hang_up")
    room.until(lambda: room.box.records())
    assert room.box.records()[0]["end_reason"] == "caller_hangup"
    assert caller.errors == phone.errors == []


def test_closing_the_tab_hangs_up(room):
    caller = room.attach("caller:Anna")
    caller.client.do("call", line="L1")
    room.until(lambda: room.box.line_state() == "ivr")
    room.hands.remove(caller)
    caller.client.close()
    room.until(lambda: room.box.office.outside("Anna").state == "idle")


@pytest.mark.parametrize(
    ("attach", "action", "args", "words"),
    [
        ("phone:999", "lift", {}, "no telephone '999'"),
        ("chair:1", "lift", {}, "cannot be held"),
        ("caller:Anna", "call", {"line": "L9"}, "no line 'L9'"),
        ("caller:Anna", "answer", {}, "nobody is calling"),
        ("caller:Anna", "dance", {}, "cannot 'dance'"),
        ("phone:801", "press", {"keys": "1"}, "lift it first"),
        ("phone:801", "press", {"keys": "xyz"}, "not keys"),
    ],
)
def test_what_cannot_be_done_is_answered_in_words(room, attach, action, args, words):
    hand = room.attach(attach)
    hand.client.do(action, **args)
    room.until(lambda: hand.errors)
    assert words in hand.errors[0]


def test_wrong_audio_is_refused_and_the_connection_stays(room):
    hand = room.attach("phone:801")
    hand.client.audio(b"\0" * 100)
    room.until(lambda: hand.errors)
    assert "160 int16" in hand.errors[0]
    hand.client.do("lift")
    room.until(lambda: hand.state == "off_hook")


def test_live_sound_stays_live():
    jitter = Jitter()
    assert jitter.take() is None
    jitter.put(b"0")
    assert jitter.take() is None, "one block is not enough to even out the arrival"
    for n in range(1, 10):
        jitter.put(str(n).encode())
    assert [jitter.take() for _ in range(MOST_BLOCKS + 1)] == [b"6", b"7", b"8", b"9", None]
