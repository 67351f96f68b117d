"""Cards that come and go while calls are up: one card's trouble is no other card's."""

from __future__ import annotations

import json

import numpy as np
import pytest
from engine_box import FLOW, START_UNIX_S, likeness, speech, write_prompts

from appliance.core.plan import Plan
from appliance.engine.engine import CardsLost, Engine
from appliance.paths import Home
from board.sim import OfficeConfig, SimBoard

TICK_S = 0.02


def a_card(name, lines=1, phones=1):
    return SimBoard(OfficeConfig.from_dict({"lines": lines, "phones": phones}), card_id=name)


def plan(*cards):
    """Every card has one line and one telephone: L1 and 801 on the first, L2 and 802 on the second …"""
    numbers = range(1, len(cards) + 1)
    return {
        "language": "en",
        "lines": [{"id": f"L{n}", "port": f"{card}/0"} for n, card in zip(numbers, cards, strict=True)],
        "phones": [{"ext": f"80{n}", "port": f"{card}/1"} for n, card in zip(numbers, cards, strict=True)],
        "agents": [{"number": f"100{n}", "name": f"Agent {n}", "queues": ["sales"]} for n in numbers],
        "queues": [{"id": "sales", "name": "Sales", "announce_every_s": 0, "wrap_up_s": 2}],
        "flows": [FLOW],
    }


class TwoCards:
    """An engine on several simulated cards."""

    def __init__(self, root, *names, planned=None, **engine):
        home = Home(root)
        home.create()
        write_prompts(home)
        self.cards = {name: a_card(name) for name in names}
        self.published = []
        self.closed = []
        self.ticks = 0
        self.engine = Engine(
            list(self.cards.values()),
            home,
            Plan.from_dict(plan(*(planned or names))),
            lambda: START_UNIX_S + self.ticks * TICK_S,
            self._publish,
            on_lost=lambda card, reason: self.closed.append(card),
            **engine,
        )

    def _publish(self, topic, data):
        self.published.append((topic, json.loads(json.dumps(data))))
        return True

    def run(self, seconds):
        for _ in range(round(seconds / TICK_S)):
            self.engine.run_tick()
            self.ticks += 1

    def until(self, what, within_s=10.0):
        for _ in range(round(within_s / TICK_S)):
            if what():
                return
            self.run(TICK_S)
        raise AssertionError(f"did not happen; notices {self.notices()}")

    def notices(self):
        return [data["code"] for topic, data in self.published if topic == "notice"]

    def state(self, name):
        picture = self.engine.snapshot()
        found = {row["id"]: row["state"] for row in picture["lines"]}
        found |= {row["ext"]: row["state"] for row in picture["phones"]}
        return found[name]

    def records(self):
        return [data["record"] for topic, data in self.published if topic == "record" and data["final"]]

    def pull(self, name):
        self.cards[name].pull()

    def put_back(self, name, **shape):
        self.cards[name] = a_card(name, **shape)
        self.engine.shelf.offer(self.cards[name])

    def talk(self, card, agent, ext):
        """A caller on this card's line talks to the agent at its telephone."""
        office = self.cards[card].office
        ref = len(self.published) + 1
        for step, (verb, args) in enumerate([("sign_in", {"phone": ext}), ("ready", {})]):
            request = {"cmd": "desk", "ref": ref + step, "verb": verb, "agent": agent, "args": args}
            self.engine.command(request)
            self.run(TICK_S)
        caller = office.outside(f"caller of {card}")
        caller.call(0)
        self.until(lambda: self.state(self.line(card)) == "ivr", 12)
        caller.press("1")
        self.until(lambda: office.phone(1).ringing)
        office.phone(1).lift()
        self.until(lambda: self.state(self.line(card)) == "talking")
        return caller

    def line(self, card):
        return next(p.name for p in self.engine.table.ports if p.info.name == f"{card}/0")


@pytest.fixture
def box(tmp_path):
    """box(names…) → TwoCards; closed at the end."""
    made = []

    def make(*names, **settings):
        made.append(TwoCards(tmp_path, *names, **settings))
        return made[-1]

    yield make
    for one in made:
        one.engine.close()


def test_a_pulled_card_ends_its_own_call_and_no_other_and_comes_back_with_its_names(box):
    b = box("left", "right")
    left, right = b.talk("left", "1001", "801"), b.talk("right", "1002", "802")
    words = speech("vm-options")[:40000]
    ear = b.cards["right"].office.phone(1)
    b.run(0.5)
    right.say(words)
    b.run(2.0)
    b.pull("left")
    b.run(0.2)
    assert b.state("L1") == "fault" and b.state("801") == "fault"
    assert b.state("L2") == "talking"
    assert b.closed == ["left"]
    b.put_back("left")
    b.run(0.1)
    assert b.state("L1") == "idle" and b.state("801") == "idle"
    b.run(3.5)
    # All five seconds of words arrive in one piece: not a sample is missing or doubled.
    quality, _ = likeness(ear.heard(8), words)
    assert quality > 0.98
    assert [record["end_reason"] for record in b.records()] == ["line_lost"]
    assert b.records()[0]["line"] == "L1"
    assert {"card_lost", "card_back"} <= set(b.notices())
    # And the returned card works: its line takes the next call.
    left = b.cards["left"].office.outside("again")
    left.call(0)
    b.until(lambda: b.state("L1") == "ivr", 12)
    assert b.state("L2") == "talking"


@pytest.mark.parametrize("what", ["read", "write"])
def test_a_defect_in_a_cards_driver_costs_this_card_and_no_other(box, monkeypatch, what):
    def broken(*_):
        raise IndexError("list index out of range")

    b = box("left", "right")
    b.talk("right", "1002", "802")
    monkeypatch.setattr(b.cards["left"], what, broken)
    b.run(0.2)
    assert (b.state("L1"), b.state("L2")) == ("fault", "talking")
    [told] = [data for topic, data in b.published if topic == "notice" and data["code"] == "card_lost"]
    assert told["data"] == {"card": "left", "reason": "IndexError: list index out of range"}
    b.put_back("left")
    b.run(0.1)
    assert (b.state("L1"), b.state("L2")) == ("idle", "talking")


def test_what_the_other_call_hears_is_the_same_sample_for_sample_with_and_without_the_pull(tmp_path):
    heard = {}
    for pulled in (False, True):
        b = TwoCards(tmp_path / str(pulled), "left", "right")
        try:
            caller = b.talk("right", "1002", "802")
            caller.say(speech("vm-options")[:32000])
            b.run(1.0)
            if pulled:
                b.pull("left")
            b.run(1.0)
            if pulled:
                b.put_back("left")
            b.run(2.0)
            heard[pulled] = b.cards["right"].office.phone(1).heard(4)
        finally:
            b.engine.close()
    assert np.any(heard[True])
    assert np.array_equal(heard[True], heard[False])


def test_a_card_added_at_run_time_gets_the_names_that_wait_for_it(box):
    b = box("left", planned=("left", "right"), spare_ports=8)
    b.run(0.1)
    assert b.state("L2") == "fault"
    b.put_back("right")
    b.run(0.1)
    assert b.state("L2") == "idle" and b.state("802") == "idle"
    assert "card_added" in b.notices()
    caller = b.talk("right", "1002", "802")
    words = speech("vm-options")[:16000]
    caller.say(words)
    b.run(3.0)
    assert likeness(b.cards["right"].office.phone(1).heard(4), words)[0] > 0.98


def test_a_card_for_which_there_is_no_room_is_refused_with_a_reason(box):
    b = box("left", spare_ports=1)
    b.put_back("right")
    b.run(0.1)
    assert "card_refused" in b.notices()
    assert "start the engine again" in b.engine.shelf.refused["right"]
    assert b.state("L1") == "idle"


def test_a_card_that_comes_back_with_other_sockets_gets_new_rows(box):
    b = box("left", "right", spare_ports=4)
    b.pull("left")
    b.run(0.1)
    b.put_back("left", lines=2, phones=1)
    b.run(0.1)
    assert b.state("L1") == "idle"
    # 801 was planned on left/1, which is a line now.
    assert b.state("801") == "fault"


def test_a_second_card_with_the_same_name_is_refused(box):
    b = box("left", spare_ports=4)
    b.put_back("left")
    b.run(0.1)
    assert "in use already" in b.engine.shelf.refused["left"]


def test_without_any_card_the_engine_stops_unless_it_is_told_to_wait(box):
    b = box("left")
    b.pull("left")
    with pytest.raises(CardsLost, match="no card is left"):
        b.run(0.1)


def test_the_only_card_may_be_pulled_and_put_back(box):
    waited = []
    b = box("left", without_cards=lambda: waited.append(1) or 0)
    b.talk("left", "1001", "801")
    b.pull("left")
    b.run(1.0)
    assert len(waited) == 50
    b.put_back("left")
    b.run(0.1)
    assert b.state("L1") == "idle"
    assert len(waited) <= 51


def test_time_that_is_left_out_without_a_card_is_counted(box):
    b = box("left", without_cards=lambda: 8000)
    b.engine.stopwatch.beats = True
    b.pull("left")
    b.run(1.0)
    assert b.engine.health()["dropped"] == pytest.approx(50 * 50, abs=50)
