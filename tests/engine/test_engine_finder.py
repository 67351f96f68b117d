"""Cards are opened when they come, again when they were lost, and their troubles are told."""

from __future__ import annotations

import threading

import pytest

from appliance.engine.finder import MOST_RETRY_S, SLOW, SLOW_S, Finder, NoWatcher
from board.api import BoardError
from board.hotplug import Device, Event, Inventory

MODEM = "/devices/usb1/1-5"
LINK = "/dev/serial/by-id/modem-{}"


def modem(serial):
    top = f"{MODEM}{serial}"
    return [
        Device(top, "usb", "1-5", top, ids="0baf:0303", place=serial),
        Device(f"{top}/ttyACM0", "tty", "ttyACM0", top, node="/dev/ttyACM0", link=LINK.format(serial)),
    ]


class Board:
    def __init__(self, name):
        self.id = name


class World:
    """A watcher, an opener and a clock that the test moves."""

    def __init__(self, addresses=(), present=()):
        self.now = 100.0
        self.present = [Event("add", device) for device in present]
        self.events = []
        self.broken = {}
        self.opened = []
        self.offered = []
        inventory = Inventory(lambda driver: "loaded")
        self.finder = Finder(self, inventory, self.open, lambda: self.now)
        for address in addresses:
            self.finder.adopt(address, self.open(address).id)
        self.first = [board.id for board in self.finder.first()]
        self.finder._offer = lambda board: self.offered.append(board.id)

    # the watcher
    def scan(self):
        return self.present

    def wait(self, timeout_s):
        events, self.events = self.events, []
        return events

    def wake(self):
        pass

    def close(self):
        pass

    # the opener
    def open(self, address):
        self.opened.append(round(self.now - 100.0, 1))
        name = address.rpartition("=")[2].rpartition(":")[2]
        if name in self.broken:
            problem = self.broken[name]
            raise problem if isinstance(problem, Exception) else BoardError(problem)
        return Board(name)

    def step(self, action="", devices=(), after_s=0.0):
        self.now += after_s
        self.events = [Event(action, device) for device in devices]
        self.finder.step(0.0)

    def run(self, seconds):
        """Rounds whenever one is due."""
        end = self.now + seconds
        while (patience := self.finder.patience_s()) is not None and self.now + patience <= end:
            self.now += patience
            self.finder.step(0.0)
        self.now = end

    def told(self):
        return [(row["name"], row["state"], row["problem"]) for row in self.finder.state()]


def test_what_is_there_at_the_start_is_opened():
    world = World(present=modem("A"))
    assert world.first == ["A"]
    assert world.told() == [("A", "in use", "")]


def test_a_card_plugged_in_later_is_offered_and_a_pulled_one_forgotten_and_found_again():
    world = World()
    world.step("add", modem("A"))
    assert world.offered == ["A"]
    world.step("remove", modem("A"))
    world.finder.lost("A", "was pulled")
    world.run(60)
    assert world.offered == ["A"] and world.told() == []
    world.step("add", modem("A"))
    assert world.offered == ["A", "A"]


def test_a_pulled_card_that_the_engine_reaches_again_by_itself_is_not_opened_beside_it():
    world = World(present=modem("A"))
    world.step("remove", modem("A"))
    assert world.told() == []
    world.step("add", modem("A"))
    world.run(60)
    assert len(world.opened) == 1 and world.offered == []
    assert world.told() == [("A", "in use", "")]
    world.finder.lost("A", "gives no samples")
    world.step()
    world.run(1.0)
    assert world.offered == ["A"]


def test_a_card_that_was_lost_without_being_unplugged_is_tried_again_soon():
    world = World(present=modem("A"))
    world.finder.lost("A", "gives no samples")
    world.step()
    assert world.told() == [("A", "problem", "gives no samples")]
    assert world.offered == []
    world.run(1.0)
    assert world.offered == ["A"], "within five seconds, and promptly"
    assert world.told() == [("A", "in use", "")]


def test_a_card_that_cannot_be_opened_is_tried_ever_more_rarely_and_says_why():
    world = World()
    world.broken["A"] = "the modem does not answer"
    world.step("add", modem("A"))
    world.run(100)
    assert world.opened[:6] == [0.0, 0.5, 1.5, 3.5, 7.5, 15.5]
    gaps = [later - earlier for earlier, later in zip(world.opened, world.opened[1:], strict=False)]
    assert max(gaps) == pytest.approx(MOST_RETRY_S, abs=0.2)
    assert world.told() == [("A", "problem", "the modem does not answer")]
    del world.broken["A"]
    world.run(31)
    assert world.offered == ["A"]


def test_one_card_that_cannot_be_opened_does_not_keep_another_waiting():
    world = World()
    world.broken["A"] = "no"
    world.step("add", [*modem("A"), *modem("B")])
    assert world.offered == ["B"]


def test_a_defect_in_a_driver_is_told_and_harms_no_other_card():
    world = World()
    world.broken["A"] = IndexError("list index out of range")
    world.step("add", [*modem("A"), *modem("B")])
    assert world.offered == ["B"]
    assert ("A", "problem", "IndexError: list index out of range") in world.told()
    del world.broken["A"]
    world.run(1)
    assert world.offered == ["B", "A"]


def test_a_card_given_by_its_address_comes_back_too():
    world = World(addresses=("linecard:Z1",))
    assert world.told() == [("Z1", "in use", "")]
    world.broken["Z1"] = "no line card 'Z1' is plugged in"
    world.finder.lost("Z1", "has gone")
    world.step()
    world.run(3.0)
    assert world.told() == [("Z1", "problem", "no line card 'Z1' is plugged in")]
    del world.broken["Z1"]
    world.run(5.0)
    assert world.offered == ["Z1"]


def test_the_thread_ends_when_it_is_told_to():
    finder = Finder(NoWatcher(), Inventory(), Board)
    finder.start(lambda board: None)
    finder.close()
    assert not finder._thread.is_alive()


def test_a_card_that_does_not_finish_opening_holds_no_other_card():
    stuck, through, done = threading.Event(), threading.Event(), threading.Event()
    closed = []

    class Slow(Board):
        def close(self):
            closed.append(self.id)
            done.set()

    def open_(address):
        if address.endswith("A"):
            stuck.set()
            assert through.wait(60.0)
        return Slow(address)

    now = [100.0]
    watcher = World()
    finder = Finder(watcher, Inventory(lambda driver: "loaded"), open_, lambda: now[0], threaded=True)
    offered = []
    finder._offer = offered.append
    watcher.events = [Event("add", device) for serial in ("A", "B") for device in modem(serial)]
    finder.step(0.0)
    assert stuck.wait(60.0)
    other = next(place for place in finder._places.values() if place.address.endswith("B"))
    assert other.door is None or other.door.wait(60.0)
    finder.step(0.0)
    assert [board.id[-1] for board in offered] == ["B"]
    now[0] += SLOW_S + 1
    finder.step(0.0)
    told = {row["address"][-1]: (row["state"], row["problem"]) for row in finder.state()}
    assert told == {"A": ("problem", SLOW), "B": ("in use", "")}
    assert finder.patience_s() is None
    # Pulled out: what is opened in the end is of no use to anybody.
    watcher.events = [Event("remove", device) for device in reversed(modem("A"))]
    finder.step(0.0)
    through.set()
    assert done.wait(60.0)
    assert closed[0].endswith("A") and len(offered) == 1


def test_the_start_does_not_wait_for_a_card_that_hangs():
    through = threading.Event()

    def open_(address):
        if address.endswith("A"):
            assert through.wait(60.0)
        return Board(address)

    world = World()
    world.present = [Event("add", device) for serial in ("A", "B") for device in modem(serial)]
    finder = Finder(world, Inventory(lambda driver: "loaded"), open_, threaded=True)
    found = finder.first(within_s=0.5)
    assert finder.opening >= 1 and not any(board.id.endswith("A") for board in found)
    finder._offer = found.append
    through.set()
    for place in finder._places.values():
        assert place.door is None or place.door.wait(60.0)
    finder.step(0.0)
    assert sorted(board.id[-1] for board in found) == ["A", "B"] and finder.opening == 0
