"""A box whose line is an AT device and whose telephones are those of the simulated office."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from appliance.core.plan import Plan
from appliance.engine.engine import Engine
from appliance.paths import Home
from board.sim import OfficeConfig, SimBoard

sys.path.append(str(Path(__file__).parents[1] / "engine"))
from engine_box import START_UNIX_S, likeness, plan_data, speech, write_prompts

__all__ = ["AtBox", "FarEnd", "likeness", "speech"]

BLOCK = 160
KEYS = {"1": (697, 1209), "9": (852, 1477)}


class FarEnd:
    """The outside telephone: what it says, block by block, and what it hears."""

    def __init__(self):
        self._to_say = np.zeros(0, np.int16)
        self._loop = np.zeros(0, np.int16)
        self.heard_blocks = []

    def say(self, samples):
        self._to_say = np.concatenate([self._to_say, samples])

    def press(self, key):
        n = np.arange(800)
        tones = sum(6000 * np.sin(2 * np.pi * hz * n / 8000) for hz in KEYS[key])
        self.say(np.concatenate([tones.astype(np.int16), np.zeros(800, np.int16)]))

    def busy_tone(self):
        n = np.arange(2800)
        tone = (5000 * np.sin(2 * np.pi * 450 * n / 8000)).astype(np.int16)
        self._loop = np.concatenate([tone, np.zeros(2800, np.int16)])

    def block(self):
        if len(self._to_say) < BLOCK and len(self._loop):
            self.say(self._loop)
        out = np.zeros(BLOCK, np.int16)
        some = self._to_say[:BLOCK]
        out[: len(some)] = some
        self._to_say = self._to_say[BLOCK:]
        return out

    def hear(self, samples):
        self.heard_blocks.append(samples)

    def heard(self):
        return np.concatenate(self.heard_blocks) if self.heard_blocks else np.zeros(1, np.int16)


class TimePace:
    """The telephones' card paces the tick, in the time that the AT device lives in."""

    def __init__(self, time):
        self._time = time

    def wait(self):
        self._time.wait([], BLOCK / 8000)


class AtBox:
    """The engine with one AT card and one telephone, on the time of the AT device."""

    def __init__(self, root, card, time):
        home = Home(root / "home")
        home.create()
        write_prompts(home)
        phones = SimBoard(OfficeConfig.from_dict({"lines": 0, "phones": 1}), pace=TimePace(time))
        self.office = phones.office
        self.home = home
        self.published = []
        plan = plan_data(1, 1)
        plan["lines"][0]["port"] = card.ports[0].name
        plan["phones"][0]["port"] = "sim/0"
        self.engine = Engine(
            [card, phones], home, Plan.from_dict(plan), lambda: START_UNIX_S + time.now - 100, self._publish
        )
        self.phone = self.office.phone(0)
        for ref, (verb, args) in enumerate((("sign_in", {"phone": "801"}), ("ready", {}))):
            self.engine.command({"cmd": "desk", "ref": ref, "verb": verb, "agent": "1001", "args": args})
        self.run(0.2)

    def _publish(self, topic, data):
        self.published.append((topic, data))
        return True

    def run(self, seconds):
        for _ in range(round(seconds * 50)):
            self.engine.run_tick()

    def until(self, what, within_s=15.0):
        for _ in range(round(within_s * 50)):
            if what():
                return
            self.engine.run_tick()
        raise AssertionError(f"did not happen; notices {self.of('notice')}; {self.engine.snapshot()}")

    def of(self, topic):
        return [data for name, data in self.published if name == topic]

    def line_state(self):
        return self.engine.snapshot()["lines"][0]["state"]

    def agent_state(self):
        return self.engine.snapshot()["agents"][0]["state"]

    def record(self, within_s=15.0):
        self.until(lambda: any(data["final"] for data in self.of("record")), within_s)
        [record] = [data["record"] for data in self.of("record") if data["final"]]
        return record

    def talk(self, far):
        """Both sides say something; how well each hears the other."""
        words, reply = speech("tt-weasels")[4000:16000], speech("vm-intro")[4000:16000]
        far.say(words)
        self.run(len(words) / 8000 + 0.3)
        heard_by_agent = likeness(self.phone.heard(3.0), words)[0]
        self.phone.say(reply)
        self.run(len(reply) / 8000 + 0.3)
        return heard_by_agent, likeness(far.heard(), reply)[0]
