"""A whole call of the real engine and call core through the kernel's DAHDI.

The exchange and the telephone are the far ends of the looped spans; the caller's and
the agent's voices, the keys and the caller ID come from the simulated office's
synthesisers, which share nothing with our detectors.
"""

import json
import tempfile
import time
from datetime import datetime
from pathlib import Path

import numpy as np
import soundfile

from appliance.core.plan import Plan
from appliance.engine.engine import Engine
from appliance.paths import Home
from board.dahdi import DahdiBoard, ioctls
from board.sim.callerid import Identity, fsk_message
from board.sim.country import COUNTRIES
from board.sim.dtmf import dial
from board.sim.fsk import modulate
from tests.engine.engine_box import likeness, plan_data, speech, write_prompts
from tests.guest.dahdi_loop import EXCHANGE, TELEPHONE, Far, looped_spans
from tests.guest.guest import in_guest

ON, OFF, RING, RINGOFF = ioctls.HOOK_ONHOOK, ioctls.HOOK_OFFHOOK, ioctls.HOOK_RING, ioctls.HOOK_RINGOFF
CARD = "dahdi-dyn-loc-1-0"
NUMBER = "13800138000"


class Box:
    """Engine and far ends, ticking together at the kernel's pace."""

    def __init__(self, root):
        home = Home(Path(root))
        home.create()
        write_prompts(home)
        self.home = home
        self.published = []
        plan = plan_data(1, 1)
        plan["lines"][0]["port"] = f"{CARD}/0"
        plan["phones"][0]["port"] = f"{CARD}/1"
        self.plan = Plan.from_dict(plan)
        self.begin()
        self.exchange, self.telephone = Far(EXCHANGE), Far(TELEPHONE)
        self.run(2.2)

    def open_card(self):
        return DahdiBoard("1")

    def begin(self):
        """An engine starts on the card."""
        self.board = self.open_card()
        self.engine = Engine([self.board], self.home, self.plan, time.time, self._publish)

    def _publish(self, topic, data):
        self.published.append((topic, json.loads(json.dumps(data))))
        return True

    def of(self, topic):
        return [data for name, data in self.published if name == topic]

    def tick(self):
        self.engine.run_tick()
        self.exchange.tick()
        self.telephone.tick()

    def run(self, seconds):
        for _ in range(round(seconds * 50)):
            self.tick()

    def until(self, what, within_s=10.0):
        for _ in range(round(within_s * 50)):
            if what():
                return
            self.tick()
        raise AssertionError(
            f"did not happen within {within_s} s; {self.engine.snapshot()}; notices {self.of('notice')}; "
            f"exchange {self.exchange.events}; telephone {self.telephone.events}"
        )

    def desk(self, verb, **args):
        self.engine.command({"cmd": "desk", "ref": 1, "verb": verb, "agent": "1001", "args": args})
        self.run(0.1)
        assert self.of("reply")[-1]["error"] == ""

    def line_state(self):
        return self.engine.snapshot()["lines"][0]["state"]

    def agent_state(self):
        return self.engine.snapshot()["agents"][0]["state"]

    def records(self):
        return [data["record"] for data in self.of("record") if data["final"]]

    def talk(self, mouth, ear, words):
        """One far end speaks; what the other hears meanwhile."""
        start = len(ear.heard)
        mouth.say(words)
        self.run(len(words) / 8000 + 0.3)
        return ear.heard[start:]

    def close(self):
        self.engine.close()
        self.exchange.close()
        self.telephone.close()


@in_guest(timeout_s=240.0)
def test_caller_is_greeted_presses_a_key_is_queued_talks_and_is_recorded():
    with tempfile.TemporaryDirectory() as root, looped_spans():
        box = Box(root)
        try:
            return tell(box)
        finally:
            box.close()


def travel_ms(heard, words):
    """Time from one far end through the box to the other."""
    score, at = likeness(np.concatenate(heard), words)
    assert score > 0.9
    return at / 8


def tell(box):
    exchange, telephone = box.exchange, box.telephone
    welcome, question, answer = speech("queue-thankyou"), speech("tt-weasels"), speech("vm-intro")
    box.run(0.5)
    exchange.settle()
    telephone.settle()

    # The exchange rings and sends the number between the first two rings.
    exchange.hook(RING)
    box.until(lambda: ioctls.EVENT_RINGEROFF in exchange.events)
    box.run(0.5)
    # The first message that a receiver ever reads takes it longer than a tick in this slow machine. A real
    # exchange goes on meanwhile; ours is served by the same thread and needs a reserve.
    exchange.settle(6)
    exchange.say(
        modulate(fsk_message(Identity(NUMBER, "Anna"), datetime(2026, 1, 2, 3, 4)), COUNTRIES["CN"].fsk)
    )

    # The box answers, greets and offers its menu.
    box.until(lambda: ioctls.EVENT_RINGOFFHOOK in exchange.events, 12)
    exchange.hook(OFF)
    answered = len(exchange.heard)
    box.until(lambda: box.line_state() == "ivr")
    box.run(2.2)
    greeting = np.concatenate(exchange.heard[answered:])
    assert likeness(greeting, welcome[2000:12000])[0] > 0.9

    # Nobody is there yet: after the key the caller waits.
    exchange.say(dial("1"))
    box.until(lambda: box.line_state() == "queued", 3)

    # An agent comes, the telephone rings, and the desk knows who it is.
    box.desk("sign_in", phone="801")
    box.desk("ready")
    box.until(lambda: ioctls.EVENT_RINGBEGIN in telephone.events, 5)
    (pop,) = box.of("pop")
    assert (pop["number"], pop["keys"]) == (NUMBER, "1"), pop
    telephone.hook(OFF)
    box.until(lambda: box.agent_state() == "talking", 3)
    box.run(0.5)

    # They talk.
    exchange.settle()
    telephone.settle()
    box.run(1.5)
    before = box.board.counters
    at_agent = box.talk(exchange, telephone, question)
    at_caller = box.talk(telephone, exchange, answer)
    after = box.board.counters
    assert after == before, f"before {before}, after {after}"
    there_ms, back_ms = travel_ms(at_agent, question), travel_ms(at_caller, answer)
    assert max(there_ms, back_ms) <= 160, f"{there_ms} ms there, {back_ms} ms back, {box.board.counters}"

    # The caller hangs up: the exchange drops the battery; the agent follows.
    exchange.hook(ON)
    box.until(lambda: bool(box.records()), 5)
    box.run(0.5)
    telephone.hook(ON)
    box.until(lambda: box.engine.snapshot()["phones"][0]["state"] == "idle", 3)

    (record,) = box.records()
    assert (record["direction"], record["line"], record["agent"], record["keys"]) == ("in", "L1", "1001", "1")
    assert (record["caller_number"], record["end_reason"], record["cue"]) == (
        NUMBER,
        "caller_hangup",
        "battery",
    )
    box.run(1.0)
    recording, rate = soundfile.read(box.home.root / record["recording"], dtype="int16")
    assert rate == 8000
    asked, asked_at = likeness(recording, question[4000:20000])
    answered_, answered_at = likeness(recording, answer[4000:16000])
    assert asked > 0.9
    assert answered_ > 0.9
    assert asked_at < answered_at

    # The line is free for the next call.
    assert box.line_state() == "idle"
    exchange.events.clear()
    exchange.hook(RINGOFF)
    exchange.hook(RING)
    box.until(lambda: box.line_state() == "ringing", 5)
    assert box.board.counters.samples_lost == 0
    return {
        "caller_to_agent_ms": there_ms,
        "agent_to_caller_ms": back_ms,
        "counters": vars(box.board.counters),
        "tick": {key: box.engine.stopwatch.report()[key] for key in ("p50_ms", "p99_ms", "worst_ms")},
    }
