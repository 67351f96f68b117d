"""The clock: never before the last known time, set by hand only when nothing else sets it."""

import pytest

from image.box import boot_settings, clock, files
from image.box.problem import Problem
from image.box.system.timekeeper import TimeKeeper

NOT_SYNCED = "7F7F0101,,10,1763100000.0,0,0,0,0,0,0,1,1,64,Not synchronised\n"
SYNCED = "CB00710A,203.0.113.10,3,1763100000.0,0.0001,0,0,0,0,0,0.02,0.01,64.2,Normal\n"
NOW = 1_795_000_000.0


@pytest.fixture
def rtc(places):
    """The battery clock."""
    file = places.root / "sys/class/rtc/rtc0/since_epoch"
    file.parent.mkdir(parents=True)
    return file


@pytest.fixture
def at(monkeypatch, rtc):
    """Set the wall clock, and the battery's where that one says something else."""

    def to(unix_s, battery=None):
        monkeypatch.setattr(clock.time, "time", lambda: unix_s)
        rtc.write_text(f"{unix_s if battery is None else battery:.0f}\n")

    to(NOW)
    return to


def boot(places):
    """What zongji-disk and zongji-network-apply do."""
    clock.at_boot(places)
    boot_settings.run(places)


@pytest.fixture
def keeper(places, programs, at):
    programs.says("chronyc", NOT_SYNCED)
    return TimeKeeper(places)


@pytest.mark.parametrize("wrong", [0.0, 86400.0 * 365, NOW - 1])
def test_a_clock_that_lost_its_battery_is_named_and_goes_on_from_the_last_known_time(
    places, programs, at, wrong
):
    clock.save(places, True)
    at(wrong)
    boot(places)
    assert files.read_json(places.run / "clock.json") == {"unset": True, "set_back_to": NOW}
    assert "clock_unset" in files.read_json(places.run / "boot-states.json")["states"]
    programs.says("chronyc", NOT_SYNCED)
    assert TimeKeeper(places).state()["unset"]
    programs.says("chronyc", SYNCED)
    assert not TimeKeeper(places).state()["unset"]


def test_a_new_box_whose_battery_clock_was_never_set_is_not_believed_because_systemd_has_moved_its_clock(
    places, programs, at, rtc
):
    at(clock.EARLIEST_S + 1e7, battery=0)
    boot(places)
    assert clock.unset(places, synced=False)
    rtc.unlink()
    boot(places)
    assert clock.unset(places, synced=False), "without a battery clock nobody knows the time"
    rtc.write_text(f"{clock.EARLIEST_S + 1e7:.0f}\n")
    boot(places)
    assert not clock.unset(places, synced=False)


def test_a_clock_that_is_right_is_left_alone(places, programs, at):
    clock.save(places, True)
    at(NOW + 5)
    boot(places)
    assert files.read_json(places.run / "boot-states.json") == {"states": []}


def test_a_bound_that_was_wrong_goes_down_by_a_time_server_only(places, at):
    at(NOW + 1e8)
    clock.save(places, False)
    at(NOW)
    clock.save(places, False)
    assert clock.last_known(places) == NOW + 1e8
    clock.save(places, True)
    assert clock.last_known(places) == NOW


@pytest.mark.parametrize("text", ["{", '{"time": "x"}', '{"time": 1e99}', "[]"])
def test_a_damaged_bound_is_no_obstacle(places, programs, at, text):
    (places.system / "clock.json").write_text(text)
    boot(places)
    assert clock.last_known(places) == clock.EARLIEST_S


def test_setting_the_time_by_hand(keeper, places, at):
    files.write_json(places.run / "clock.json", {"unset": True, "set_back_to": 1})
    assert not keeper.set({"time": NOW})["unset"]
    for wrong in (0, -5, 5e9, "x", None, True):
        with pytest.raises(Problem):
            keeper.set({"time": wrong})


def test_a_clock_that_was_set_by_a_server_stays_set_when_the_server_is_gone(places, programs, at):
    files.write_json(places.run / "clock.json", {"unset": True, "set_back_to": 1})
    programs.says("chronyc", SYNCED)
    TimeKeeper(places).tick()
    programs.says("chronyc", NOT_SYNCED)
    assert not TimeKeeper(places).state()["unset"]


def test_the_time_is_not_set_against_a_server(places, programs, at):
    programs.says("chronyc", SYNCED)
    keeper = TimeKeeper(places)
    with pytest.raises(Problem) as told:
        keeper.set({"time": NOW})
    assert told.value.code == "clock_follows_network"
    keeper.set({"ntp": False, "time": NOW})


def test_a_new_zone_is_used_and_its_readers_are_started_anew(keeper, places, programs):
    state = keeper.set({"zone": "Europe/Berlin"})
    assert state["zone"] == "Europe/Berlin"
    assert (places.run / "localtime").readlink().as_posix() == "/usr/share/zoneinfo/Europe/Berlin"
    assert "systemctl restart --no-block zongji-control.service zongji-web.service" in programs.calls
    boot(places)
    assert (places.run / "localtime").readlink().name == "Berlin"


def test_servers_are_written_for_chrony(keeper, places, programs):
    keeper.set({"servers": ["ntp.example.cn", "192.168.7.1"]})
    text = (places.run / "chrony" / "zongji.sources").read_text()
    assert text == "server ntp.example.cn iburst\nserver 192.168.7.1 iburst\n"
    keeper.set({"ntp": False})
    assert "server " not in (places.run / "chrony" / "zongji.sources").read_text()
    assert programs.calls.count("systemctl restart chrony.service") == 2


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"zone": "Mars/Base"}, "bad_zone"),
        ({"zone": "../../../etc/passwd"}, "bad_zone"),
        ({"zone": "/etc/passwd"}, "bad_zone"),
        ({"zone": 5}, "bad_zone"),
        ({"ntp": "yes"}, "bad_ntp"),
        ({"servers": ["a b"]}, "bad_server"),
        ({"servers": ["x\nallow all"]}, "bad_server"),
        ({"servers": ["a.example"] * 5}, "too_many_servers"),
        ({"servers": "a.example"}, "too_many_servers"),
    ],
)
def test_mistakes_are_named_and_change_nothing(keeper, places, given, code):
    with pytest.raises(Problem) as told:
        keeper.set(given)
    assert told.value.code == code
    assert not places.clock_settings.exists()


def test_the_list_of_zones(keeper):
    assert keeper.get({})["zones"] == ["Arctic/Longyearbyen", "Asia/Shanghai", "Europe/Berlin"]
