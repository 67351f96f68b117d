"""Retention, the disk guard, the schedule."""

import json

import pytest
from control_bench import record, record_event

from appliance.control.schedule import Schedule
from appliance.services import disk, retention

DAY_S = 86400.0
NOW = 100 * DAY_S


@pytest.fixture(autouse=True)
def clock_goes_on(home):
    """The clock has gone on without a jump until NOW."""
    home.clock.write_text(json.dumps({"since": 0, "last": 100}))


@pytest.fixture
def add(store, home):
    """Adds a call with a recording of `size` bytes that is `days` old."""

    def add(call, days, size=1000, starred=False, recording=None):
        name = recording or f"2026/11/{call}.wav"
        path = home.recordings / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * size)
        store.calls.save(record(call, recording=name, started_at=NOW - days * DAY_S))
        store.calls.star(call, starred)
        return path

    return add


def left(store):
    return {row["id"] for row in store.calls.search(with_recording=True)[0]}


def test_old_recordings_go_and_starred_ones_stay(store, home, add):
    old, starred, young = add("old", 31), add("starred", 99, starred=True), add("young", 29)
    done = retention.sweep(store, home, NOW, keep_days=30, quota_bytes=0)
    assert (done.deleted, done.freed_bytes, done.kept_bytes) == (1, 1000, 2000)
    assert [path.exists() for path in (old, starred, young)] == [False, True, True]
    assert left(store) == {"starred", "young"}
    assert store.calls.get("old")["talk_s"] == 60.0, "the record stays"


def test_nothing_goes_by_age_when_days_are_zero(store, home, add):
    add("old", 4000)
    assert retention.sweep(store, home, NOW, 0, 0).deleted == 0


def test_beyond_the_quota_the_oldest_go_first(store, home, add):
    for days in range(1, 7):
        add(f"c{days}", days, size=100)
    add("s", 50, size=100, starred=True)
    done = retention.sweep(store, home, NOW, 0, quota_bytes=350)
    assert left(store) == {"s", "c1", "c2"}
    assert done.kept_bytes == 300


def test_a_quota_that_the_starred_ones_fill_alone_ends(store, home, add):
    add("s", 5, size=1000, starred=True)
    add("c", 1, size=10)
    retention.sweep(store, home, NOW, 0, quota_bytes=500)
    assert left(store) == {"s"}


def test_a_clock_that_jumps_ahead_deletes_no_recording_by_age(store, home, add):
    add("c", 10)
    for look in range(14 * 24):  # wrong for two weeks, noticed, put right
        assert retention.sweep(store, home, NOW + 3000 * DAY_S + look * 3600, 30, 0).deleted == 0
    for day in range(14, 20):
        assert retention.sweep(store, home, NOW + day * DAY_S, 30, 0).deleted == 0
    assert left(store) == {"c"}
    add("d", 1)
    assert retention.sweep(store, home, NOW + 3000 * DAY_S, 30, quota_bytes=1500).deleted == 1
    assert left(store) == {"d"}, "the disk must not run full meanwhile"


@pytest.mark.parametrize("before", [None, "{", '{"since": 0, "last": 0}', '{"since": 200, "last": 200}'])
def test_a_start_with_a_clock_far_from_the_last_one_deletes_nothing_until_it_has_gone_on(
    store, home, add, before
):
    """A box that was switched off for long and one whose clock is wrong cannot be told apart."""
    add("c", 10)
    home.clock.unlink()
    if before:
        home.clock.write_text(before)
    days = [retention.sweep(store, home, NOW + day * DAY_S, 5, 0).deleted for day in range(7)]
    assert days == [0, 0, 0, 0, 0, 0, 1]
    add("e", 99)
    assert retention.sweep(store, home, NOW + 13 * DAY_S, 5, 0).deleted == 1, "a holiday is no jump"


def test_a_clock_set_back_a_little_at_midnight_is_no_jump(store, home, add):
    add("c", 40)
    retention.sweep(store, home, NOW + DAY_S, 0, 0)
    assert retention.sweep(store, home, NOW + DAY_S - 60, 30, 0).deleted == 1


def test_what_is_known_of_the_clock_cannot_be_written_and_the_sweep_goes_on(store, home, add):
    add("c", 40)
    home.clock.with_suffix(".part").mkdir()
    assert retention.sweep(store, home, NOW + 3000 * DAY_S, 30, 0).deleted == 0
    assert retention.sweep(store, home, NOW + 3001 * DAY_S, 30, 500).deleted == 1


def test_a_missing_file_is_taken_off_the_record(store, home, add):
    add("old", 31).unlink()
    assert retention.sweep(store, home, NOW, 30, 0).deleted == 1
    assert left(store) == set()


def test_a_record_that_points_elsewhere_deletes_nothing_there(store, home, tmp_path):
    victim = tmp_path / "victim.wav"
    victim.write_bytes(b"mine")
    for call, name in (("a", str(victim)), ("b", "../../victim.wav"), ("c", "recordings/../../victim.wav")):
        store.calls.save(record(call, recording=name, started_at=0.0))
    done = retention.sweep(store, home, NOW, 1, 0)
    assert victim.exists()
    assert done.deleted == 0 and len(done.problems) == 3


def test_a_recording_is_found_however_the_record_names_it(home):
    path = home.recordings / "2026" / "x.wav"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"")
    for name in ("2026/x.wav", "recordings/2026/x.wav", str(path)):
        assert retention.locate(home, name) == path.resolve()


def test_control_sweeps_by_itself(desk, store, home, add):
    desk.control._wall_clock = lambda: NOW
    path = add("old", 91)
    desk.pass_time(61)
    assert not path.exists()
    desk.hear(record_event("c1"))
    assert desk.acks == ["c1"]


@pytest.mark.parametrize(
    ("used", "free", "level"),
    [
        (79, 21, "ok"),
        (80, 20, "warn"),
        (89, 11, "warn"),
        (90, 10, "alarm"),
        (100, 0, "alarm"),
        (0, 0, "alarm"),
    ],
)
def test_the_disk_is_judged_by_what_may_be_filled(used, free, level):
    state = disk.judge(used * 10**9, free * 10**9, 80, 90)
    assert state.level == level
    assert bool(state.problem) is (level != "ok")


def test_a_disk_that_cannot_be_measured_is_unknown_never_good(tmp_path):
    state = disk.measure(tmp_path / "nowhere", 80, 90)
    assert state.level == "unknown" and "cannot be measured" in state.problem


def test_a_full_disk_is_told_once(desk, monkeypatch):
    def full(folder, warn, alarm):
        return disk.judge(95, 5, warn, alarm)

    monkeypatch.setattr(disk, "measure", full)
    desk.pass_time(100)
    [notice] = desk.topics("notice")
    assert (notice["level"], notice["code"]) == ("error", "disk_alarm")
    assert desk.topics("status")[-1]["disk"]["level"] == "alarm"


def test_a_job_runs_when_due_and_never_twice_at_a_time():
    schedule = Schedule()
    schedule.add("a", every_s=10.0, first_s=5.0, run=lambda: None)
    assert schedule.start_due(4.9) == []
    assert schedule.due() == 5.0
    assert [name for name, _ in schedule.start_due(5.0)] == ["a"]
    assert schedule.start_due(50.0) == [] and schedule.due() is None
    schedule.finished("a", 50.0)
    assert schedule.due() == 60.0
