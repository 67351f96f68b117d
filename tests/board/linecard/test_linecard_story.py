"""Whole calls through the engine on the reference card: real ALSA calls and a real pty."""

import sys
from pathlib import Path

import pytest

from appliance.core.plan import Plan
from appliance.engine.engine import Engine
from appliance.paths import Home

sys.path.append(str(Path(__file__).parents[2] / "engine"))
from engine_box import START_UNIX_S, likeness, plan_data, speech, write_prompts


class CardBox:
    """An engine on line cards that carry the time with them."""

    def __init__(self, root, boards, rig, plan):
        home = Home(root / "home")
        home.create()
        write_prompts(home)
        self.home, self.rig, self.office = home, rig, rig.office
        self.published = []
        clock = rig.card.device
        self.engine = Engine(
            boards, home, Plan.from_dict(plan), lambda: START_UNIX_S + clock.clock / 8000, self._publish
        )

    def _publish(self, topic, data):
        self.published.append((topic, data))
        return True

    def until(self, what, within_s=15.0):
        for _ in range(round(within_s * 50)):
            if self.rig.act(what):
                return
            self.engine.run_tick()
        raise AssertionError(f"did not happen; notices {self.of('notice')}; {self.engine.health()['cards']}")

    def run(self, seconds):
        for _ in range(round(seconds * 50)):
            self.engine.run_tick()

    def of(self, topic):
        return [data for name, data in self.published if name == topic]

    def sign_in(self, agent, ext):
        for ref, (verb, args) in enumerate((("sign_in", {"phone": ext}), ("ready", {}))):
            self.engine.command({"cmd": "desk", "ref": ref, "verb": verb, "agent": agent, "args": args})
        self.until(lambda: len(self.of("reply")) == 2)
        assert not any(reply["error"] for reply in self.of("reply"))


@pytest.fixture
def card_box(rigs, open_card, tmp_path):
    """card_box() → CardBox with one line and one telephone, closed at the end."""
    made = []

    def make():
        rig = rigs(lines=1, phones=1, hasty=True)
        plan = plan_data(1, 1)
        for socket in (*plan["lines"], *plan["phones"]):
            socket["port"] = socket["port"].replace("sim/", "REF0001/")
        box = CardBox(tmp_path, [open_card(rig)], rig, plan)
        made.append(box)
        return box

    yield make
    for box in made:
        box.engine.close()


def test_a_caller_is_greeted_presses_a_key_is_queued_talks_and_is_recorded(card_box):
    box = card_box()
    box.sign_in("1001", "801")
    phone = box.office.phone(1)
    caller = box.office.outside("Anna")
    box.rig.act(lambda: caller.call(0, number="13800001111"))
    box.until(lambda: caller.talking)
    box.run(1.0)
    greeting = speech("queue-thankyou")[:16000]
    score, _ = likeness(box.rig.act(lambda: caller.ear.heard(3.0)), greeting[:4000])
    assert score > 0.7, "the caller must hear the greeting"
    box.run(1.5)
    box.rig.act(lambda: caller.press("1"))
    box.until(lambda: phone.ringing)
    box.rig.act(phone.lift)
    box.run(1.0)
    words = speech("vm-options")[:16000]
    box.rig.act(lambda: caller.say(words))
    box.run(2.5)
    score, _ = likeness(box.rig.act(lambda: phone.ear.heard(3.0)), words[:12000])
    assert score > 0.7, "the agent must hear the caller"
    box.rig.act(caller.hang_up)
    box.until(lambda: any(data["final"] for data in box.of("record")), within_s=30)
    record = next(data["record"] for data in box.of("record") if data["final"])
    assert record["caller_number"] == "13800001111"
    assert record["keys"] == "1"
    assert (box.home.root / record["recording"]).stat().st_size > 8000
    (health,) = box.engine.health()["cards"]
    device = health["device"]
    assert health["leads"] and device["control"] == "up"
    assert (device["overruns"], device["underruns"], device["bad_frames"]) == (0, 0, 0)


def test_a_call_ends_with_the_control_port_and_the_next_one_works(card_box):
    box = card_box()
    caller = box.office.outside("Anna")
    box.rig.act(lambda: caller.call(0, number="13800001111"))
    box.until(lambda: caller.talking)
    box.rig.card.talking = False
    box.until(lambda: any(data["final"] for data in box.of("record")), within_s=10)
    box.rig.card.talking = True
    box.until(lambda: box.engine.health()["cards"][0]["device"]["control"] == "up")
    box.until(lambda: box.engine.snapshot()["lines"][0]["state"] == "idle", within_s=20)
    box.rig.act(caller.hang_up)
    box.run(2.0)
    box.rig.act(lambda: caller.call(0, number="13800001111"))
    box.until(lambda: caller.talking)
