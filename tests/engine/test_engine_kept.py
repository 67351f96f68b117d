"""A line that is off hook since before the engine began, and how the engine leaves lines behind."""

from dataclasses import replace

import pytest
from engine_box import Box, plan_data

from appliance.engine import process
from appliance.engine.process import Process
from board.api import KeepLine, LineKept, PolarityReversed, SetHook

NUMBER = "13800138000"


@pytest.fixture
def make(tmp_path):
    boxes = []

    def go(**changes):
        boxes.append(Box(tmp_path / str(len(boxes)), **changes))
        return boxes[-1]

    yield go
    for box in boxes:
        box.engine.close()


def find_kept(box, note):
    """The card tells that line 0 was kept; every command that it gets from then on."""
    board, given = box.engine.boards[0], []
    read, command = board.read, board.command

    def once():
        board.read = read
        tick = read()
        return replace(tick, events=(*tick.events, LineKept(0, tick.clock, note)))

    def note_command(port, what):
        given.append((port, what))
        return command(port, what)

    board.read, board.command = once, note_command
    box.run(0.1)
    return given


def test_a_caller_who_is_found_on_the_line_is_greeted_and_known(make):
    box = make()
    given = find_kept(box, f"shown {NUMBER}")
    assert (0, SetHook(True)) in given
    assert box.line_state() == "ivr"
    assert box.engine.snapshot()["lines"][0]["caller_number"] == NUMBER
    assert not any(isinstance(what, KeepLine) for _, what in given)


def test_a_line_that_the_plan_does_not_know_any_more_is_put_on_hook(make):
    box = make(plan={**plan_data(2, 3), "lines": [{"id": "L2", "port": "sim/1", "number": "4008001"}]})
    assert (0, SetHook(False)) in find_kept(box, f"shown {NUMBER}")


def test_a_caller_who_is_answered_is_kept_by_a_card_that_can(make):
    box = make()
    port = box.engine.table.by_name("L1")
    port.info = replace(port.info, can=port.info.can | {"keeps"})
    given, command = [], box.engine.boards[0].command

    def take(index, what):
        given.append((index, what))
        return 0 if isinstance(what, KeepLine) else command(index, what)

    box.engine.boards[0].command = take
    box.office.outside("Anna").call(0, number=NUMBER)
    box.until(lambda: box.line_state() == "ivr", 12)
    assert [what for _, what in given if isinstance(what, KeepLine)] == [KeepLine(f"shown {NUMBER}")]


def test_on_a_line_with_polarity_the_next_reversal_ends_a_kept_call(make):
    data = plan_data(2, 3)
    data["lines"][0]["polarity"] = True
    box = make(plan=data)
    find_kept(box, f"shown {NUMBER}")
    box.run(1)
    board, read = box.engine.boards[0], box.engine.boards[0].read

    def once():
        board.read = read
        tick = read()
        return replace(tick, events=(*tick.events, PolarityReversed(0, tick.clock, True)))

    board.read = once
    box.until(lambda: box.records(), 2)
    assert box.records()[0]["cue"] == "polarity"


def test_agents_of_the_engine_before_are_signed_in_again(make):
    box = make()
    back = [
        {"number": "1001", "phone": "801", "ready": True, "reason": ""},
        {"number": "1002", "phone": "802", "ready": False, "reason": ""},
    ]
    box.engine.command({"cmd": "agents", "agents": back})
    box.run(0.1)
    states = {one["number"]: (one["state"], one["phone"]) for one in box.engine.snapshot()["agents"]}
    assert states["1001"] == ("ready", "801")
    assert states["1002"] == ("not_ready", "802")


class Store:
    """In place of systemd's store: how it was told of the end."""

    def __init__(self):
        self.failing = None
        self.ticks = 0

    def tick(self):
        self.ticks += 1

    def close(self, failing):
        self.failing = failing


@pytest.mark.parametrize(("asked", "failing"), [("SIGTERM", False), ("", True)])
def test_an_engine_that_nobody_asked_to_end_leaves_its_lines(tmp_path, monkeypatch, asked, failing):
    store = Store()
    monkeypatch.setattr(process, "SystemdKeeper", lambda: store)
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    home = process.Home(tmp_path / "data")
    one = Process(process.Settings(home, ("sim:lines=1,phones=1",)))
    one._stop = asked
    one.close()
    assert store.failing is failing


def test_the_store_has_its_tick(tmp_path, monkeypatch):
    """What it could not tell, and what nobody takes, depends on that."""
    store = Store()
    monkeypatch.setattr(process, "SystemdKeeper", lambda: store)
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    one = Process(process.Settings(process.Home(tmp_path / "data"), ("sim:lines=1,phones=1",)))
    tick = one.engine.run_tick

    def three_ticks():
        tick()
        one._stop = "SIGTERM" if one.engine.stopwatch.ticks >= 3 else ""

    one.engine.run_tick = three_ticks
    assert one.run() == 0
    assert store.ticks == 3


def test_only_cards_that_can_do_so_are_given_the_store(monkeypatch):
    opened = []
    monkeypatch.setattr(process, "open_board", lambda address, **options: opened.append((address, options)))
    store = Store()
    open_ = process.opener(store)
    open_("dahdi:1")
    open_("sim:", pace="wall")
    process.opener(None)("dahdi:1")
    assert opened == [("dahdi:1", {"keeper": store}), ("sim:", {"pace": "wall"}), ("dahdi:1", {})]
