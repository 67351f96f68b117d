"""`--board auto`: a box that starts without cards, gets one, loses it and has it back, by itself."""

from __future__ import annotations

import json
import queue
import threading

import pytest
from engine_box import plan_data, write_prompts

from appliance.engine import process
from appliance.paths import Home
from board.api import BoardError
from board.hotplug import Device, Event
from board.sim import OfficeConfig, SimBoard

TOP = "/devices/usb1/1-1"
CARD = [
    Device(TOP, "usb", "1-1", TOP, ids="1209:5a4a", serial="ZJ7"),
    Device(f"{TOP}/ttyACM0", "tty", "ttyACM0", TOP, serial="ZJ7", node="/dev/ttyACM0"),
    Device(f"{TOP}/card1", "sound", "card1", TOP),
]


class Watcher:
    """udev, with the test's hand in it."""

    def __init__(self):
        self.queue = queue.SimpleQueue()

    def scan(self):
        return []

    def wait(self, timeout_s):
        try:
            return self.queue.get(timeout=timeout_s)
        except queue.Empty:
            return []

    def wake(self):
        self.queue.put([])

    def close(self):
        pass

    def happens(self, action):
        self.queue.put([Event(action, device) for device in CARD])


@pytest.fixture
def auto(tmp_path, monkeypatch):
    """(process, watcher, opened cards by address) of an engine started with --board auto."""
    home = Home(tmp_path)
    home.create()
    write_prompts(home)
    plan = plan_data(1, 1)
    plan["lines"][0]["port"], plan["phones"][0]["port"] = "ZJ7/0", "ZJ7/1"
    home.plan.write_text(json.dumps(plan))
    watcher, opened = Watcher(), []

    def open_board(address):
        if address != "linecard:ZJ7":
            raise BoardError(f"there is no {address}")
        opened.append(SimBoard(OfficeConfig.from_dict({"lines": 1, "phones": 1}), "wall", "ZJ7"))
        return opened[-1]

    monkeypatch.setattr(process.udev, "Monitor", lambda: watcher)
    monkeypatch.setattr(process, "open_board", open_board)
    running = process.Process(process.Settings(home, (process.AUTO,)))
    yield running, watcher, opened
    running.close()


def state(engine, line="L1"):
    return next(row["state"] for row in engine.snapshot()["lines"] if row["id"] == line)


def ticks_until(engine, what):
    """Tick by the machine's clock until the finder's thread has done its part."""
    for _ in range(3000):
        if what():
            return
        engine.run_tick()
    raise AssertionError(f"did not happen: {engine.health()['hardware']}")


def test_plugged_in_pulled_and_put_back(auto):
    running, watcher, opened = auto
    engine = running.engine
    engine.run_tick()
    assert engine.boards == [] and state(engine) == "fault"
    watcher.happens("add")
    ticks_until(engine, lambda: state(engine) == "idle")
    assert [row["state"] for row in engine.health()["hardware"]] == ["in use"]

    opened[-1].pull()
    watcher.happens("remove")
    ticks_until(engine, lambda: state(engine) == "fault")
    ticks_until(engine, lambda: engine.health()["hardware"] == [])
    watcher.happens("add")
    ticks_until(engine, lambda: state(engine) == "idle")
    assert len(opened) == 2
    assert [port.info.name for port in engine.table.ports] == ["ZJ7/0", "ZJ7/1"], "the same rows and names"


def test_a_card_that_hangs_at_the_start_comes_late_under_its_own_names(tmp_path, monkeypatch):
    home = Home(tmp_path)
    home.create()
    write_prompts(home)
    plan = plan_data(1, 1)
    plan["lines"][0]["port"], plan["phones"][0]["port"] = "ZJ7/0", "ZJ7/1"
    home.plan.write_text(json.dumps(plan))
    watcher, through = Watcher(), threading.Event()
    watcher.scan = lambda: [Event("add", device) for device in CARD]
    many = {"lines": 33, "phones": 33}

    def open_board(address):
        assert through.wait(30.0)
        return SimBoard(OfficeConfig.from_dict(many), "wall", "ZJ7")

    monkeypatch.setattr(process.udev, "Monitor", lambda: watcher)
    monkeypatch.setattr(process, "open_board", open_board)
    monkeypatch.setattr(process.Finder.first, "__defaults__", (0.1,))
    running = process.Process(process.Settings(home, (process.AUTO,)))
    try:
        engine = running.engine
        engine.run_tick()
        assert state(engine) == "fault" and engine.health()["hardware"][0]["state"] == "opening"
        through.set()
        ticks_until(engine, lambda: state(engine) == "idle")
        assert engine.table.by_name("L1").info.name == "ZJ7/0", "more ports than are kept free for later"
    finally:
        running.close()


def test_a_box_without_cards_says_so_and_how_to_go_on(auto):
    running, _, _ = auto
    assert "no line card was found" in process.no_cards(running._finder)
    before = running.engine.now
    for _ in range(5):
        running.engine.run_tick()
    assert running.engine.now == pytest.approx(before + 0.1)
