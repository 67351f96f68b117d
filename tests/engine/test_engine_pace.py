"""Which ticks are late, what is said about them, and what is left out when behind."""

import gc
import logging
import os
import threading

import pytest
from engine_box import Box

from appliance.engine import pace
from appliance.engine.engine import LIVE_BEHIND_S


class Clock:
    def __init__(self):
        self.now_s = 100.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(pace.time, "perf_counter", clock)
    return clock


def tick(watch, clock, n, begins_s, hear_s=0.001, waited_s=0.0):
    """Tick `n` whose block is read `begins_s` after its beat."""
    clock.now_s = 100.0 + n * 0.02 + begins_s
    watch.start(n * 160, waited_s)
    watch.mark("hear")
    clock.now_s += hear_s
    watch.mark("mix")
    watch.stop()


def started(clock):
    watch = pace.Stopwatch()
    watch.beats = True
    tick(watch, clock, 0, 0.0)
    return watch


def test_ticks_that_end_before_the_next_beat_are_on_time(clock):
    watch = started(clock)
    for n in range(1, 100):
        tick(watch, clock, n, 0.004, 0.015)
    assert watch.report()["late"] == 0
    assert watch.report()["p50_ms"] == pytest.approx(15.0)


def test_a_late_tick_is_counted_and_its_story_told(clock, caplog):
    watch = started(clock)
    with caplog.at_level(logging.WARNING):
        tick(watch, clock, 1, 0.005, 0.030)
    report = watch.report()
    assert report["late"] == 1
    assert report["latest_ms"] == pytest.approx(15.0, abs=0.1)
    assert "hear 30.0 ms" in caplog.text and "5.0 ms after its beat" in caplog.text


def test_a_machine_in_trouble_does_not_flood_the_log(clock, caplog):
    watch = started(clock)
    with caplog.at_level(logging.WARNING):
        ticks = round(2.5 * pace.TELL_EVERY_S / pace.TICK_S)
        for n in range(1, ticks + 1):
            tick(watch, clock, n, 0.030)
    assert watch.late == ticks
    assert len(caplog.records) == 3, "at once, and again each time the interval is over"


def test_a_card_that_runs_a_little_slow_has_no_late_ticks(clock):
    watch = started(clock)
    for n in range(1, 20_000):
        tick(watch, clock, n, n * 0.02 * 100e-6)
    assert watch.late == 0


def test_echo_goes_first_when_the_engine_is_behind(clock):
    watch = started(clock)
    clock.now_s = 100.0 + 0.02 + 0.05
    watch.start(160)
    assert watch.shed_now() and watch.shed == 1
    clock.now_s = 100.0 + 0.04
    watch.start(320)
    assert not watch.shed_now() and watch.shed == 1


def test_on_the_virtual_clock_nothing_is_late(clock):
    watch = pace.Stopwatch()
    for n in range(10):
        tick(watch, clock, n, n * 1.0, 0.5)
    assert watch.report()["late"] == 0 and not watch.behind


def test_rubbish_is_collected_when_idle_only(monkeypatch):
    moments = iter([0.0, 31.0, 31.0, 32.0])
    monkeypatch.setattr(pace.time, "monotonic", lambda: next(moments))
    rubbish = pace.Rubbish()
    try:
        collected = []
        monkeypatch.setattr(pace.gc, "collect", lambda *args: collected.append(args))
        assert not gc.isenabled()
        rubbish.tick_done(idle=False, left_s=0.015)
        assert collected == []
        rubbish.tick_done(idle=True, left_s=0.015)
        assert collected == [()]
        rubbish.tick_done(idle=True, left_s=0.001)
        assert collected == [()]
    finally:
        rubbish.close()
    assert gc.isenabled()


def test_real_time_that_is_not_permitted_says_what_to_do(monkeypatch):
    def refuse(*args):
        raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    assert "start as root" in pace.RealTime().begin()


def test_the_tick_goes_first_and_threads_that_begin_later_behind_it(monkeypatch, tmp_path):
    levels, ended = {}, set()

    def schedule(task, policy, param):
        if task in ended:
            raise ProcessLookupError
        assert policy == os.SCHED_FIFO
        levels[task] = param.sched_priority

    monkeypatch.setattr(os, "sched_setscheduler", schedule)
    own = threading.get_native_id()
    monkeypatch.setattr(pace, "TASKS", tmp_path)
    for task in (own, 7, 8):
        (tmp_path / str(task)).mkdir()
    realtime = pace.RealTime()
    realtime.look()
    assert levels == {}, "nobody has asked for it"
    ended.add(7)  # between the listing and now
    assert realtime.begin() == ""
    assert levels == {own: 50, 8: 40}
    levels.clear()
    realtime.look()
    assert levels == {}
    (tmp_path / "9").mkdir()
    realtime.look()
    assert levels == {9: 40}
    (tmp_path / "9").rmdir()
    realtime.look()
    levels.clear()
    (tmp_path / "9").mkdir()  # the number is given to another thread
    realtime.look()
    assert levels == {9: 40}


def test_an_engine_whose_card_has_dropped_sound_is_not_behind_for_ever(clock):
    watch = started(clock)
    tick(watch, clock, 1, 2.0)
    assert watch.behind, "two seconds of sound are still to be worked off"
    watch.skip(100 * 160)
    for n in range(2, 50):
        tick(watch, clock, n, 2.0)
        assert not watch.behind
    assert watch.report()["dropped"] == 100 and watch.late == 1 and watch.shed == 0


def test_time_that_no_card_can_have_kept_is_given_up(clock):
    watch = started(clock)
    for n in range(1, 50):
        tick(watch, clock, n, 60.0)
        assert not watch.behind
    assert watch.report()["dropped"] == 3000 and watch.late == 0


def test_late_ticks_of_long_ago_are_not_among_those_of_lately(clock, monkeypatch):
    monkeypatch.setattr(pace, "STRETCH_TICKS", 50)
    watch = started(clock)
    tick(watch, clock, 1, 0.5)
    tick(watch, clock, 2, 0.5)
    late = watch.late
    assert late > 0 and watch.report()["lately"]["late"] == late
    assert watch.report()["lately"]["latest_ms"] == watch.report()["latest_ms"] > 0
    for n in range(3, 120):
        tick(watch, clock, n, 0.0)
    lately = watch.report()["lately"]
    assert (lately["late"], lately["latest_ms"]) == (0, 0.0) and 50 <= lately["ticks"] <= 100
    assert watch.report()["late"] == late


def test_a_block_that_was_waited_for_shows_that_nothing_is_left_to_work_off(clock):
    """A card may lose sound without a word: the engine must not think itself behind for ever."""
    watch = started(clock)
    for n in range(1, 20):
        tick(watch, clock, n, 2.0)
        assert watch.behind, "blocks lie ready: they are to be worked off"
    tick(watch, clock, 20, 2.0, waited_s=0.01)
    assert watch.dropped == 100
    for n in range(21, 50):
        tick(watch, clock, n, 2.0)
        assert not watch.behind


def test_the_live_state_is_told_by_an_engine_that_stays_behind_too(tmp_path, monkeypatch):
    box = Box(tmp_path)
    try:
        box.run(1.0)
        told = len(box.of("live"))
        monkeypatch.setattr(pace.Stopwatch, "behind", property(lambda watch: True))
        box.phone("801").lift()
        box.run(LIVE_BEHIND_S / 2)
        assert len(box.of("live")) == told, "what can wait waits"
        box.until(lambda: len(box.of("live")) > told, LIVE_BEHIND_S)
        assert box.of("live")[-1]["phones"][0]["state"] == "dialling"
    finally:
        box.close()
