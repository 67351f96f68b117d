"""Every health check: silent on a healthy box, and says what happened when it is not."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from appliance.services import backup, backup_key, checks, repairs, restore
from appliance.services.backup_errors import BackupError
from appliance.services.checks.model import Facts
from appliance.services.repairs.model import NOTHING, REOPEN, REPUBLISH, Tools
from appliance.store import open_store

from .conftest import NOW, record

GOOD = {"name": "a.zjb", "made_at": NOW - 3600.0, "verified_at": NOW - 3600.0, "problem": ""}
HEALTHY = Facts(
    now=NOW,
    plan={"problems": [], "compiled_at": NOW - 100},
    disk={"level": "ok", "used_percent": 12.0, "free_bytes": 10**11},
    engine={"up": True, "problem": "", "since": NOW - 1000},
    engine_health={
        "lately": {"ticks": 30_000, "late": 3, "latest_ms": 4.0},
        "recording_ok": True,
        "hardware": [],
    },
    lines=({"id": "L1", "state": "idle", "since": NOW}, {"id": "L2", "state": "talking", "since": NOW}),
    records={"waiting": 1, "problem": "", "refused": {}},
    backups=(GOOD,),
    system={
        "boot_state": "ok",
        "states": [],
        "ssh": {"open": False},
        "time": {"unset": False},
        "update": {"state": "done", "problem": None},
        "fell_back": None,
        "watchdog": "iTCO_wdt",
    },
    certificate_end=NOW + 400 * 86400,
    smart={"disks": [{"model": "X", "passed": True}]},
    started_at=NOW - 1000,
)
SICK = {
    "database": ({"database_problem": "the database is damaged"}, "is damaged", "restore_newest"),
    "database_fallback": ({"fallback": {"carried": 4, "since": NOW - 50}}, "4 calls were carried over", ""),
    "database_returned": (
        {
            "returned": {
                "merged_calls": 2,
                "merged_customers": 1,
                "differences": ["settings company"],
                "refused": [],
                "merged_at": NOW,
            }
        },
        "settings company",
        "dismiss_returned",
    ),
    "plan": ({"plan": {"problems": ["no line"], "compiled_at": None}}, "no line", "republish_plan"),
    "engine": ({"engine": {"up": False, "problem": "gone", "since": NOW - 99}}, "gone", ""),
    "disk": (
        {"disk": {"level": "alarm", "used_percent": 91.4, "free_bytes": 2_300_000_000}},
        "91 % full, 2.3 GB",
        "free_recordings",
    ),
    "disk_small": ({"system": {"states": ["disk_small"]}}, "less than the 4 GB", ""),
    "watchdog": ({"system": {"watchdog": ""}}, "no hardware watchdog", ""),
    "recording": ({"engine_health": {"recording_ok": False}}, "without being recorded", "free_recordings"),
    "spool": ({"records": {"waiting": 40, "problem": "locked"}}, "40 call records wait", ""),
    "records_refused": ({"records": {"refused": {"c9": "no direction"}}}, "c9", ""),
    "retention": ({"retention_problems": ("x.wav cannot be deleted",)}, "x.wav", ""),
    "backup_none": ({"backups": ()}, "no backup", "make_backup"),
    "backup_old": ({"backups": (GOOD | {"made_at": NOW - 3 * 86400.0},)}, "3 days old", "make_backup"),
    "backup_failed": ({"backup_problem": {"code": "no_space", "text": "no room"}}, "no room", "make_backup"),
    "backup_share": (
        {
            "share_problem": {
                "code": "share_wrong_password",
                "text": "user name or password is wrong",
                "detail": "STATUS_LOGON_FAILURE",
                "since": NOW - 99,
            }
        },
        "password is wrong",
        "",
    ),
    "backup_unverified": (
        {"backups": (GOOD, GOOD | {"name": "b.zjb", "verified_at": 0.0})},
        "b.zjb",
        "verify_backups",
    ),
    "backup_key": ({"key_on_paper": False}, "has not been printed", ""),
    "restore": ({"restore": {"step": "ready", "source": "a.zjb"}}, "ready to be restored", ""),
    "card_missing": ({"engine_health": {"lost_cards": ["dahdi/1"]}}, "dahdi/1", ""),
    "card_problem": (
        {"engine_health": {"hardware": [{"state": "problem", "model": "TDM400P", "problem": "no driver"}]}},
        "TDM400P: no driver",
        "",
    ),
    "lines_quarantined": ({"lines": ({"id": "L3", "state": "quarantined", "since": NOW - 9},)}, "L3", ""),
    "lines_fault": ({"lines": ({"id": "L4", "state": "fault", "since": NOW - 9},)}, "L4", ""),
    "late_ticks": (
        {"engine_health": {"lately": {"ticks": 10_000, "late": 55, "latest_ms": 31.2}}},
        "0.6 % of the 20 ms steps came late, the worst by 31 ms",
        "",
    ),
    "clock": ({"system": {"time": {"unset": True}}}, "has not been set", ""),
    "fell_back": (
        {"system": {"fell_back": {"version": "0.2.0", "reason": "the engine did not start", "at": NOW}}},
        "Version 0.2.0 did not become healthy, so the box went back to the one before: the engine did not",
        "dismiss_fall_back",
    ),
    "update_failed": (
        {"system": {"update": {"state": "failed", "problem": {"code": "x", "message": "wrong signature"}}}},
        "wrong signature",
        "",
    ),
    "data_memory": (
        {"system": {"states": ["data_unreadable"]}},
        "The data partition cannot be read: calls go on",
        "",
    ),
    "system_daemon": ({"system_problem": "connection refused"}, "connection refused", ""),
    "messages_refused": ({"messages": {"refused": {"in-1": "no number"}}}, "1 short messages", ""),
    "messages_waiting": ({"messages": {"waiting": 3, "problem": "full"}}, "3 short messages wait", ""),
    "config_restored": ({"system": {"states": ["config_restored"]}}, "put back from its copy", ""),
    "recovery_failed": (
        {"system": {"states": ["recovery_failed"]}},
        "did not come up",
        "forget_recovery",
    ),
    "boot_state": ({"system": {"boot_state": "lost"}}, "2 of the two copies", ""),
    "ssh": (
        {"system": {"ssh": {"open": True, "left_s": 5400, "by": "admin"}}},
        "1.5 more hours",
        "close_ssh",
    ),
    "certificate": ({"certificate_end": NOW + 9.5 * 86400}, "ends in 9 days", "renew_certificate"),
    "smart": (
        {"smart": {"disks": [{"model": "SSD 128", "passed": False, "reason": "wear 100 %"}]}},
        "SSD 128 wear 100 %",
        "make_backup",
    ),
}


@pytest.mark.parametrize(
    ("states", "said"),
    [
        ("data_missing", "The data partition"),
        ("config_memory", "cannot be used; their copy serves"),
        ("config_defaults", "nor is there a copy that can"),
        ("config_readonly", "takes no changes"),
        ("recovery_unfinished", "half done"),
        ("boot_state_unreadable", "The boot state cannot be read"),
    ],
)
def test_partitions_that_are_not_there_are_told(states, said):
    found = checks.run(replace(HEALTHY, system={"states": [states]}))
    assert len(found) == 1 and said in found[0]["text"]


def test_another_version_after_the_boot_state_was_lost_is_no_version_that_failed():
    told = {"version": "0.2.0", "reason": "boot_state_lost", "at": NOW}
    (found,) = checks.run(replace(HEALTHY, system={"fell_back": told}))
    assert (found["severity"], found["repair"]) == ("warning", "dismiss_fall_back")
    assert "is not the one that runs" in found["text"]


def test_an_update_whose_note_is_damaged_is_not_told_as_one_that_was_not_installed():
    told = {"state": "failed", "problem": {"code": "fault_unreadable", "message": "torn"}}
    (found,) = checks.run(replace(HEALTHY, system={"update": told}))
    assert (found["id"], found["severity"]) == ("update_failed", "warning")
    assert "is not known" in found["text"] and "not installed" not in found["text"] + found["advice"]


def test_a_missing_watchdog_is_a_hint_on_the_flashed_box_and_nothing_elsewhere():
    (found,) = checks.run(replace(HEALTHY, system=HEALTHY.system | {"watchdog": ""}))
    assert (found["id"], found["severity"]) == ("watchdog", "info")
    assert checks.run(replace(HEALTHY, system={})) == []


def test_a_disk_that_takes_nothing_is_told():
    found = checks.run(replace(HEALTHY, disk={"level": "read_only"}))
    assert [(one["id"], one["severity"]) for one in found] == [("disk", "error")]
    assert "takes nothing any more" in found[0]["text"]


def test_backups_of_a_clock_that_was_ahead_hide_no_old_one_and_are_told_where_there_is_no_other():
    ahead = GOOD | {"made_at": NOW + 900 * 86400.0}
    (found,) = checks.run(replace(HEALTHY, backups=(GOOD | {"made_at": NOW - 3 * 86400.0}, ahead)))
    assert (found["id"], found["params"]) == ("backup_old", {"days": 3})
    assert checks.run(replace(HEALTHY, backups=(GOOD, ahead))) == []
    (found,) = checks.run(replace(HEALTHY, backups=(ahead,)))
    assert found["id"] == "backup_old" and "while the clock was ahead" in found["text"]


def test_a_healthy_box_has_no_finding():
    assert checks.run(HEALTHY) == []


def test_every_check_is_tested():
    assert set(SICK) == set(checks.NAMES)


@pytest.mark.parametrize("name", checks.NAMES)
def test_a_check_finds_what_it_is_for_and_nothing_else(name):
    change, said, repair = SICK[name]
    for key, value in change.items():
        if isinstance(value, dict) and isinstance(getattr(HEALTHY, key), dict):
            change = change | {key: getattr(HEALTHY, key) | value}
    found = checks.run(replace(HEALTHY, **change))
    assert [one["id"] for one in found] == [name]
    assert said in found[0]["text"] % found[0]["params"]
    assert found[0]["advice"] % found[0]["params"]
    assert found[0]["repair"] == repair
    assert not repair or repair in repairs.NAMES


def test_the_worst_comes_first():
    changes = {}
    for name in ("ssh", "database_returned", "database", "backup_none", "engine"):
        changes |= SICK[name][0]
    found = checks.run(replace(HEALTHY, **changes))
    assert [one["severity"] for one in found] == ["error", "error", "warning", "warning", "info"]


def test_a_check_that_fails_is_named_and_hides_no_other():
    found = checks.run(replace(HEALTHY, lines=None, backups=()))
    assert {"check_failed", "backup_none"} <= {one["id"] for one in found}
    assert found[0]["text"] % found[0]["params"]


def test_a_clock_at_1970_makes_no_false_alarms_but_its_own():
    assert {one["id"] for one in checks.run(replace(HEALTHY, now=500.0, started_at=0.0))} == {"clock"}


def test_an_engine_that_is_just_starting_is_no_alarm():
    down = {"up": False, "problem": "not connected yet", "since": NOW}
    assert checks.run(replace(HEALTHY, engine=down, started_at=NOW - 5)) == []


# -------------------------------------------------------------------------- repairs
@pytest.fixture
def tools(home, key):
    store = open_store(home.database)
    asked = []
    made = Tools(home, store, NOW, "0.1.0", "box", lambda method, params: asked.append(method), backup.quiet)
    yield SimpleNamespace(tools=made, asked=asked, store=store, without_store=replace(made, store=None))
    store.close()


def test_every_repair_says_what_control_does_next(tools):
    expected = dict.fromkeys(repairs.NAMES, NOTHING) | {"republish_plan": REPUBLISH}
    for name in set(repairs.NAMES) - {"restore_newest", "free_recordings"}:
        assert repairs.run(name, tools.tools) == expected[name]
    assert sorted(tools.asked) == [
        "certificate.renew",
        "recovery.forget",
        "ssh.disable",
        "update.acknowledge",
    ]


def test_the_newest_good_backup_is_restored_and_a_damaged_one_passed_over(tools, home, make):
    good = make(now=NOW - 100)
    bad = make(now=NOW - 50)
    content = bytearray(bad.path.read_bytes())
    content[-50] ^= 1
    bad.path.write_bytes(content)
    with pytest.raises(BackupError):
        repairs.run("restore_newest", tools.tools)
    assert repairs.run("restore_newest", tools.without_store) == REOPEN
    assert restore.state_of(home).source == good.path.name


def test_a_restore_that_has_begun_does_not_say_that_nothing_has_been_replaced():
    texts = {}
    for step in ("unpacking", "ready", "swapping", "done"):
        (found,) = checks.run(replace(HEALTHY, restore={"step": step, "source": "a.zjb"}))
        texts[step] = found["text"]
    assert "nothing has been replaced" in texts["ready"] and "nothing" not in texts["swapping"]


def test_a_backup_of_a_clock_that_was_ahead_is_restored_only_where_there_is_no_other(tools, home, make):
    ahead, good = make(now=NOW + 900 * 86400), make(now=NOW - 50)
    repairs.run("restore_newest", tools.without_store)
    assert restore.state_of(home).source == good.path.name
    backup.delete(good.path)
    repairs.run("restore_newest", tools.without_store)
    assert restore.state_of(home).source == ahead.path.name


def test_without_any_backup_the_restore_says_where_one_may_be(tools):
    with pytest.raises(BackupError, match="use one from a USB stick"):
        repairs.run("restore_newest", tools.without_store)


def test_recordings_are_removed_oldest_first_until_the_disk_is_well(tools, home, monkeypatch):
    starred, old, young = (f"r{n}" for n in range(3))
    for n, call in enumerate((starred, old, young)):
        path = home.recordings / f"{call}.wav"
        path.write_bytes(bytes(1000))
        tools.store.calls.save(record(call, recording=f"{call}.wav", started_at=NOW - 1000 + n))
    tools.store.calls.star(starred, True)
    for call in ("c1", "c2"):
        tools.store.calls.recording_gone(call)
        (home.recordings / f"2027/01/15/{call}.wav").unlink()
    from appliance.services import disk

    monkeypatch.setattr(
        "appliance.services.repairs.free_recordings.disk.measure",
        lambda *args: disk.judge(8100, 1900, *args[1:]),
    )
    repairs.run("free_recordings", tools.tools)
    assert not (home.recordings / "r1.wav").exists()
    assert (home.recordings / "r0.wav").exists() and (home.recordings / "r2.wav").exists()


def test_verifying_notes_what_is_bad(tools, home, make):
    path = make().path
    content = bytearray(path.read_bytes())
    content[-50] ^= 1
    path.write_bytes(content)
    repairs.run("verify_backups", tools.tools)
    assert backup.look(path).problem and not backup.look(path).verified_at


def test_making_one_by_the_button(tools, home):
    repairs.run("make_backup", tools.tools)
    (made,) = backup.catalogue(home.backups, NOW)
    backup.verify(made.path, backup_key.load(home))
