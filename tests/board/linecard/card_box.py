"""An engine on the reference card: real ALSA calls and a real pty."""

import sys
from pathlib import Path

import pytest

from appliance.core.plan import Plan
from appliance.engine.engine import Engine
from appliance.paths import Home

sys.path.append(str(Path(__file__).parents[2] / "engine"))
from engine_box import START_UNIX_S, plan_data, write_prompts


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
